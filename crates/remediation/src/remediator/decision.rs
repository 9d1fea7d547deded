//! The decision about a group: findings, and a verified plan.

use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{Decision, PlanInput, Policy, PrefixLists, SecurityGroup, decide};

use crate::event::GroupChange;

/// Evaluates a group, plans, and verifies the plan. A plan that fails verification is refused as a
/// whole and logged, because it is a bug in Portcullis.
///
/// A group of another account, as in a shared VPC, is refused, because EC2 would deny every change.
pub(crate) fn decide_group(
    policy: &Policy,
    group: &SecurityGroup,
    lists: &PrefixLists,
    (change, now): (&GroupChange, Timestamp),
    attachments: Attachments,
) -> Decision {
    let context = change.evaluation_context(Some(now));
    let decision = decide(&PlanInput {
        attachments,
        foreign: is_foreign_group(group, context.account.as_deref()),
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

/// Whether the group is known to belong to another account than the event or the sweep.
fn is_foreign_group(group: &SecurityGroup, account: Option<&str>) -> bool {
    group
        .owner_id
        .as_deref()
        .zip(account)
        .is_some_and(|(owner, account)| owner != account)
}
