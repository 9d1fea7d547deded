//! Additions and removals that fail or are retried.

use std::time::Duration;

use portcullis_remediation::event::{GroupChange, Origin};
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::Source;
use portcullis_testkit::{Fault, group_change, rule_from_line};

use crate::world::{
    ADD, REVOKE, SG, SSH, WEB, WIDE, added, codes, failed_addition_count, full_world,
    removed_count, report, web_only, world,
};

#[test]
fn a_throttled_addition_after_a_removal_is_retried() {
    let world = full_world();
    world
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Throttled)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (
            report(&event).outcome,
            failed_addition_count(report(&event))
        ),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(world.changes(), [REVOKE, ADD, ADD]);
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);

    let world = full_world();
    world
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let event = world.handle_event("e-1");
    assert_eq!(
        (
            report(&event).outcome,
            failed_addition_count(report(&event))
        ),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(world.changes().len(), 4);
    assert!(
        world
            .last_email()
            .contains("To add them manually, run these commands:"),
        "{}",
        world.last_email()
    );
}

#[test]
fn nothing_is_added_for_a_rule_that_was_not_removed_first() {
    let world = full_world();
    world.ec2.inject_faults([Fault::Revoke(ErrorKind::Denied)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(world.changes(), [REVOKE]);
    assert!(
        failed_addition_count(report(&event)) == 0,
        "no access is lost"
    );

    let world = full_world();
    world
        .ec2
        .inject_faults([Fault::ClosedAfterRead(rule_from_line(
            "tcp 80-443 0.0.0.0/0",
        ))]);
    let event = world.handle_event("e-1");
    assert_eq!(
        world.changes(),
        [REVOKE],
        "what someone else closed is not opened again"
    );
    assert_eq!(
        (event.errors.len(), failed_addition_count(report(&event))),
        (0, 2),
        "but reported"
    );

    let world = full_world();
    world.ec2.inject_faults([Fault::RevokeUnanswered]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(report(&event))),
        (GroupOutcome::Closed, 1)
    );
    assert_eq!((added(report(&event)).len(), world.rules().len()), (2, 60));
}

#[test]
fn a_removal_waits_for_its_replacement() {
    let world = world(&[WIDE, SSH], web_only());
    world.ec2.inject_faults([Fault::AuthorizeFrom(
        Source::from_cidr("0.0.0.0/0").unwrap(),
        ErrorKind::Throttled,
    )]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        world.changes()[1..],
        ["revoke sgr-2 tcp 22 0.0.0.0/0", ADD, REVOKE]
    );
    assert_eq!(world.rules(), ["tcp 22 203.0.113.0/24", WEB[0], WEB[1]]);
    assert_eq!(
        (
            added(report(&event)).len(),
            failed_addition_count(report(&event))
        ),
        (3, 0)
    );
    assert_eq!(
        world.clock.recorded_sleeps().first(),
        Some(&Duration::from_millis(300))
    );
}

#[test]
fn the_last_round_closes_even_without_replacements() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(world.changes(), [ADD, ADD, ADD, REVOKE, ADD, ADD]);
    assert_eq!(
        (failed_addition_count(report(&event)), world.rules().len()),
        (2, 0)
    );
    assert!(
        world.publisher.published_alerts()[0]
            .subject
            .starts_with("CLOSED, SOME ALLOWED ACCESS LOST: ")
    );
    assert!(world.last_email().contains("AWS throttled the request."));
}

#[test]
fn a_denied_addition_does_not_prevent_the_removal() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Denied)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        (world.changes(), world.rules().len()),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
    let email = world.last_email();
    assert!(
        email.contains("ec2:AuthorizeSecurityGroupIngress") && email.contains("could NOT be added"),
        "{email}"
    );
    assert!(
        world.publisher.published_alerts()[0]
            .report
            .contains(r#""failed_additions":[{"#)
    );
}

#[test]
fn a_failed_addition_is_reported_after_later_rounds() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([
        Fault::Authorize(ErrorKind::Denied),
        Fault::OpenedAfterRevoke(rule_from_line("tcp 23 0.0.0.0/0")),
    ]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).rounds, report(&event).outcome),
        (2, GroupOutcome::Closed)
    );
    assert_eq!(
        (
            removed_count(report(&event)),
            failed_addition_count(report(&event))
        ),
        (2, 2)
    );
}

#[test]
fn an_addition_without_an_answer_is_found_by_the_next_read() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([Fault::AuthorizeUnanswered]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        added(report(&event)),
        ["tcp 80 0.0.0.0/0", "tcp 443 0.0.0.0/0"]
    );
    assert_eq!(
        (world.changes(), failed_addition_count(report(&event))),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
}

#[test]
fn a_retry_continues_after_a_failed_removal() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
    ]);
    for _ in 0..3 {
        assert_eq!(codes(&world.handle_event("e-1")), ["group-not-closed"]);
    }
    assert_eq!(
        world.publisher.published_alerts().len(),
        1,
        "a retry with the same result is not published"
    );
    assert!(
        world
            .last_email()
            .contains("new rules exist for TCP ports 80 and 443"),
        "{}",
        world.last_email()
    );
    assert_eq!(world.changes()[..3], [ADD, REVOKE, REVOKE], "added once");
    assert_eq!(
        report(&world.handle_event("e-1")).outcome,
        GroupOutcome::Closed
    );
    assert_eq!(
        (world.rules(), world.publisher.published_alerts().len()),
        (WEB.map(str::to_owned).to_vec(), 2)
    );
}

#[test]
fn a_stale_read_does_not_count_a_removal_twice() {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(1);
    let world = world(&["sgr-1 tcp 23 0.0.0.0/0"], policy);
    world.ec2.inject_faults([Fault::RevokeIgnored]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(report(&event))),
        (GroupOutcome::Closed, 1)
    );
}

#[test]
fn an_unverified_narrowing_is_an_error_and_reports_what_was_done() {
    let world = world(&[WIDE], web_only());
    let origin = Origin {
        time: None,
        ..group_change(SG, "e-1").origin
    };
    world.ec2.inject_faults([
        Fault::OpenedAfterRead(rule_from_line("tcp 443 ::/0")),
        Fault::Read(ErrorKind::Throttled),
    ]);
    let event = world.handle(&GroupChange {
        origin,
        ..group_change(SG, "e-1")
    });
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(
        (removed_count(report(&event)), added(report(&event)).len()),
        (1, 2)
    );
    assert!(
        world
            .last_email()
            .contains("=> Narrowed: TCP ports 80 and 443 stay open"),
        "{}",
        world.last_email()
    );
}
