//! The remediator against an in-memory EC2 with faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests and their helpers may panic"
)]

use std::sync::Arc;
use std::time::Duration;

use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::source::{PrefixLists, parse_cidr};
use portcullis_testkit::{
    Call, FakeClock, FakeEc2, FakePublisher, Fault, group_change, group_from_lines, rule_from_line,
};

use portcullis_remediation::event::{GroupChange, Origin, PrefixListChange, Target};
use portcullis_remediation::remediator::{
    EventOutcome, Limits, RemediationError, Remediator, Services,
};
use portcullis_remediation::report::{GroupOutcome, GroupReport};
use portcullis_remediation::services::{ErrorKind, GroupRef, IngressEditor, Mode};

const SG: &str = "sg-1";
/// Two offending rules and three compliant ones.
const MIXED: [&str; 5] = [
    "sgr-1 tcp 22 0.0.0.0/0",
    "sgr-2 tcp 22 10.0.0.0/8",
    "sgr-3 tcp 8040 ::/0",
    "sgr-4 tcp 443 0.0.0.0/0",
    "sgr-5 tcp 22 sg-9",
];
const COMPLIANT: [&str; 3] = [
    "sgr-2 tcp 22 10.0.0.0/8",
    "sgr-4 tcp 443 0.0.0.0/0",
    "sgr-5 tcp 22 sg-9",
];

struct World {
    ec2: Arc<FakeEc2>,
    publisher: Arc<FakePublisher>,
    clock: Arc<FakeClock>,
    remediator: Remediator,
}

fn world(lines: &[&str], mode: Mode) -> World {
    world_with(FakeEc2::with_groups([group_from_lines(SG, lines)]), mode)
}

fn world_with(ec2: FakeEc2, mode: Mode) -> World {
    let ec2 = Arc::new(ec2);
    let publisher = Arc::new(FakePublisher::default());
    // Five minutes after the event, which is not recent any more.
    let clock = Arc::new(FakeClock::starting_at(
        "2026-11-21T12:05:00Z".parse().unwrap(),
    ));
    let editor: Option<Arc<dyn IngressEditor>> = match mode {
        Mode::Enforce => Some(ec2.clone()),
        Mode::Monitor => None,
    };
    let services = Services {
        reader: ec2.clone(),
        editor,
        publisher: publisher.clone(),
        clock: clock.clone(),
    };
    World {
        ec2,
        publisher,
        clock,
        remediator: Remediator::new(services, baseline_policy(), Limits::default()),
    }
}

impl World {
    fn handle(&self, change: &GroupChange) -> EventOutcome {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(self.remediator.handle_change(change))
    }

    fn handle_event(&self, id: &str) -> EventOutcome {
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
        self.publisher
            .published_alerts()
            .into_iter()
            .map(|alert| alert.subject)
            .collect()
    }
}

fn outcome(event: &EventOutcome) -> GroupOutcome {
    assert_eq!(event.reports.len(), 1, "{event:?}");
    event.reports[0].outcome
}

fn removed_count(event: &EventOutcome) -> usize {
    event.reports[0].removed_rules().count()
}

/// How many rules have this status.
fn status_count(event: &EventOutcome, status: &str) -> usize {
    let rules = event.reports[0].rules.iter();
    rules
        .filter(|outcome| outcome.status.as_str() == status)
        .count()
}

fn codes(event: &EventOutcome) -> Vec<&'static str> {
    event.errors.iter().map(RemediationError::code).collect()
}

#[test]
fn only_offending_rules_are_removed() {
    let world = world(&MIXED, Mode::Enforce);
    let event = world.handle_event("e-1");
    assert_eq!(outcome(&event), GroupOutcome::Closed);
    assert!(event.errors.is_empty());
    assert_eq!(world.ec2.rule_lines(SG), COMPLIANT);
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
    let report = &event.reports[0];
    assert_eq!((report.rounds, report.exposure_seconds()), (1, Some(300)));
    assert_eq!(world.publisher.published_alerts().len(), 1);
}

