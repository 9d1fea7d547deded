//! What was found and done: the facts, before anything is worded.
//!
//! The outcome of each security group rule is decided once, where it happens, and carried in a
//! [`RuleOutcome`]. E-mail, chat, JSON, metrics and log lines read it and derive nothing.

mod group_outcome;
mod group_report;
pub mod json;
mod planned;
mod rule_outcome;
#[cfg(test)]
pub(crate) mod samples;
mod sweep_error;
mod sweep_report;
#[cfg(test)]
pub(crate) mod sweep_samples;
mod undo;

pub use group_outcome::GroupOutcome;
pub use group_report::GroupReport;
pub(crate) use rule_outcome::sort_by_attention;
pub use rule_outcome::{FailedAddition, RuleOutcome, RuleStatus, Withdrawal};
pub use sweep_error::SweepError;
pub use sweep_report::{GroupSummary, RuleCount, StopReason, SweepReport, Unfinished};
pub use undo::{IpPermission, authorize_command, revoke_command};
