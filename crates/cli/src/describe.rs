//! Reading what the AWS CLI says about security groups: `aws ec2 describe-security-groups`,
//! `aws ec2 describe-security-group-rules`, or both in one document, with the entries of prefix lists beside them.
//!
//! A document that is no such output is refused. Inside one that is, a value that cannot be understood becomes a
//! [`Problem`], and everything else is read all the same.

mod arn;
mod boxes;
mod document;
mod field;
mod merge;
mod place;

use std::collections::BTreeMap;

use portcullis_rules::{PrefixLists, SecurityGroup};
use serde::Serialize;

pub use arn::{GroupArn, is_account_id, is_region_name};
use document::Document;
use field::JsonField;
use merge::MergedGroups;
use place::{JsonPath, Problems};

/// The security groups of a document.
#[derive(Debug, Default)]
pub struct DescribedGroups {
    /// Each group once, ordered by id.
    pub groups: Vec<SecurityGroup>,
    /// The ARNs of the groups whose description tells them, by group id.
    pub arns: BTreeMap<String, GroupArn>,
    /// The entries of the prefix lists that the document tells.
    pub prefix_lists: PrefixLists,
    /// What could not be understood, in the order of the document.
    pub problems: Vec<Problem>,
}

/// A value that could not be understood; what it belongs to was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The group it belongs to, when known.
    pub group_id: Option<String>,
    /// Where it is: `SecurityGroups[3].IpPermissions[0].IpRanges[1].CidrIp`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// A document that tells nothing about security groups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON.
    #[error("line {line}, column {column}: {message}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// JSON, but not the output of the commands we read.
    #[error(
        "found {found}, expected an object with the key `SecurityGroups` or `SecurityGroupRules`, each a list"
    )]
    NotSecurityGroups {
        /// What the document is instead.
        found: String,
    },
}

impl DocumentError {
    /// The error of the JSON parser, its position apart from its words.
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
}

/// Reads a document.
///
/// # Errors
/// When it is not JSON, or holds neither security groups nor security group rules.
pub fn decode_described_groups(json: &[u8]) -> Result<DescribedGroups, DocumentError> {
    let document: JsonField<Document> =
        serde_json::from_slice(json).map_err(|error| DocumentError::from_json_error(&error))?;
    let not_describe = |found: String| DocumentError::NotSecurityGroups { found };
    let document = match document {
        JsonField::Present(document) => document,
        JsonField::Absent => return Err(not_describe("null".to_owned())),
        JsonField::WrongType(found) => return Err(not_describe(found.to_owned())),
    };
    let (groups, rules) = match (document.groups, document.rules) {
        (JsonField::Absent, JsonField::Absent) => {
            return Err(not_describe(describe_object(&document.keys)));
        }
        (JsonField::WrongType(found), _) => {
            return Err(not_describe(format!("`SecurityGroups` to be {found}")));
        }
        (_, JsonField::WrongType(found)) => {
            return Err(not_describe(format!("`SecurityGroupRules` to be {found}")));
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
    let lists = boxes::read_prefix_lists(document.prefix_lists, &mut problems);
    let (groups, arns) = merged.into_groups_and_arns();
    Ok(DescribedGroups {
        groups,
        arns,
        prefix_lists: lists,
        problems: problems.into_vec(),
    })
}

fn list_or_empty<T>(field: JsonField<Vec<T>>) -> Vec<T> {
    match field {
        JsonField::Present(list) => list,
        JsonField::Absent | JsonField::WrongType(_) => Vec::new(),
    }
}

/// An object, by the first of its keys.
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
