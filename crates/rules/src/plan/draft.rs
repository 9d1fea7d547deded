//! Drafts the changes to a group: replaces offending rules and evaluates again, until no enforced
//! finding is left.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::draft_rule::{DraftRule, Origin};
use super::forbidden::ForbiddenTrust;
use super::input::PlanInput;
use super::reason::RefusalReason;
use super::replacement::Offender;
use super::replacer::{Replacer, TrustLimits};
use super::skipped::SkippedAdditions;
use super::sort_key::{addition_sort_key, full_sort_key};
use super::types::{Addition, Plan, Purpose, Refusal, Removal};
use crate::evaluate::{Evaluation, Finding, evaluate};
use crate::group::{IngressRule, RuleContent, SecurityGroup};
use crate::policy::Action;
use crate::scope::{Context, OpenedRules};
use crate::traffic::{ProtocolSet, TrafficSet};

/// The number of rounds in which rules for trusted sources may be added.
///
/// A rule for a trusted source that turned out to be forbidden is not added again, so there are
/// few rounds. The limit bounds the work for policies with many trusted sources that trust and
/// forbid each other. Rules that keep allowed traffic need no limit, because they only get
/// narrower.
const MAX_TRUST_ROUNDS: usize = 8;

/// Rules that are not changed, by their index in the original group, with the reason.
pub(super) type FrozenRules = BTreeMap<usize, RefusalReason>;

/// The findings to act on, by the index of their rule in the draft.
type EnforcedFindings<'a> = BTreeMap<usize, Vec<&'a Finding>>;

/// Why a rule of the group is removed, and what is lost with it.
#[derive(Debug, Clone)]
struct RemovalReason {
    policy_rules: Vec<String>,
    action: Action,
    dropped_protocols: ProtocolSet,
}

/// The group as drafted so far.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    input: &'a PlanInput<'a>,
    group: SecurityGroup,
    /// Where the rules of `group` come from, in the same order.
    origins: Vec<Origin>,
    /// The findings of `group`.
    evaluation: Cow<'a, Evaluation>,
    /// By the index of the rule in the original group.
    reasons: BTreeMap<usize, RemovalReason>,
    skipped: SkippedAdditions,
    /// Rules for trusted sources that were added and turned out to be forbidden.
    forbidden_trust: ForbiddenTrust,
    round: usize,
}

impl<'a> Draft<'a> {
    /// A draft without changes, for a group that was evaluated with the same input.
    pub(super) fn new(input: &'a PlanInput<'a>, evaluation: &'a Evaluation) -> Self {
        let unchanged = |index| Origin {
            index,
            added_for: None,
            is_excepted: false,
        };
        Self {
            input,
            group: input.group.clone(),
            origins: (0..input.group.rules.len()).map(unchanged).collect(),
            evaluation: Cow::Borrowed(evaluation),
            reasons: BTreeMap::new(),
            skipped: SkippedAdditions::default(),
            forbidden_trust: ForbiddenTrust::default(),
            round: 0,
        }
    }

    /// Replaces offending rules, except the frozen ones, until no enforced finding is left.
    pub(super) fn resolve_findings(&mut self, frozen: &FrozenRules) {
        let mut replacer = Replacer::new(self.input);
        loop {
            let evaluation = std::mem::take(&mut self.evaluation);
            let enforced = self.enforced_by_rule(&evaluation, frozen);
            if enforced.is_empty() {
                self.evaluation = evaluation;
                return;
            }
            self.record_reasons(&enforced);
            self.record_forbidden_trust(&enforced);
            self.replace_offending_rules(&mut replacer, &enforced, &evaluation.excepted);
            self.round = self.round.saturating_add(1);
            self.evaluation = Cow::Owned(self.evaluate());
        }
    }

    fn evaluate(&self) -> Evaluation {
        let context = self.context();
        evaluate(self.input.policy, &self.group, self.input.lists, &context)
    }

