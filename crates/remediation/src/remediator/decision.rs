//! The decision about a group: findings, and a verified plan.

use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{
    Decision, IngressRule, PlanInput, Policy, PrefixLists, SecurityGroup, decide,
};

use crate::event::GroupChange;

/// Evaluates a group, plans, and verifies the plan. A plan that fails verification is refused as a
/// whole and logged, because it is a bug in Portcullis.
///
/// `already_removed` are the rules that earlier rounds removed. They count towards the limit of
/// removals.
pub(crate) fn decide_group(
    policy: &Policy,
    group: &SecurityGroup,
    lists: &PrefixLists,
    (change, now): (&GroupChange, Timestamp),
    attachments: Attachments,
    already_removed: &[IngressRule],
) -> Decision {
    let context = change.evaluation_context(Some(now));
    let decision = decide(&PlanInput {
        attachments,
        already_removed,
        ..PlanInput::new(policy, group, lists, &context)
    });
    if !decision.violations.is_empty() {
        let violations: Vec<_> = decision
            .violations
            .iter()
            .map(ToString::to_string)
            .collect();
        let violations = violations.join("; ");
        tracing::error!(group.id = %group.id, violations, "plan verification failed");
    }
    decision
}
