//! Decoding AWS CLI output about security groups: `aws ec2 describe-security-groups`,
//! `aws ec2 describe-security-group-rules`, or both in one document, optionally with the entries of
//! prefix lists.
//!
//! A document of another kind is an error. In a document of the right kind, each value that cannot
//! be decoded becomes a [`Problem`], and the rest is read.

mod arn;
mod document;
mod field;
mod merge;
mod problems;
mod rules;

use std::collections::BTreeMap;

use portcullis_rules::{PrefixLists, SecurityGroup};

pub use arn::{GroupArn, is_account_id, is_region_name};
use document::Document;
use field::JsonField;
use merge::MergedGroups;
pub use problems::Problem;
use problems::{JsonPath, Problems};

/// The security groups of a document.
#[derive(Debug, Default)]
pub struct DescribedGroups {
    /// The groups, ordered by id, each of them once.
    pub groups: Vec<SecurityGroup>,
    /// The ARNs of the groups that have one in the document, by group id.
    pub arns: BTreeMap<String, GroupArn>,
    /// The prefix lists that have their entries in the document.
    pub prefix_lists: PrefixLists,
    /// The values that could not be decoded, in the order of the document.
    pub problems: Vec<Problem>,
}

/// A document that does not contain security groups.
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
    /// It is JSON, but not the output of the supported commands.
    #[error(
        "found {found}, expected an object with the key `SecurityGroups` or \
         `SecurityGroupRules`, each a list"
    )]
    NotSecurityGroups {
        /// What the document is instead.
        found: String,
    },
}

impl DocumentError {
    /// The error of the JSON parser, its position separated from its message.
    pub fn from_json_error(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let position = format!(" at line {line} column {column}");
        let message = error.to_string().replace(&position, "");
        Self::NotJson {
            line,
            column,
            message,
        }
    }

    /// What is wrong with the document, as a predicate: `is not valid JSON`.
    pub(crate) const fn summary(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "is not valid JSON",
            Self::NotSecurityGroups { .. } => "does not contain security groups",
        }
    }

    /// Whether there is more data after the first JSON value.
    pub(crate) fn has_trailing_data(&self) -> bool {
        self.parser_message().contains("trailing characters")
    }

    /// Whether the document ends too early.
    pub(crate) fn is_truncated(&self) -> bool {
        self.parser_message().contains("EOF")
    }

    fn parser_message(&self) -> &str {
        match self {
            Self::NotJson { message, .. } => message,
            Self::NotSecurityGroups { .. } => "",
        }
    }

    fn not_security_groups(found: impl Into<String>) -> Self {
        let found = found.into();
        Self::NotSecurityGroups { found }
    }
}

/// Decodes a document.
///
/// # Errors
/// When it is not JSON, or contains neither security groups nor security group rules.
pub fn decode_described_groups(json: &[u8]) -> Result<DescribedGroups, DocumentError> {
    let document = decode_document(json)?;
    let (groups, rules) = match (document.groups, document.rules) {
        (JsonField::Absent, JsonField::Absent) => {
            let found = describe_object(&document.keys);
            return Err(DocumentError::not_security_groups(found));
        }
        (JsonField::WrongType(found), _) => {
            let found = format!("`SecurityGroups` to be {found}");
            return Err(DocumentError::not_security_groups(found));
        }
        (_, JsonField::WrongType(found)) => {
            let found = format!("`SecurityGroupRules` to be {found}");
            return Err(DocumentError::not_security_groups(found));
        }
        (groups, rules) => (list_or_empty(groups), list_or_empty(rules)),
    };
    let mut problems = Problems::default();
    let mut merged = MergedGroups::default();
    for (index, group) in groups.into_iter().enumerate() {
        let root = JsonPath::root("SecurityGroups");
        merged.add_group(group, root.at_index(index), &mut problems);
    }
    for (index, rule) in rules.into_iter().enumerate() {
        let root = JsonPath::root("SecurityGroupRules");
        merged.add_rule(rule, root.at_index(index), &mut problems);
    }
    let prefix_lists = rules::read_prefix_lists(document.prefix_lists, &mut problems);
    let (groups, arns) = merged.into_groups_and_arns();
    Ok(DescribedGroups {
        groups,
        arns,
        prefix_lists,
        problems: problems.into_vec(),
    })
}

fn decode_document(json: &[u8]) -> Result<Document, DocumentError> {
    match serde_json::from_slice::<JsonField<Document>>(json) {
        Ok(JsonField::Present(document)) => Ok(document),
        Ok(JsonField::Absent) => Err(DocumentError::not_security_groups("null")),
        Ok(JsonField::WrongType(found)) => Err(DocumentError::not_security_groups(found)),
        Err(error) => Err(DocumentError::from_json_error(&error)),
    }
}

fn list_or_empty<T>(field: JsonField<Vec<T>>) -> Vec<T> {
    match field {
        JsonField::Present(list) => list,
        JsonField::Absent | JsonField::WrongType(_) => Vec::new(),
    }
}

/// An object, by its first keys.
fn describe_object(keys: &[String]) -> String {
    let shown: Vec<_> = keys.iter().take(5).map(|key| format!("`{key}`")).collect();
    let more = if keys.len() > shown.len() {
        ", ..."
    } else {
        ""
    };
    match shown.len() {
        0 => "an empty object".to_owned(),
        1 => format!("an object with the key {}", shown.concat()),
        _ => format!("an object with the keys {}{more}", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