    /// The context in which a rule that replaces an opened rule counts as opened, too.
    fn context(&self) -> Cow<'a, Context> {
        let context = self.input.context;
        let OpenedRules::Listed(opened) = &context.opened else {
            return Cow::Borrowed(context);
        };
        let mut contents = opened.clone();
        for (rule, origin) in self.group.rules.iter().zip(&self.origins) {
            let original = self.input.group.rules.get(origin.index);
            let is_opened = original.is_some_and(|original| self.input.is_opened(original));
            if is_opened && origin.added_for.is_some() {
                contents.insert(rule.content());
            }
        }
        Cow::Owned(Context {
            opened: OpenedRules::Listed(contents),
            ..context.clone()
        })
    }

    /// The enforced findings by rule. If added rules for trusted sources are among them, only those
    /// are returned: an addition must not cause the removal of a rule of the group.
    fn enforced_by_rule<'f>(
        &self,
        evaluation: &'f Evaluation,
        frozen: &FrozenRules,
    ) -> EnforcedFindings<'f> {
        let mut enforced: EnforcedFindings<'f> = BTreeMap::new();
        for finding in evaluation.enforced_findings() {
            let original = self.original_index(finding.index);
            if !original.is_some_and(|index| frozen.contains_key(&index)) {
                enforced.entry(finding.index).or_default().push(finding);
            }
        }
        if enforced.keys().any(|&index| self.is_trust_rule(index)) {
            enforced.retain(|&index, _| self.is_trust_rule(index));
        }
        enforced
    }

    fn is_trust_rule(&self, index: usize) -> bool {
        self.origins
            .get(index)
            .is_some_and(|origin| origin.added_for == Some(Purpose::Trust))
    }

    /// The index in the original group of a rule that was not added.
    fn original_index(&self, index: usize) -> Option<usize> {
        let origin = self.origins.get(index)?;
        origin.added_for.is_none().then_some(origin.index)
    }

    fn record_reasons(&mut self, enforced: &EnforcedFindings<'_>) {
        for (index, findings) in enforced {
            let Some(origin) = self.origins.get(*index) else {
                continue;
            };
            let reason = self.reasons.entry(origin.index).or_insert(RemovalReason {
                policy_rules: Vec::new(),
                action: Action::Off,
                dropped_protocols: ProtocolSet::empty(),
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

    fn record_forbidden_trust(&mut self, enforced: &EnforcedFindings<'_>) {
        for (index, (rule, origin)) in self.group.rules.iter().zip(&self.origins).enumerate() {
            if origin.added_for == Some(Purpose::Trust) && enforced.contains_key(&index) {
                self.forbidden_trust.insert(rule);
            }
        }
    }

    /// Replaces the offending rules with rules for the traffic that is kept and for trusted
    /// sources.
    fn replace_offending_rules(
        &mut self,
        replacer: &mut Replacer<'_>,
        enforced: &EnforcedFindings<'_>,
        excepted: &BTreeMap<usize, TrafficSet>,
    ) {
        let nothing = TrafficSet::default();
        let offending = self.take_rules(enforced);
        let orders = replacer.order_offenders(&offending);
        let mut offenders = Vec::with_capacity(offending.len());
        for ((rule, order), (index, findings)) in offending.iter().zip(orders).zip(enforced) {
            offenders.push(Offender {
                rule: &rule.ingress,
                origin: rule.origin,
                findings,
                excepted: excepted.get(index).unwrap_or(&nothing),
                order,
            });
        }
        let trust = TrustLimits {
            forbidden: &self.forbidden_trust,
            may_add: self.round < MAX_TRUST_ROUNDS,
        };
        let round = replacer.replace(&offenders, trust);
        for (rule, dropped) in offending.iter().zip(round.dropped_protocols) {
            if let Some(reason) = self.reasons.get_mut(&rule.origin.index) {
                reason.dropped_protocols = reason.dropped_protocols.union(dropped);
            }
        }
        for skipped in round.skipped {
            self.skipped.insert(skipped);
        }
        self.merge_rules(round.rules, replacer);
    }

    /// Takes the offending rules out of the draft, in their order.
    fn take_rules(&mut self, enforced: &EnforcedFindings<'_>) -> Vec<DraftRule> {
        let rules = std::mem::take(&mut self.group.rules);
        let origins = std::mem::take(&mut self.origins);
        let mut taken = Vec::new();
        for (index, (ingress, origin)) in rules.into_iter().zip(origins).enumerate() {
            if enforced.contains_key(&index) {
                taken.push(DraftRule { ingress, origin });
            } else {
                self.group.rules.push(ingress);
                self.origins.push(origin);
            }
        }
        taken
    }

    /// Adds the rules that the draft does not have. Of equal ones, the one with the lower rank of
    /// the replaced rule is added.
    fn merge_rules(&mut self, rules: Vec<DraftRule>, replacer: &Replacer<'_>) {
        let mut positions: BTreeMap<RuleContent, usize> = self
            .group
            .rules
            .iter()
            .enumerate()
            .map(|(position, rule)| (rule.content(), position))
            .collect();
        for rule in rules {
            match positions.entry(rule.ingress.content()) {
                Entry::Vacant(entry) => {
                    entry.insert(self.group.rules.len());
                    self.group.rules.push(rule.ingress);
                    self.origins.push(rule.origin);
                }
                Entry::Occupied(entry) => self.merge_into(*entry.get(), rule, replacer),
            }
        }
    }

    /// Merges a replacement into an equal rule of the draft.
    fn merge_into(&mut self, position: usize, replacement: DraftRule, replacer: &Replacer<'_>) {
        let known = self.group.rules.get_mut(position);
        let Some((rule, origin)) = known.zip(self.origins.get_mut(position)) else {
            return;
        };
        let Some(known_purpose) = origin.added_for else {
            return;
        };
        let is_kept =
            known_purpose == Purpose::Keep || replacement.origin.added_for == Some(Purpose::Keep);
        let is_excepted = origin.is_excepted || replacement.origin.is_excepted;
        if replacer.rank(replacement.origin.index) < replacer.rank(origin.index) {
            *rule = replacement.ingress;
            origin.index = replacement.origin.index;
        }
        origin.is_excepted = is_excepted;
        origin.added_for = Some(if is_kept {
            Purpose::Keep
        } else {
            known_purpose
        });
    }

    /// The indexes in the original group of the rules that are not in the draft.
    pub(super) fn removed_indexes(&self) -> Vec<usize> {
        let kept: BTreeSet<usize> = (0..self.origins.len())
            .filter_map(|index| self.original_index(index))
            .collect();
        (0..self.input.group.rules.len())
            .filter(|index| !kept.contains(index))
            .collect()
    }

    /// The plan without its order. Frozen rules with enforced findings are refused.
    pub(super) fn into_plan(mut self, frozen: &FrozenRules) -> Plan {
        let refusals = self.refusals(frozen);
        let removals = self.take_removals();
        let skipped_additions =
            std::mem::take(&mut self.skipped).without_allowed(&self.group.rules);
        let originals = &self.input.group.rules;
        let mut additions: Vec<Addition> = self
            .group
            .rules
            .into_iter()
            .zip(self.origins)
            .filter_map(|(ingress, origin)| build_addition(ingress, origin, originals))
            .collect();
        additions.sort_by_cached_key(|addition| addition_sort_key(&addition.ingress));
        Plan {
            group_id: self.group.id,
            removals,
            additions,
            refusals,
            skipped_additions,
            ..Plan::default()
        }
    }

    fn refusals(&self, frozen: &FrozenRules) -> Vec<Refusal> {
        let mut refused = BTreeSet::new();
        let mut refusals = Vec::new();
        for finding in self.evaluation.enforced_findings() {
            let reason = self
                .original_index(finding.index)
                .and_then(|index| frozen.get(&index));
            if let Some(&reason) = reason
                && refused.insert(finding.index)
            {
                let ingress = finding.ingress.clone();
                refusals.push(Refusal { ingress, reason });
            }
        }
        refusals
    }

    fn take_removals(&mut self) -> Vec<Removal> {
        let mut removals = Vec::new();
        for index in self.removed_indexes() {
            let removed = self.input.group.rules.get(index);
            if let Some((ingress, reason)) = removed.zip(self.reasons.remove(&index)) {
                removals.push(Removal {
                    ingress: ingress.clone(),
                    policy_rules: reason.policy_rules,
                    action: reason.action,
                    dropped_protocols: reason.dropped_protocols,
                });
            }
        }
        removals.sort_by_cached_key(|removal| full_sort_key(&removal.ingress));
        removals
    }
}

fn build_addition(
    ingress: IngressRule,
    origin: Origin,
    originals: &[IngressRule],
) -> Option<Addition> {
    Some(Addition {
        ingress,
        purpose: origin.added_for?,
        replaces: originals.get(origin.index)?.clone(),
        is_excepted: origin.is_excepted,
    })
}
