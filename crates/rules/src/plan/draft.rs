//! Drafts the changes to a group: replaces offending rules and evaluates again, until no enforced
//! finding is left.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::access::PriorAccess;
use super::input::PlanInput;
use super::reason::RefusalReason;
use super::replacement::{DraftRule, Offender, Origin, TrustRules, replacement_rules};
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
    forbidden_trust: BTreeSet<RuleContent>,
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
            forbidden_trust: BTreeSet::new(),
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
            replacer.replace_offending_rules(self, &enforced, &evaluation.excepted);
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
                self.forbidden_trust.insert(rule.content());
            }
        }
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
        let skipped = std::mem::take(&mut self.skipped);
        let skipped_additions = skipped.without_allowed(&self.group.rules);
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
            let original = self.original_index(finding.index);
            let reason = original.and_then(|index| frozen.get(&index));
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
        removals
    }
}

/// Replaces offending rules of a draft.
struct Replacer<'a> {
    input: &'a PlanInput<'a>,
    access: PriorAccess<'a>,
    /// The position of each rule of the original group, ordered by id.
    ranks: Vec<usize>,
}

impl<'a> Replacer<'a> {
    fn new(input: &'a PlanInput<'a>) -> Self {
        Self {
            input,
            access: PriorAccess::new(&input.group.rules, input.lists),
            ranks: ranks_by_id(&input.group.rules),
        }
    }

    /// Replaces the offending rules with rules for the traffic that is kept and for trusted
    /// sources.
    fn replace_offending_rules(
        &mut self,
        draft: &mut Draft<'_>,
        enforced: &EnforcedFindings<'_>,
        excepted: &BTreeMap<usize, TrafficSet>,
    ) {
        let nothing = TrafficSet::default();
        let rules = std::mem::take(&mut draft.group.rules);
        let origins = std::mem::take(&mut draft.origins);
        let mut replacements = Vec::new();
        for (index, (ingress, origin)) in rules.into_iter().zip(origins).enumerate() {
            let Some(findings) = enforced.get(&index) else {
                draft.group.rules.push(ingress);
                draft.origins.push(origin);
                continue;
            };
            let offender = Offender {
                rule: &ingress,
                origin,
                findings,
                excepted: excepted.get(&index).unwrap_or(&nothing),
            };
            let mut trust = TrustRules {
                access: &mut self.access,
                forbidden: &draft.forbidden_trust,
                may_be_added: draft.round < MAX_TRUST_ROUNDS,
            };
            let replacement = replacement_rules(&offender, self.input.lists, &mut trust);
            if let Some(reason) = draft.reasons.get_mut(&origin.index) {
                let dropped = reason.dropped_protocols;
                reason.dropped_protocols = dropped.union(replacement.dropped_protocols);
            }
            for skipped in replacement.skipped {
                draft.skipped.insert(skipped);
            }
            replacements.extend(replacement.rules);
        }
        self.merge_replacements(draft, replacements);
    }

    /// Adds the replacements that the draft does not have. Of equal ones, the one with the lower
    /// id of the replaced rule is added.
    fn merge_replacements(&self, draft: &mut Draft<'_>, replacements: Vec<DraftRule>) {
        let mut positions: BTreeMap<RuleContent, usize> = draft
            .group
            .rules
            .iter()
            .enumerate()
            .map(|(position, rule)| (rule.content(), position))
            .collect();
        for replacement in replacements {
            match positions.entry(replacement.ingress.content()) {
                Entry::Vacant(entry) => {
                    entry.insert(draft.group.rules.len());
                    draft.group.rules.push(replacement.ingress);
                    draft.origins.push(replacement.origin);
                }
                Entry::Occupied(entry) => {
                    self.merge_into(draft, *entry.get(), replacement);
                }
            }
        }
    }

    /// Merges a replacement into an equal rule of the draft.
    fn merge_into(&self, draft: &mut Draft<'_>, position: usize, replacement: DraftRule) {
        let known = draft.group.rules.get_mut(position);
        let Some((rule, origin)) = known.zip(draft.origins.get_mut(position)) else {
            return;
        };
        let Some(known_purpose) = origin.added_for else {
            return;
        };
        let is_kept =
            known_purpose == Purpose::Keep || replacement.origin.added_for == Some(Purpose::Keep);
        let is_excepted = origin.is_excepted || replacement.origin.is_excepted;
        if self.rank(replacement.origin.index) < self.rank(origin.index) {
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

    fn rank(&self, original_index: usize) -> usize {
        self.ranks
            .get(original_index)
            .copied()
            .unwrap_or(usize::MAX)
    }
}

/// The position of each rule in the order of ids. Rules without an id come last, in an order that
/// does not depend on that of the group.
fn ranks_by_id(rules: &[IngressRule]) -> Vec<usize> {
    let mut indexes: Vec<usize> = (0..rules.len()).collect();
    indexes.sort_by_cached_key(|&index| {
        let rule = rules.get(index);
        let id = rule.and_then(|rule| rule.id.clone());
        (id.is_none(), id, rule.map(full_sort_key))
    });
    let mut ranks = vec![usize::MAX; rules.len()];
    for (position, index) in indexes.into_iter().enumerate() {
        if let Some(rank) = ranks.get_mut(index) {
            *rank = position;
        }
    }
    ranks
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
