//! What is removed and reported, and the outcome of the event.

use portcullis_remediation::event::{GroupChange, Target};
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::{ErrorKind, GroupRef, Mode};
use portcullis_rules::source::{PrefixLists, parse_cidr};
use portcullis_testkit::{Call, Fault, group_change};

use crate::world::{COMPLIANT, MIXED, SG, codes, outcome, removed_count, world};

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
fn a_changed_prefix_list_affects_every_group_that_uses_it() {
    let world = world(&["sgr-1 tcp 22 pl-1", "sgr-2 tcp 22 pl-2"], Mode::Enforce);
    let all = |list: &str| (list.to_owned(), vec![parse_cidr("0.0.0.0/0").unwrap()]);
    world.ec2.set_prefix_lists(
        [all("pl-1"), ("pl-2".to_owned(), vec![])]
            .into_iter()
            .collect(),
    );
    let event = world.handle(&GroupChange {
        target: Target::PrefixList("pl-1".into()),
        ..group_change(SG, "e-1")
    });
    assert_eq!(outcome(&event), GroupOutcome::Closed);
    assert_eq!(world.ec2.rule_lines(SG), ["sgr-2 tcp 22 pl-2"]);

    world.ec2.set_prefix_lists(PrefixLists::empty());
    world.ec2.inject_faults([Fault::Read(ErrorKind::Denied)]);
    let event = world.handle(&GroupChange {
        target: Target::PrefixList("pl-1".into()),
        ..group_change(SG, "e-2")
    });
    assert_eq!(codes(&event), ["group-unreadable"]);
}
