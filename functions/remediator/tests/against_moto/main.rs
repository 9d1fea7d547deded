//! The real binary under a Lambda Runtime API, with moto as its EC2: what it closes, what it leaves alone, and that it
//! never claims a success which is none.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and so may what helps it"
)]

mod policy;
mod reflex;
mod scene;
