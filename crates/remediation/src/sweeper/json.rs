//! A sweep as JSON, version 1 (`schemas/sweep.v1.schema.json`): the answer of the function, the body for queues, the line
//! in the log.
//!
//! Keys are never absent: what is not known is null.

use std::collections::BTreeMap;

use portcullis_rules::IngressRule;
use serde::Serialize;

use super::sweep_report::{GroupSummary, SweepReport};

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
    counts: SweepCountsV1,
    by_severity: BTreeMap<String, usize>,
    by_rule: Vec<SweepRuleCountV1<'a>>,
    outcomes: BTreeMap<&'static str, usize>,
    groups: Vec<SweepGroupV1<'a>>,
    unfinished: Option<UnfinishedV1<'a>>,
    unresolved_prefix_lists: Vec<&'a str>,
    expired_exceptions: Vec<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
struct SweepCountsV1 {
    groups: usize,
    rules: usize,
    groups_affected: usize,
    groups_left_out: usize,
    findings: usize,
    exempt: usize,
}

#[derive(Debug, Clone, Serialize)]
struct SweepRuleCountV1<'a> {
    rule: &'a str,
    severity: String,
    findings: usize,
}

#[derive(Debug, Clone, Serialize)]
struct SweepGroupV1<'a> {
    group_id: &'a str,
    group_name: Option<&'a str>,
    vpc_id: Option<&'a str>,
    outcome: &'static str,
    severity: Option<String>,
    findings: usize,
    policy_rules: Vec<&'a str>,
    security_group_rules: Vec<String>,
    more_security_group_rules: usize,
    error: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize)]
struct UnfinishedV1<'a> {
    token: Option<&'a str>,
    reason: String,
}

impl<'a> SweepV1<'a> {
    /// All that is known of a sweep.
    pub fn new(swept: &'a SweepReport) -> Self {
        Self::with_max_entries(swept, usize::MAX)
    }

    /// With the worst groups, lists and exceptions only, so many each.
    pub fn with_max_entries(swept: &'a SweepReport, most: usize) -> Self {
        let groups: Vec<_> = swept
            .worst_groups
            .iter()
            .take(most)
            .map(SweepGroupV1::new)
            .collect();
        let rules = swept.by_policy_rule.iter().take(most);
        Self {
            version: 1,
            kind: "sweep",
            id: &swept.id,
            outcome: swept.outcome().as_str(),
            action: if swept.remediates {
                "remediate"
            } else {
                "report"
            },
            policy: &swept.policy,
            account: swept.account.as_deref(),
            region: swept.region.as_deref(),
            started: swept.started.to_string(),
            ended: swept.ended.to_string(),
            counts: SweepCountsV1::new(swept, groups.len()),
            by_severity: swept
                .by_severity
                .iter()
                .map(|(severity, count)| (severity.to_string(), *count))
                .collect(),
            by_rule: rules
                .map(|(rule, tally)| SweepRuleCountV1 {
                    rule,
                    severity: tally.severity.to_string(),
                    findings: tally.findings,
                })
                .collect(),
            outcomes: swept
                .outcomes
                .iter()
                .map(|(outcome, count)| (outcome.as_str(), *count))
                .collect(),
            groups,
            unfinished: swept.unfinished.as_ref().map(|unfinished| UnfinishedV1 {
                token: unfinished.token.as_deref(),
                reason: unfinished.reason.to_string(),
            }),
            unresolved_prefix_lists: swept
                .unresolved_prefix_lists
                .iter()
                .take(most)
                .map(String::as_str)
                .collect(),
            expired_exceptions: swept
                .expired_exceptions
                .iter()
                .take(most)
                .map(String::as_str)
                .collect(),
        }
    }
}

impl SweepCountsV1 {
    fn new(swept: &SweepReport, shown: usize) -> Self {
        Self {
            groups: swept.group_count,
            rules: swept.security_group_rule_count,
            groups_affected: swept.affected_groups(),
            groups_left_out: swept.affected_groups().saturating_sub(shown),
            findings: swept.finding_count(),
            exempt: swept.exempt,
        }
    }
}

impl<'a> SweepGroupV1<'a> {
    fn new(note: &'a GroupSummary) -> Self {
        Self {
            group_id: &note.id,
            group_name: note.name.as_deref(),
            vpc_id: note.vpc_id.as_deref(),
            outcome: note.outcome.as_str(),
            severity: note.severity.map(|severity| severity.to_string()),
            findings: note.findings,
            policy_rules: note.policy_rules.iter().map(String::as_str).collect(),
            security_group_rules: note
                .security_group_rules
                .iter()
                .map(IngressRule::to_string)
                .collect(),
            more_security_group_rules: note.more_security_group_rules,
            error: note.error.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests;
