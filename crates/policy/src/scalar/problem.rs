//! Why a text is not a value of the expected kind.

use crate::code::Code;
use crate::record::Value;

/// A diagnostic without its position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) expected: String,
    pub(crate) help: Option<String>,
}

pub(crate) type ScalarResult = Result<Value, Problem>;

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            expected: expected.into(),
            help: None,
        }
    }

    pub(super) fn with_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }
}
