//! The remediator against an in-memory EC2 with faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests and their helpers may panic"
)]

mod actions;
mod additions;
mod baseline;
mod environment;
mod guardrails;
mod own_events;
mod prefix_lists;
mod preview;
mod rules_quota;
mod withdrawals;
