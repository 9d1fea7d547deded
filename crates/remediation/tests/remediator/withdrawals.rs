//! Replacements of rules that someone else removed at the same time.

use std::time::Duration;

use portcullis_remediation::report::{GroupOutcome, GroupReport, RuleStatus};
use portcullis_remediation::services::ErrorKind;
use portcullis_testkit::{Fault, rule_from_line};

use super::environment::{WIDE, added, enforcing, removed_count, report, web_only};

fn wide_rule() -> portcullis_rules::IngressRule {
    rule_from_line("tcp 80-443 0.0.0.0/0")
}

fn withdrawn(report: &GroupReport) -> Vec<String> {
    let rules = report.rules.iter();
    rules
        .flat_map(|outcome| &outcome.withdrawals)
        .map(|withdrawal| withdrawal.addition.ingress.to_string())
        .collect()
}

#[test]
fn replacements_of_a_rule_that_somebody_else_removed_are_withdrawn() {
    for fault in [
        Fault::ClosedAfterRead(wide_rule()),
        Fault::ClosedAfterAuthorize(wide_rule()),
    ] {
        let environment = enforcing(&[WIDE], web_only());
        environment.ec2.inject_faults([fault.clone()]);
        let event = environment.handle_event("e-1");
        assert_eq!(environment.rules(), Vec::<String>::new(), "{fault:?}");
        let report = report(&event);
        assert_eq!(withdrawn(report).len(), 2, "{fault:?}");
        assert_eq!((added(&event).len(), removed_count(&event)), (0, 0));
        assert_eq!(report.rules[0].status, RuleStatus::Gone);
        assert!(event.errors.is_empty());
        let json = &environment.publisher.published_alerts()[0].report;
        assert!(json.contains(r#""withdrawals":[{"#), "{json}");
        assert!(
            json.contains(r#""undo":{"restore":[],"remove":[]}"#),
            "{json}"
        );
    }
}

#[test]
fn replacements_are_withdrawn_while_another_removal_waits() {
    // The second addition is throttled, so the removal waits, and meanwhile somebody removes the rule.
    let environment = enforcing(&[WIDE], web_only());
    let port_443 = "0.0.0.0/0".parse().unwrap();
    environment.ec2.inject_faults([
        Fault::AuthorizeFrom(port_443, ErrorKind::Throttled),
        Fault::ClosedAfterAuthorize(wide_rule()),
    ]);
    environment.handle_event("e-1");
    assert_eq!(environment.rules(), Vec::<String>::new());
}

#[test]
fn replacements_are_withdrawn_even_if_the_group_cannot_be_read_again() {
    let environment = enforcing(&[WIDE], web_only());
    environment.ec2.inject_faults([
        Fault::ClosedAfterRead(wide_rule()),
        Fault::Read(ErrorKind::NoAnswer),
    ]);
    let event = environment.handle_event("e-1");
    assert_eq!(environment.rules(), Vec::<String>::new());
    assert_eq!(withdrawn(report(&event)).len(), 2);
    assert_eq!(report(&event).outcome, GroupOutcome::NotClosed);
}

#[test]
fn a_failed_withdrawal_is_repeated_and_reported() {
    let throttled = || Fault::Revoke(ErrorKind::Throttled);
    let not_found = Fault::Revoke(ErrorKind::RuleNotFound);
    let closed = Fault::ClosedAfterRead(wide_rule());
    let environment_with = |faults: Vec<Fault>| {
        let environment = enforcing(&[WIDE], web_only());
        environment
            .ec2
            .inject_faults([closed.clone(), not_found.clone()]);
        environment.ec2.inject_faults(faults);
        environment
    };
    let retried = environment_with(vec![throttled()]);
    retried.handle_event("e-1");
    assert_eq!(retried.rules(), Vec::<String>::new());

    let failed = environment_with(vec![Fault::Revoke(ErrorKind::Denied)]);
    let event = failed.handle_event("e-1");
    assert_eq!(failed.rules().len(), 2);
    let outcome = &report(&event).rules[0];
    assert!(
        outcome
            .withdrawals
            .iter()
            .all(|withdrawal| withdrawal.error.is_some())
    );
    assert_eq!(outcome.replacements.len(), 2, "an undo removes them");
}

#[test]
fn what_another_invocation_added_is_not_withdrawn() {
    // The other invocation adds the replacement first, and also removes the rule first.
    let kept = rule_from_line("tcp 80 0.0.0.0/0");
    let environment = enforcing(&["sgr-1 tcp 79-80 0.0.0.0/0"], web_only());
    environment.ec2.inject_faults([
        Fault::OpenedAfterRead(kept),
        Fault::ClosedAfterAuthorize(rule_from_line("tcp 79-80 0.0.0.0/0")),
    ]);
    let event = environment.handle_event("e-1");
    assert_eq!(withdrawn(report(&event)), Vec::<String>::new());
    assert_eq!(environment.rules().len(), 1, "{:?}", environment.rules());
}

#[test]
fn what_another_invocation_withdrew_is_added_again() {
    // The other one added the replacement, did not find the rule that this one removed, and withdrew
    // the replacement.
    let narrow = "sgr-1 tcp 79-80 0.0.0.0/0";
    let kept = rule_from_line("tcp 80 0.0.0.0/0");
    let environment = enforcing(&[narrow], web_only());
    environment.ec2.inject_faults([
        Fault::OpenedAfterRead(kept.clone()),
        Fault::ClosedAfterRevoke(kept),
    ]);
    let event = environment.handle_event("e-1");
    assert_eq!(environment.rules().len(), 1, "{:?}", environment.rules());
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(added(&event).len(), 1);
    assert_eq!(
        environment.clock.recorded_sleeps(),
        [Duration::from_millis(300)]
    );
}
