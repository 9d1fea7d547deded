//! What one sweep is asked to do.

use jiff::Timestamp;

/// A request to evaluate every security group of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRequest {
    /// The id of the sweep, the same when it is retried.
    pub id: String,
    /// The account to sweep.
    pub account: Option<String>,
    /// The region to sweep.
    pub region: Option<String>,
    /// The page token at which an unfinished sweep continues; `None` starts with the first page.
    pub token: Option<String>,
    /// When to stop. No group is started after it.
    pub deadline: Timestamp,
}
