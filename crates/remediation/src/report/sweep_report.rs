//! The report about a sweep. Its size is bounded however many groups there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_rules::{IngressRule, SecurityGroup, Severity};

use super::group_outcome::GroupOutcome;
use super::group_report::GroupReport;
use super::policy_identity::PolicyIdentity;
use super::rule_outcome::{RuleOutcome, RuleStatus};
use crate::event::SweepRequest;
use crate::services::{Mode, ServiceError};

/// How many groups are listed.
const MAX_GROUPS: usize = 50;
/// How many security group rules of a group are listed.
const MAX_RULES_PER_GROUP: usize = 10;

/// Why a sweep stopped before the last page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// The deadline was reached.
    #[error("the deadline was reached")]
    DeadlineReached,
    /// A page could not be read.
    #[error("{0}")]
    PageUnreadable(ServiceError),
}

/// Where a sweep stopped before the last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The token of the page to continue with; `None` is the first page.
    pub token: Option<String>,
    /// Why it stopped there.
    pub reason: StopReason,
}

/// The findings about one policy rule, over all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleCount {
    /// Its worst severity; overrides can change it for some groups.
    pub severity: Severity,
    /// The number of findings.
    pub findings: usize,
}

/// One group with findings or an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSummary {
    /// `sg-...`.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// The outcome.
    pub outcome: GroupOutcome,
    /// The worst severity; `None` if there are no findings.
    pub severity: Option<Severity>,
    /// How many findings, without those that an exception covers.
    pub findings: usize,
    /// The policy rules that it violates.
    pub policy_rules: BTreeSet<String>,
    /// The first security group rules that violate them.
    pub security_group_rules: Vec<IngressRule>,
    /// How many more of these rules there are.
    pub more_security_group_rules: usize,
    /// The error, if the group could not be checked or closed.
    pub error: Option<String>,
}

/// What one sweep found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepReport {
    /// The id of the sweep.
    pub id: String,
    /// Whether it could change groups.
    pub remediates: bool,
    /// The policy.
    pub policy: PolicyIdentity,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Whether it continued an unfinished sweep.
    pub continued: bool,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How many groups were evaluated.
    pub group_count: usize,
    /// How many ingress rules they have.
    pub security_group_rule_count: usize,
    /// How many findings an exception covers.
    pub exempt: usize,
    /// How many other findings, by severity.
    pub by_severity: BTreeMap<Severity, usize>,
    /// How many other findings, by policy rule.
    pub by_policy_rule: BTreeMap<String, RuleCount>,
    /// How many groups with findings or an error, by outcome.
    pub outcomes: BTreeMap<GroupOutcome, usize>,
    /// The first of these groups, worst first.
    pub worst_groups: Vec<GroupSummary>,
    /// Prefix lists that do not exist, so their entries were evaluated as not open to the world.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// Exceptions that would have allowed something and have expired.
    pub expired_exceptions: BTreeSet<String>,
    /// Where it stopped, if that was before the last page.
    pub unfinished: Option<Unfinished>,
    /// Why the digest was not published.
    pub digest_error: Option<ServiceError>,
}

