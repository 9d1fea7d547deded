//! The report about a sweep: what the sweeper function returns, logs and publishes to queues.

use std::collections::BTreeMap;

use portcullis_rules::IngressRule;
use serde::Serialize;

use crate::report::{GroupSummary, PolicyIdentity, RuleCount, SweepReport, Unfinished};

/// The report of one sweep.
#[derive(Debug, Clone, Serialize)]
pub struct SweepV1<'a> {
    version: u32,
    kind: &'static str,
    id: &'a str,
    outcome: &'static str,
    action: &'static str,
    policy: &'a PolicyIdentity,
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
    /// The whole report.
    pub fn new(sweep: &'a SweepReport) -> Self {
        Self::with_max_entries(sweep, usize::MAX)
    }

    /// A report whose lists of groups, policy rules, prefix lists and exceptions have at most
    /// `max_entries` entries each.
    pub fn with_max_entries(sweep: &'a SweepReport, max_entries: usize) -> Self {
        let groups: Vec<_> = sweep
            .worst_groups
            .iter()
            .take(max_entries)
            .map(SweepGroupV1::new)
            .collect();
        Self {
            version: 1,
            kind: "sweep",
            id: &sweep.id,
            outcome: sweep.outcome().as_str(),
            action: sweep.action_name(),
            policy: &sweep.policy,
            account: sweep.account.as_deref(),
            region: sweep.region.as_deref(),
            started: sweep.started.to_string(),
            ended: sweep.ended.to_string(),
            counts: SweepCountsV1::new(sweep, groups.len()),
            by_severity: sweep
                .by_severity
                .iter()
                .map(|(severity, count)| (severity.to_string(), *count))
                .collect(),
            by_rule: sweep
                .by_policy_rule
                .iter()
                .take(max_entries)
                .map(|(rule, count)| SweepRuleCountV1::new(rule, count))
                .collect(),
            outcomes: sweep
                .outcomes
                .iter()
                .map(|(outcome, count)| (outcome.as_str(), *count))
                .collect(),
            groups,
            unfinished: sweep.unfinished.as_ref().map(UnfinishedV1::new),
            unresolved_prefix_lists: sweep
                .unresolved_prefix_lists
                .iter()
                .take(max_entries)
                .map(String::as_str)
                .collect(),
            expired_exceptions: sweep
                .expired_exceptions
                .iter()
                .take(max_entries)
                .map(String::as_str)
                .collect(),
        }
    }
}

impl<'a> SweepRuleCountV1<'a> {
    fn new(rule: &'a str, count: &RuleCount) -> Self {
        Self {
            rule,
            severity: count.severity.to_string(),
            findings: count.findings,
        }
    }
}

impl<'a> UnfinishedV1<'a> {
    fn new(unfinished: &'a Unfinished) -> Self {
        Self {
            token: unfinished.token.as_deref(),
            reason: unfinished.reason.to_string(),
        }
    }
}

impl SweepCountsV1 {
    fn new(sweep: &SweepReport, shown: usize) -> Self {
        Self {
            groups: sweep.group_count,
            rules: sweep.security_group_rule_count,
            groups_affected: sweep.affected_groups(),
            groups_left_out: sweep.affected_groups().saturating_sub(shown),
            findings: sweep.finding_count(),
            exempt: sweep.exempt,
        }
    }
}

impl<'a> SweepGroupV1<'a> {
    fn new(group: &'a GroupSummary) -> Self {
        Self {
            group_id: &group.id,
            group_name: group.name.as_deref(),
            vpc_id: group.vpc_id.as_deref(),
            outcome: group.outcome.as_str(),
            severity: group.severity.map(|severity| severity.to_string()),
            findings: group.findings,
            policy_rules: group.policy_rules.iter().map(String::as_str).collect(),
            security_group_rules: group
                .security_group_rules
                .iter()
                .map(IngressRule::to_string)
                .collect(),
            more_security_group_rules: group.more_security_group_rules,
            error: group.error.as_deref(),
        }
    }
}
