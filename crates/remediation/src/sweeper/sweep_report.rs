//! What a sweep found and did: the facts, bounded however many groups there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_rules::{Evaluation, Finding, IngressRule, Policy, SecurityGroup, Severity};

use super::SweepRequest;
use crate::remediator::EventOutcome;
use crate::report::{GroupOutcome, GroupReport};
use crate::services::ServiceError;

/// How many groups are told by name.
const MAX_GROUPS: usize = 50;
/// How many boxes of a group are told.
const MAX_RULES_PER_GROUP: usize = 10;

/// Why a sweep ended before the last page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// The deadline.
    #[error("the time was up")]
    DeadlineReached,
    /// A page could not be read.
    #[error("{0}")]
    PageUnreadable(ServiceError),
}

/// Where a sweep ended before the last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The page to go on with; `None` is the first.
    pub token: Option<String>,
    /// The reason.
    pub reason: StopReason,
}

/// One rule of the policy, over all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleCount {
    /// The worst that it is anywhere.
    pub severity: Severity,
    /// How many findings.
    pub findings: usize,
}

/// One group with something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSummary {
    /// `sg-...`.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// What became of it.
    pub outcome: GroupOutcome,
    /// The worst finding; `None` when the group could not be read.
    pub severity: Option<Severity>,
    /// How many findings.
    pub findings: usize,
    /// The rules of the policy that it breaks.
    pub policy_rules: BTreeSet<String>,
    /// The first boxes that are forbidden.
    pub security_group_rules: Vec<IngressRule>,
    /// How many more boxes there are.
    pub more_security_group_rules: usize,
    /// What went wrong.
    pub error: Option<String>,
}

/// Everything about one sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepReport {
    /// The sweep's name.
    pub id: String,
    /// Whether it could change groups.
    pub remediates: bool,
    /// The name of the policy.
    pub policy: String,
    /// The account.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Whether it went on with what another sweep left.
    pub continued: bool,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How many groups were judged.
    pub group_count: usize,
    /// How many ingress rules they have.
    pub security_group_rule_count: usize,
    /// How many findings an exception frees.
    pub exempt: usize,
    /// Findings by severity.
    pub by_severity: BTreeMap<Severity, usize>,
    /// Findings by rule of the policy.
    pub by_policy_rule: BTreeMap<String, RuleCount>,
    /// What became of the groups with something to tell.
    pub outcomes: BTreeMap<GroupOutcome, usize>,
    /// The groups with something to tell, worst first, as many as are told by name.
    pub worst_groups: Vec<GroupSummary>,
    /// Prefix lists that do not exist: judged as not the world.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// Exceptions that would have freed something and have ended.
    pub expired_exceptions: BTreeSet<String>,
    /// Where it ended, if that was not the last page.
    pub unfinished: Option<Unfinished>,
    /// Why the digest could not be sent.
    pub digest_error: Option<ServiceError>,
}

/// Why a sweep is not done with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// It ended before the last page.
    #[error(
        "the sweep is unfinished after {groups} groups: {reason}; invoke it with {payload} to go on"
    )]
    Unfinished {
        /// How many groups it judged.
        groups: usize,
        /// The reason.
        reason: StopReason,
        /// The event that goes on.
        payload: String,
    },
    /// Groups are still open, or nobody could look, or nobody was told.
    #[error("{count} groups are not done with, the first: {first_error}")]
    GroupsNotClosed {
        /// How many.
        count: usize,
        /// What went wrong with one of them.
        first_error: String,
    },
    /// The digest could not be told.
    #[error("the digest could not be told: {0}")]
    AlertNotSent(ServiceError),
}

impl SweepError {
    /// Stable kebab-case code, for alarms.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unfinished { .. } => "sweep-unfinished",
            Self::GroupsNotClosed { .. } => "group-not-closed",
            Self::AlertNotSent(_) => "alert-unsent",
        }
    }
}

