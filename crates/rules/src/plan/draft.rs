//! Drafts the changes to a group: replaces offending rules and evaluates again, until no enforced
//! finding is left.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::input::PlanInput;
use super::quota::{addition_priority, additions_over_quota};
use super::reason::SkipReason;
use super::replacement::{DraftRule, replacement_rules};
use super::types::{Addition, Plan, Purpose, Removal, SkippedAddition};
use crate::evaluate::{Evaluation, Finding, evaluate};
use crate::group::{IngressRule, SecurityGroup, Tags, Traffic};
use crate::policy::Action;
use crate::traffic::TrafficSet;

/// The number of rounds in which rules for trusted sources may be added.
///
/// The limit ends the case of two trusted sources where one policy rule adds what another forbids.
/// Rules that keep allowed traffic need no limit, because they only get narrower.
const MAX_TRUST_ROUNDS: usize = 8;

/// Drafts the removals, additions and skipped additions for an evaluated group. The order and the
/// refusals of the result are not set.
pub(super) fn draft_plan(input: &PlanInput<'_>, evaluation: &Evaluation) -> Plan {
    let mut draft = Draft::new(input);
    let mut current = Cow::Borrowed(evaluation);
    for round in 0.. {
        let enforced = draft.enforced_by_rule(&current);
        if !enforced.is_empty() {
            draft.record_reasons(&enforced);
            draft.replace_offending_rules(&enforced, round < MAX_TRUST_ROUNDS);
        } else if !draft.skip_additions_over_quota() {
            break;
        }
        current = Cow::Owned(draft.evaluate());
    }
    draft.into_plan()
}

/// The findings to act on, by the index of their rule in the draft.
type EnforcedFindings<'a> = BTreeMap<usize, Vec<&'a Finding>>;

/// Why a rule of the group is removed.
struct RemovalReason {
    policy_rules: Vec<String>,
    action: Action,
}

/// The group as drafted so far.
struct Draft<'a> {
    input: &'a PlanInput<'a>,
    rules: Vec<DraftRule>,
    /// By the index of the rule in the original group.
    reasons: BTreeMap<usize, RemovalReason>,
    skipped: Vec<SkippedAddition>,
}

impl<'a> Draft<'a> {
    fn new(input: &'a PlanInput<'a>) -> Self {
        let rules = input
            .group
            .rules
            .iter()
            .enumerate()
            .map(|(index, ingress)| DraftRule {
                ingress: ingress.clone(),
                origin_index: index,
                added_for: None,
            })
            .collect();
        Self {
            input,
            rules,
            reasons: BTreeMap::new(),
            skipped: Vec::new(),
        }
    }

    fn evaluate(&self) -> Evaluation {
        let rules = self.rules.iter().map(|rule| rule.ingress.clone()).collect();
        let group = SecurityGroup {
            rules,
            ..self.input.group.clone()
        };
        let PlanInput {
            policy,
            lists,
            context,
            ..
        } = self.input;
        evaluate(policy, &group, lists, context)
    }

