//! The report about one security group and one event.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::plan::{Addition, ApplyOrder, SkippedAddition};
use portcullis_rules::{Decision, Finding, OpenedRules, Policy, SecurityGroup, Severity};

use super::group_outcome::GroupOutcome;
use super::planned::planned_rule_outcomes;
use super::policy_identity::PolicyIdentity;
use super::rule_outcome::{FailedAddition, RuleOutcome, RuleStatus, sort_by_attention};
use crate::event::{GroupChange, Origin};
use crate::services::{GroupRef, Mode, ServiceError};

/// From which severity on people get an alert about findings that the policy only reports.
pub const DEFAULT_MIN_SEVERITY: Severity = Severity::Medium;

/// What happened to one security group because of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    /// The outcome.
    pub outcome: GroupOutcome,
    /// Whether the group could be changed.
    pub mode: Mode,
    /// The policy.
    pub policy: PolicyIdentity,
    /// The event: who, when, from where.
    pub origin: Origin,
    /// The rules that the event opened, as far as it says.
    pub opened: OpenedRules,
    /// How the event refers to the group.
    pub group_ref: GroupRef,
    /// The group at the first read. If it does not exist, only its id or name is known.
    pub group: SecurityGroup,
    /// The outcome of each rule with findings or changes, over all rounds. Rules that need
    /// attention come first, exempt rules last.
    pub rules: Vec<RuleOutcome>,
    /// Rules that the plan could not add in place of removed ones.
    pub skipped_additions: Vec<SkippedAddition>,
    /// Whether removals or additions came first.
    pub order: ApplyOrder,
    /// Prefix lists that do not exist, so their entries were evaluated as not open to the world.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// Exceptions of the policy that would have allowed something and have expired.
    pub expired_exceptions: BTreeSet<String>,
    /// How many times a plan was applied to the group.
    pub rounds: u32,
    /// When the last read showed that nothing forbidden is left; `None` if something is, and in
    /// monitor mode.
    pub closed_at: Option<Timestamp>,
    /// Why the group could not be read again. The removals are known; whether forbidden rules are
    /// left is not.
    pub unverified: Option<ServiceError>,
}

impl GroupReport {
    /// The report of a decision that is not applied: nothing has been changed.
    pub fn planned(
        policy: &Policy,
        change: &GroupChange,
        named: &GroupRef,
        group: &SecurityGroup,
        decision: &Decision,
    ) -> Self {
        let rules = planned_rule_outcomes(decision);
        let evaluation = &decision.evaluation;
        Self {
            outcome: GroupOutcome::from_rules(&rules, true),
            mode: Mode::Monitor,
            policy: PolicyIdentity::from_policy(policy),
            origin: change.origin.clone(),
            opened: change.evaluation_context(None).opened,
            group_ref: named.clone(),
            group: group.clone(),
            rules,
            skipped_additions: decision.plan.skipped_additions.clone(),
            order: decision.plan.order,
            unresolved_prefix_lists: evaluation.unresolved_prefix_lists.clone(),
            expired_exceptions: evaluation.exceptions_expired.clone(),
            rounds: 0,
            closed_at: None,
            unverified: None,
        }
    }

    /// The report that enforce mode publishes about a decision if every call succeeds and nobody
    /// else changes the group. What only a real run knows, such as the time at which the group was
    /// closed, is absent.
    pub fn preview_enforced(
        policy: &Policy,
        change: &GroupChange,
        named: &GroupRef,
        group: &SecurityGroup,
        decision: &Decision,
    ) -> Self {
        let mut report = Self::planned(policy, change, named, group, decision);
        for outcome in &mut report.rules {
            if outcome.status == RuleStatus::WouldApply {
                outcome.status = RuleStatus::Applied;
            }
        }
        sort_by_attention(&mut report.rules);
        let is_changed = report.removed_rules().next().is_some();
        Self {
            outcome: GroupOutcome::from_rules(&report.rules, true),
            mode: Mode::Enforce,
            rounds: u32::from(is_changed),
            ..report
        }
    }

    /// The report about a group that does not exist.
    pub(crate) fn group_deleted(
        policy: &Policy,
        change: &GroupChange,
        named: &GroupRef,
        mode: Mode,
    ) -> Self {
        let mut group = SecurityGroup::default();
        match named {
            GroupRef::Id(id) => group.id.clone_from(id),
            GroupRef::Name(name) => group.name = Some(name.clone()),
        }
        Self {
            outcome: GroupOutcome::GroupDeleted,
            mode,
            ..Self::planned(policy, change, named, &group, &Decision::default())
        }
    }

