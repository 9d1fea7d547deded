//! The plan for a security group and its parts.

use std::collections::BTreeSet;

use super::reason::{RefusalReason, SkipReason};
use crate::evaluate::Evaluation;
use crate::group::{IngressRule, SecurityGroup};
use crate::policy::Action;
use crate::traffic::ProtocolSet;

/// The changes to make to one security group. A plan is complete: applying it requires no
/// decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The id of the group.
    pub group_id: String,
    /// The rules to remove, ordered by protocol, ports and source.
    pub removals: Vec<Removal>,
    /// The rules to add in place of removed ones. They never widen access.
    pub additions: Vec<Addition>,
    /// Whether to make the additions or the removals first.
    pub order: ApplyOrder,
    /// The changes that the policy requires and that are not planned.
    pub refusals: Vec<Refusal>,
    /// The rules for allowed or trusted access that are not added.
    pub skipped_additions: Vec<SkippedAddition>,
}

impl Plan {
    /// Whether the plan removes nothing. The planner adds rules only in place of removed ones.
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty()
    }

    /// The group as it is after the plan is applied.
    pub fn apply_to(&self, group: &SecurityGroup) -> SecurityGroup {
        let mut removed: Vec<&IngressRule> = self
            .removals
            .iter()
            .map(|removal| &removal.ingress)
            .collect();
        let mut after = group.clone();
        after.rules.retain(|rule| {
            let found = removed.iter().position(|candidate| *candidate == rule);
            found.map(|index| removed.swap_remove(index)).is_none()
        });
        after.rules.extend(
            self.additions
                .iter()
                .map(|addition| addition.ingress.clone()),
        );
        after
    }

    /// Replaces the plan with one that changes nothing and refuses every rule with an enforced
    /// finding, for the given reason.
    #[must_use]
    pub fn refuse_all(self, evaluation: &Evaluation, reason: RefusalReason) -> Self {
        let mut refused_indexes = BTreeSet::new();
        let refusals = evaluation
            .enforced_findings()
            .filter(|finding| refused_indexes.insert(finding.index))
            .map(|finding| Refusal {
                ingress: finding.ingress.clone(),
                reason,
            })
            .collect();
        Self {
            group_id: self.group_id,
            refusals,
            ..Self::default()
        }
    }
}

/// A rule to remove. It contains everything that is required to restore the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The rule.
    pub ingress: IngressRule,
    /// The ids of the enforced policy rules that it violates.
    pub policy_rules: Vec<String>,
    /// The strongest action of these policy rules.
    pub action: Action,
    /// Protocol numbers that the rule allowed, that are not forbidden, and that no addition keeps.
    /// Only a rule for protocol `-1` has any.
    pub dropped_protocols: ProtocolSet,
}

/// A rule to add in place of a removed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// The rule, with the description and tags of the removed one, except tags that only AWS may
    /// set.
    pub ingress: IngressRule,
    /// What the rule is for.
    pub purpose: Purpose,
    /// The removed rule. Of several that are replaced by equal rules, the one with the lowest id.
    pub replaces: IngressRule,
    /// Whether an exception names traffic of the rule.
    pub is_excepted: bool,
}

/// What an added rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Keeps traffic that is not forbidden.
    Keep,
    /// Keeps access to forbidden traffic for a trusted source.
    Trust,
}

/// Whether a plan makes its additions or its removals first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApplyOrder {
    /// Additions first, so that allowed access is never interrupted.
    #[default]
    AddFirst,
    /// Removals first, because the rules quota may have no room for both, or because EC2 would
    /// reject an addition as a duplicate of a removed rule.
    RemoveFirst,
}

/// A rule that would keep access but is not added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedAddition {
    /// The rule.
    pub ingress: IngressRule,
    /// Why it is not added.
    pub reason: SkipReason,
}

/// A rule that violates the policy but is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub ingress: IngressRule,
    /// Why it is not changed.
    pub reason: RefusalReason,
}