#[test]
fn a_clean_group_costs_one_read_and_no_alert() {
    let world = world(&COMPLIANT, Mode::Enforce);
    let event = world.handle_event("e-1");
    assert_eq!(outcome(&event), GroupOutcome::Clean);
    assert_eq!(world.reads(), 1);
    assert!(world.publisher.published_alerts().is_empty() && event.errors.is_empty());
}

#[test]
fn monitor_mode_changes_nothing_and_reports() {
    let world = world(&MIXED, Mode::Monitor);
    let event = world.handle_event("e-1");
    assert_eq!(outcome(&event), GroupOutcome::WouldClose);
    assert_eq!(world.ec2.calls(), [Call::Read(SG.into())]);
    assert_eq!(removed_count(&event), 2);
    assert_eq!(
        (world.publisher.published_alerts().len(), event.errors.len()),
        (1, 0)
    );
}

#[test]
fn notify_only_findings_are_reported() {
    let world = world(&["tcp 8000-8010 10.0.0.0/8"], Mode::Enforce);
    assert_eq!(outcome(&world.handle_event("e-1")), GroupOutcome::Reported);
    assert_eq!(
        (world.reads(), world.publisher.published_alerts().len()),
        (1, 1)
    );
}

#[test]
fn an_unreadable_group_is_an_error_and_never_clean() {
    for kind in [
        ErrorKind::Throttled,
        ErrorKind::Denied,
        ErrorKind::NoAnswer,
        ErrorKind::Other,
    ] {
        let world = world(&MIXED, Mode::Enforce);
        world.ec2.inject_faults([Fault::Read(kind)]);
        let event = world.handle_event("e-1");
        assert_eq!(
            (codes(&event), event.reports.len()),
            (vec!["group-unreadable"], 0)
        );
    }
}

#[test]
fn a_deleted_group_needs_nothing() {
    let world = world(&MIXED, Mode::Enforce);
    let event = world.handle(&group_change("sg-2", "e-1"));
    assert_eq!(
        (
            outcome(&event),
            event.errors.len(),
            world.publisher.published_alerts().len()
        ),
        (GroupOutcome::GroupDeleted, 0, 0)
    );
}

#[test]
fn a_group_can_be_referred_to_by_name() {
    let world = world(&MIXED, Mode::Enforce);
    let named = GroupChange {
        target: Target::Groups(vec![GroupRef::Name("web".into())]),
        ..group_change(SG, "e-1")
    };
    assert_eq!(outcome(&world.handle(&named)), GroupOutcome::Closed);
    assert_eq!(world.ec2.rule_lines(SG), COMPLIANT);
}

#[test]
fn a_changed_prefix_list_is_about_every_group_that_uses_it() {
    let world = world(&["sgr-1 tcp 22 pl-1", "sgr-2 tcp 22 pl-2"], Mode::Enforce);
    let all = |list: &str| (list.to_owned(), vec![parse_cidr("0.0.0.0/0").unwrap()]);
    world.ec2.set_prefix_lists(
        [all("pl-1"), ("pl-2".to_owned(), vec![])]
            .into_iter()
            .collect(),
    );
    let event = world.handle(&GroupChange {
        target: prefix_list_target(),
        ..group_change(SG, "e-1")
    });
    assert_eq!(outcome(&event), GroupOutcome::Closed);
    assert_eq!(world.ec2.rule_lines(SG), ["sgr-2 tcp 22 pl-2"]);

    world.ec2.set_prefix_lists(PrefixLists::empty());
    world.ec2.inject_faults([Fault::Read(ErrorKind::Denied)]);
    let event = world.handle(&GroupChange {
        target: prefix_list_target(),
        ..group_change(SG, "e-2")
    });
    assert_eq!(codes(&event), ["group-unreadable"]);
}

#[test]
fn a_rule_that_somebody_else_removed_first_is_not_a_failure() {
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
        "what somebody else removed is not counted"
    );
}

