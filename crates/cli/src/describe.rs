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

pub use arn::{GroupArn, is_account, is_region};
use document::Document;
use field::Field;
use merge::Groups;
use place::{Place, Problems};

/// The security groups of a document.
#[derive(Debug, Default)]
pub struct Described {
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
pub enum DecodeError {
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
    #[error("found {found}, expected an object with the key `SecurityGroups` or `SecurityGroupRules`, each a list")]
    NotDescribe {
        /// What the document is instead.
        found: String,
    },
}

impl DecodeError {
    /// The error of the JSON parser, its position apart from its words.
    pub fn not_json(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let position = format!(" at line {line} column {column}");
        let message = error.to_string().replace(&position, "");
        Self::NotJson { line, column, message }
    }
}

/// Reads a document.
///
/// # Errors
/// When it is not JSON, or holds neither security groups nor security group rules.
pub fn decode(json: &[u8]) -> Result<Described, DecodeError> {
    let document: Field<Document> = serde_json::from_slice(json).map_err(|error| DecodeError::not_json(&error))?;
    let not_describe = |found: String| DecodeError::NotDescribe { found };
    let document = match document {
        Field::Is(document) => document,
        Field::Absent => return Err(not_describe("null".to_owned())),
        Field::Other(found) => return Err(not_describe(found.to_owned())),
    };
    let (groups, rules) = match (document.groups, document.rules) {
        (Field::Absent, Field::Absent) => return Err(not_describe(keys(&document.keys))),
        (Field::Other(found), _) => {
            return Err(not_describe(format!("`SecurityGroups` to be {found}")));
        }
        (_, Field::Other(found)) => {
            return Err(not_describe(format!("`SecurityGroupRules` to be {found}")));
        }
        (groups, rules) => (list(groups), list(rules)),
    };
    let mut problems = Problems::default();
    let mut merged = Groups::default();
    for (index, group) in groups.into_iter().enumerate() {
        let root = Place::root("SecurityGroups");
        merged.add_group(group, root.item(index), &mut problems);
    }
    for (index, rule) in rules.into_iter().enumerate() {
        let root = Place::root("SecurityGroupRules");
        merged.add_rule(rule, root.item(index), &mut problems);
    }
    let lists = boxes::prefix_lists(document.lists, &mut problems);
    let (groups, arns) = merged.finish();
    Ok(Described { groups, arns, prefix_lists: lists, problems: problems.into_list() })
}

fn list<T>(field: Field<Vec<T>>) -> Vec<T> {
    match field {
        Field::Is(list) => list,
        Field::Absent | Field::Other(_) => Vec::new(),
    }
}

/// An object, by the first of its keys.
fn keys(keys: &[String]) -> String {
    let shown: Vec<_> = keys.iter().take(5).map(|key| format!("`{key}`")).collect();
    let more = if keys.len() > shown.len() { ", ..." } else { "" };
    match shown.len() {
        0 => "an empty object".to_owned(),
        1 => format!("an object with the key {}", shown.concat()),
        _ => format!("an object with the keys {}{more}", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
