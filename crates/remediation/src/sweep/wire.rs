//! A sweep as JSON, version 1 (`schemas/sweep.v1.schema.json`): the answer of the function, the body for queues, the line
//! in the log.
//!
//! Keys are never absent: what is not known is null.

use std::collections::BTreeMap;

use portcullis_rules::IngressRule;
use serde::Serialize;

use super::swept::{GroupNote, Swept};

/// A sweep.
#[derive(Debug, Clone, Serialize)]
pub struct SweepV1<'a> {
    version: u32,
    kind: &'static str,
    id: &'a str,
    outcome: &'static str,
    action: &'static str,
    policy: &'a str,
    account: Option<&'a str>,
    region: Option<&'a str>,
    started: String,
    ended: String,
    counts: CountsV1,
    by_severity: BTreeMap<String, usize>,
    by_rule: Vec<RuleV1<'a>>,
    outcomes: BTreeMap<&'static str, usize>,
    groups: Vec<GroupV1<'a>>,
    unfinished: Option<UnfinishedV1<'a>>,
    unresolved_prefix_lists: Vec<&'a str>,
    expired_exceptions: Vec<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
struct CountsV1 {
    groups: usize,
    rules: usize,
    groups_affected: usize,
    groups_left_out: usize,
    findings: usize,
    exempt: usize,
}

#[derive(Debug, Clone, Serialize)]
struct RuleV1<'a> {
    rule: &'a str,
    severity: String,
    findings: usize,
}

#[derive(Debug, Clone, Serialize)]
struct GroupV1<'a> {
    group_id: &'a str,
    group_name: Option<&'a str>,
    vpc_id: Option<&'a str>,
    outcome: &'static str,
    severity: Option<String>,
    findings: usize,
    rules: Vec<&'a str>,
    boxes: Vec<String>,
    more_boxes: usize,
    error: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
struct UnfinishedV1<'a> {
    token: Option<&'a str>,
    reason: String,
}

impl<'a> SweepV1<'a> {
    /// All that is known of a sweep.
    pub fn new(swept: &'a Swept) -> Self {
        Self::with_at_most(swept, usize::MAX)
    }

    /// With the worst groups, lists and exceptions only, so many each.
    pub fn with_at_most(swept: &'a Swept, most: usize) -> Self {
        let groups: Vec<_> = swept.worst.iter().take(most).map(GroupV1::new).collect();
        let rules = swept.by_rule.iter().take(most);
        Self {
            version: 1,
            kind: "sweep",
            id: &swept.id,
            outcome: swept.outcome().as_str(),
            action: if swept.remediates { "remediate" } else { "report" },
            policy: &swept.policy,
            account: swept.account.as_deref(),
            region: swept.region.as_deref(),
            started: swept.started.to_string(),
            ended: swept.ended.to_string(),
            counts: CountsV1::new(swept, groups.len()),
            by_severity: swept.by_severity.iter().map(|(severity, count)| (severity.to_string(), *count)).collect(),
            by_rule: rules
                .map(|(rule, tally)| RuleV1 { rule, severity: tally.severity.to_string(), findings: tally.findings })
                .collect(),
            outcomes: swept.outcomes.iter().map(|(outcome, count)| (outcome.as_str(), *count)).collect(),
            groups,
            unfinished: swept.unfinished.as_ref().map(|unfinished| UnfinishedV1 {
                token: unfinished.token.as_deref(),
                reason: unfinished.why.to_string(),
            }),
            unresolved_prefix_lists: swept.unresolved_prefix_lists.iter().take(most).map(String::as_str).collect(),
            expired_exceptions: swept.expired_exceptions.iter().take(most).map(String::as_str).collect(),
        }
    }
}

impl CountsV1 {
    fn new(swept: &Swept, shown: usize) -> Self {
        Self {
            groups: swept.groups,
            rules: swept.rules,
            groups_affected: swept.affected(),
            groups_left_out: swept.affected().saturating_sub(shown),
            findings: swept.findings(),
            exempt: swept.exempt,
        }
    }
}

impl<'a> GroupV1<'a> {
    fn new(note: &'a GroupNote) -> Self {
        Self {
            group_id: &note.id,
            group_name: note.name.as_deref(),
            vpc_id: note.vpc_id.as_deref(),
            outcome: note.outcome.as_str(),
            severity: note.severity.map(|severity| severity.to_string()),
            findings: note.findings,
            rules: note.rules.iter().map(String::as_str).collect(),
            boxes: note.boxes.iter().map(IngressRule::to_string).collect(),
            more_boxes: note.more_boxes,
            error: note.error.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests;
