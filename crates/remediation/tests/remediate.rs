//! The loop against an in-memory EC2 with faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, and so may what helps it"
)]

use std::sync::Arc;
use std::time::Duration;

use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::source::{PrefixLists, parse_cidr};
use portcullis_testkit::{
    Call, FakeClock, FakeEc2, FakePublisher, Fault, group_change, group_from_lines, rule_from_line,
};

use portcullis_remediation::event::{GroupChange, Origin, Target};
use portcullis_remediation::remediator::{
    EventOutcome, Limits, RemediationError, Remediator, Services,
};
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::{ErrorKind, GroupRef, IngressEditor, Mode};

const SG: &str = "sg-1";
/// Two offending boxes and three innocent ones.
const MIXED: [&str; 5] = [
    "sgr-1 tcp 22 0.0.0.0/0",
    "sgr-2 tcp 22 10.0.0.0/8",
    "sgr-3 tcp 8040 ::/0",
    "sgr-4 tcp 443 0.0.0.0/0",
    "sgr-5 tcp 22 sg-9",
];
const INNOCENT: [&str; 3] = [
    "sgr-2 tcp 22 10.0.0.0/8",
    "sgr-4 tcp 443 0.0.0.0/0",
    "sgr-5 tcp 22 sg-9",
];

struct World {
    ec2: Arc<FakeEc2>,
    tell: Arc<FakePublisher>,
    clock: Arc<FakeClock>,
    remediator: Remediator,
}

fn world(lines: &[&str], mode: Mode) -> World {
    let ec2 = Arc::new(FakeEc2::with_groups([group_from_lines(SG, lines)]));
    let tell = Arc::new(FakePublisher::default());
    // Five minutes after the event: nothing is fresh.
    let clock = Arc::new(FakeClock::starting_at(
        "2026-11-21T12:05:00Z".parse().unwrap(),
    ));
    let changer: Option<Arc<dyn IngressEditor>> = match mode {
        Mode::Enforce => Some(ec2.clone()),
        Mode::Monitor => None,
    };
    let hands = Services {
        reader: ec2.clone(),
        editor: changer,
        publisher: tell.clone(),
        clock: clock.clone(),
    };
    World {
        ec2,
        tell,
        clock,
        remediator: Remediator::new(hands, baseline_policy(), Limits::default()),
    }
}

impl World {
    fn handle(&self, change: &GroupChange) -> EventOutcome {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(self.remediator.handle_change(change))
    }

    fn event(&self, id: &str) -> EventOutcome {
        self.handle(&group_change(SG, id))
    }

    fn reads(&self) -> usize {
        self.ec2
            .calls()
            .iter()
            .filter(|call| matches!(call, Call::Read(_)))
            .count()
    }

    fn subjects(&self) -> Vec<String> {
        self.tell
            .published_alerts()
            .into_iter()
            .map(|alert| alert.subject)
            .collect()
    }
}

fn outcome(handled: &EventOutcome) -> GroupOutcome {
    assert_eq!(handled.reports.len(), 1, "{handled:?}");
    handled.reports[0].outcome
}

fn codes(handled: &EventOutcome) -> Vec<&'static str> {
    handled.errors.iter().map(RemediationError::code).collect()
}

#[test]
fn what_is_forbidden_goes_and_nothing_else() {
    let world = world(&MIXED, Mode::Enforce);
    let handled = world.event("e-1");
    assert_eq!(outcome(&handled), GroupOutcome::Closed);
    assert!(handled.errors.is_empty());
    assert_eq!(world.ec2.rule_lines(SG), INNOCENT);
    assert_eq!(
        world.ec2.calls(),
        [
            Call::Read(SG.into()),
            Call::Revoke(
                SG.into(),
                vec![
                    "sgr-1 tcp 22 0.0.0.0/0".into(),
                    "sgr-3 tcp 8040 ::/0".into()
                ]
            ),
            Call::Read(SG.into()),
        ]
    );
    let report = &handled.reports[0];
    assert_eq!((report.rounds, report.exposure_seconds()), (1, Some(300)));
    assert_eq!(world.tell.published_alerts().len(), 1);
}

#[test]
fn a_clean_group_costs_one_read_and_no_word() {
    let world = world(&INNOCENT, Mode::Enforce);
    let handled = world.event("e-1");
    assert_eq!(outcome(&handled), GroupOutcome::Clean);
    assert_eq!(world.reads(), 1);
    assert!(world.tell.published_alerts().is_empty() && handled.errors.is_empty());
}

#[test]
fn monitor_mode_changes_nothing_and_tells() {
    let world = world(&MIXED, Mode::Monitor);
    let handled = world.event("e-1");
    assert_eq!(outcome(&handled), GroupOutcome::WouldClose);
    assert_eq!(world.ec2.calls(), [Call::Read(SG.into())]);
    assert_eq!(handled.reports[0].removed.len(), 2);
    assert_eq!(
        (world.tell.published_alerts().len(), handled.errors.len()),
        (1, 0)
    );
}

