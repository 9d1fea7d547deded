//! Builds the rules that replace offending rules.

use super::access::PriorAccess;
use super::candidates::{Candidate, Candidates, Disposition};
use super::draft_rule::{DraftRule, Origin};
use super::families::SourceFamilies;
use super::forbidden::ForbiddenTrust;
use super::input::PlanInput;
use super::replacement::{Offender, OffenderOrder, Replacements};
use super::sort_key::full_sort_key;
use super::types::{Purpose, SkippedAddition};
use crate::group::IngressRule;
use crate::traffic::ProtocolSet;

/// Replaces offending rules of a draft.
pub(super) struct Replacer<'a> {
    access: PriorAccess<'a>,
    families: SourceFamilies<'a>,
    /// The position of each rule of the original group, ordered by id.
    ranks: Vec<usize>,
}

/// Which rules for trusted sources may be added in a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrustLimits<'d> {
    /// Those that turned out to be forbidden.
    pub(super) forbidden: &'d ForbiddenTrust,
    /// Whether the limit of rounds is not reached.
    pub(super) may_add: bool,
}

/// What replaces the offending rules of a round.
#[derive(Debug, Default)]
pub(super) struct RoundReplacements {
    pub(super) rules: Vec<DraftRule>,
    pub(super) skipped: Vec<SkippedAddition>,
    /// For each offending rule, the protocol numbers that are not forbidden and that no rule keeps.
    pub(super) dropped_protocols: Vec<ProtocolSet>,
}

impl<'a> Replacer<'a> {
    pub(super) fn new(input: &PlanInput<'a>) -> Self {
        Self {
            access: PriorAccess::new(&input.group.rules, input.lists),
            families: SourceFamilies::new(input.lists),
            ranks: ranks_by_id(&input.group.rules),
        }
    }

    /// The rank of a rule of the original group. Of equal replacements, the one for the rule with
    /// the lowest rank is added.
    pub(super) fn rank(&self, original_index: usize) -> usize {
        self.ranks
            .get(original_index)
            .copied()
            .unwrap_or(usize::MAX)
    }

    /// The order of each offending rule of a round.
    pub(super) fn order_offenders(&self, offending: &[DraftRule]) -> Vec<OffenderOrder> {
        let mut by_details: Vec<(usize, &IngressRule)> = offending
            .iter()
            .map(|rule| &rule.ingress)
            .enumerate()
            .collect();
        by_details.sort_by_cached_key(|(_, rule)| (&rule.description, rule.settable_tags()));
        let mut skip_ranks = vec![0; offending.len()];
        for (position, (number, _)) in by_details.into_iter().enumerate() {
            if let Some(skip_rank) = skip_ranks.get_mut(number) {
                *skip_rank = position;
            }
        }
        offending
            .iter()
            .zip(skip_ranks)
            .enumerate()
            .map(|(number, (rule, skip_rank))| OffenderOrder {
                number,
                rank: self.rank(rule.origin.index),
                skip_rank,
            })
            .collect()
    }

    /// Replaces the offending rules of a round with rules for the traffic that is kept and for
    /// trusted sources.
    pub(super) fn replace(
        &mut self,
        offenders: &[Offender<'_>],
        trust: TrustLimits<'_>,
    ) -> RoundReplacements {
        let mut replacements = Replacements {
            access: &mut self.access,
            families: &mut self.families,
            forbidden: trust.forbidden,
            may_add_trust: trust.may_add,
            candidates: Candidates::default(),
        };
        let mut round = RoundReplacements::default();
        for offender in offenders {
            let dropped = replacements.replace(offender);
            round.dropped_protocols.push(dropped);
        }
        for candidate in replacements.candidates.iter() {
            if let Some(offender) = offenders.get(candidate.replaced.offender) {
                round.add(candidate, offender);
            }
        }
        round
    }
}

impl RoundReplacements {
    fn add(&mut self, candidate: Candidate<'_>, offender: &Offender<'_>) {
        let Some(ingress) = build_rule(candidate, offender.rule) else {
            return;
        };
        let purpose = match candidate.disposition {
            Disposition::Skip(reason) => {
                self.skipped.push(SkippedAddition { ingress, reason });
                return;
            }
            Disposition::Keep => Purpose::Keep,
            Disposition::Trust => Purpose::Trust,
        };
        let origin = Origin {
            index: offender.origin.index,
            added_for: Some(purpose),
            is_excepted: candidate.replaced.is_excepted,
        };
        self.rules.push(DraftRule { ingress, origin });
    }
}

/// The rule for a replacement, with the description and tags of the removed rule.
fn build_rule(candidate: Candidate<'_>, removed: &IngressRule) -> Option<IngressRule> {
    let source = candidate.source.clone();
    let mut rule = IngressRule::new(candidate.protocol, candidate.ports, source).ok()?;
    rule.description.clone_from(&removed.description);
    rule.tags = removed.settable_tags();
    Some(rule)
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
