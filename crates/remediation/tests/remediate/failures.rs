//! Failed calls, and alerts of retried events.

use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::{ErrorKind, Mode};
use portcullis_testkit::{Fault, rule_from_line};

use crate::world::{MIXED, SG, codes, outcome, removed_count, status_count, world};

#[test]
fn a_denied_revoke_is_published_once_and_fails_each_attempt() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults((0..3).map(|_| Fault::Revoke(ErrorKind::Denied)));
    for _ in 0..3 {
        let event = world.handle_event("e-1");
        assert_eq!(
            (outcome(&event), codes(&event)),
            (GroupOutcome::NotClosed, vec!["group-not-closed"])
        );
        assert_eq!(
            (status_count(&event, "failed"), event.reports[0].rounds),
            (2, 1),
            "another round cannot help"
        );
    }
    assert_eq!(world.publisher.published_alerts().len(), 1);
    assert_eq!(outcome(&world.handle_event("e-1")), GroupOutcome::Closed);
    assert_eq!(world.publisher.published_alerts().len(), 2);
}

#[test]
fn a_failed_rule_does_not_affect_the_others() {
    let world = world(&MIXED, Mode::Enforce);
    let source = rule_from_line("tcp 22 0.0.0.0/0").source;
    world
        .ec2
        .inject_faults((0..3).map(|_| Fault::RevokeFrom(source.clone(), ErrorKind::Other)));
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(
        (
            removed_count(&event),
            status_count(&event, "failed"),
            event.reports[0].open_rules().count()
        ),
        (1, 1, 1)
    );
    assert!(
        !world
            .ec2
            .rule_lines(SG)
            .contains(&"sgr-3 tcp 8040 ::/0".to_owned())
    );
}

#[test]
fn an_unverified_removal_is_reported_and_the_event_fails() {
    let world = world(&MIXED, Mode::Enforce);
    let opened = Fault::OpenedAfterRead(rule_from_line("tcp 443 ::/0"));
    world
        .ec2
        .inject_faults([opened, Fault::Read(ErrorKind::Throttled)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    let report = &event.reports[0];
    assert_eq!(removed_count(&event), 2);
    assert_eq!(report.open_rules().count(), 0);
    assert!(report.unverified.is_some());
    assert_eq!(world.publisher.published_alerts().len(), 1);
    assert_eq!(outcome(&world.handle_event("e-1")), GroupOutcome::Clean);
    assert_eq!(world.publisher.published_alerts().len(), 1);
}

#[test]
fn a_failed_alert_is_published_once_by_the_retry() {
    let world = world(&MIXED, Mode::Enforce);
    world.publisher.fail_next(1);
    let first = world.handle_event("e-1");
    assert_eq!(
        (outcome(&first), codes(&first)),
        (GroupOutcome::Closed, vec!["alert-not-published"])
    );
    let second = world.handle_event("e-1");
    assert_eq!(
        (outcome(&second), second.errors.len()),
        (GroupOutcome::Clean, 0)
    );
    assert_eq!(world.publisher.published_alerts().len(), 1);
    assert!(
        world.subjects()[0].starts_with("CLOSED"),
        "{:?}",
        world.subjects()
    );
    world.handle_event("e-1");
    assert_eq!(world.publisher.published_alerts().len(), 1);
}

#[test]
fn a_pending_alert_is_published_even_if_the_retry_cannot_read() {
    let world = world(&MIXED, Mode::Enforce);
    world.publisher.fail_next(1);
    world.handle_event("e-1");
    world.ec2.inject_faults([Fault::Read(ErrorKind::Throttled)]);
    assert_eq!(codes(&world.handle_event("e-1")), ["group-unreadable"]);
    assert_eq!(world.publisher.published_alerts().len(), 1);
}

#[test]
fn a_repeated_event_is_published_once_and_another_event_again() {
    let world = world(&["tcp 8000-8010 10.0.0.0/8"], Mode::Enforce);
    for id in ["e-1", "e-1", "e-2"] {
        world.handle_event(id);
    }
    assert_eq!(world.publisher.published_alerts().len(), 2);
}
