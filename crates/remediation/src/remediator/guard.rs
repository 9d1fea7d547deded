//! The last check of a plan before it is carried out.

use portcullis_rules::decide::verified_or_refused;
use portcullis_rules::plan::Plan;
use portcullis_rules::{Evaluation, PlanInput};

/// The plan, or one that refuses everything if it fails verification.
pub(super) fn guard_plan(plan: Plan, situation: &PlanInput<'_>, judgement: &Evaluation) -> Plan {
    let (plan, objections) = verified_or_refused(plan, situation, judgement);
    if !objections.is_empty() {
        let objections = objections
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        let group = &situation.group.id;
        tracing::error!(group.id = %group, objections, "the plan does not pass its own check: nothing is touched");
    }
    plan
}

#[cfg(test)]
mod tests {
    use portcullis_rules::baseline::baseline_policy;
    use portcullis_rules::plan::{Addition, Purpose, RefusalReason};
    use portcullis_rules::{
        Context, IngressRule, PrefixLists, Removal, SecurityGroup, build_plan, evaluate,
    };

    use super::*;

    fn rule(line: &str) -> IngressRule {
        line.parse().unwrap()
    }

    /// What becomes of the plan for a group with SSH open to the world and HTTPS, spoiled before its check.
    fn spoiled(spoil: impl Fn(&mut Plan)) -> Plan {
        let rules = vec![rule("tcp 22 0.0.0.0/0"), rule("tcp 443 0.0.0.0/0")];
        let group = SecurityGroup {
            id: "sg-1".into(),
            rules,
            ..SecurityGroup::default()
        };
        let (policy, lists, context) =
            (baseline_policy(), PrefixLists::empty(), Context::default());
        let judgement = evaluate(&policy, &group, &lists, &context);
        let situation = PlanInput::new(&policy, &group, &lists, &context);
        let mut plan = build_plan(&situation, &judgement);
        spoil(&mut plan);
        guard_plan(plan, &situation, &judgement)
    }

    #[test]
    fn a_sound_plan_passes() {
        let plan = spoiled(|_| {});
        assert_eq!((plan.removals.len(), plan.refusals.len()), (1, 0));
    }

    #[test]
    fn an_unsound_plan_touches_nothing_and_refuses_all() {
        let innocent = |plan: &mut Plan| {
            let ingress = rule("tcp 443 0.0.0.0/0");
            plan.removals.push(Removal {
                ingress,
                ..plan.removals[0].clone()
            });
        };
        let absent = |plan: &mut Plan| plan.removals[0].ingress = rule("tcp 23 0.0.0.0/0");
        let widens = |plan: &mut Plan| {
            let (purpose, instead_of) = (Purpose::Keep, plan.removals[0].ingress.clone());
            plan.additions.push(Addition {
                ingress: rule("tcp 80 0.0.0.0/0"),
                purpose,
                replaces: instead_of,
                is_excepted: false,
            });
        };
        let only_adds = |plan: &mut Plan| {
            widens(plan);
            plan.removals.clear();
        };
        let spoils: [&dyn Fn(&mut Plan); 4] = [&innocent, &absent, &widens, &only_adds];
        for spoil in spoils {
            let plan = spoiled(spoil);
            assert!(plan.is_empty() && plan.additions.is_empty(), "{plan:?}");
            assert_eq!(
                plan.refusals
                    .iter()
                    .map(|refusal| refusal.reason)
                    .collect::<Vec<_>>(),
                [RefusalReason::FailedVerification]
            );
        }
    }
}
