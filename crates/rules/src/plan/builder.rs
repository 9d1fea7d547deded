//! Builds the plan for an evaluated group: applies the guardrails and drafts the changes.

use super::draft::draft_plan;
use super::input::PlanInput;
use super::quota::choose_order;
use super::reason::RefusalReason;
use super::types::Plan;
use crate::evaluate::Evaluation;
use crate::scope::{Glob, matches_any_glob};

/// Builds the plan for a group that was evaluated with the same input.
///
/// The result is not verified. Call [`decide`](crate::decide()) for a plan that may be applied.
pub(crate) fn build_plan(input: &PlanInput<'_>, evaluation: &Evaluation) -> Plan {
    let mut plan = Plan {
        group_id: input.group.id.clone(),
        ..Plan::default()
    };
    if let Some(reason) = guardrail_refusal(input) {
        return plan.refuse_all(evaluation, reason);
    }
    let draft = draft_plan(input, evaluation);
    let limit = input.policy.guardrails.max_removals;
    if limit.is_some_and(|limit| draft.removals.len() > limit) {
        return plan.refuse_all(evaluation, RefusalReason::TooManyRemovals);
    }
    plan.removals = draft.removals;
    plan.additions = draft.additions;
    plan.skipped_additions = draft.skipped_additions;
    plan.order = choose_order(&plan, input);
    plan
}

/// The reason not to change the group at all, if there is one.
fn guardrail_refusal(input: &PlanInput<'_>) -> Option<RefusalReason> {
    let guardrails = &input.policy.guardrails;
    let is_protected = guardrails
        .protected
        .iter()
        .any(|scope| scope.matches(input.group, input.context));
    if input.foreign {
        Some(RefusalReason::ForeignGroup)
    } else if is_protected {
        Some(RefusalReason::ProtectedGroup)
    } else if matches_any_principal(&guardrails.notify_only_principals, input) {
        Some(RefusalReason::NotifyOnlyPrincipal)
    } else if guardrails.notify_only_service_managed && input.attachments.service_managed {
        Some(RefusalReason::ServiceManaged)
    } else if guardrails.notify_only_load_balancers && input.attachments.load_balancer {
        Some(RefusalReason::LoadBalancer)
    } else {
        None
    }
}

/// Whether one of the globs matches one of the principals that made the change.
fn matches_any_principal(globs: &[Glob], input: &PlanInput<'_>) -> bool {
    !globs.is_empty()
        && input
            .context
            .principals
            .iter()
            .any(|name| matches_any_glob(globs, Some(name)))
}
