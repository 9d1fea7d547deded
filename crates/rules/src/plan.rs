//! Planning: turns the findings of a group into removals, additions and refusals.

mod access;
mod builder;
mod candidates;
mod draft;
mod draft_rule;
mod families;
mod forbidden;
mod input;
mod list_weight;
mod priority;
mod quota;
mod reason;
mod replacement;
mod replacer;
mod skipped;
mod sort_key;
mod types;

pub(crate) use builder::build_plan;
pub use input::{Attachments, PlanInput, Quota};
pub use priority::sort_additions_by_priority;
pub use reason::{RefusalReason, SkipReason};
pub use types::{Addition, ApplyOrder, Plan, Purpose, Refusal, Removal, SkippedAddition};

#[cfg(test)]
mod tests;
