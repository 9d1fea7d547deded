//! Changed prefix lists, events with many groups, and groups of other accounts.

use std::time::Duration;

use portcullis_remediation::remediator::Limits;
use portcullis_remediation::report::{GroupOutcome, GroupReport};
use portcullis_remediation::services::Mode;
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::source::parse_cidr;
use portcullis_testkit::{Call, FakeEc2, Fault, group_from_lines, rule_from_line};

use super::environment::{
    Environment, SG, codes, enforcing, environment_of, prefix_list_change, report,
};

/// A group with a rule from a list that is being opened to the world.
fn environment_with_pending_list(reads: u32) -> Environment {
    let environment = enforcing(&["sgr-1 tcp 22 pl-1"], baseline_policy());
    let entries = |cidr: &str| {
        let list = ("pl-1".to_owned(), vec![parse_cidr(cidr).unwrap()]);
        [list].into_iter().collect()
    };
    environment.ec2.set_prefix_lists(entries("10.0.0.0/8"));
    environment
        .ec2
        .change_prefix_lists_after(reads, entries("0.0.0.0/0"));
    environment
}

#[test]
fn a_changed_prefix_list_is_read_only_after_ec2_has_applied_the_change() {
    let environment = environment_with_pending_list(3);
    let event = environment.handle(&prefix_list_change("e-1"));
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(environment.ec2.rule_lines(SG), Vec::<String>::new());
    let pauses = [300, 600, 1200].map(Duration::from_millis);
    assert_eq!(environment.clock.recorded_sleeps(), pauses);
}

#[test]
fn a_prefix_list_that_is_not_changed_in_time_fails_the_event() {
    let environment = environment_with_pending_list(99);
    let event = environment.handle(&prefix_list_change("e-1"));
    assert_eq!(
        (codes(&event), event.reports.len()),
        (vec!["group-unreadable"], 0)
    );
    let message = event.errors[0].to_string();
    assert!(
        message.contains("pl-1 is in state modify-in-progress with version 1 after"),
        "{message}"
    );
    let waited: Duration = environment.clock.recorded_sleeps().iter().sum();
    assert!(waited <= Limits::default().max_list_wait, "{waited:?}");
}

#[test]
fn groups_of_another_account_are_refused_and_do_not_fail() {
    let lines = [
        "sgr-1 tcp 22 0.0.0.0/0",
        "sgr-2 tcp 22 10.0.0.0/8",
        "sgr-3 tcp 8040 ::/0",
    ];
    let mut foreign = group_from_lines(SG, &lines);
    foreign.owner_id = Some("444455556666".to_owned());
    let ec2 = FakeEc2::with_groups([foreign]);
    let environment = environment_of(ec2, baseline_policy(), Mode::Enforce);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Refused, 0)
    );
    assert_eq!(
        environment.ec2.calls(),
        [Call::Read(SG.into()), Call::Attachments(SG.into())]
    );
    let codes = event.reports[0]
        .refused_rules()
        .map(|rule| rule.status.code());
    assert_eq!(codes.collect::<Vec<_>>(), [Some("foreign-group"); 2]);
}

#[test]
fn at_the_deadline_the_groups_that_are_left_are_an_error() {
    let groups =
        (1..=3).map(|number| group_from_lines(&format!("sg-{number}"), &["sgr-1 tcp 22 pl-1"]));
    let environment = environment_of(
        FakeEc2::with_groups(groups),
        baseline_policy(),
        Mode::Enforce,
    );
    let all = ("pl-1".to_owned(), vec![parse_cidr("0.0.0.0/0").unwrap()]);
    environment
        .ec2
        .set_prefix_lists([all].into_iter().collect());
    // The first group needs a second round, and its pause passes the deadline.
    let reopened = rule_from_line("tcp 22 0.0.0.0/0");
    environment
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(reopened)]);
    let ended = std::sync::Mutex::new(Vec::new());
    let record = |report: &GroupReport| ended.lock().unwrap().push(report.group.id.clone());
    let deadline = "2026-11-21T12:05:00.1Z".parse().unwrap();
    let event = environment.handle_until(&prefix_list_change("e-1"), deadline, &record);
    assert_eq!(*ended.lock().unwrap(), ["sg-1"]);
    assert_eq!(codes(&event), ["event-unfinished"]);
    assert_eq!(
        event.errors[0].to_string(),
        "2 groups were not evaluated before the deadline"
    );

    let event = environment.handle(&prefix_list_change("e-1"));
    assert_eq!(
        (event.reports.len(), event.errors.len()),
        (2, 0),
        "the first one no longer uses the list"
    );
}