impl SweepReport {
    pub(super) fn new(
        errand: &SweepRequest,
        policy: &Policy,
        remediates: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            id: errand.id.clone(),
            remediates,
            policy: policy.name.clone(),
            account: errand.account.clone(),
            region: errand.region.clone(),
            continued: errand.token.is_some(),
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

    /// How it ended: the greatest concern of all.
    pub fn outcome(&self) -> GroupOutcome {
        let worst = self.outcomes.keys().next_back().copied();
        if self.unfinished.is_some() {
            GroupOutcome::NotClosed
        } else {
            worst.unwrap_or(GroupOutcome::Clean)
        }
    }

    /// How many groups have something to tell.
    pub fn affected_groups(&self) -> usize {
        self.outcomes.values().sum()
    }

    /// How many groups ended so.
    pub fn groups_with_outcome(&self, outcome: GroupOutcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// How many findings there are, without those that an exception frees.
    pub fn finding_count(&self) -> usize {
        self.by_severity.values().sum()
    }

    /// The worst severity found.
    pub fn max_severity(&self) -> Option<Severity> {
        self.by_severity.keys().next_back().copied()
    }

    /// Whether people must be told.
    pub fn needs_alert(&self) -> bool {
        self.affected_groups() > 0 || self.unfinished.is_some()
    }

    /// The event that goes on where this sweep ended.
    pub fn resume_payload(&self) -> Option<String> {
        let unfinished = self.unfinished.as_ref()?;
        Some(serde_json::json!({ "token": unfinished.token }).to_string())
    }

    /// All that is left undone or unsaid; empty when the sweep is done with.
    pub fn errors(&self) -> Vec<SweepError> {
        let unfinished = self
            .unfinished
            .as_ref()
            .map(|unfinished| SweepError::Unfinished {
                groups: self.group_count,
                reason: unfinished.reason.clone(),
                payload: self.resume_payload().unwrap_or_default(),
            });
        let count = self.groups_with_outcome(GroupOutcome::NotClosed);
        let first = self
            .worst_groups
            .iter()
            .find_map(|note| note.error.clone())
            .unwrap_or_default();
        let groups = (count > 0).then_some(SweepError::GroupsNotClosed {
            count,
            first_error: first,
        });
        let untold = self.digest_error.clone().map(SweepError::AlertNotSent);
        unfinished.into_iter().chain(groups).chain(untold).collect()
    }

    pub(super) fn mark_unfinished(&mut self, token: Option<String>, why: StopReason) {
        self.unfinished = Some(Unfinished { token, reason: why });
    }

    pub(super) fn record_group(&mut self, group: &SecurityGroup) {
        self.group_count = self.group_count.saturating_add(1);
        self.security_group_rule_count = self
            .security_group_rule_count
            .saturating_add(group.rules.len());
    }

    /// A group that could not be read by itself.
    pub(super) fn record_unreadable_group(&mut self, group: &SecurityGroup, error: &ServiceError) {
        self.add_group_summary(group, &[], GroupOutcome::NotClosed, Some(error.to_string()));
    }

    /// A group that is only reported.
    pub(super) fn record_findings(&mut self, group: &SecurityGroup, judgement: &Evaluation) {
        self.unresolved_prefix_lists
            .extend(judgement.unresolved_prefix_lists.iter().cloned());
        self.expired_exceptions
            .extend(judgement.exceptions_expired.iter().cloned());
        let enforces = judgement.findings.iter().any(Finding::enforces);
        let outcome = if enforces {
            GroupOutcome::WouldClose
        } else {
            GroupOutcome::Reported
        };
        self.count_findings(&judgement.findings);
        if judgement
            .findings
            .iter()
            .any(|finding| finding.exempted_by.is_none())
        {
            self.add_group_summary(group, &judgement.findings, outcome, None);
        }
    }

    /// A group that went through the remediator.
    pub(super) fn record_remediation(
        &mut self,
        listed: &SecurityGroup,
        judgement: &Evaluation,
        handled: &EventOutcome,
    ) {
        let error = handled.errors.first().map(ToString::to_string);
        let Some(report) = handled.reports.first() else {
            self.count_findings(&judgement.findings);
            return self.add_group_summary(
                listed,
                &judgement.findings,
                GroupOutcome::NotClosed,
                error,
            );
        };
        self.unresolved_prefix_lists
            .extend(report.unresolved_prefix_lists.iter().cloned());
        self.expired_exceptions
            .extend(report.expired_exceptions.iter().cloned());
        self.count_findings(&report.findings);
        if report.needs_alert() || error.is_some() {
            let outcome = if error.is_some() {
                GroupOutcome::NotClosed
            } else {
                report.outcome
            };
            self.add_group_summary(&report.group, &report.findings, outcome, error);
        }
    }

    /// A group of an earlier sweep whose alert was owed.
    pub(super) fn record_retried_alert(&mut self, group_id: &str, handled: &EventOutcome) {
        let Some(error) = handled.errors.first() else {
            return;
        };
        let unknown = SecurityGroup {
            id: group_id.to_owned(),
            ..SecurityGroup::default()
        };
        let report = handled.reports.first();
        let (group, findings) = report.map_or(
            (&unknown, &[][..]),
            |GroupReport {
                 group, findings, ..
             }| (group, findings),
        );
        self.add_group_summary(
            group,
            findings,
            GroupOutcome::NotClosed,
            Some(error.to_string()),
        );
    }

    fn count_findings(&mut self, findings: &[Finding]) {
        for finding in findings {
            if finding.exempted_by.is_some() {
                self.exempt = self.exempt.saturating_add(1);
                continue;
            }
            let severity = finding.policy_rule.severity;
            let count = self.by_severity.entry(severity).or_default();
            *count = count.saturating_add(1);
            let rule = self
                .by_policy_rule
                .entry(finding.policy_rule.id.clone())
                .or_insert(RuleCount {
                    severity,
                    findings: 0,
                });
            rule.findings = rule.findings.saturating_add(1);
            rule.severity = rule.severity.max(severity);
        }
    }

    fn add_group_summary(
        &mut self,
        group: &SecurityGroup,
        findings: &[Finding],
        outcome: GroupOutcome,
        error: Option<String>,
    ) {
        let count = self.outcomes.entry(outcome).or_default();
        *count = count.saturating_add(1);
        self.worst_groups
            .push(GroupSummary::new(group, findings, outcome, error));
        self.worst_groups
            .sort_by_cached_key(GroupSummary::ranking_key);
        self.worst_groups.truncate(MAX_GROUPS);
    }
}

impl GroupSummary {
    fn new(
        group: &SecurityGroup,
        findings: &[Finding],
        outcome: GroupOutcome,
        error: Option<String>,
    ) -> Self {
        let live: Vec<_> = findings
            .iter()
            .filter(|finding| finding.exempted_by.is_none())
            .collect();
        let by_place: BTreeMap<_, _> = live
            .iter()
            .map(|finding| (finding.index, &finding.ingress))
            .collect();
        Self {
            id: group.id.clone(),
            name: group.name.clone(),
            vpc_id: group.vpc_id.clone(),
            outcome,
            severity: live
                .iter()
                .map(|finding| finding.policy_rule.severity)
                .max(),
            findings: live.len(),
            policy_rules: live
                .iter()
                .map(|finding| finding.policy_rule.id.clone())
                .collect(),
            more_security_group_rules: by_place.len().saturating_sub(MAX_RULES_PER_GROUP),
            security_group_rules: by_place
                .into_values()
                .take(MAX_RULES_PER_GROUP)
                .cloned()
                .collect(),
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