#[test]
fn a_rule_that_appears_meanwhile_is_removed_too() {
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
fn one_rule_that_fails_does_not_keep_the_others_open() {
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

fn prefix_list_target() -> Target {
    Target::PrefixList(PrefixListChange {
        id: "pl-1".to_owned(),
        previous_version: Some(1),
    })
}

/// A group with a rule from a list that is being opened to the world.
fn world_with_pending_list(reads: u32) -> World {
    let world = world(&["sgr-1 tcp 22 pl-1"], Mode::Enforce);
    let entries = |cidr: &str| {
        let list = ("pl-1".to_owned(), vec![parse_cidr(cidr).unwrap()]);
        [list].into_iter().collect()
    };
    world.ec2.set_prefix_lists(entries("10.0.0.0/8"));
    world
        .ec2
        .change_prefix_lists_after(reads, entries("0.0.0.0/0"));
    world
}

fn prefix_list_change() -> GroupChange {
    GroupChange {
        target: prefix_list_target(),
        ..group_change(SG, "e-1")
    }
}

#[test]
fn a_changed_prefix_list_is_read_only_after_ec2_has_applied_the_change() {
    let world = world_with_pending_list(3);
    let event = world.handle(&prefix_list_change());
    assert_eq!(outcome(&event), GroupOutcome::Closed);
    assert_eq!(world.ec2.rule_lines(SG), Vec::<String>::new());
    let pauses = [300, 600, 1200].map(Duration::from_millis);
    assert_eq!(world.clock.recorded_sleeps(), pauses);
}

#[test]
fn a_prefix_list_that_is_not_changed_in_time_fails_the_event() {
    let world = world_with_pending_list(99);
    let event = world.handle(&prefix_list_change());
    assert_eq!(
        (codes(&event), event.reports.len()),
        (vec!["group-unreadable"], 0)
    );
    let message = event.errors[0].to_string();
    assert!(
        message.contains("pl-1 is in state modify-in-progress with version 1 after"),
        "{message}"
    );
    let waited: Duration = world.clock.recorded_sleeps().iter().sum();
    assert!(waited <= Limits::default().max_list_wait, "{waited:?}");
}

#[test]
fn groups_of_another_account_are_refused_and_do_not_fail() {
    let mut foreign = group_from_lines(SG, &MIXED);
    foreign.owner_id = Some("444455556666".to_owned());
    let ec2 = FakeEc2::with_groups([foreign]);
    let world = world_with(ec2, Mode::Enforce);
    let event = world.handle_event("e-1");
    assert_eq!(
        (outcome(&event), event.errors.len()),
        (GroupOutcome::Refused, 0)
    );
    assert_eq!(world.ec2.calls(), [Call::Read(SG.into())]);
    let codes = event.reports[0]
        .refused_rules()
        .map(|rule| rule.status.code());
    assert_eq!(codes.collect::<Vec<_>>(), [Some("foreign-group"); 2]);
}

#[test]
fn at_the_deadline_the_groups_that_are_left_are_an_error() {
    let groups =
        (1..=3).map(|number| group_from_lines(&format!("sg-{number}"), &["sgr-1 tcp 22 pl-1"]));
    let world = world_with(FakeEc2::with_groups(groups), Mode::Enforce);
    let all = ("pl-1".to_owned(), vec![parse_cidr("0.0.0.0/0").unwrap()]);
    world.ec2.set_prefix_lists([all].into_iter().collect());
    // The first group needs a second round, and its pause passes the deadline.
    let reopened = rule_from_line("tcp 22 0.0.0.0/0");
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(reopened)]);
    let ended = std::sync::Mutex::new(Vec::new());
    let record = |report: &GroupReport| ended.lock().unwrap().push(report.group.id.clone());
    let deadline = "2026-11-21T12:05:00.1Z".parse().unwrap();
    let event = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(
            world
                .remediator
                .handle_change_until(&prefix_list_change(), deadline, &record),
        );
    assert_eq!(
        *ended.lock().unwrap(),
        ["sg-1"],
        "{:?}",
        (world.ec2.calls(), world.clock.recorded_sleeps())
    );
    assert_eq!(codes(&event), ["event-unfinished"]);
    assert_eq!(
        event.errors[0].to_string(),
        "2 groups were not checked: the time was up"
    );

    let event = world.handle(&prefix_list_change());
    assert_eq!(
        (event.reports.len(), event.errors.len()),
        (2, 0),
        "the first one uses it no more"
    );
}
