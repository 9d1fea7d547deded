//! Builds the plan for an evaluated group: applies the guardrails and drafts the changes.

use std::collections::BTreeSet;

use super::draft::{Draft, FrozenRules};
use super::input::PlanInput;
use super::quota::choose_order;
use super::reason::RefusalReason;
use super::types::Plan;
use crate::evaluate::Evaluation;
use crate::group::{IngressRule, RuleContent};
use crate::scope::{Glob, matches_any_glob};

/// Builds the plan for a group that was evaluated with the same input.
///
/// The result is not verified. Call [`decide`](crate::decide()) for a plan that may be applied.
pub(crate) fn build_plan(input: &PlanInput<'_>, evaluation: &Evaluation) -> Plan {
    if let Some(reason) = group_refusal(input) {
        let plan = Plan {
            group_id: input.group.id.clone(),
            ..Plan::default()
        };
        return plan.refuse_all(evaluation, reason);
    }
    let mut frozen = frozen_for_principal(input);
    let mut draft = Draft::new(input, evaluation);
    draft.resolve_findings(&frozen);
    if exceeds_limit(input, &draft) {
        draft = draft_within_limit(input, evaluation, &mut frozen);
    }
    let mut plan = draft.into_plan(&frozen);
    plan.order = choose_order(&plan, input);
    plan
}

/// A draft that respects the limit on removals. Adds the rules that the event did not open to the
/// frozen rules if too many of them would have to be removed.
fn draft_within_limit<'a>(
    input: &'a PlanInput<'a>,
    evaluation: &'a Evaluation,
    frozen: &mut FrozenRules,
) -> Draft<'a> {
    let mut with_existing = frozen.clone();
    for (index, rule) in input.group.rules.iter().enumerate() {
        if !input.is_opened(rule) {
            with_existing.insert(index, RefusalReason::TooManyRemovals);
        }
    }
    let mut limited = Draft::new(input, evaluation);
    limited.resolve_findings(&with_existing);
    // Without the rules that the event opened, fewer of the others may be forbidden. They are
    // removed in the same plan if the limit allows it: the next evaluation would demand it.
    let mut complete = limited.clone();
    complete.resolve_findings(frozen);
    if exceeds_limit(input, &complete) {
        *frozen = with_existing;
        limited
    } else {
        complete
    }
}

/// Whether a draft, together with earlier removals for the same event, removes more rules that the
/// event did not open than the guardrail allows.
fn exceeds_limit(input: &PlanInput<'_>, draft: &Draft<'_>) -> bool {
    let Some(limit) = input.policy.guardrails.max_removals else {
        return false;
    };
    let removed = draft.removed_indexes().into_iter();
    let mut existing: BTreeSet<RuleIdentity<'_>> = removed
        .filter_map(|index| input.group.rules.get(index))
        .filter(|rule| !input.is_opened(rule))
        .map(rule_identity)
        .collect();
    if existing.is_empty() {
        return false;
    }
    // A rule that an early read still shows is removed again. It counts once.
    let earlier_existing = input
        .already_removed
        .iter()
        .filter(|rule| !input.is_opened(rule));
    existing.extend(earlier_existing.map(rule_identity));
    existing.len() > limit
}

/// What tells a rule apart from rules that came before or after it with the same content.
type RuleIdentity<'a> = (RuleContent, Option<&'a str>);

fn rule_identity(rule: &IngressRule) -> RuleIdentity<'_> {
    (rule.content(), rule.id.as_deref())
}

/// The reason not to change the group at all, if there is one.
fn group_refusal(input: &PlanInput<'_>) -> Option<RefusalReason> {
    let guardrails = &input.policy.guardrails;
    let is_protected = guardrails
        .protected
        .iter()
        .any(|scope| scope.matches(input.group, input.context));
    if input.is_foreign_group() {
        Some(RefusalReason::ForeignGroup)
    } else if is_protected {
        Some(RefusalReason::ProtectedGroup)
    } else if guardrails.notify_only_service_managed && input.attachments.service_managed {
        Some(RefusalReason::ServiceManaged)
    } else if guardrails.notify_only_load_balancers && input.attachments.load_balancer {
        Some(RefusalReason::LoadBalancer)
    } else {
        None
    }
}

/// The rules that the event opened, if the policy only notifies about rules that its principals
/// open.
fn frozen_for_principal(input: &PlanInput<'_>) -> FrozenRules {
    let globs = &input.policy.guardrails.notify_only_principals;
    let rules = input.group.rules.iter().enumerate();
    if !matches_any_principal(globs, input) {
        return FrozenRules::new();
    }
    rules
        .filter(|(_, rule)| input.is_opened(rule))
        .map(|(index, _)| (index, RefusalReason::NotifyOnlyPrincipal))
        .collect()
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
