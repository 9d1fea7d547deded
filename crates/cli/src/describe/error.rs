//! Errors about an input as a whole.

/// An input that does not contain security groups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not JSON.
    #[error("line {line}, column {column}: {message}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The message of the JSON parser.
        message: String,
    },
    /// A key occurs twice, so that one of the values would be lost.
    #[error("duplicate key `{0}`")]
    DuplicateKey(&'static str),
    /// It is JSON, but not the output of the supported commands.
    #[error(
        "found {found}, expected an object with the key `SecurityGroups` or \
         `SecurityGroupRules`, each a list, or a list of groups or rules"
    )]
    NotSecurityGroups {
        /// What the document is instead.
        found: String,
    },
}

impl DocumentError {
    /// The error of the JSON parser, its position separated from its message.
    pub fn from_json_error(error: &serde_json::Error) -> Self {
        Self::NotJson {
            line: error.line(),
            column: error.column(),
            message: json_error_message(error),
        }
    }

    /// What is wrong with the document, as a predicate: `is not valid JSON`.
    pub(crate) const fn summary(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "is not valid JSON",
            Self::DuplicateKey(_) => "is ambiguous",
            Self::NotSecurityGroups { .. } => "does not contain security groups",
        }
    }

    /// The error without its line, for a document of one line.
    pub(crate) fn without_line(&self) -> String {
        match self {
            Self::NotJson {
                column, message, ..
            } => format!("column {column}: {message}"),
            Self::DuplicateKey(_) | Self::NotSecurityGroups { .. } => self.to_string(),
        }
    }

    /// Whether the document ends too early.
    pub(crate) fn is_truncated(&self) -> bool {
        matches!(self, Self::NotJson { message, .. } if message.contains("EOF"))
    }

    /// Whether it is a list or an object of something else, as `--query` may write.
    pub(crate) const fn is_other_json(&self) -> bool {
        matches!(self, Self::NotSecurityGroups { .. })
    }

    pub(super) fn not_security_groups(found: impl Into<String>) -> Self {
        let found = found.into();
        Self::NotSecurityGroups { found }
    }
}

/// The message of an error of the JSON parser, without its position.
pub(super) fn json_error_message(error: &serde_json::Error) -> String {
    let position = format!(" at line {} column {}", error.line(), error.column());
    error.to_string().replace(&position, "")
}
