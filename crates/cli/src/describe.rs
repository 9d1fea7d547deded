//! Decoding what the AWS CLI and the AWS SDKs write about security groups:
//! `aws ec2 describe-security-groups`, `aws ec2 describe-security-group-rules`, and the entries of
//! prefix lists.
//!
//! An input of another kind is an error. In an input of the right kind, each group, rule and prefix
//! list is decoded on its own: one that cannot be read becomes a [`Problem`], and the others are
//! read. A group with an unreadable rule is not evaluated.

mod arn;
mod document;
mod error;
mod merge;
mod prefix_lists;
mod problem;
mod shapes;

use std::collections::BTreeMap;

use portcullis_rules::{PrefixLists, SecurityGroup};
use serde::Deserialize;
use serde_json::value::RawValue;

pub use arn::{GroupArn, is_account_id, is_region_name};
use document::{InputParts, Item, ItemKind, describe_kind};
pub use error::DocumentError;
use merge::{MergedGroups, ReadableGroups};
use prefix_lists::{PrefixListCollector, UnidentifiedEntries};
pub use problem::{Problem, ProblemCode};
use shapes::{EntryShape, GroupIdentity, GroupShape, PrefixListShape, RuleHead, RuleShape};

/// The security groups of one or more inputs.
#[derive(Debug, Clone, Default)]
pub struct DescribedGroups {
    /// The groups, ordered by id, each of them once.
    pub groups: Vec<SecurityGroup>,
    /// The ARNs of the groups that have one in the input, by group id.
    pub arns: BTreeMap<String, GroupArn>,
    /// The descriptions of the groups that have one in the input, by group id.
    pub descriptions: BTreeMap<String, String>,
    /// The prefix lists that have their entries in the input.
    pub prefix_lists: PrefixLists,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// What was assumed about the input, each in a sentence.
    pub notes: Vec<String>,
}

impl DescribedGroups {
    /// Whether the group is in the input but could not be read.
    pub fn is_unreadable(&self, group_id: &str) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.group_id.as_deref() == Some(group_id))
    }
}

/// Decodes inputs and merges their groups.
#[derive(Debug, Default)]
pub struct GroupsDecoder {
    merged: MergedGroups,
    prefix_lists: PrefixListCollector,
    problems: Vec<Problem>,
    has_groups: bool,
    /// Whether paths start with the name of the input.
    has_several_inputs: bool,
}

/// The error of an item, and the path of the value within it; empty for the item itself.
#[derive(Debug)]
struct ItemError {
    path: String,
    message: String,
}

impl GroupsDecoder {
    /// A decoder of this many inputs.
    pub fn for_inputs(count: usize) -> Self {
        Self {
            has_several_inputs: count > 1,
            ..Self::default()
        }
    }

    /// Decodes an input. `name` is its name as shown to the user.
    ///
    /// # Errors
    /// When it is not JSON, or contains neither security groups, their rules nor prefix lists.
    pub fn add_input(&mut self, name: &str, json: &[u8]) -> Result<(), DocumentError> {
        let prefix = if self.has_several_inputs {
            format!("{name}: ")
        } else {
            String::new()
        };
        let InputParts {
            items,
            entries,
            next_tokens,
            has_groups,
        } = document::split_input(json)?;
        self.has_groups |= has_groups;
        for item in &items {
            self.add_item(item, &prefix);
        }
        for (path, json) in entries {
            self.add_entries(name, format!("{prefix}{path}"), json);
        }
        for path in next_tokens {
            let message = "the listing is truncated: there are more pages than this one";
            self.problems.push(Problem {
                path: Some(format!("{prefix}{path}")),
                ..Problem::new(ProblemCode::TruncatedListing, message)
            });
        }
        Ok(())
    }

    /// The groups of all inputs.
    ///
    /// # Errors
    /// When none of the inputs contains security groups or their rules.
    pub fn finish(self) -> Result<DescribedGroups, DocumentError> {
        if !self.has_groups {
            return Err(DocumentError::not_security_groups("prefix lists only"));
        }
        let mut problems = self.problems;
        let mut notes = Vec::new();
        let readable = self.merged.into_readable(&mut problems);
        let ReadableGroups {
            groups,
            arns,
            descriptions,
        } = readable;
        let prefix_lists = self.prefix_lists.finish(&groups, &mut problems, &mut notes);
        problems.iter_mut().for_each(Problem::add_help);
        Ok(DescribedGroups {
            groups,
            arns,
            descriptions,
            prefix_lists,
            problems,
            notes,
        })
    }

