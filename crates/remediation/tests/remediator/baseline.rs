//! The baseline policy, one event after the other.

use std::time::Duration;

use portcullis_remediation::AlertOptions;
use portcullis_remediation::event::{GroupChange, Origin, Target};
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::{ErrorKind, GroupRef, Mode};
use portcullis_rules::Severity;
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::source::{PrefixLists, parse_cidr};
use portcullis_testkit::{Call, Fault, group_change, rule_from_line};

use super::environment::{
    SG, codes, environment_in, prefix_list_change, removed_count, report, status_count,
};

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

#[test]
fn only_offending_rules_are_removed() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    let event = environment.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert!(event.errors.is_empty());
    assert_eq!(environment.ec2.rule_lines(SG), COMPLIANT);
    assert_eq!(
        environment.ec2.calls(),
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
    assert_eq!(environment.publisher.published_alerts().len(), 1);
}

#[test]
fn a_clean_group_costs_one_read_and_no_alert() {
    let environment = environment_in(&COMPLIANT, baseline_policy(), Mode::Enforce);
    let event = environment.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::Clean);
    assert_eq!(environment.group_reads(), 1);
    assert!(environment.publisher.published_alerts().is_empty() && event.errors.is_empty());
}

#[test]
fn monitor_mode_changes_nothing_and_reports() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Monitor);
    let event = environment.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::WouldClose);
    assert_eq!(environment.ec2.calls(), [Call::Read(SG.into())]);
    assert_eq!(removed_count(&event), 2);
    assert_eq!(
        (
            environment.publisher.published_alerts().len(),
            event.errors.len()
        ),
        (1, 0)
    );
}

/// The outcome of an event that opened `claimed`, and how many alerts it caused.
fn outcome_and_alerts(line: &str, claimed: &[&str]) -> (GroupOutcome, usize) {
    let environment = environment_in(&[line], baseline_policy(), Mode::Enforce);
    let change = GroupChange {
        claimed_rules: claimed.iter().map(|line| rule_from_line(line)).collect(),
        ..group_change(SG, "e-1")
    };
    let event = environment.handle(&change);
    assert_eq!(environment.group_reads(), 1);
    (
        report(&event).outcome,
        environment.publisher.published_alerts().len(),
    )
}

#[test]
fn people_are_alerted_of_notify_only_findings_that_the_event_opened() {
    let (low, medium) = ("tcp 8000-8010 10.0.0.0/8", "tcp 443 52.0.0.0/6");
    let reported = GroupOutcome::Reported;
    assert_eq!(outcome_and_alerts(medium, &[medium]), (reported, 1));
    assert_eq!(outcome_and_alerts(medium, &[]), (reported, 0), "older");
    assert_eq!(
        outcome_and_alerts(low, &[low]),
        (reported, 0),
        "below medium"
    );
}

#[test]
fn the_threshold_of_notify_only_findings_can_be_set() {
    let line = "tcp 8000-8010 10.0.0.0/8";
    let alerts_from = |min_severity| {
        let options = AlertOptions {
            min_severity,
            ..AlertOptions::default()
        };
        let environment =
            environment_in(&[line], baseline_policy(), Mode::Enforce).with_alert_options(options);
        environment.handle(&GroupChange {
            claimed_rules: vec![rule_from_line(line)],
            ..group_change(SG, "e-1")
        });
        environment.publisher.published_alerts().len()
    };
    assert_eq!(alerts_from(Severity::Low), 1);
    assert_eq!(alerts_from(Severity::High), 0);
}

#[test]
fn an_unreadable_group_is_an_error_and_never_clean() {
    for kind in [
        ErrorKind::Throttled,
        ErrorKind::Denied,
        ErrorKind::NoAnswer,
        ErrorKind::Other,
    ] {
        let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
        environment.ec2.inject_faults([Fault::Read(kind)]);
        let event = environment.handle_event("e-1");
        assert_eq!(
            (codes(&event), event.reports.len()),
            (vec!["group-unreadable"], 0)
        );
    }
}

#[test]
fn a_deleted_group_needs_nothing() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    let event = environment.handle(&group_change("sg-2", "e-1"));
    assert_eq!(
        (
            report(&event).outcome,
            event.errors.len(),
            environment.publisher.published_alerts().len()
        ),
        (GroupOutcome::GroupDeleted, 0, 0)
    );
}

