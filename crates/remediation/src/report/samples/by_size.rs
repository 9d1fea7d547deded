//! Reports of every kind about one and about six rules.

use portcullis_rules::plan::{ApplyOrder, RefusalReason};

use super::{
    baseline_report, finish_report, mark_not_removed, planned_report, report_with_policy,
    revoke_error, sample_group, web_only_policy,
};
use crate::report::{GroupReport, RuleOutcome, RuleStatus, Withdrawal};
use crate::services::{ErrorKind, ServiceError};

/// A name and a report.
type NamedReport = (&'static str, GroupReport);

/// One rule, every kind of outcome.
pub(crate) fn single_rule_reports() -> Vec<NamedReport> {
    reports_of_every_kind(
        &["tcp 22 0.0.0.0/0 temp ssh"],
        &["tcp 80-443 0.0.0.0/0 the shop"],
    )
}

/// Six rules, every kind of outcome.
pub(crate) fn six_rule_reports() -> Vec<NamedReport> {
    let closed = [
        "tcp 22 0.0.0.0/0 temp ssh",
        "tcp 3389 ::/0",
        "-1 -1--1 0.0.0.0/0 debugging",
        "tcp 8000-8090 0.0.0.0/0",
        "udp 5000-5010 ::/0",
        "tcp 3306 pl-0fedcba9876543210 partners (see wiki)",
    ];
    let narrowed = [
        "tcp 80-443 0.0.0.0/0 the shop",
        "tcp 23-90 ::/0",
        "tcp 400-500 0.0.0.0/0",
        "udp 53 0.0.0.0/0",
        "tcp 79-80 ::/0",
        "tcp 443-444 ::/0",
    ];
    reports_of_every_kind(&closed, &narrowed)
}

fn reports_of_every_kind(closed: &[&str], narrowed: &[&str]) -> Vec<NamedReport> {
    let closed_group = sample_group(closed);
    let narrowed_group = sample_group(narrowed);
    let closed = baseline_report(&closed_group);
    let narrowed = report_with_policy(&web_only_policy(), &narrowed_group);
    let restricted = report_with_policy(&web_only_policy(), &closed_group);
    let baseline = portcullis_rules::baseline::baseline_policy();
    let would_close = planned_report(&baseline, &closed_group);
    let would_narrow = planned_report(&web_only_policy(), &narrowed_group);
    let denied = revoke_error(ErrorKind::Denied, "UnauthorizedOperation: denied");
    let not_closed = with_status(&closed, |_| RuleStatus::Failed(denied.clone()));
    let refused = with_status(&closed, |_| {
        RuleStatus::Refused(RefusalReason::TooManyRemovals)
    });
    let reported = with_status(&closed, |_| RuleStatus::Reported);
    let gone = with_status(&closed, |_| RuleStatus::Gone);
    let mut reports = vec![
        ("narrowed", remove_first(&narrowed)),
        ("restricted", restricted),
        ("not closed", not_closed),
        ("refused", refused),
        ("reported", reported),
        ("already gone", gone),
        ("would close", would_close),
        ("would narrow", would_narrow),
        ("unverified", unverified(&closed)),
        ("withdrawn", withdrawn(&narrowed)),
    ];
    reports.push(("closed", closed));
    reports
}

fn with_status(report: &GroupReport, status: impl Fn(&RuleOutcome) -> RuleStatus) -> GroupReport {
    let mut report = report.clone();
    for outcome in &mut report.rules {
        let status = status(outcome);
        mark_not_removed(outcome, status);
    }
    finish_report(&mut report);
    report
}

fn remove_first(report: &GroupReport) -> GroupReport {
    GroupReport {
        order: ApplyOrder::RemoveFirst,
        ..report.clone()
    }
}

/// The first rule may still be there.
fn unverified(report: &GroupReport) -> GroupReport {
    let mut report = report.clone();
    mark_not_removed(&mut report.rules[0], RuleStatus::Unverified(None));
    report.unverified = Some(ServiceError::new(
        "DescribeSecurityGroupRules",
        ErrorKind::Throttled,
        "RequestLimitExceeded",
    ));
    finish_report(&mut report);
    report
}

/// Every replacement had to be removed again, and that was denied.
fn withdrawn(report: &GroupReport) -> GroupReport {
    let mut report = report.clone();
    let denied = revoke_error(ErrorKind::Denied, "UnauthorizedOperation: denied");
    for outcome in &mut report.rules {
        let added = outcome.replacements.clone();
        mark_not_removed(outcome, RuleStatus::Gone);
        outcome.replacements.clone_from(&added);
        outcome.withdrawals = added
            .into_iter()
            .map(|addition| Withdrawal {
                addition,
                error: Some(denied.clone()),
            })
            .collect();
    }
    finish_report(&mut report);
    report
}