    /// The findings about all rules.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.rules.iter().flat_map(|outcome| &outcome.findings)
    }

    /// The findings that no exception covers.
    pub fn active_findings(&self) -> impl Iterator<Item = &Finding> {
        self.rules.iter().flat_map(RuleOutcome::active_findings)
    }

    /// The rules that were removed; in a report of a plan that was not applied, those that would
    /// be.
    pub fn removed_rules(&self) -> impl Iterator<Item = &RuleOutcome> {
        self.rules.iter().filter(|outcome| outcome.removed)
    }

    /// The rules whose removal was refused.
    pub fn refused_rules(&self) -> impl Iterator<Item = &RuleOutcome> {
        self.rules
            .iter()
            .filter(|outcome| outcome.status.refusal().is_some())
    }

    /// The rules that are, or may be, still there although the policy demands their removal.
    pub fn open_rules(&self) -> impl Iterator<Item = &RuleOutcome> {
        self.rules.iter().filter(|outcome| outcome.status.is_open())
    }

    /// The rules that were added in place of removed ones and are still there; in a report of a
    /// plan that was not applied, those that would be.
    pub fn replacements(&self) -> impl Iterator<Item = &Addition> {
        self.rules.iter().flat_map(|outcome| &outcome.replacements)
    }

    /// The rules that were to be added and are not there, because the call failed.
    pub fn failed_additions(&self) -> impl Iterator<Item = &FailedAddition> {
        self.rules
            .iter()
            .flat_map(|outcome| &outcome.failed_additions)
    }

    /// Whether rules that were added in place of a rule that someone else removed could not be
    /// removed again.
    pub fn has_failed_withdrawals(&self) -> bool {
        self.rules
            .iter()
            .flat_map(|outcome| &outcome.withdrawals)
            .any(|withdrawal| withdrawal.error.is_some())
    }

    /// The rules that an undo adds again. Nothing in monitor mode.
    pub fn rules_to_restore(&self) -> impl Iterator<Item = &RuleOutcome> {
        let is_enforced = self.mode == Mode::Enforce;
        self.removed_rules()
            .filter(move |outcome| is_enforced && !outcome.is_replacement)
    }

    /// The replacements that an undo removes. Nothing in monitor mode.
    pub fn additions_to_remove(&self) -> impl Iterator<Item = &Addition> {
        let is_enforced = self.mode == Mode::Enforce;
        self.replacements().filter(move |_| is_enforced)
    }

    /// The worst severity of the findings that no exception covers.
    pub fn max_severity(&self) -> Option<Severity> {
        self.rules
            .iter()
            .filter_map(RuleOutcome::max_severity)
            .max()
    }

    /// Whether people need an alert, with the default threshold for findings that are only
    /// reported.
    pub fn needs_alert(&self) -> bool {
        self.needs_alert_from(DEFAULT_MIN_SEVERITY)
    }

    /// Whether people need an alert. They get one about findings that the policy only reports if
    /// the event opened the rule and the severity is at least `min_severity`. The report and the
    /// digest of a sweep contain all of them.
    pub fn needs_alert_from(&self, min_severity: Severity) -> bool {
        match self.outcome {
            GroupOutcome::Clean | GroupOutcome::GroupDeleted => false,
            GroupOutcome::Reported => self
                .rules
                .iter()
                .any(|outcome| self.concerns_people(outcome, min_severity)),
            GroupOutcome::Closed
            | GroupOutcome::WouldClose
            | GroupOutcome::Refused
            | GroupOutcome::NotClosed => true,
        }
    }

    /// Whether an alert mentions a rule.
    pub(crate) fn concerns_people(&self, outcome: &RuleOutcome, min_severity: Severity) -> bool {
        match outcome.status {
            RuleStatus::Exempt => false,
            RuleStatus::Reported => {
                self.opened.contains(&outcome.rule) && outcome.max_severity() >= Some(min_severity)
            }
            RuleStatus::Failed(_)
            | RuleStatus::Reopened
            | RuleStatus::Unverified(_)
            | RuleStatus::Refused(_)
            | RuleStatus::WouldApply
            | RuleStatus::Applied
            | RuleStatus::Gone => true,
        }
    }

    /// Whether anything was found or changed.
    pub fn has_results(&self) -> bool {
        !matches!(
            self.outcome,
            GroupOutcome::Clean | GroupOutcome::GroupDeleted
        )
    }

    /// Seconds from the call that opened the group to the read that found it closed.
    pub fn exposure_seconds(&self) -> Option<i64> {
        let opened = self.origin.time?.as_second();
        let closed = self.closed_at?.as_second();
        Some(closed.saturating_sub(opened).max(0))
    }
}
