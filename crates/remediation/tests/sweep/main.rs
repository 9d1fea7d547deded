//! The sweeper against an in-memory EC2.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "tests and their helpers may panic"
)]

mod groups;
mod paging;
mod scene;
