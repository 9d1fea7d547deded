//! What a sweep found and did: the facts, bounded however many groups there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use portcullis_rules::{Finding, IngressRule, Judgement, Policy, SecurityGroup, Severity};

use super::Errand;
use crate::ports::PortError;
use crate::remediate::Handled;
use crate::report::{Outcome, Report};

/// How many groups are told by name.
const MOST_GROUPS: usize = 50;
/// How many boxes of a group are told.
const MOST_BOXES: usize = 10;

/// Why a sweep ended before the last page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The deadline.
    #[error("the time was up")]
    Late,
    /// A page could not be read.
    #[error("{0}")]
    Unread(PortError),
}

/// Where a sweep ended before the last page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The page to go on with; `None` is the first.
    pub token: Option<String>,
    /// The reason.
    pub why: Why,
}

/// One rule of the policy, over all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleTally {
    /// The worst that it is anywhere.
    pub severity: Severity,
    /// How many findings.
    pub findings: usize,
}

/// One group with something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupNote {
    /// `sg-...`.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// The worst finding; `None` when the group could not be read.
    pub severity: Option<Severity>,
    /// How many findings.
    pub findings: usize,
    /// The rules of the policy that it breaks.
    pub rules: BTreeSet<String>,
    /// The first boxes that are forbidden.
    pub boxes: Vec<IngressRule>,
    /// How many more boxes there are.
    pub more_boxes: usize,
    /// What went wrong.
    pub error: Option<String>,
}

/// Everything about one sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
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
    pub groups: usize,
    /// How many ingress rules they have.
    pub rules: usize,
    /// How many findings an exception frees.
    pub exempt: usize,
    /// Findings by severity.
    pub by_severity: BTreeMap<Severity, usize>,
    /// Findings by rule of the policy.
    pub by_rule: BTreeMap<String, RuleTally>,
    /// What became of the groups with something to tell.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// The groups with something to tell, worst first, as many as are told by name.
    pub worst: Vec<GroupNote>,
    /// Prefix lists that do not exist: judged as not the world.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// Exceptions that would have freed something and have ended.
    pub expired_exceptions: BTreeSet<String>,
    /// Where it ended, if that was not the last page.
    pub unfinished: Option<Unfinished>,
    /// Why the digest could not be sent.
    pub untold: Option<PortError>,
}

/// Why a sweep is not done with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// It ended before the last page.
    #[error("the sweep is unfinished after {groups} groups: {why}; invoke it with {payload} to go on")]
    Unfinished {
        /// How many groups it judged.
        groups: usize,
        /// The reason.
        why: Why,
        /// The event that goes on.
        payload: String,
    },
    /// Groups are still open, or nobody could look, or nobody was told.
    #[error("{count} groups are not done with, the first: {first}")]
    Groups {
        /// How many.
        count: usize,
        /// What went wrong with one of them.
        first: String,
    },
    /// The digest could not be told.
    #[error("the digest could not be told: {0}")]
    Untold(PortError),
}

impl SweepError {
    /// Stable kebab-case code, for alarms.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unfinished { .. } => "sweep-unfinished",
            Self::Groups { .. } => "group-not-closed",
            Self::Untold(_) => "alert-unsent",
        }
    }
}

impl Swept {
    pub(super) fn begin(errand: &Errand, policy: &Policy, remediates: bool, now: Timestamp) -> Self {
        Self {
            id: errand.id.clone(),
            remediates,
            policy: policy.name.clone(),
            account: errand.account.clone(),
            region: errand.region.clone(),
            continued: errand.token.is_some(),
            started: now,
            ended: now,
            groups: 0,
            rules: 0,
            exempt: 0,
            by_severity: BTreeMap::new(),
            by_rule: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            worst: Vec::new(),
            unresolved_prefix_lists: BTreeSet::new(),
            expired_exceptions: BTreeSet::new(),
            unfinished: None,
            untold: None,
        }
    }

    /// How it ended: the greatest concern of all.
    pub fn outcome(&self) -> Outcome {
        let worst = self.outcomes.keys().next_back().copied();
        if self.unfinished.is_some() { Outcome::Incomplete } else { worst.unwrap_or(Outcome::Clean) }
    }

    /// How many groups have something to tell.
    pub fn affected(&self) -> usize {
        self.outcomes.values().sum()
    }

    /// How many groups ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// How many findings there are, without those that an exception frees.
    pub fn findings(&self) -> usize {
        self.by_severity.values().sum()
    }

    /// The worst severity found.
    pub fn severity(&self) -> Option<Severity> {
        self.by_severity.keys().next_back().copied()
    }

    /// Whether people must be told.
    pub fn is_news(&self) -> bool {
        self.affected() > 0 || self.unfinished.is_some()
    }

    /// The event that goes on where this sweep ended.
    pub fn payload(&self) -> Option<String> {
        let unfinished = self.unfinished.as_ref()?;
        Some(serde_json::json!({ "token": unfinished.token }).to_string())
    }

