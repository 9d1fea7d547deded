//! The decision about a group: findings, and a verified plan.

use std::borrow::Cow;

use jiff::Timestamp;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{
    Decision, IngressRule, PlanInput, Policy, PrefixLists, SecurityGroup, decide,
};

use crate::event::GroupChange;
use crate::services::GroupAttachments;

/// What a plan depends on besides the group. Read only if there is anything to enforce.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlanDetails {
    /// What the group is attached to, if a guardrail needs to know.
    pub(crate) attachments: Option<GroupAttachments>,
    /// The entries of the prefix lists that the policy trusts, and the sizes of all lists.
    pub(crate) prefix_lists: PrefixLists,
}

impl PlanDetails {
    fn guarded_attachments(&self) -> Attachments {
        self.attachments.map(|it| it.guarded).unwrap_or_default()
    }

    /// The lists that were read with the group, and those of this value.
    fn complete_lists<'a>(&self, lists: &'a PrefixLists) -> Cow<'a, PrefixLists> {
        let mut complete = Cow::Borrowed(lists);
        if self.prefix_lists != PrefixLists::empty() {
            complete.to_mut().fill_from(&self.prefix_lists);
        }
        complete
    }
}

/// Evaluates a group, plans, and verifies the plan. A plan that fails verification is refused as a
/// whole and logged, because it is a bug in Portcullis.
///
/// `already_removed` are the rules that earlier rounds removed. They count towards the limit of
/// removals.
pub(crate) fn decide_group(
    policy: &Policy,
    (group, lists): (&SecurityGroup, &PrefixLists),
    (change, now): (&GroupChange, Timestamp),
    details: &PlanDetails,
    already_removed: &[IngressRule],
) -> Decision {
    let context = change.evaluation_context(Some(now));
    let lists = details.complete_lists(lists);
    let decision = decide(&PlanInput {
        attachments: details.guarded_attachments(),
        already_removed,
        ..PlanInput::new(policy, group, &lists, &context)
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
