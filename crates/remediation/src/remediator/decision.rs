//! The decision about a group: what is found, and what is to be done.

use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{Decision, PlanInput, Policy, PrefixLists, SecurityGroup, decide};

use crate::event::Origin;

/// Evaluates a group, plans, and verifies the plan. A plan that does not pass verification is
/// refused as a whole and logged, because that is a defect of Portcullis.
///
/// Whether a group of another account (a shared VPC) may be changed is left to EC2. If EC2 denies
/// it, that is a failure, which is reported and retried.
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
