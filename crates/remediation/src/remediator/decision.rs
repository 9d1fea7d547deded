//! The decision about a group: what is found, and what is to be done.

use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{Decision, PlanInput, Policy, PrefixLists, SecurityGroup, decide};

use crate::event::Origin;

/// Evaluates a group, plans, and verifies the plan. A plan that does not pass verification is
/// refused as a whole and logged, because that is a defect of Portcullis.
///
/// A group of another account, as in a shared VPC, is refused: EC2 would deny every change.
pub(crate) fn decide_group(
    policy: &Policy,
    group: &SecurityGroup,
    lists: &PrefixLists,
    (origin, now): (&Origin, Timestamp),
    attachments: Attachments,
) -> Decision {
    let context = origin.evaluation_context(Some(now));
    let decision = decide(&PlanInput {
        attachments,
        foreign: is_foreign_group(group, origin),
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
fn is_foreign_group(group: &SecurityGroup, origin: &Origin) -> bool {
    match (&group.owner_id, &origin.account) {
        (Some(owner), Some(account)) => owner != account,
        (None, _) | (_, None) => false,
    }
}
