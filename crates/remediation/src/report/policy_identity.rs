//! Which policy made a decision.

use portcullis_rules::Policy;
use serde::Serialize;

/// The name, version and hash of a policy, so that a report can be traced to the text of the
/// policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PolicyIdentity {
    /// The name in the policy.
    pub name: String,
    /// The version of the Systems Manager parameter; `None` for other sources.
    pub version: Option<i64>,
    /// The SHA-256 hash of the text in hexadecimal, for a preset of its effective policy; `None` if
    /// the text is not known.
    pub hash: Option<String>,
}

impl PolicyIdentity {
    /// A policy whose text is not known.
    pub fn from_policy(policy: &Policy) -> Self {
        Self {
            name: policy.name.clone(),
            version: None,
            hash: None,
        }
    }
}
