//! Replacements that cannot be added at once, or not at all.

use std::time::Duration;

use portcullis_remediation::event::{GroupChange, Origin};
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::Source;
use portcullis_rules::plan::{ApplyOrder, SkipReason};
use portcullis_testkit::{Fault, group_change, rule_from_line};

use super::environment::{
    ADD, Environment, REVOKE, SG, SSH, WEB, WIDE, added, codes, enforcing, failed_addition_count,
    removed_count, report, web_only,
};

/// A group whose quota has no space for old and new rules at once.
fn full_group_lines() -> Vec<String> {
    let others = (1..=58).map(|host| format!("sgr-x{host} tcp 5432 10.0.0.{host}/32"));
    others.chain([WIDE.to_owned()]).collect()
}

fn full_environment() -> Environment {
    let rules = full_group_lines();
    let environment = enforcing(
        &rules.iter().map(String::as_str).collect::<Vec<_>>(),
        web_only(),
    );
    environment.ec2.set_rule_limit(60);
    environment
}

#[test]
fn a_full_quota_makes_removals_come_first_and_is_reported() {
    let environment = full_environment();
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).order),
        (GroupOutcome::Closed, ApplyOrder::RemoveFirst)
    );
    assert_eq!(environment.changes(), [REVOKE, ADD]);
    assert!(failed_addition_count(&event) == 0 && report(&event).skipped_additions.is_empty());
    assert!(environment.last_email().contains("interrupted briefly"));
    assert!(
        environment.publisher.published_alerts()[0]
            .report
            .contains(r#""order":"remove-first""#)
    );
}

#[test]
fn an_addition_over_the_quota_is_skipped_and_reported() {
    let rules: Vec<_> = full_group_lines()
        .into_iter()
        .chain(["sgr-y tcp 5432 10.0.1.1/32".to_owned()])
        .collect();
    let environment = enforcing(
        &rules.iter().map(String::as_str).collect::<Vec<_>>(),
        web_only(),
    );
    environment.ec2.set_rule_limit(60);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        report(&event)
            .skipped_additions
            .iter()
            .map(|skipped| (skipped.ingress.to_string(), skipped.reason))
            .collect::<Vec<_>>(),
        [("tcp 80 0.0.0.0/0".to_owned(), SkipReason::RulesQuota)]
    );
    assert!(
        environment.publisher.published_alerts()[0]
            .subject
            .starts_with("CLOSED, ACCESS LOST, ")
    );
}

#[test]
fn a_throttled_addition_after_a_removal_is_retried() {
    let environment = full_environment();
    environment
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Throttled)]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, failed_addition_count(&event)),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(environment.changes(), [REVOKE, ADD, ADD]);
    assert_eq!(
        environment.clock.recorded_sleeps(),
        [Duration::from_millis(300)]
    );

    let environment = full_environment();
    environment
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, failed_addition_count(&event)),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(environment.changes().len(), 4);
    assert!(
        environment
            .last_email()
            .contains("To add them manually, run these commands:"),
        "{}",
        environment.last_email()
    );
}

#[test]
fn nothing_is_added_for_a_rule_that_was_not_removed_first() {
    let environment = full_environment();
    environment
        .ec2
        .inject_faults([Fault::Revoke(ErrorKind::Denied)]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(environment.changes(), [REVOKE]);
    assert!(failed_addition_count(&event) == 0, "no access is lost");

    let environment = full_environment();
    environment
        .ec2
        .inject_faults([Fault::ClosedAfterRead(rule_from_line(
            "tcp 80-443 0.0.0.0/0",
        ))]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        environment.changes(),
        [REVOKE],
        "what someone else closed is not opened again"
    );
    assert_eq!(
        (event.errors.len(), failed_addition_count(&event)),
        (0, 2),
        "but reported"
    );

    let environment = full_environment();
    environment.ec2.inject_faults([Fault::RevokeUnanswered]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(&event)),
        (GroupOutcome::Closed, 1)
    );
    assert_eq!((added(&event).len(), environment.rules().len()), (2, 60));
}