    /// All that is left undone or unsaid; empty when the sweep is done with.
    pub fn errors(&self) -> Vec<SweepError> {
        let unfinished = self.unfinished.as_ref().map(|unfinished| SweepError::Unfinished {
            groups: self.groups,
            why: unfinished.why.clone(),
            payload: self.payload().unwrap_or_default(),
        });
        let count = self.count(Outcome::Incomplete);
        let first = self.worst.iter().find_map(|note| note.error.clone()).unwrap_or_default();
        let groups = (count > 0).then_some(SweepError::Groups { count, first });
        let untold = self.untold.clone().map(SweepError::Untold);
        unfinished.into_iter().chain(groups).chain(untold).collect()
    }

    pub(super) fn stop(&mut self, token: Option<String>, why: Why) {
        self.unfinished = Some(Unfinished { token, why });
    }

    pub(super) fn looked_at(&mut self, group: &SecurityGroup) {
        self.groups = self.groups.saturating_add(1);
        self.rules = self.rules.saturating_add(group.rules.len());
    }

    /// A group that could not be read by itself.
    pub(super) fn unread(&mut self, group: &SecurityGroup, error: &PortError) {
        self.note(group, &[], Outcome::Incomplete, Some(error.to_string()));
    }

    /// A group that is only reported.
    pub(super) fn found(&mut self, group: &SecurityGroup, judgement: &Judgement) {
        self.unresolved_prefix_lists.extend(judgement.unresolved_prefix_lists.iter().cloned());
        self.expired_exceptions.extend(judgement.exceptions_expired.iter().cloned());
        let enforces = judgement.findings.iter().any(Finding::enforces);
        let outcome = if enforces { Outcome::WouldClose } else { Outcome::Noticed };
        self.tally(&judgement.findings);
        if judgement.findings.iter().any(|finding| finding.exempt.is_none()) {
            self.note(group, &judgement.findings, outcome, None);
        }
    }

    /// A group that went through the remediator.
    pub(super) fn handled(&mut self, listed: &SecurityGroup, judgement: &Judgement, handled: &Handled) {
        let error = handled.errors.first().map(ToString::to_string);
        let Some(report) = handled.reports.first() else {
            self.tally(&judgement.findings);
            return self.note(listed, &judgement.findings, Outcome::Incomplete, error);
        };
        self.unresolved_prefix_lists.extend(report.unresolved_prefix_lists.iter().cloned());
        self.expired_exceptions.extend(report.expired_exceptions.iter().cloned());
        self.tally(&report.findings);
        if report.is_news() || error.is_some() {
            let outcome = if error.is_some() { Outcome::Incomplete } else { report.outcome };
            self.note(&report.group, &report.findings, outcome, error);
        }
    }

    /// A group of an earlier sweep whose alert was owed.
    pub(super) fn said(&mut self, group_id: &str, handled: &Handled) {
        let Some(error) = handled.errors.first() else { return };
        let unknown = SecurityGroup { id: group_id.to_owned(), ..SecurityGroup::default() };
        let report = handled.reports.first();
        let (group, findings) = report.map_or((&unknown, &[][..]), |Report { group, findings, .. }| (group, findings));
        self.note(group, findings, Outcome::Incomplete, Some(error.to_string()));
    }

    fn tally(&mut self, findings: &[Finding]) {
        for finding in findings {
            if finding.exempt.is_some() {
                self.exempt = self.exempt.saturating_add(1);
                continue;
            }
            let severity = finding.rule.severity;
            let count = self.by_severity.entry(severity).or_default();
            *count = count.saturating_add(1);
            let rule = self.by_rule.entry(finding.rule.id.clone()).or_insert(RuleTally { severity, findings: 0 });
            rule.findings = rule.findings.saturating_add(1);
            rule.severity = rule.severity.max(severity);
        }
    }

    fn note(&mut self, group: &SecurityGroup, findings: &[Finding], outcome: Outcome, error: Option<String>) {
        let count = self.outcomes.entry(outcome).or_default();
        *count = count.saturating_add(1);
        self.worst.push(GroupNote::new(group, findings, outcome, error));
        self.worst.sort_by_cached_key(GroupNote::concern);
        self.worst.truncate(MOST_GROUPS);
    }
}

impl GroupNote {
    fn new(group: &SecurityGroup, findings: &[Finding], outcome: Outcome, error: Option<String>) -> Self {
        let live: Vec<_> = findings.iter().filter(|finding| finding.exempt.is_none()).collect();
        let by_place: BTreeMap<_, _> = live.iter().map(|finding| (finding.index, &finding.ingress)).collect();
        Self {
            id: group.id.clone(),
            name: group.name.clone(),
            vpc_id: group.vpc_id.clone(),
            outcome,
            severity: live.iter().map(|finding| finding.rule.severity).max(),
            findings: live.len(),
            rules: live.iter().map(|finding| finding.rule.id.clone()).collect(),
            more_boxes: by_place.len().saturating_sub(MOST_BOXES),
            boxes: by_place.into_values().take(MOST_BOXES).cloned().collect(),
            error,
        }
    }

    /// Worst first.
    fn concern(&self) -> impl Ord + use<> {
        (Reverse(self.outcome), Reverse(self.severity), Reverse(self.findings), self.id.clone())
    }
}
