//! The entry point for a decision about a security group: evaluate, plan and verify.
//!
//! The Lambda functions and the command line tool call [`decide()`], so that both come to the same
//! decision for the same input.

use crate::evaluate::{Evaluation, evaluate};
use crate::plan::{Plan, PlanInput, RefusalReason, build_plan};
use crate::verify::{Violation, verify_evaluated_plan};

/// The decision about one security group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The findings of the group.
    pub evaluation: Evaluation,
    /// The verified plan.
    pub plan: Plan,
    /// Violations of the original plan. If not empty, [`plan`] changes nothing and every removal is
    /// listed as a refusal.
    ///
    /// [`plan`]: Self::plan
    pub violations: Vec<Violation>,
}

/// Evaluates a group, plans its changes and verifies the plan.
pub fn decide(input: &PlanInput<'_>) -> Decision {
    let evaluation = evaluate(input.policy, input.group, input.lists, input.context);
    let draft = build_plan(input, &evaluation);
    let (plan, violations) = verified_or_refused(draft, input, &evaluation);
    Decision {
        evaluation,
        plan,
        violations,
    }
}

/// Verifies a plan. Returns it if there are no violations, otherwise a plan that refuses
/// everything.
fn verified_or_refused(
    plan: Plan,
    input: &PlanInput<'_>,
    evaluation: &Evaluation,
) -> (Plan, Vec<Violation>) {
    if plan.removals.is_empty() && plan.additions.is_empty() {
        return (plan, Vec::new());
    }
    let violations = verify_evaluated_plan(
        input.policy,
        (input.group, evaluation),
        input.lists,
        input.context,
        &plan,
    );
    if violations.is_empty() {
        return (plan, violations);
    }
    let refused = plan.refuse_all(evaluation, RefusalReason::FailedVerification);
    (refused, violations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::baseline_policy;
    use crate::group::tests::{group, rule};
    use crate::plan::{Addition, Purpose, Removal};
    use crate::scope::Context;
    use crate::source::{PrefixLists, parse_cidr};

    /// The decision about a group with one violation, where the plan is changed before it is
    /// verified.
    fn decide_with(change: impl FnOnce(&mut Plan)) -> (Plan, Vec<Violation>) {
        let policy = baseline_policy();
        let group = group(&["tcp 22 0.0.0.0/0", "tcp 443 0.0.0.0/0"]);
        let (lists, context) = (PrefixLists::empty(), Context::default());
        let input = PlanInput::new(&policy, &group, &lists, &context);
        let decision = decide(&input);
        assert_eq!(decision.evaluation.findings.len(), 1);
        assert_eq!(decision.violations, []);
        let mut plan = decision.plan;
        change(&mut plan);
        verified_or_refused(plan, &input, &decision.evaluation)
    }

    fn removal_of(line: &str, plan: &Plan) -> Removal {
        Removal {
            ingress: rule(line),
            ..plan.removals[0].clone()
        }
    }

    fn addition_of(line: &str, plan: &Plan) -> Addition {
        Addition {
            ingress: rule(line),
            purpose: Purpose::Keep,
            replaces: plan.removals[0].ingress.clone(),
            is_excepted: false,
        }
    }

    fn assert_refused(decision: (Plan, Vec<Violation>), violation: &Violation) {
        let (plan, violations) = decision;
        assert!(violations.contains(violation), "{violations:?}");
        assert!(plan.is_empty() && plan.additions.is_empty(), "{plan:?}");
        let reasons: Vec<_> = plan.refusals.iter().map(|refusal| refusal.reason).collect();
        assert_eq!(reasons, [RefusalReason::FailedVerification]);
        assert_eq!(plan.refusals[0].ingress, rule("tcp 22 0.0.0.0/0"));
    }

    #[test]
    fn a_verified_plan_is_returned() {
        let (plan, violations) = decide_with(|_| {});
        assert_eq!((plan.removals.len(), plan.refusals.len()), (1, 0));
        assert_eq!(plan.removals[0].ingress, rule("tcp 22 0.0.0.0/0"));
        assert_eq!(violations, []);
    }

    #[test]
    fn narrow_blocks_that_cover_the_internet_are_removed_beside_an_office() {
        let nines = parse_cidr("0.0.0.0/0").unwrap().subnets(9).unwrap();
        let mut lines: Vec<String> = nines.map(|net| format!("tcp 22 {net}")).collect();
        lines.push("tcp 22 8.8.8.0/24".to_owned());
        lines.push("tcp 22 8.0.0.0/8".to_owned());
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (policy, group) = (baseline_policy(), group(&lines));
        let (lists, context) = (PrefixLists::empty(), Context::default());
        let decision = decide(&PlanInput::new(&policy, &group, &lists, &context));
        assert_eq!(decision.violations, []);
        let kept: Vec<String> = decision
            .plan
            .apply_to(&group)
            .rules
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(kept.contains(&"tcp 22 8.8.8.0/24".to_owned()));
        assert!(!kept.contains(&"tcp 22 8.0.0.0/8".to_owned()));
        assert!(!kept.contains(&"tcp 22 8.0.0.0/9".to_owned()));
        // 0.0.0.0/8, 10.0.0.0/8, 127.0.0.0/8, and 224.0.0.0/3 in blocks of /9, and the office.
        assert_eq!(kept.len(), 6 + 64 + 1);
    }

    #[test]
    fn a_plan_that_removes_an_unaffected_rule_is_refused() {
        let decision =
            decide_with(|plan| plan.removals.push(removal_of("tcp 443 0.0.0.0/0", plan)));
        assert_refused(
            decision,
            &Violation::UnaffectedRule(rule("tcp 443 0.0.0.0/0")),
        );
    }

    #[test]
    fn a_plan_that_removes_a_missing_rule_is_refused() {
        let decision = decide_with(|plan| plan.removals[0] = removal_of("tcp 23 0.0.0.0/0", plan));
        assert_refused(decision, &Violation::MissingRule(rule("tcp 23 0.0.0.0/0")));
    }

    #[test]
    fn a_plan_that_widens_access_is_refused() {
        let decision =
            decide_with(|plan| plan.additions.push(addition_of("tcp 80 0.0.0.0/0", plan)));
        assert_refused(decision, &Violation::WidensAccess(rule("tcp 80 0.0.0.0/0")));
    }

    #[test]
    fn a_plan_that_only_adds_rules_is_refused() {
        let decision = decide_with(|plan| {
            plan.additions.push(addition_of("tcp 80 0.0.0.0/0", plan));
            plan.removals.clear();
        });
        assert_refused(decision, &Violation::WidensAccess(rule("tcp 80 0.0.0.0/0")));
    }
}
