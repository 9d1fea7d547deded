//! Concurrent changes, stale reads and lost answers.

use std::time::Duration;

use portcullis_remediation::event::{GroupChange, Origin};
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::Mode;
use portcullis_testkit::{Fault, group_change, rule_from_line};

use crate::world::{COMPLIANT, MIXED, SG, codes, outcome, removed_count, status_count, world};

#[test]
fn a_rule_that_was_already_removed_is_not_a_failure() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults([Fault::ClosedAfterRead(rule_from_line("tcp 22 0.0.0.0/0"))]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    let removed = event.reports[0].removed_rules();
    let removed: Vec<_> = removed.map(|outcome| outcome.rule.to_string()).collect();
    assert_eq!(
        removed,
        ["tcp 8040 ::/0"],
        "what someone else removed is not counted"
    );
}

#[test]
fn a_rule_added_during_remediation_is_removed_too() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRead(rule_from_line(
            "sgr-9 tcp 3389 0.0.0.0/0",
        ))]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), event.reports[0].rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(world.ec2.rule_lines(SG), COMPLIANT);
    assert_eq!(removed_count(&event), 3);
}

#[test]
fn a_group_that_keeps_reopening_is_left_to_the_retry() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults(
        (0..3).map(|_| Fault::OpenedAfterRevoke(rule_from_line("tcp 3389 0.0.0.0/0"))),
    );
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(event.reports[0].rounds, 3);
    assert_eq!(outcome(&world.handle_event("e-1")), GroupOutcome::Closed);
    assert_eq!(world.publisher.published_alerts().len(), 2);
}

#[test]
fn a_lost_answer_is_not_a_failure_if_the_rule_is_gone() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults([Fault::RevokeUnanswered]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        (removed_count(&event), status_count(&event, "failed")),
        (2, 0)
    );
}

#[test]
fn a_stale_read_after_a_removal_is_repeated() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults([Fault::RevokeIgnored]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), event.reports[0].rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(removed_count(&event), 2, "reported once, not once a round");
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);
}

#[test]
fn a_call_that_never_takes_effect_is_detected() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults((0..3).map(|_| Fault::RevokeIgnored));
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert!(
        world.subjects()[0].starts_with("NOT CLOSED"),
        "{:?}",
        world.subjects()
    );
}

#[test]
fn a_group_deleted_after_a_removal_is_closed() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults([Fault::DeletedAfterRevoke]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
}

#[test]
fn a_rule_that_a_recent_event_claims_is_waited_for() {
    let world = world(&MIXED, Mode::Enforce);
    let late = |claims: &[&str]| GroupChange {
        claimed_rules: claims.iter().map(|line| rule_from_line(line)).collect(),
        origin: Origin {
            time: "2026-11-21T12:04:50Z".parse().ok(),
            ..group_change(SG, "e-1").origin
        },
        ..group_change(SG, "e-1")
    };
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRead(rule_from_line("tcp 3306 0.0.0.0/0"))]);
    let event = world.handle(&late(&["tcp 3306 0.0.0.0/0"]));
    assert_eq!(
        (outcome(&event), removed_count(&event)),
        (GroupOutcome::Closed, 3)
    );
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);

    world.handle(&late(&["tcp 3307 0.0.0.0/0"]));
    assert_eq!(
        world.clock.recorded_sleeps().len(),
        3,
        "believed to be gone after a while"
    );
    let old = GroupChange {
        claimed_rules: vec![rule_from_line("tcp 3308 0.0.0.0/0")],
        ..group_change(SG, "e-2")
    };
    world.handle(&old);
    assert_eq!(
        world.clock.recorded_sleeps().len(),
        3,
        "an old event does not wait"
    );
}
