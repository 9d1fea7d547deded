//! Planning: turns the findings of a group into removals, additions and refusals.

mod builder;
mod draft;
mod input;
mod quota;
mod reason;
mod replacement;
mod types;

pub(crate) use builder::build_plan;
pub use input::{Attachments, PlanInput, Quota};
pub use reason::{RefusalReason, SkipReason};
pub use types::{Addition, ApplyOrder, Plan, Purpose, Refusal, Removal, SkippedAddition};

#[cfg(test)]
mod tests;
