//! The error of an invocation.

use std::fmt::Display;

use lambda_runtime::Diagnostic;

/// Why an invocation failed. Lambda retries its event, and then sends it to the on-failure
/// destination, an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationError {
    code: &'static str,
    message: String,
}

impl InvocationError {
    /// An error with a stable kebab-case code, for alarms, and a message.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// One error for all of these, with the code of the first and the messages of all; `None` if
    /// there are none.
    pub fn from_errors<E: Display>(errors: &[E], code: fn(&E) -> &'static str) -> Option<Self> {
        let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
        let first = errors.first()?;
        Some(Self::new(code(first), messages.join("; ")))
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self {
            error_type: format!("Portcullis.{}", error.code),
            error_message: error.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_errors_have_the_code_of_the_first_and_all_messages() {
        let error = InvocationError::from_errors(&["one", "two"], |error| error).unwrap();
        assert_eq!((error.code(), error.message()), ("one", "one; two"));
        assert_eq!(InvocationError::from_errors::<&str>(&[], |_| ""), None);
    }

    #[test]
    fn lambda_gets_the_code_as_the_error_type() {
        let diagnostic = Diagnostic::from(InvocationError::new("sweep-unfinished", "too slow"));
        assert_eq!(diagnostic.error_type, "Portcullis.sweep-unfinished");
        assert_eq!(diagnostic.error_message, "too slow");
    }
}