    fn add_item(&mut self, item: &Item<'_>, prefix: &str) {
        let result = match item.kind {
            ItemKind::Group => self.add_group(item, prefix),
            ItemKind::Rule => self.add_rule(item),
            ItemKind::PrefixList => self.add_prefix_list(item),
            ItemKind::Unknown => Err(unknown_item_error(item.json)),
        };
        let Err(error) = result else {
            return;
        };
        let path = join_path(&format!("{prefix}{}", item.path), &error.path);
        if item.kind == ItemKind::PrefixList {
            self.problems.push(Problem {
                path: Some(path),
                ..Problem::new(ProblemCode::PrefixListUnreadable, error.message)
            });
            return;
        }
        let (group_id, region) = identify_group(item.json);
        if let Some(id) = &group_id {
            self.merged.add_unreadable(id);
        }
        self.problems.push(Problem {
            group_id,
            region,
            path: Some(path),
            ..Problem::new(ProblemCode::GroupUnreadable, error.message)
        });
    }

    fn add_group(&mut self, item: &Item<'_>, prefix: &str) -> Result<(), ItemError> {
        let shape: GroupShape = decode_item(item.json)?;
        self.merged.add_group(shape, || {
            join_path(&format!("{prefix}{}", item.path), "IpPermissions")
        });
        Ok(())
    }

    /// Adds a rule. One without a direction counts as ingress, so that no opening is missed.
    fn add_rule(&mut self, item: &Item<'_>) -> Result<(), ItemError> {
        let head: RuleHead = decode_item(item.json)?;
        let rule = if head.is_egress == Some(true) {
            None
        } else {
            Some(decode_item::<RuleShape>(item.json)?.rule)
        };
        self.merged.add_rule(head, rule);
        Ok(())
    }

    fn add_prefix_list(&mut self, item: &Item<'_>) -> Result<(), ItemError> {
        let shape: PrefixListShape = decode_item(item.json)?;
        self.prefix_lists.add_list(shape);
        Ok(())
    }

    fn add_entries(&mut self, input: &str, path: String, json: &RawValue) {
        match decode_item::<Vec<EntryShape>>(json) {
            Ok(entries) => self.prefix_lists.add_entries(UnidentifiedEntries {
                input: input.to_owned(),
                path,
                entries,
            }),
            Err(error) => self.problems.push(Problem {
                path: Some(join_path(&path, &error.path)),
                ..Problem::new(ProblemCode::PrefixListUnreadable, error.message)
            }),
        }
    }
}

/// Decodes an item. The error has the path of the value that could not be decoded.
fn decode_item<'de, T: Deserialize<'de>>(json: &'de RawValue) -> Result<T, ItemError> {
    let mut deserializer = serde_json::Deserializer::from_str(json.get());
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        ItemError {
            path: if path == "." { String::new() } else { path },
            message: error::json_error_message(error.inner()),
        }
    })
}

fn unknown_item_error(json: &RawValue) -> ItemError {
    ItemError {
        path: String::new(),
        message: format!(
            "expected a security group or one of its rules, found {}",
            describe_kind(json)
        ),
    }
}

/// The id and the region of a group that is unreadable as a whole, or whose rule is unreadable.
fn identify_group(json: &RawValue) -> (Option<String>, Option<String>) {
    let identity: GroupIdentity = serde_json::from_str(json.get()).unwrap_or_default();
    identity.into_id_and_region()
}

/// The path of a value within an item: `SecurityGroups[3].IpPermissions[0]`.
fn join_path(item: &str, within: &str) -> String {
    match (item, within) {
        (item, "") => item.to_owned(),
        (item, within) if item.is_empty() || within.starts_with('[') || item.ends_with(' ') => {
            format!("{item}{within}")
        }
        (item, within) => format!("{item}.{within}"),
    }
}

#[cfg(test)]
mod tests;
