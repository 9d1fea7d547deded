//! The remediator under policies that narrow and restrict, with exceptions and guardrails, against an
//! in-memory EC2 with faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests and their helpers may panic"
)]

mod exemptions;
mod failures;
mod narrowing;
mod world;
