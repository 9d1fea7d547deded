//! A report about a rule that someone else removed after its replacements were added.

use super::{
    finish_report, mark_not_removed, report_with_policy, revoke_error, sample_group,
    web_only_policy,
};
use crate::report::{GroupReport, RuleStatus, Withdrawal};
use crate::services::ErrorKind;

/// One replacement was removed again; removing the other one was denied.
pub(crate) fn withdrawn_report() -> GroupReport {
    let group = sample_group(&["tcp 80-443 0.0.0.0/0 the shop"]);
    let mut report = report_with_policy(&web_only_policy(), &group);
    let outcome = &mut report.rules[0];
    let added = outcome.replacements.clone();
    mark_not_removed(outcome, RuleStatus::Gone);
    outcome.replacements = vec![added[1].clone()];
    let errors = [
        None,
        Some(revoke_error(
            ErrorKind::Denied,
            "UnauthorizedOperation: denied",
        )),
    ];
    outcome.withdrawals = added
        .into_iter()
        .zip(errors)
        .map(|(addition, error)| Withdrawal { addition, error })
        .collect();
    finish_report(&mut report);
    report
}
