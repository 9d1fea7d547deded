//! The sweep against the in-memory EC2: what it finds, what it closes, and that an unfinished sweep is
//! never reported as complete.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "tests and their helpers may panic"
)]

mod failures;
mod outcomes;
mod paging;
mod scene;