#[test]
fn a_group_can_be_referred_to_by_name() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    let named = GroupChange {
        target: Target::Groups(vec![GroupRef::Name("web".into())]),
        ..group_change(SG, "e-1")
    };
    assert_eq!(
        report(&environment.handle(&named)).outcome,
        GroupOutcome::Closed
    );
    assert_eq!(environment.ec2.rule_lines(SG), COMPLIANT);
}

#[test]
fn a_changed_prefix_list_is_about_every_group_that_uses_it() {
    let environment = environment_in(
        &["sgr-1 tcp 22 pl-1", "sgr-2 tcp 22 pl-2"],
        baseline_policy(),
        Mode::Enforce,
    );
    let all = |list: &str| (list.to_owned(), vec![parse_cidr("0.0.0.0/0").unwrap()]);
    environment.ec2.set_prefix_lists(
        [all("pl-1"), ("pl-2".to_owned(), vec![])]
            .into_iter()
            .collect(),
    );
    let event = environment.handle(&prefix_list_change("e-1"));
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(environment.ec2.rule_lines(SG), ["sgr-2 tcp 22 pl-2"]);

    environment.ec2.set_prefix_lists(PrefixLists::empty());
    environment
        .ec2
        .inject_faults([Fault::Read(ErrorKind::Denied)]);
    let event = environment.handle(&prefix_list_change("e-2"));
    assert_eq!(codes(&event), ["group-unreadable"]);
}

#[test]
fn a_rule_that_somebody_else_removed_first_is_not_a_failure() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment
        .ec2
        .inject_faults([Fault::ClosedAfterRead(rule_from_line("tcp 22 0.0.0.0/0"))]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
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
fn a_rule_that_appears_meanwhile_is_removed_too() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment
        .ec2
        .inject_faults([Fault::OpenedAfterRead(rule_from_line(
            "sgr-9 tcp 3389 0.0.0.0/0",
        ))]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.reports[0].rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(environment.ec2.rule_lines(SG), COMPLIANT);
    assert_eq!(removed_count(&event), 3);
}

#[test]
fn a_group_that_keeps_reopening_is_left_to_the_retry() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment.ec2.inject_faults(
        (0..3).map(|_| Fault::OpenedAfterRevoke(rule_from_line("tcp 3389 0.0.0.0/0"))),
    );
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(event.reports[0].rounds, 3);
    assert_eq!(
        report(&environment.handle_event("e-1")).outcome,
        GroupOutcome::Closed
    );
    assert_eq!(environment.publisher.published_alerts().len(), 2);
}

#[test]
fn a_lost_answer_is_not_a_failure_if_the_rule_is_gone() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment.ec2.inject_faults([Fault::RevokeUnanswered]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        (removed_count(&event), status_count(&event, "failed")),
        (2, 0)
    );
}

#[test]
fn a_stale_read_after_a_removal_is_repeated() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment.ec2.inject_faults([Fault::RevokeIgnored]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.reports[0].rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(removed_count(&event), 2, "reported once, not once a round");
    assert_eq!(
        environment.clock.recorded_sleeps(),
        [Duration::from_millis(300)]
    );
}

#[test]
fn a_call_that_never_takes_effect_is_detected() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment
        .ec2
        .inject_faults((0..3).map(|_| Fault::RevokeIgnored));
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert!(
        environment.subjects()[0].starts_with("NOT CLOSED"),
        "{:?}",
        environment.subjects()
    );
}

#[test]
fn a_denied_revoke_is_published_once_and_fails_each_attempt() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment
        .ec2
        .inject_faults((0..3).map(|_| Fault::Revoke(ErrorKind::Denied)));
    for _ in 0..3 {
        let event = environment.handle_event("e-1");
        assert_eq!(
            (report(&event).outcome, codes(&event)),
            (GroupOutcome::NotClosed, vec!["group-not-closed"])
        );
        assert_eq!(
            (status_count(&event, "failed"), event.reports[0].rounds),
            (2, 1),
            "another round cannot help"
        );
    }
    assert_eq!(environment.publisher.published_alerts().len(), 1);
    assert_eq!(
        report(&environment.handle_event("e-1")).outcome,
        GroupOutcome::Closed
    );
    assert_eq!(environment.publisher.published_alerts().len(), 2);
}

