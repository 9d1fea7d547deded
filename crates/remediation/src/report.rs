//! What happened to one security group because of one event: the facts, before they are put into words.

pub mod json;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use portcullis_rules::plan::{Addition, ApplyOrder, Refusal, SkippedAddition};
use portcullis_rules::{
    Evaluation, Finding, IngressRule, Plan, Policy, Removal, SecurityGroup, Severity,
};

use crate::event::{GroupChange, Origin};
use crate::services::{GroupRef, Mode, ServiceError};

/// How it ended. The order is that of concern: the greatest of several groups stands for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupOutcome {
    /// Nothing was found.
    Clean,
    /// The group does not exist any more.
    GroupDeleted,
    /// Something was found that the policy only wants told.
    Reported,
    /// All that the policy forbids was removed, and a second look found none of it left.
    Closed,
    /// Monitor mode: this is what would have been removed.
    WouldClose,
    /// The policy demands something that was refused, with the reason.
    Refused,
    /// Some of what the policy forbids is still there: a call failed, or it came back faster than it was removed.
    NotClosed,
}

impl GroupOutcome {
    /// Stable kebab-case name, also the message attribute for filter policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::GroupDeleted => "vanished",
            Self::Reported => "noticed",
            Self::Closed => "closed",
            Self::WouldClose => "would-close",
            Self::Refused => "refused",
            Self::NotClosed => "incomplete",
        }
    }
}

impl fmt::Display for GroupOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A box that was to go and did not, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRemoval {
    /// The box.
    pub ingress: IngressRule,
    /// What the call said.
    pub error: ServiceError,
}

/// A box that was to take the place of one that went and could not be added, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAddition {
    /// The addition.
    pub addition: Addition,
    /// What the call said.
    pub error: ServiceError,
}

/// Everything about one group and one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    /// How it ended.
    pub outcome: GroupOutcome,
    /// Whether the group could be changed.
    pub mode: Mode,
    /// The name of the policy.
    pub policy: String,
    /// The event: who, when, from where.
    pub origin: Origin,
    /// How the event named the group.
    pub group_ref: GroupRef,
    /// The group as it was read first; only its id or name is known when it had vanished.
    pub group: SecurityGroup,
    /// What the policy found, over all rounds, each box and rule once.
    pub findings: Vec<Finding>,
    /// What was removed; in monitor mode and in an offline plan, what would be.
    pub removed: Vec<Removal>,
    /// What was put in the place of what was removed; in monitor mode and in an offline plan, what would be.
    pub added: Vec<Addition>,
    /// What could not be kept or opened again, as the plan foresaw.
    pub skipped_additions: Vec<SkippedAddition>,
    /// What could not be added although it was planned: the call failed.
    pub failed_additions: Vec<FailedAddition>,
    /// Whether what was removed went before what was put in its place came.
    pub order: ApplyOrder,
    /// What could not be removed.
    pub failed_removals: Vec<FailedRemoval>,
    /// What was not done on purpose.
    pub refusals: Vec<Refusal>,
    /// What the last look still found that an enforcing rule forbids.
    pub remaining: Vec<Finding>,
    /// Prefix lists whose entries could not be read because they do not exist: judged as not the world.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// Exceptions of the policy that would have freed something and have ended.
    pub expired_exceptions: BTreeSet<String>,
    /// How many times the group was read and acted upon.
    pub rounds: u32,
    /// When the last look showed that nothing is left; `None` while something is, and in monitor mode.
    pub closed_at: Option<Timestamp>,
    /// The second look failed: what was removed is known, what is left is not.
    pub unverified: Option<ServiceError>,
}

impl GroupReport {
    /// What would be reported if this plan were carried out: nothing has been changed.
    pub fn from_plan(
        policy: &Policy,
        change: &GroupChange,
        named: &GroupRef,
        group: &SecurityGroup,
        judgement: Evaluation,
        plan: Plan,
    ) -> Self {
        let findings = judgement.findings;
        let outcome = if !plan.removals.is_empty() {
            GroupOutcome::WouldClose
        } else if !plan.refusals.is_empty() {
            GroupOutcome::Refused
        } else if findings.iter().any(|finding| finding.exempted_by.is_none()) {
            GroupOutcome::Reported
        } else {
            GroupOutcome::Clean
        };
        Self {
            outcome,
            mode: Mode::Monitor,
            policy: policy.name.clone(),
            origin: change.origin.clone(),
            group_ref: named.clone(),
            group: group.clone(),
            remaining: findings
                .iter()
                .filter(|finding| finding.enforces())
                .cloned()
                .collect(),
            findings,
            removed: plan.removals,
            added: plan.additions,
            skipped_additions: plan.skipped_additions,
            failed_additions: Vec::new(),
            order: plan.order,
            failed_removals: Vec::new(),
            refusals: plan.refusals,
            unresolved_prefix_lists: judgement.unresolved_prefix_lists,
            expired_exceptions: judgement.exceptions_expired,
            rounds: 0,
            closed_at: None,
            unverified: None,
        }
    }

    /// What an undo puts back: what was removed, but for what was put there only by us. Nothing in monitor mode.
    pub fn removals_to_restore(&self) -> impl Iterator<Item = &Removal> {
        let removed = if self.mode == Mode::Enforce {
            self.removed.as_slice()
        } else {
            &[]
        };
        removed.iter().filter(|removal| {
            !self
                .added
                .iter()
                .any(|addition| is_same_rule(&addition.ingress, &removal.ingress))
        })
    }

    /// What an undo takes away: what was put in the place of what was removed and did not go again. Nothing in monitor
    /// mode.
    pub fn additions_to_remove(&self) -> impl Iterator<Item = &Addition> {
        let added = if self.mode == Mode::Enforce {
            self.added.as_slice()
        } else {
            &[]
        };
        added.iter().filter(|addition| {
            !self
                .removed
                .iter()
                .any(|removal| is_same_rule(&addition.ingress, &removal.ingress))
        })
    }

    /// The worst severity found; `None` when nothing was.
    pub fn max_severity(&self) -> Option<Severity> {
        self.findings
            .iter()
            .filter(|finding| finding.exempted_by.is_none())
            .map(|finding| finding.policy_rule.severity)
            .max()
    }

    /// Whether people must be told: whenever anything was found or changed.
    pub fn needs_alert(&self) -> bool {
        !matches!(
            self.outcome,
            GroupOutcome::Clean | GroupOutcome::GroupDeleted
        )
    }

    /// Seconds from the call that opened the group to the look that found it closed.
    pub fn exposure_seconds(&self) -> Option<i64> {
        let opened = self.origin.time?;
        self.closed_at
            .map(|closed| closed.as_second().saturating_sub(opened.as_second()).max(0))
    }
}

/// Whether both are the same box down to description and tags, whatever their ids.
fn is_same_rule(one: &IngressRule, other: &IngressRule) -> bool {
    one.same_content(other) && one.description == other.description && one.tags == other.tags
}
