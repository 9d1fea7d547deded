//! Deciding: the one way from a group to a plan that may be carried out. The Lambdas and the command both take it, so that
//! what the command foretells is what the Lambda does.

use crate::inspect::{Objection, inspect};
use crate::judge::{Judgement, judge};
use crate::plan::{Plan, RefusalReason, Situation, plan, refusals};

/// What is found and what is to be done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What the policy finds.
    pub judgement: Judgement,
    /// What is to be done.
    pub plan: Plan,
    /// What the checker of plans says against the plan that was made first; then nothing is to be done.
    pub objections: Vec<Objection>,
}

/// Judges, plans, and has the plan checked.
pub fn decide(situation: &Situation<'_>) -> Decision {
    let Situation { policy, group, lists, context, .. } = situation;
    let judgement = judge(policy, group, lists, context);
    let (plan, objections) = sound(plan(situation, &judgement), situation, &judgement);
    Decision { judgement, plan, objections }
}

/// The plan, when its independent checker has nothing to say against it; otherwise one that refuses everything, and what
/// there is to say.
pub fn sound(plan: Plan, situation: &Situation<'_>, judgement: &Judgement) -> (Plan, Vec<Objection>) {
    let Situation { policy, group, lists, context, .. } = situation;
    if plan.removals.is_empty() && plan.additions.is_empty() {
        return (plan, Vec::new());
    }
    let objections = inspect(policy, group, lists, context, &plan);
    let plan = if objections.is_empty() { plan } else { plan.refused(judgement, RefusalReason::Unsound) };
    (plan, objections)
}

impl Plan {
    /// Nothing of the plan is done, for this reason.
    #[must_use]
    pub fn refused(self, judgement: &Judgement, reason: RefusalReason) -> Self {
        Self { group_id: self.group_id, refusals: refusals(judgement, reason), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::baseline;
    use crate::group::tests::{group, rule};
    use crate::plan::{Attachments, Quota, Removal};
    use crate::policy::Action;
    use crate::scope::Context;
    use crate::source::PrefixLists;

    #[test]
    fn what_is_decided_is_judged_planned_and_checked() {
        let (policy, lists, context) = (baseline(), PrefixLists::none(), Context::default());
        let group = group(&["tcp 22 0.0.0.0/0", "tcp 443 0.0.0.0/0"]);
        let situation = Situation {
            policy: &policy,
            group: &group,
            lists: &lists,
            context: &context,
            foreign: false,
            attachments: Attachments::default(),
            quota: Quota::default(),
        };
        let decision = decide(&situation);
        assert_eq!((decision.judgement.findings.len(), decision.plan.removals.len()), (1, 1));
        assert!(decision.objections.is_empty());

        let mut spoiled = decision.plan;
        let ingress = rule("tcp 443 0.0.0.0/0");
        spoiled.removals.push(Removal { ingress: ingress.clone(), because: Vec::new(), action: Action::Revoke });
        let (refused, objections) = sound(spoiled, &situation, &decision.judgement);
        assert!(refused.is_empty());
        assert_eq!(refused.refusals.len(), 1);
        assert_eq!(objections, [Objection::Innocent(ingress)]);
    }
}
