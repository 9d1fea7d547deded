//! Runs the binary under a Lambda Runtime API, with moto as EC2: which rules it removes, which it
//! keeps, and that it never reports a false success.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and its helpers too"
)]

mod baseline;
mod environment;
mod policy;
