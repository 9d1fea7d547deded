//! Grouping the findings of an audit.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use portcullis_rules::Severity;
use serde::Serialize;

use super::opening::{GroupFinding, Opening, collect_openings};
use super::owner::group_owner;
use crate::describe::GroupArn;

/// What findings are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// Security group
    Group,
    /// Owner of the group
    Owner,
    /// Policy rule
    Rule,
    /// Region
    Region,
}

/// The findings with the same value.
#[derive(Debug)]
pub struct Section<'a> {
    /// The value; `None` if it is unknown.
    pub name: Option<String>,
    /// The openings, the worst first.
    pub openings: Vec<Opening<'a>>,
    /// The number of findings.
    pub findings: usize,
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Group => "group",
            Self::Owner => "owner",
            Self::Rule => "rule",
            Self::Region => "region",
        })
    }
}

impl Section<'_> {
    /// The highest severity of an opening; `None` if all of them are exempt.
    pub fn severity(&self) -> Option<Severity> {
        self.openings
            .iter()
            .filter(|opening| !opening.is_exempt())
            .filter_map(Opening::severity)
            .max()
    }
}

/// The sections of these findings, the worst first.
pub fn group_findings<'a>(
    findings: &[GroupFinding<'a>],
    group_by: GroupBy,
    arns: &BTreeMap<String, GroupArn>,
) -> Vec<Section<'a>> {
    let mut by_name: BTreeMap<Option<String>, Vec<GroupFinding<'a>>> = BTreeMap::new();
    for found in findings {
        let name = section_name(*found, group_by, arns);
        by_name.entry(name).or_default().push(*found);
    }
    let mut sections = Vec::new();
    for (name, members) in by_name {
        sections.push(Section {
            name,
            findings: members.len(),
            openings: collect_openings(members),
        });
    }
    // The order of names is kept among equals.
    sections.sort_by_key(|section| (Reverse(section.severity()), Reverse(section.openings.len())));
    sections
}

fn section_name(
    found: GroupFinding<'_>,
    group_by: GroupBy,
    arns: &BTreeMap<String, GroupArn>,
) -> Option<String> {
    let group = found.group;
    match group_by {
        GroupBy::Group => Some(match &group.name {
            Some(name) => format!("{name} ({})", group.id),
            None => group.id.clone(),
        }),
        GroupBy::Owner => group_owner(group),
        GroupBy::Rule => Some(found.finding.policy_rule.id.clone()),
        GroupBy::Region => arns.get(&group.id).map(|arn| arn.region.clone()),
    }
}
