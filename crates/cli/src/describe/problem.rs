//! Problems of an input: what could not be evaluated, and why.

use serde::Serialize;

/// A part of an input or of the live account that could not be evaluated. Nothing can be concluded
/// from its absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The group it belongs to, when known.
    pub group_id: Option<String>,
    /// The region, when known.
    pub region: Option<String>,
    /// The kind of problem.
    pub code: ProblemCode,
    /// Where it is: `SecurityGroups[3].IpPermissions[0].IpRanges[1].CidrIp`, after the name of the
    /// input if there are several inputs. `None` if it is not about a value of an input.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// The kinds of [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// A listing has more pages than the input.
    TruncatedListing,
    /// A group, or one of its rules, could not be read.
    GroupUnreadable,
    /// A prefix list, or one of its entries, could not be read.
    PrefixListUnreadable,
    /// The input has entries of a prefix list, but not the id of the list.
    PrefixListUnidentified,
    /// The entries of a prefix list are unknown, and they decide whether there is a finding.
    PrefixListUnresolved,
    /// The groups of a region could not be listed.
    RegionUnreadable,
    /// The ids and tags of rules could not be read.
    RuleIdsUnreadable,
}

impl Problem {
    /// A problem that is not about a certain group or place.
    pub(crate) fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self {
            group_id: None,
            region: None,
            code,
            path: None,
            message: message.into(),
        }
    }
}
