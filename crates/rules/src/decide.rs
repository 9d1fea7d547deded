//! Deciding: the one way from a group to a plan that may be carried out. The Lambdas and the command both take it, so that
//! what the command foretells is what the Lambda does.

use crate::evaluate::{Evaluation, evaluate};
use crate::plan::{Plan, PlanInput, RefusalReason, build_plan, refuse_enforced_findings};
use crate::verify::{Violation, verify_plan};

/// What is found and what is to be done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What the policy finds.
    pub evaluation: Evaluation,
    /// What is to be done.
    pub plan: Plan,
    /// What the checker of plans says against the plan that was made first; then nothing is to be done.
    pub violations: Vec<Violation>,
}

/// Judges, plans, and has the plan checked.
pub fn decide(situation: &PlanInput<'_>) -> Decision {
    let PlanInput {
        policy,
        group,
        lists,
        context,
        ..
    } = situation;
    let judgement = evaluate(policy, group, lists, context);
    let (plan, objections) =
        verified_or_refused(build_plan(situation, &judgement), situation, &judgement);
    Decision {
        evaluation: judgement,
        plan,
        violations: objections,
    }
}

/// The plan, when its independent checker has nothing to say against it; otherwise one that refuses everything, and what
/// there is to say.
pub fn verified_or_refused(
    plan: Plan,
    situation: &PlanInput<'_>,
    judgement: &Evaluation,
) -> (Plan, Vec<Violation>) {
    let PlanInput {
        policy,
        group,
        lists,
        context,
        ..
    } = situation;
    if plan.removals.is_empty() && plan.additions.is_empty() {
        return (plan, Vec::new());
    }
    let objections = verify_plan(policy, group, lists, context, &plan);
    let plan = if objections.is_empty() {
        plan
    } else {
        plan.into_refused(judgement, RefusalReason::FailedVerification)
    };
    (plan, objections)
}

impl Plan {
    /// Nothing of the plan is done, for this reason.
    #[must_use]
    pub fn into_refused(self, judgement: &Evaluation, reason: RefusalReason) -> Self {
        Self {
            group_id: self.group_id,
            refusals: refuse_enforced_findings(judgement, reason),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::baseline_policy;
    use crate::group::tests::{group, rule};
    use crate::plan::{Attachments, Quota, Removal};
    use crate::policy::Action;
    use crate::scope::Context;
    use crate::source::PrefixLists;

    #[test]
    fn what_is_decided_is_judged_planned_and_checked() {
        let (policy, lists, context) =
            (baseline_policy(), PrefixLists::empty(), Context::default());
        let group = group(&["tcp 22 0.0.0.0/0", "tcp 443 0.0.0.0/0"]);
        let situation = PlanInput {
            policy: &policy,
            group: &group,
            lists: &lists,
            context: &context,
            foreign: false,
            attachments: Attachments::default(),
            quota: Quota::default(),
        };
        let decision = decide(&situation);
        assert_eq!(
            (
                decision.evaluation.findings.len(),
                decision.plan.removals.len()
            ),
            (1, 1)
        );
        assert!(decision.violations.is_empty());

        let mut spoiled = decision.plan;
        let ingress = rule("tcp 443 0.0.0.0/0");
        spoiled.removals.push(Removal {
            ingress: ingress.clone(),
            policy_rules: Vec::new(),
            action: Action::Revoke,
        });
        let (refused, objections) = verified_or_refused(spoiled, &situation, &decision.evaluation);
        assert!(refused.is_empty());
        assert_eq!(refused.refusals.len(), 1);
        assert_eq!(objections, [Violation::UnaffectedRule(ingress)]);
    }
}
