//! Policy test files: test cases with a security group, an event and the expected outcome.
//!
//! [`decode_test_file`] parses such a file, [`run_test_case`] runs one case of it against a policy.
//! The format is described in `docs/policy.md`.

mod decode;
mod expected;
mod group;
mod model;
mod outcome;
mod run;
mod values;

pub use decode::decode_test_file;
pub use model::{ExpectedOutcome, IdsByRule, TestCase, TestEvent, TestFile};
pub use outcome::ActualLine;
pub use run::{Difference, TestResult, run_test_case};
