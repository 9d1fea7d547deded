//! Reports: what was found and changed, independent of its presentation.
//!
//! The outcome of each security group rule is determined once, where it happens, and stored in a
//! [`RuleOutcome`]. E-mail, chat, JSON, metrics and log lines only read it.

mod group_outcome;
mod group_report;
pub mod json;
mod planned;
mod policy_identity;
mod rule_outcome;
#[cfg(test)]
pub(crate) mod samples;
mod sweep_error;
mod sweep_report;
#[cfg(test)]
pub(crate) mod sweep_samples;
mod undo;

pub use group_outcome::GroupOutcome;
pub use group_report::{DEFAULT_MIN_SEVERITY, GroupReport};
pub use policy_identity::PolicyIdentity;
pub(crate) use rule_outcome::sort_by_attention;
pub use rule_outcome::{FailedAddition, RuleOutcome, RuleStatus, Withdrawal};
pub use sweep_error::SweepError;
pub use sweep_report::{GroupSummary, RuleCount, StopReason, SweepReport, Unfinished};
pub use undo::{IpPermission, authorize_command, revoke_command, revoke_rules_command};
