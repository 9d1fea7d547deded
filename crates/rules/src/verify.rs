//! Verification: an independent check of a plan before it is applied.
//!
//! The check works out what a group allows before and after a plan, and reports a plan that removes
//! an unaffected rule, widens access, or leaves something that the policy forbids.
//!
//! It shares the evaluation ([`evaluate()`]) with the planner, which decides what is forbidden
//! before and after the plan, so a defect in it affects both. The findings before the plan are
//! given by the caller; the group after the plan is evaluated here. Everything else is independent:
//! this module applies the plan to the group itself and compares access before and after by ports
//! and address ranges, without the traffic sets and the replacement rules of the planner.

mod access;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::evaluate::{Evaluation, evaluate};
use crate::group::{IngressRule, SecurityGroup};
use crate::plan::{Addition, Plan};
use crate::policy::Policy;
use crate::scope::Context;
use crate::source::PrefixLists;

use access::AllowedAccess;

/// A reason not to apply a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The plan removes a rule that the group does not have.
    MissingRule(IngressRule),
    /// The plan removes a rule that no enforced policy rule forbids, neither before the plan nor
    /// when the other changes of the plan are made.
    UnaffectedRule(IngressRule),
    /// The plan adds a rule that allows access the group did not allow.
    WidensAccess(IngressRule),
    /// The plan leaves or adds a rule that an enforced policy rule forbids.
    StillForbidden(IngressRule),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingRule(rule) => write!(f, "removes `{rule}`, which is not in the group"),
            Self::UnaffectedRule(rule) => {
                write!(f, "removes `{rule}`, which no enforced policy rule forbids")
            }
            Self::WidensAccess(rule) => {
                write!(f, "adds `{rule}`, which allows more than the group did")
            }
            Self::StillForbidden(rule) => {
                write!(f, "leaves `{rule}`, which an enforced policy rule forbids")
            }
        }
    }
}

/// Checks a plan for the group `before`. Returns the violations; empty when the plan may be
/// applied.
pub fn verify_plan(
    policy: &Policy,
    before: &SecurityGroup,
    lists: &PrefixLists,
    context: &Context,
    plan: &Plan,
) -> Vec<Violation> {
    let evaluation = evaluate(policy, before, lists, context);
    verify_evaluated_plan(policy, (before, &evaluation), lists, context, plan)
}

/// The same for a group that was evaluated with the same policy, lists and context already.
pub(crate) fn verify_evaluated_plan(
    policy: &Policy,
    (before, evaluation): (&SecurityGroup, &Evaluation),
    lists: &PrefixLists,
    context: &Context,
    plan: &Plan,
) -> Vec<Violation> {
    let verifier = Verifier {
        policy,
        before,
        evaluation,
        lists,
        context,
        plan,
    };
    let (removed, mut violations) = verifier.find_removed_rules();
    violations.extend(verifier.widening_additions());
    violations.extend(verifier.unaffected_removals(&removed));
    violations.extend(verifier.still_forbidden_rules(&removed));
    violations
}

/// Indexes of rules of the group before the plan.
type RuleIndexes = BTreeSet<usize>;

struct Verifier<'a> {
    policy: &'a Policy,
    before: &'a SecurityGroup,
    /// The findings of the group before the plan.
    evaluation: &'a Evaluation,
    lists: &'a PrefixLists,
    context: &'a Context,
    plan: &'a Plan,
}

