//! The JSON output, version 1: the report about a group (`schemas/report.v1.schema.json`), the
//! report about a sweep (`schemas/sweep.v1.schema.json`), and what a function returns.
//!
//! These types are separate from the domain types, so that each can change independently. Keys are
//! never absent: unknown values are null.

mod counts;
mod event;
mod finding;
mod report;
mod rule;
mod summary;
mod sweep;
#[cfg(test)]
mod tests;
mod text;

pub use counts::CountsV1;
pub use event::{ActorV1, EventV1, GroupV1};
pub use finding::{FindingV1, RuleFindingV1};
pub use report::{ReportV1, UndoV1, to_json, to_json_within};
pub use rule::{
    ErrorV1, FailedAdditionV1, ReplacementV1, RuleOutcomeV1, SecurityGroupRuleV1,
    SkippedAdditionV1, WithdrawalV1, order_name, protocol_numbers,
};
pub use summary::{GroupSummaryV1, SummaryV1};
pub use sweep::SweepV1;
pub use text::DisplayString;
pub(crate) use text::{escaped_len, serialize_json};