#[test]
fn one_rule_that_fails_does_not_keep_the_others_open() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    let source = rule_from_line("tcp 22 0.0.0.0/0").source;
    environment
        .ec2
        .inject_faults((0..3).map(|_| Fault::RevokeFrom(source.clone(), ErrorKind::Other)));
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, codes(&event)),
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
        !environment
            .ec2
            .rule_lines(SG)
            .contains(&"sgr-3 tcp 8040 ::/0".to_owned())
    );
}

#[test]
fn an_unverified_removal_is_reported_and_the_event_fails() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    let opened = Fault::OpenedAfterRead(rule_from_line("tcp 443 ::/0"));
    environment
        .ec2
        .inject_faults([opened, Fault::Read(ErrorKind::Throttled)]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(removed_count(&event), 2);
    assert_eq!(report(&event).open_rules().count(), 0);
    assert!(report(&event).unverified.is_some());
    assert_eq!(environment.publisher.published_alerts().len(), 1);
    assert_eq!(
        report(&environment.handle_event("e-1")).outcome,
        GroupOutcome::Clean
    );
    assert_eq!(environment.publisher.published_alerts().len(), 1);
}

#[test]
fn a_group_deleted_after_a_removal_is_closed() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment.ec2.inject_faults([Fault::DeletedAfterRevoke]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
}

#[test]
fn a_failed_alert_is_published_once_by_the_retry() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment.publisher.fail_next(1);
    let first = environment.handle_event("e-1");
    assert_eq!(
        (report(&first).outcome, codes(&first)),
        (GroupOutcome::Closed, vec!["alert-not-published"])
    );
    let second = environment.handle_event("e-1");
    assert_eq!(
        (report(&second).outcome, second.errors.len()),
        (GroupOutcome::Clean, 0)
    );
    assert_eq!(environment.publisher.published_alerts().len(), 1);
    assert!(
        environment.subjects()[0].starts_with("CLOSED"),
        "{:?}",
        environment.subjects()
    );
    environment.handle_event("e-1");
    assert_eq!(environment.publisher.published_alerts().len(), 1);
}

#[test]
fn a_pending_alert_is_published_even_if_the_retry_cannot_read() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    environment.publisher.fail_next(1);
    environment.handle_event("e-1");
    environment
        .ec2
        .inject_faults([Fault::Read(ErrorKind::Throttled)]);
    assert_eq!(
        codes(&environment.handle_event("e-1")),
        ["group-unreadable"]
    );
    assert_eq!(environment.publisher.published_alerts().len(), 1);
}

#[test]
fn a_repeated_event_is_published_once_and_another_event_again() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Monitor);
    for id in ["e-1", "e-1", "e-2"] {
        environment.handle_event(id);
    }
    assert_eq!(environment.publisher.published_alerts().len(), 2);
}

#[test]
fn a_rule_that_a_recent_event_claims_is_waited_for() {
    let environment = environment_in(&MIXED, baseline_policy(), Mode::Enforce);
    let late = |claims: &[&str]| GroupChange {
        claimed_rules: claims.iter().map(|line| rule_from_line(line)).collect(),
        origin: Origin {
            time: "2026-11-21T12:04:50Z".parse().ok(),
            ..group_change(SG, "e-1").origin
        },
        ..group_change(SG, "e-1")
    };
    environment
        .ec2
        .inject_faults([Fault::OpenedAfterRead(rule_from_line("tcp 3306 0.0.0.0/0"))]);
    let event = environment.handle(&late(&["tcp 3306 0.0.0.0/0"]));
    assert_eq!(
        (report(&event).outcome, removed_count(&event)),
        (GroupOutcome::Closed, 3)
    );
    assert_eq!(
        environment.clock.recorded_sleeps(),
        [Duration::from_millis(300)]
    );

    environment.handle(&late(&["tcp 3307 0.0.0.0/0"]));
    assert_eq!(
        environment.clock.recorded_sleeps().len(),
        3,
        "believed to be gone after a while"
    );
    let old = GroupChange {
        claimed_rules: vec![rule_from_line("tcp 3308 0.0.0.0/0")],
        ..group_change(SG, "e-2")
    };
    environment.handle(&old);
    assert_eq!(
        environment.clock.recorded_sleeps().len(),
        3,
        "an old event does not wait"
    );
}