#[test]
fn what_the_policy_only_wants_told_is_told() {
    let world = world(&["tcp 8000-8010 10.0.0.0/8"], Mode::Enforce);
    assert_eq!(outcome(&world.event("e-1")), GroupOutcome::Reported);
    assert_eq!((world.reads(), world.tell.published_alerts().len()), (1, 1));
}

#[test]
fn a_group_that_cannot_be_read_is_an_error_and_never_nothing() {
    for kind in [
        ErrorKind::Throttled,
        ErrorKind::Denied,
        ErrorKind::NoAnswer,
        ErrorKind::Other,
    ] {
        let world = world(&MIXED, Mode::Enforce);
        world.ec2.inject_faults([Fault::Read(kind)]);
        let handled = world.event("e-1");
        assert_eq!(
            (codes(&handled), handled.reports.len()),
            (vec!["group-unread"], 0)
        );
    }
}

#[test]
fn a_group_that_is_gone_needs_nothing() {
    let world = world(&MIXED, Mode::Enforce);
    let handled = world.handle(&group_change("sg-2", "e-1"));
    assert_eq!(
        (
            outcome(&handled),
            handled.errors.len(),
            world.tell.published_alerts().len()
        ),
        (GroupOutcome::GroupDeleted, 0, 0)
    );
}

#[test]
fn a_group_named_by_name_is_found() {
    let world = world(&MIXED, Mode::Enforce);
    let named = GroupChange {
        target: Target::Groups(vec![GroupRef::Name("web".into())]),
        ..group_change(SG, "e-1")
    };
    assert_eq!(outcome(&world.handle(&named)), GroupOutcome::Closed);
    assert_eq!(world.ec2.rule_lines(SG), INNOCENT);
}

#[test]
fn a_changed_prefix_list_brings_every_group_that_uses_it() {
    let world = world(&["sgr-1 tcp 22 pl-1", "sgr-2 tcp 22 pl-2"], Mode::Enforce);
    let all = |list: &str| (list.to_owned(), vec![parse_cidr("0.0.0.0/0").unwrap()]);
    world.ec2.set_prefix_lists(
        [all("pl-1"), ("pl-2".to_owned(), vec![])]
            .into_iter()
            .collect(),
    );
    let handled = world.handle(&GroupChange {
        target: Target::PrefixList("pl-1".into()),
        ..group_change(SG, "e-1")
    });
    assert_eq!(outcome(&handled), GroupOutcome::Closed);
    assert_eq!(world.ec2.rule_lines(SG), ["sgr-2 tcp 22 pl-2"]);

    world.ec2.set_prefix_lists(PrefixLists::empty());
    world.ec2.inject_faults([Fault::Read(ErrorKind::Denied)]);
    let handled = world.handle(&GroupChange {
        target: Target::PrefixList("pl-1".into()),
        ..group_change(SG, "e-2")
    });
    assert_eq!(codes(&handled), ["group-unread"]);
}

#[test]
fn somebody_faster_is_no_failure() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults([Fault::ClosedAfterRead(rule_from_line("tcp 22 0.0.0.0/0"))]);
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), handled.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    let removed: Vec<_> = handled.reports[0]
        .removed
        .iter()
        .map(|removal| removal.ingress.to_string())
        .collect();
    assert_eq!(
        removed,
        ["tcp 8040 ::/0"],
        "what somebody else removed is not ours"
    );
}

#[test]
fn a_rule_that_appears_meanwhile_goes_too() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRead(rule_from_line(
            "sgr-9 tcp 3389 0.0.0.0/0",
        ))]);
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), handled.reports[0].rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(world.ec2.rule_lines(SG), INNOCENT);
    assert_eq!(handled.reports[0].removed.len(), 3);
}

#[test]
fn a_group_that_is_opened_faster_than_closed_is_left_to_the_retry() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults(
        (0..3).map(|_| Fault::OpenedAfterRevoke(rule_from_line("tcp 3389 0.0.0.0/0"))),
    );
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), codes(&handled)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(handled.reports[0].rounds, 3);
    assert_eq!(outcome(&world.event("e-1")), GroupOutcome::Closed);
    assert_eq!(world.tell.published_alerts().len(), 2);
}

#[test]
fn a_lost_answer_is_not_a_failure_when_the_rule_is_gone() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults([Fault::RevokeUnanswered]);
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), handled.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        (
            handled.reports[0].removed.len(),
            handled.reports[0].failed_removals.len()
        ),
        (2, 0)
    );
}

#[test]
fn an_early_look_after_the_act_is_repeated() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults([Fault::RevokeIgnored]);
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), handled.reports[0].rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        handled.reports[0].removed.len(),
        2,
        "told once, not once a round"
    );
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);
}

#[test]
fn a_call_that_always_lies_is_found_out() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults((0..3).map(|_| Fault::RevokeIgnored));
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), codes(&handled)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert!(
        world.subjects()[0].starts_with("NOT CLOSED"),
        "{:?}",
        world.subjects()
    );
}