impl SweepReport {
    pub(crate) fn new(
        request: &SweepRequest,
        policy: &PolicyIdentity,
        remediates: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            id: request.id.clone(),
            remediates,
            policy: policy.clone(),
            account: request.account.clone(),
            region: request.region.clone(),
            continued: request.token.is_some(),
            started: now,
            ended: now,
            group_count: 0,
            security_group_rule_count: 0,
            exempt: 0,
            by_severity: BTreeMap::new(),
            by_policy_rule: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            worst_groups: Vec::new(),
            unresolved_prefix_lists: BTreeSet::new(),
            expired_exceptions: BTreeSet::new(),
            unfinished: None,
            digest_error: None,
        }
    }

    /// The outcome of greatest concern of all groups.
    pub fn outcome(&self) -> GroupOutcome {
        let worst = self.outcomes.keys().next_back().copied();
        if self.unfinished.is_some() {
            GroupOutcome::NotClosed
        } else {
            worst.unwrap_or(GroupOutcome::Clean)
        }
    }

    /// The mode that it ran in.
    pub const fn mode(&self) -> Mode {
        if self.remediates {
            Mode::Enforce
        } else {
            Mode::Monitor
        }
    }

    /// `remediate` or `report`.
    pub const fn action_name(&self) -> &'static str {
        if self.remediates {
            "remediate"
        } else {
            "report"
        }
    }

    /// How many groups have findings or an error.
    pub fn affected_groups(&self) -> usize {
        self.outcomes.values().sum()
    }

    /// How many groups have this outcome.
    pub fn groups_with_outcome(&self, outcome: GroupOutcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// How many findings there are, without those that an exception covers.
    pub fn finding_count(&self) -> usize {
        self.by_severity.values().sum()
    }

    /// The worst severity.
    pub fn max_severity(&self) -> Option<Severity> {
        self.by_severity.keys().next_back().copied()
    }

    /// Whether a digest has to be published.
    pub fn needs_alert(&self) -> bool {
        self.affected_groups() > 0 || self.unfinished.is_some()
    }

    /// The event that continues this sweep where it stopped.
    pub fn resume_payload(&self) -> Option<String> {
        let unfinished = self.unfinished.as_ref()?;
        Some(serde_json::json!({ "token": unfinished.token }).to_string())
    }

    pub(crate) fn mark_unfinished(&mut self, token: Option<String>, reason: StopReason) {
        self.unfinished = Some(Unfinished { token, reason });
    }

    /// Counts a group of a page.
    pub(crate) fn record_group(&mut self, group: &SecurityGroup) {
        let rule_count = group.rules.len();
        self.group_count = self.group_count.saturating_add(1);
        self.security_group_rule_count = self.security_group_rule_count.saturating_add(rule_count);
    }

    /// Records the report about a group, and the error if its remediation failed.
    pub(crate) fn record_report(&mut self, report: &GroupReport, error: Option<String>) {
        let unresolved = report.unresolved_prefix_lists.iter().cloned();
        self.unresolved_prefix_lists.extend(unresolved);
        let expired = report.expired_exceptions.iter().cloned();
        self.expired_exceptions.extend(expired);
        self.count_findings(report);
        if report.has_results() || error.is_some() {
            self.add_group(&report.group, &report.rules, report.outcome, error);
        }
    }

    /// Records a group that failed, without counting it again: it could not be read, or its alert
    /// from an earlier sweep still could not be published.
    pub(crate) fn record_failed_group(
        &mut self,
        group: &SecurityGroup,
        rules: &[RuleOutcome],
        error: String,
    ) {
        self.add_group(group, rules, GroupOutcome::NotClosed, Some(error));
    }

    fn count_findings(&mut self, report: &GroupReport) {
        let exempt = report
            .findings()
            .filter(|finding| finding.exempted_by.is_some());
        self.exempt = self.exempt.saturating_add(exempt.count());
        for finding in report.active_findings() {
            let severity = finding.policy_rule.severity;
            let count = self.by_severity.entry(severity).or_default();
            *count = count.saturating_add(1);
            let rule_id = finding.policy_rule.id.clone();
            let new_count = RuleCount {
                severity,
                findings: 0,
            };
            let rule_count = self.by_policy_rule.entry(rule_id).or_insert(new_count);
            rule_count.findings = rule_count.findings.saturating_add(1);
            rule_count.severity = rule_count.severity.max(severity);
        }
    }

    fn add_group(
        &mut self,
        group: &SecurityGroup,
        rules: &[RuleOutcome],
        outcome: GroupOutcome,
        error: Option<String>,
    ) {
        let outcome = match error {
            Some(_) => GroupOutcome::NotClosed,
            None => outcome,
        };
        let count = self.outcomes.entry(outcome).or_default();
        *count = count.saturating_add(1);
        let summary = GroupSummary::new(group, rules, outcome, error);
        self.worst_groups.push(summary);
        self.worst_groups
            .sort_by_cached_key(GroupSummary::ranking_key);
        self.worst_groups.truncate(MAX_GROUPS);
    }
}

impl GroupSummary {
    fn new(
        group: &SecurityGroup,
        rules: &[RuleOutcome],
        outcome: GroupOutcome,
        error: Option<String>,
    ) -> Self {
        let listed: Vec<_> = rules
            .iter()
            .filter(|outcome| outcome.status != RuleStatus::Exempt)
            .collect();
        let findings: Vec<_> = listed
            .iter()
            .flat_map(|outcome| outcome.active_findings())
            .collect();
        Self {
            id: group.id.clone(),
            name: group.name.clone(),
            vpc_id: group.vpc_id.clone(),
            outcome,
            severity: findings
                .iter()
                .map(|finding| finding.policy_rule.severity)
                .max(),
            findings: findings.len(),
            policy_rules: findings
                .iter()
                .map(|finding| finding.policy_rule.id.clone())
                .collect(),
            security_group_rules: listed
                .iter()
                .take(MAX_RULES_PER_GROUP)
                .map(|outcome| outcome.rule.clone())
                .collect(),
            more_security_group_rules: listed.len().saturating_sub(MAX_RULES_PER_GROUP),
            error,
        }
    }

    /// Worst first.
    fn ranking_key(&self) -> impl Ord + use<> {
        (
            Reverse(self.outcome),
            Reverse(self.severity),
            Reverse(self.findings),
            self.id.clone(),
        )
    }
}