#[test]
fn a_removal_waits_for_its_replacement() {
    let environment = enforcing(&[WIDE, SSH], web_only());
    environment.ec2.inject_faults([Fault::AuthorizeFrom(
        Source::from_cidr("0.0.0.0/0").unwrap(),
        ErrorKind::Throttled,
    )]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        environment.changes()[1..],
        ["revoke sgr-2 tcp 22 0.0.0.0/0", ADD, REVOKE]
    );
    assert_eq!(
        environment.rules(),
        ["tcp 22 203.0.113.0/24", WEB[0], WEB[1]]
    );
    assert_eq!((added(&event).len(), failed_addition_count(&event)), (3, 0));
    assert_eq!(
        environment.clock.recorded_sleeps().first(),
        Some(&Duration::from_millis(300))
    );
}

#[test]
fn the_last_round_closes_even_without_replacements() {
    let environment = enforcing(&[WIDE], web_only());
    environment
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(environment.changes(), [ADD, ADD, ADD, REVOKE, ADD, ADD]);
    assert_eq!(
        (failed_addition_count(&event), environment.rules().len()),
        (2, 0)
    );
    assert!(
        environment.publisher.published_alerts()[0]
            .subject
            .starts_with("CLOSED, ACCESS LOST, ")
    );
    assert!(
        environment
            .last_email()
            .contains("AWS throttled the request.")
    );
}

#[test]
fn a_denied_addition_does_not_prevent_the_removal() {
    let environment = enforcing(&[WIDE], web_only());
    environment
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Denied)]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        (environment.changes(), environment.rules().len()),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
    let email = environment.last_email();
    assert!(
        email.contains("ec2:AuthorizeSecurityGroupIngress") && email.contains("could NOT be added"),
        "{email}"
    );
    assert!(
        environment.publisher.published_alerts()[0]
            .report
            .contains(r#""failed_additions":[{"#)
    );
}

#[test]
fn a_failed_addition_is_reported_after_later_rounds() {
    let environment = enforcing(&[WIDE], web_only());
    environment.ec2.inject_faults([
        Fault::Authorize(ErrorKind::Denied),
        Fault::OpenedAfterRevoke(rule_from_line("tcp 23 0.0.0.0/0")),
    ]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).rounds, report(&event).outcome),
        (2, GroupOutcome::Closed)
    );
    assert_eq!(
        (removed_count(&event), failed_addition_count(&event)),
        (2, 2)
    );
}

#[test]
fn an_addition_without_an_answer_is_found_by_the_next_read() {
    let environment = enforcing(&[WIDE], web_only());
    environment.ec2.inject_faults([Fault::AuthorizeUnanswered]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(added(&event), ["tcp 80 0.0.0.0/0", "tcp 443 0.0.0.0/0"]);
    assert_eq!(
        (environment.changes(), failed_addition_count(&event)),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
}

#[test]
fn a_retry_continues_after_a_failed_removal() {
    let environment = enforcing(&[WIDE], web_only());
    environment.ec2.inject_faults([
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
    ]);
    for _ in 0..3 {
        assert_eq!(
            codes(&environment.handle_event("e-1")),
            ["group-not-closed"]
        );
    }
    assert_eq!(
        environment.publisher.published_alerts().len(),
        1,
        "a retry without news is not published"
    );
    assert!(
        environment
            .last_email()
            .contains("new rules exist for TCP ports 80 and 443"),
        "{}",
        environment.last_email()
    );
    assert_eq!(
        environment.changes()[..3],
        [ADD, REVOKE, REVOKE],
        "added once"
    );
    assert_eq!(
        report(&environment.handle_event("e-1")).outcome,
        GroupOutcome::Closed
    );
    assert_eq!(
        (
            environment.rules(),
            environment.publisher.published_alerts().len()
        ),
        (WEB.map(str::to_owned).to_vec(), 2)
    );
}

#[test]
fn an_unverified_narrowing_is_an_error_and_reports_what_was_done() {
    let environment = enforcing(&[WIDE], web_only());
    let origin = Origin {
        time: None,
        ..group_change(SG, "e-1").origin
    };
    environment.ec2.inject_faults([
        Fault::OpenedAfterRead(rule_from_line("tcp 443 ::/0")),
        Fault::Read(ErrorKind::Throttled),
    ]);
    let event = environment.handle(&GroupChange {
        origin,
        ..group_change(SG, "e-1")
    });
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!((removed_count(&event), added(&event).len()), (1, 2));
    assert!(
        environment
            .last_email()
            .contains("=> Narrowed: TCP ports 80 and 443 stay open"),
        "{}",
        environment.last_email()
    );
}