#[test]
fn a_refused_revoke_is_told_once_and_fails_each_attempt() {
    let world = world(&MIXED, Mode::Enforce);
    world
        .ec2
        .inject_faults((0..3).map(|_| Fault::Revoke(ErrorKind::Denied)));
    for _ in 0..3 {
        let handled = world.event("e-1");
        assert_eq!(
            (outcome(&handled), codes(&handled)),
            (GroupOutcome::NotClosed, vec!["group-not-closed"])
        );
        assert_eq!(
            (
                handled.reports[0].failed_removals.len(),
                handled.reports[0].rounds
            ),
            (2, 1),
            "no use in trying on"
        );
    }
    assert_eq!(world.tell.published_alerts().len(), 1);
    assert_eq!(outcome(&world.event("e-1")), GroupOutcome::Closed);
    assert_eq!(world.tell.published_alerts().len(), 2);
}

#[test]
fn one_box_that_fails_does_not_keep_the_others_open() {
    let world = world(&MIXED, Mode::Enforce);
    let source = rule_from_line("tcp 22 0.0.0.0/0").source;
    world
        .ec2
        .inject_faults((0..3).map(|_| Fault::RevokeFrom(source.clone(), ErrorKind::Other)));
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), codes(&handled)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    let report = &handled.reports[0];
    assert_eq!(
        (
            report.removed.len(),
            report.failed_removals.len(),
            report.remaining.len()
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
fn when_nobody_can_look_after_the_act_what_went_is_told_and_the_event_comes_again() {
    let world = world(&MIXED, Mode::Enforce);
    let look = Fault::OpenedAfterRead(rule_from_line("tcp 443 ::/0"));
    world
        .ec2
        .inject_faults([look, Fault::Read(ErrorKind::Throttled)]);
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), codes(&handled)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    let report = &handled.reports[0];
    assert_eq!((report.removed.len(), report.remaining.len()), (2, 0));
    assert!(report.unverified.is_some());
    assert_eq!(world.tell.published_alerts().len(), 1);
    assert_eq!(outcome(&world.event("e-1")), GroupOutcome::Clean);
    assert_eq!(world.tell.published_alerts().len(), 1);
}

#[test]
fn a_group_deleted_while_we_act_is_closed() {
    let world = world(&MIXED, Mode::Enforce);
    world.ec2.inject_faults([Fault::DeletedAfterRevoke]);
    let handled = world.event("e-1");
    assert_eq!(
        (outcome(&handled), handled.errors.len()),
        (GroupOutcome::Closed, 0)
    );
}

#[test]
fn an_alert_that_failed_is_told_by_the_retry_once() {
    let world = world(&MIXED, Mode::Enforce);
    world.tell.fail_next(1);
    let first = world.event("e-1");
    assert_eq!(
        (outcome(&first), codes(&first)),
        (GroupOutcome::Closed, vec!["alert-unsent"])
    );
    let second = world.event("e-1");
    assert_eq!(
        (outcome(&second), second.errors.len()),
        (GroupOutcome::Clean, 0)
    );
    assert_eq!(world.tell.published_alerts().len(), 1);
    assert!(
        world.subjects()[0].starts_with("CLOSED"),
        "{:?}",
        world.subjects()
    );
    world.event("e-1");
    assert_eq!(world.tell.published_alerts().len(), 1);
}

#[test]
fn an_unsent_alert_is_told_even_when_the_retry_cannot_read() {
    let world = world(&MIXED, Mode::Enforce);
    world.tell.fail_next(1);
    world.event("e-1");
    world.ec2.inject_faults([Fault::Read(ErrorKind::Throttled)]);
    assert_eq!(codes(&world.event("e-1")), ["group-unread"]);
    assert_eq!(world.tell.published_alerts().len(), 1);
}

#[test]
fn the_same_event_twice_is_told_once_and_another_is_another() {
    let world = world(&["tcp 8000-8010 10.0.0.0/8"], Mode::Enforce);
    for event in ["e-1", "e-1", "e-2"] {
        world.event(event);
    }
    assert_eq!(world.tell.published_alerts().len(), 2);
}

#[test]
fn a_rule_that_a_fresh_event_names_is_waited_for() {
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
    let handled = world.handle(&late(&["tcp 3306 0.0.0.0/0"]));
    assert_eq!(
        (outcome(&handled), handled.reports[0].removed.len()),
        (GroupOutcome::Closed, 3)
    );
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);

    world.handle(&late(&["tcp 3307 0.0.0.0/0"]));
    assert_eq!(
        world.clock.recorded_sleeps().len(),
        3,
        "and believed to be gone after a while"
    );
    let old = GroupChange {
        claimed_rules: vec![rule_from_line("tcp 3308 0.0.0.0/0")],
        ..group_change(SG, "e-2")
    };
    world.handle(&old);
    assert_eq!(
        world.clock.recorded_sleeps().len(),
        3,
        "an old event is believed at once"
    );
}
