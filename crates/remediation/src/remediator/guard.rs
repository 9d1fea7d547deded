//! The limit of removals over all rounds of one event.

use portcullis_rules::Decision;
use portcullis_rules::plan::RefusalReason;

/// Refuses the plan of a decision as a whole if it takes the event above the limit of removals.
/// `removals` counts those of earlier rounds and those of the plan.
pub(super) fn limit_removals(
    decision: Decision,
    removals: usize,
    max_removals: Option<usize>,
) -> Decision {
    let is_above_limit = max_removals.is_some_and(|limit| removals > limit);
    if decision.plan.is_empty() || !is_above_limit {
        return decision;
    }
    let Decision {
        evaluation,
        plan,
        violations,
    } = decision;
    Decision {
        plan: plan.refuse_all(&evaluation, RefusalReason::TooManyRemovals),
        evaluation,
        violations,
    }
}

#[cfg(test)]
mod tests {
    use portcullis_rules::baseline::baseline_policy;

    use super::*;
    use crate::report::samples::{decide_with_policy, sample_group};

    fn ssh_decision() -> Decision {
        decide_with_policy(&baseline_policy(), &sample_group(&["tcp 22 0.0.0.0/0"]))
    }

    #[test]
    fn a_plan_within_the_limit_is_kept() {
        for limit in [None, Some(3), Some(4)] {
            assert_eq!(limit_removals(ssh_decision(), 3, limit), ssh_decision());
        }
    }

    #[test]
    fn a_plan_above_the_limit_is_refused_as_a_whole() {
        let plan = limit_removals(ssh_decision(), 3, Some(2)).plan;
        assert!(plan.is_empty() && plan.additions.is_empty());
        let reasons = plan.refusals.iter().map(|refusal| refusal.reason);
        assert_eq!(
            reasons.collect::<Vec<_>>(),
            [RefusalReason::TooManyRemovals]
        );
    }

    #[test]
    fn a_plan_without_removals_stays_clean() {
        let group = sample_group(&["tcp 443 0.0.0.0/0"]);
        let clean = decide_with_policy(&baseline_policy(), &group);
        assert_eq!(limit_removals(clean.clone(), 3, Some(2)), clean);
    }
}
