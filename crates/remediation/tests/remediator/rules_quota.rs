//! Additions that EC2 refuses because of the rules quota.

use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::plan::{ApplyOrder, SkipReason};
use portcullis_testkit::Fault;

use super::environment::{WIDE, added, enforcing, failed_addition_count, report, web_only};

#[test]
fn an_addition_that_ec2_has_no_room_for_comes_after_the_removal() {
    // The group is below the assumed quota, but its real quota leaves no room.
    let environment = enforcing(&[WIDE], web_only());
    environment.ec2.set_rule_limit(2);
    let event = environment.handle_event("e-1");
    let report = report(&event);
    assert_eq!(
        (report.outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(report.order, ApplyOrder::RemoveFirst);
    assert_eq!((environment.rules().len(), added(&event).len()), (2, 2));
    assert!(report.skipped_additions.is_empty());
    assert_eq!(failed_addition_count(&event), 0);
}

#[test]
fn an_addition_is_skipped_only_after_ec2_refused_it_with_the_removal_done() {
    let environment = enforcing(&[WIDE], web_only());
    environment.ec2.set_rule_limit(1);
    let event = environment.handle_event("e-1");
    let report = report(&event);
    assert_eq!(
        (report.outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    let reasons = report
        .skipped_additions
        .iter()
        .map(|skipped| skipped.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), [SkipReason::RulesQuota]);
    assert_eq!((environment.rules().len(), added(&event).len()), (1, 1));
    assert_eq!(failed_addition_count(&event), 0);
}

#[test]
fn nothing_is_skipped_for_the_quota_if_the_removal_failed() {
    let environment = enforcing(&[WIDE], web_only());
    environment.ec2.set_rule_limit(1);
    environment
        .ec2
        .inject_faults([Fault::Revoke(ErrorKind::Denied)]);
    let event = environment.handle_event("e-1");
    assert!(report(&event).skipped_additions.is_empty());
    assert_eq!(failed_addition_count(&event), 0, "no access is lost");
}
