//! The audit record: one log line for each change, with the command that undoes it.

use portcullis_rules::plan::{Addition, Plan};

use crate::event::Origin;
use crate::report::{authorize_command, revoke_command};

/// Logs the commands that undo a plan before the plan is applied, because publishing the alert can
/// fail.
pub(super) fn log_audit_records(origin: &Origin, plan: &Plan) {
    let region = origin.region.as_deref();
    for removal in &plan.removals {
        let restore = authorize_command(&plan.group_id, region, &removal.ingress).join(" ");
        tracing::info!(
            event.id = origin.event_id,
            group.id = %plan.group_id,
            rule.id = removal.ingress.id,
            ingress = %removal.ingress,
            policy_rules = removal.policy_rules.join(","),
            undo.restore = restore,
            "revoking rule"
        );
    }
    for addition in &plan.additions {
        let remove = revoke_command(&plan.group_id, region, &addition.ingress).join(" ");
        tracing::info!(
            event.id = origin.event_id,
            group.id = %plan.group_id,
            replaces = addition.replaces.id,
            ingress = %addition.ingress,
            undo.remove = remove,
            "authorizing rule"
        );
    }
}

/// Logs the additions that have to be removed again, because someone else removed the rule that
/// they replaced.
pub(super) fn log_withdrawals(origin: &Origin, group_id: &str, additions: &[Addition]) {
    for addition in additions {
        tracing::info!(
            event.id = origin.event_id,
            group.id = group_id,
            replaces = addition.replaces.id,
            ingress = %addition.ingress,
            "withdrawing rule"
        );
    }
}
