//! The outcome of each rule for a plan that is not applied: what would be done.

use std::collections::BTreeMap;

use portcullis_rules::plan::Plan;
use portcullis_rules::{Decision, Finding, IngressRule};

use super::rule_outcome::{RuleOutcome, RuleStatus, sort_by_attention};

/// The outcomes of a group whose plan is not applied, sorted by attention.
pub(super) fn planned_rule_outcomes(decision: &Decision) -> Vec<RuleOutcome> {
    let Plan {
        removals,
        additions,
        refusals,
        ..
    } = &decision.plan;
    let mut undecided = outcomes_from_findings(&decision.evaluation.findings);
    let mut rules = Vec::new();
    for removal in removals {
        let mut outcome = take_outcome(&mut undecided, &removal.ingress);
        outcome.status = RuleStatus::WouldApply;
        outcome.removed = true;
        outcome.add_removal_reasons(removal);
        let replacements = additions.iter();
        outcome.replacements = replacements
            .filter(|addition| addition.replaces == removal.ingress)
            .cloned()
            .collect();
        rules.push(outcome);
    }
    for refusal in refusals {
        let mut outcome = take_outcome(&mut undecided, &refusal.ingress);
        outcome.status = RuleStatus::Refused(refusal.reason);
        rules.push(outcome);
    }
    rules.extend(undecided);
    sort_by_attention(&mut rules);
    rules
}

/// One outcome for each rule with findings. Rules of the same content, which only a file can have,
/// are distinguished by their place in the group.
fn outcomes_from_findings(findings: &[Finding]) -> Vec<RuleOutcome> {
    let mut by_place: BTreeMap<usize, RuleOutcome> = BTreeMap::new();
    for finding in findings {
        by_place
            .entry(finding.index)
            .or_insert_with(|| RuleOutcome::new(finding.ingress.clone(), RuleStatus::Reported))
            .add_finding(finding.clone());
    }
    let mut outcomes: Vec<_> = by_place.into_values().collect();
    for outcome in &mut outcomes {
        if outcome.is_exempt() {
            outcome.status = RuleStatus::Exempt;
        }
    }
    outcomes
}

/// Takes the outcome of this rule out of the list. A plan can also remove a rule without findings,
/// because it violates the policy only after other removals.
fn take_outcome(outcomes: &mut Vec<RuleOutcome>, rule: &IngressRule) -> RuleOutcome {
    match outcomes.iter().position(|outcome| outcome.rule == *rule) {
        Some(place) => outcomes.remove(place),
        None => RuleOutcome::new(rule.clone(), RuleStatus::Reported),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_rules::plan::{Refusal, RefusalReason};
    use portcullis_rules::{Action, Removal};

    use super::*;
    use crate::report::samples::{decide_with_policy, sample_group, web_only_policy};

    fn narrowing_decision() -> Decision {
        let group = sample_group(&["tcp 23-65535 0.0.0.0/0", "tcp 443 0.0.0.0/0"]);
        decide_with_policy(&web_only_policy(), &group)
    }

    #[test]
    fn a_removal_carries_its_findings_and_replacements() {
        let rules = planned_rule_outcomes(&narrowing_decision());
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].status, RuleStatus::WouldApply);
        assert!(rules[0].removed);
        assert_eq!(rules[0].policy_rules, ["web-only"]);
        assert_eq!(rules[0].action, Some(Action::Narrow));
        assert!(!rules[0].findings.is_empty() && !rules[0].replacements.is_empty());
    }

    #[test]
    fn a_removal_without_findings_has_an_outcome() {
        let mut decision = narrowing_decision();
        let uncovered: IngressRule = "tcp 80 52.0.0.0/6".parse().unwrap();
        decision.plan.removals.push(Removal {
            ingress: uncovered.clone(),
            policy_rules: vec!["broad".to_owned()],
            action: Action::Revoke,
        });
        let rules = planned_rule_outcomes(&decision);
        let outcome = rules.iter().find(|outcome| outcome.rule == uncovered);
        assert_eq!(outcome.unwrap().policy_rules, ["broad"]);
        assert_eq!(outcome.unwrap().findings, []);
    }

    #[test]
    fn a_refusal_keeps_the_policy_rules_that_demand_the_removal() {
        let mut decision = narrowing_decision();
        let removal = decision.plan.removals.remove(0);
        decision.plan.additions.clear();
        decision.plan.refusals.push(Refusal {
            ingress: removal.ingress,
            reason: RefusalReason::LoadBalancer,
        });
        let rules = planned_rule_outcomes(&decision);
        assert_eq!(
            rules[0].status,
            RuleStatus::Refused(RefusalReason::LoadBalancer)
        );
        assert!(!rules[0].removed);
        assert_eq!(rules[0].policy_rules, ["web-only"]);
    }

    #[test]
    fn rules_of_the_same_content_are_told_apart() {
        let mut group = sample_group(&["tcp 22 0.0.0.0/0", "tcp 22 0.0.0.0/0"]);
        for rule in &mut group.rules {
            rule.id = None;
        }
        let decision = decide_with_policy(&web_only_policy(), &group);
        let rules = planned_rule_outcomes(&decision);
        assert_eq!(rules.len(), 2);
        assert!(rules.iter().all(|outcome| outcome.findings.len() == 1));
    }
}
