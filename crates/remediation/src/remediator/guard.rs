//! The last check of a plan before it is carried out.

use portcullis_rules::decide::verified_or_refused;
use portcullis_rules::plan::{Plan, RefusalReason};
use portcullis_rules::{Evaluation, PlanInput, Removal};

/// The plan; or, where it must not be carried out, one that refuses everything: when the independent checker objects to
/// it, and when it would take the event, over all rounds, beyond the removals that the policy allows.
pub(super) fn guard_plan(
    plan: Plan,
    situation: &PlanInput<'_>,
    judgement: &Evaluation,
    removed: &[Removal],
) -> Plan {
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
    // A box that an early look still shows is removed again, and counts once.
    let is_new = |removal: &&Removal| !removed.iter().any(|known| known.ingress == removal.ingress);
    let all = removed
        .len()
        .saturating_add(plan.removals.iter().filter(is_new).count());
    let most = situation.policy.guardrails.max_removals;
    if !plan.is_empty() && most.is_some_and(|most| all > most) {
        return plan.refuse_all(judgement, RefusalReason::TooManyRemovals);
    }
    plan
}

#[cfg(test)]
mod tests {
    use portcullis_rules::baseline::baseline_policy;
    use portcullis_rules::plan::{Addition, Attachments, Purpose};
    use portcullis_rules::{
        Context, IngressRule, PrefixLists, Quota, SecurityGroup, build_plan, evaluate,
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
        let (attachments, quota) = (Attachments::default(), Quota::default());
        let situation = PlanInput {
            policy: &policy,
            group: &group,
            lists: &lists,
            context: &context,
            foreign: false,
            attachments,
            quota,
        };
        let mut plan = build_plan(&situation, &judgement);
        spoil(&mut plan);
        guard_plan(plan, &situation, &judgement, &[])
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