    /// The enforced findings by rule. If added rules for trusted sources are among them, only those
    /// are returned: an addition must not cause the removal of a rule of the group.
    fn enforced_by_rule<'f>(&self, evaluation: &'f Evaluation) -> EnforcedFindings<'f> {
        let mut enforced: EnforcedFindings<'f> = BTreeMap::new();
        for finding in evaluation.enforced_findings() {
            enforced.entry(finding.index).or_default().push(finding);
        }
        if enforced.keys().any(|&index| self.is_trust_rule(index)) {
            enforced.retain(|&index, _| self.is_trust_rule(index));
        }
        enforced
    }

    fn is_trust_rule(&self, index: usize) -> bool {
        self.rules
            .get(index)
            .is_some_and(|rule| rule.added_for == Some(Purpose::Trust))
    }

    fn record_reasons(&mut self, enforced: &EnforcedFindings<'_>) {
        for (index, findings) in enforced {
            let Some(rule) = self.rules.get(*index) else {
                continue;
            };
            let reason = self
                .reasons
                .entry(rule.origin_index)
                .or_insert(RemovalReason {
                    policy_rules: Vec::new(),
                    action: Action::Off,
                });
            for finding in findings {
                let policy_rule = &finding.policy_rule;
                reason.action = reason.action.max(policy_rule.action);
                if !reason.policy_rules.contains(&policy_rule.id) {
                    reason.policy_rules.push(policy_rule.id.clone());
                }
            }
        }
    }

    /// Replaces the offending rules with rules for the traffic that stays allowed and, if
    /// `add_trusted` is set, for trusted sources.
    fn replace_offending_rules(&mut self, enforced: &EnforcedFindings<'_>, add_trusted: bool) {
        let mut kept: Vec<DraftRule> = Vec::with_capacity(self.rules.len());
        let mut replacements = Vec::new();
        for (index, rule) in std::mem::take(&mut self.rules).into_iter().enumerate() {
            if let Some(findings) = enforced.get(&index) {
                let lists = self.input.lists;
                let replacement = replacement_rules(&rule, findings, lists, add_trusted);
                replacements.extend(replacement.rules);
                self.skipped.extend(replacement.skipped);
            } else {
                kept.push(rule);
            }
        }
        // Of several replacements with the same content, the first is added. Sorting them makes the
        // choice independent of the order of the rules in the group.
        replacements.sort_by_cached_key(|rule| {
            let origin = self.input.group.rules.get(rule.origin_index);
            (full_sort_key(&rule.ingress), origin.map(full_sort_key))
        });
        for rule in replacements {
            let is_duplicate = kept
                .iter()
                .any(|other| other.ingress.same_content(&rule.ingress));
            if !is_duplicate {
                kept.push(rule);
            }
        }
        self.rules = kept;
    }

    /// Drops the additions that exceed the rules quota. Returns whether there were any.
    ///
    /// The draft is evaluated again afterwards, because without them other rules may be forbidden.
    fn skip_additions_over_quota(&mut self) -> bool {
        let (added, kept): (Vec<_>, Vec<_>) =
            self.rules.iter().partition(|rule| rule.added_for.is_some());
        let mut additions: Vec<&IngressRule> = added.iter().map(|rule| &rule.ingress).collect();
        additions.sort_by_cached_key(|rule| addition_sort_key(rule));
        let kept_rules = kept.iter().map(|rule| &rule.ingress);
        let over_quota = additions_over_quota(kept_rules, &additions, self.input);
        if over_quota.is_empty() {
            return false;
        }
        self.rules.retain(|rule| {
            rule.added_for.is_none()
                || !over_quota
                    .iter()
                    .any(|skipped| skipped.same_content(&rule.ingress))
        });
        self.skipped
            .extend(over_quota.into_iter().map(|ingress| SkippedAddition {
                ingress,
                reason: SkipReason::RulesQuota,
            }));
        true
    }

    fn into_plan(mut self) -> Plan {
        let removals = self.take_removals();
        let skipped_additions = self.take_skipped_additions();
        let group = self.input.group;
        let mut additions: Vec<Addition> = self
            .rules
            .into_iter()
            .filter_map(|rule| build_addition(rule, group))
            .collect();
        additions.sort_by_cached_key(|addition| addition_sort_key(&addition.ingress));
        Plan {
            removals,
            additions,
            skipped_additions,
            ..Plan::default()
        }
    }

    /// The rules of the group that are not in the draft.
    fn take_removals(&mut self) -> Vec<Removal> {
        let kept: BTreeSet<usize> = self
            .rules
            .iter()
            .filter(|rule| rule.added_for.is_none())
            .map(|rule| rule.origin_index)
            .collect();
        let mut removals = Vec::new();
        for (index, ingress) in self.input.group.rules.iter().enumerate() {
            if kept.contains(&index) {
                continue;
            }
            let reason = self.reasons.remove(&index).unwrap_or(RemovalReason {
                policy_rules: Vec::new(),
                action: Action::Revoke,
            });
            removals.push(Removal {
                ingress: ingress.clone(),
                policy_rules: reason.policy_rules,
                action: reason.action,
            });
        }
        removals
    }

    /// The skipped additions whose traffic is not allowed by other rules of the draft, sorted and
    /// without duplicates.
    fn take_skipped_additions(&mut self) -> Vec<SkippedAddition> {
        let mut skipped = std::mem::take(&mut self.skipped);
        skipped.retain(|addition| !self.is_allowed(&addition.ingress));
        skipped.sort_by_cached_key(|addition| (full_sort_key(&addition.ingress), addition.reason));
        skipped.dedup_by(|second, first| {
            second.ingress.same_content(&first.ingress) && second.reason == first.reason
        });
        skipped
    }

    /// Whether the rules of the draft with the same source allow all traffic of this rule.
    fn is_allowed(&self, rule: &IngressRule) -> bool {
        let mut allowed = TrafficSet::default();
        for candidate in self.rules.iter().map(|candidate| &candidate.ingress) {
            // A traffic set does not distinguish ICMP messages, so ICMP rules are compared by
            // content.
            let is_icmp = matches!(candidate.traffic(), Traffic::Icmp | Traffic::Icmpv6);
            let counts = !is_icmp || candidate.same_content(rule);
            if counts && candidate.source.same_source(&rule.source) {
                allowed = allowed.union(&candidate.traffic().into());
            }
        }
        let wanted = TrafficSet::from(rule.traffic());
        wanted.difference(&allowed).is_empty()
    }
}

fn build_addition(rule: DraftRule, group: &SecurityGroup) -> Option<Addition> {
    Some(Addition {
        ingress: rule.ingress,
        purpose: rule.added_for?,
        replaces: group.rules.get(rule.origin_index)?.clone(),
    })
}

/// Every property of a rule, so that sorting does not depend on the order of the group.
type FullSortKey = (
    (String, (Option<i32>, Option<i32>), String),
    Option<String>,
    Tags,
    Option<String>,
);

fn full_sort_key(rule: &IngressRule) -> FullSortKey {
    (
        rule.sort_key(),
        rule.description.clone(),
        rule.tags.clone(),
        rule.id.clone(),
    )
}

fn addition_sort_key(rule: &IngressRule) -> ((u8, u8), FullSortKey) {
    (addition_priority(rule), full_sort_key(rule))
}