impl Verifier<'_> {
    /// The rules that the plan removes. Reports removals of rules that are not in the group.
    fn find_removed_rules(&self) -> (RuleIndexes, Vec<Violation>) {
        let mut indexes: BTreeMap<&IngressRule, Vec<usize>> = BTreeMap::new();
        for (index, rule) in self.before.rules.iter().enumerate().rev() {
            indexes.entry(rule).or_default().push(index);
        }
        let mut removed = RuleIndexes::new();
        let mut violations = Vec::new();
        for removal in &self.plan.removals {
            match indexes.get_mut(&removal.ingress).and_then(Vec::pop) {
                Some(index) => drop(removed.insert(index)),
                None => violations.push(Violation::MissingRule(removal.ingress.clone())),
            }
        }
        (removed, violations)
    }

    fn widening_additions(&self) -> Vec<Violation> {
        let mut allowed = AllowedAccess::new(self.policy, self.before, self.lists);
        let mut violations = Vec::new();
        for addition in &self.plan.additions {
            if !allowed.includes(&addition.ingress) {
                violations.push(Violation::WidensAccess(addition.ingress.clone()));
            }
        }
        violations
    }

    /// The removed rules that no enforced policy rule forbids, neither in the group before the plan
    /// nor once other changes of the plan are made.
    ///
    /// Removing a rule can cause findings only for what is less open to the world than before.
    /// Therefore the changes that are justified already can all be made before the others are
    /// checked, in any order.
    fn unaffected_removals(&self, removed: &RuleIndexes) -> Vec<Violation> {
        let mut justified: RuleIndexes = self
            .evaluation
            .enforced_findings()
            .map(|finding| finding.index)
            .filter(|index| removed.contains(index))
            .collect();
        while justified.len() < removed.len() {
            let next = self.newly_forbidden_rules(&justified, removed);
            if next.is_empty() {
                break;
            }
            justified.extend(next);
        }
        removed
            .difference(&justified)
            .filter_map(|&index| self.before.rules.get(index))
            .map(|rule| Violation::UnaffectedRule(rule.clone()))
            .collect()
    }

    /// The removed rules that are forbidden once the justified removals are made.
    ///
    /// A rule may be forbidden only as long as its own replacement is not there: a trusted list can
    /// be open to the world where the rule that it replaces is not.
    fn newly_forbidden_rules(&self, justified: &RuleIndexes, removed: &RuleIndexes) -> RuleIndexes {
        let kept = self.rules_without(justified);
        for additions in [Additions::All, Additions::OfRemoved] {
            let mut forbidden = self.forbidden_rules(&kept, additions);
            forbidden.retain(|index| removed.contains(index));
            if !forbidden.is_empty() {
                return forbidden;
            }
        }
        RuleIndexes::new()
    }

    /// The forbidden rules after the plan, except those that the plan refuses to change.
    fn still_forbidden_rules(&self, removed: &RuleIndexes) -> Vec<Violation> {
        let refused: BTreeSet<&IngressRule> = self
            .plan
            .refusals
            .iter()
            .map(|refusal| &refusal.ingress)
            .collect();
        let after = self.group_with(&self.rules_without(removed), Additions::All);
        evaluate(self.policy, &after, self.lists, self.context)
            .enforced_findings()
            .filter(|finding| !refused.contains(&finding.ingress))
            .map(|finding| Violation::StillForbidden(finding.ingress.clone()))
            .collect()
    }

    fn rules_without(&self, removed: &RuleIndexes) -> RuleIndexes {
        (0..self.before.rules.len())
            .filter(|index| !removed.contains(index))
            .collect()
    }

    /// The rules with enforced findings if the group has only these rules of the group before the
    /// plan.
    fn forbidden_rules(&self, kept: &RuleIndexes, additions: Additions) -> RuleIndexes {
        let group = self.group_with(kept, additions);
        let evaluation = evaluate(self.policy, &group, self.lists, self.context);
        let original_indexes: Vec<usize> = kept.iter().copied().collect();
        evaluation
            .enforced_findings()
            .filter_map(|finding| original_indexes.get(finding.index).copied())
            .collect()
    }

    /// The additions whose replaced rule is not among the given ones.
    fn additions_without_replaced(&self, kept: &[IngressRule]) -> Vec<&Addition> {
        let kept: BTreeSet<&IngressRule> = kept.iter().collect();
        self.plan
            .additions
            .iter()
            .filter(|addition| !kept.contains(&addition.replaces))
            .collect()
    }

    /// The group with only these of its rules, in their order, followed by additions.
    fn group_with(&self, kept: &RuleIndexes, additions: Additions) -> SecurityGroup {
        let kept_rules = kept
            .iter()
            .filter_map(|&index| self.before.rules.get(index));
        let mut rules: Vec<IngressRule> = kept_rules.cloned().collect();
        let added = match additions {
            Additions::OfRemoved => self.additions_without_replaced(&rules),
            Additions::All => self.plan.additions.iter().collect(),
        };
        rules.extend(added.iter().map(|addition| addition.ingress.clone()));
        SecurityGroup {
            rules,
            ..self.before.without_rules()
        }
    }
}

/// Which additions of the plan a group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Additions {
    /// Those in place of rules that the group does not have.
    OfRemoved,
    All,
}

#[cfg(test)]
mod tests;
