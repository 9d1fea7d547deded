//! Narrowing and restricting rules: what is added, removed and undone.

use std::collections::BTreeSet;

use portcullis_remediation::event::GroupChange;
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::Mode;
use portcullis_rules::plan::{ApplyOrder, Purpose, SkipReason};
use portcullis_testkit::{Call, Fault, group_change, rule_from_line};

use crate::world::{
    ADD, REVOKE, SG, SSH, WEB, WIDE, added, failed_addition_count, full_group_lines, full_world,
    report, web_only, world, world_in,
};

#[test]
fn narrow_keeps_allowed_ports_and_adds_before_it_removes() {
    let world = world(&[WIDE, "sgr-3 tcp 22 10.0.0.0/8"], web_only());
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(world.changes(), [ADD, REVOKE]);
    assert_eq!(world.rules(), ["tcp 22 10.0.0.0/8", WEB[0], WEB[1]]);
    for kept in world
        .ec2
        .ingress_rules(SG)
        .iter()
        .filter(|rule| rule.id.as_deref() != Some("sgr-3"))
    {
        assert_eq!(
            kept.description.as_deref(),
            Some("about tcp 80-443 0.0.0.0/0")
        );
        assert_eq!(kept.tags.get("team").map(String::as_str), Some("shop"));
    }
    assert!(
        report(&event)
            .replacements()
            .all(|addition| addition.purpose == Purpose::Keep)
    );
    assert!(
        world
            .last_email()
            .contains("=> Narrowed: TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules.")
    );
}

#[test]
fn restrict_opens_to_trusted_sources_of_the_same_family() {
    let world = world(&[SSH, "sgr-3 tcp 22 ::/0"], web_only());
    let event = world.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(
        world.rules(),
        ["tcp 22 2001:db8::/48", "tcp 22 203.0.113.0/24"]
    );
    assert!(
        report(&event)
            .replacements()
            .all(|addition| addition.purpose == Purpose::Trust)
    );
    assert!(
        world
            .last_email()
            .contains("=> Restricted: TCP port 22 (SSH) is now open to 203.0.113.0/24 only.")
    );
}

#[test]
fn the_event_of_our_own_change_is_clean() {
    let world = world(&[WIDE, SSH], web_only());
    let first = world.handle_event("e-1");
    let claims = report(&first)
        .replacements()
        .map(|addition| addition.ingress.clone())
        .collect();
    let second = world.handle(&GroupChange {
        claimed_rules: claims,
        ..group_change(SG, "e-2")
    });
    assert_eq!(
        (
            report(&second).outcome,
            world.changes().len(),
            world.publisher.published_alerts().len()
        ),
        (GroupOutcome::Clean, 2, 1)
    );
}

#[test]
fn a_full_quota_makes_removals_come_first_and_is_reported() {
    let world = full_world();
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).order),
        (GroupOutcome::Closed, ApplyOrder::RemoveFirst)
    );
    assert_eq!(world.changes(), [REVOKE, ADD]);
    assert!(
        failed_addition_count(report(&event)) == 0 && report(&event).skipped_additions.is_empty()
    );
    assert!(
        world
            .last_email()
            .contains("The old rules were removed before the new ones were added")
    );
    assert!(
        world.publisher.published_alerts()[0]
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
    let world = world(
        &rules.iter().map(String::as_str).collect::<Vec<_>>(),
        web_only(),
    );
    world.ec2.set_rule_limit(60);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        report(&event)
            .skipped_additions
            .iter()
            .map(|skipped| skipped.reason)
            .collect::<Vec<_>>(),
        [SkipReason::RulesQuota]
    );
    assert!(
        world.publisher.published_alerts()[0]
            .subject
            .starts_with("CLOSED, SOME ALLOWED ACCESS LOST: ")
    );
}

#[test]
fn monitor_mode_reports_what_it_would_add() {
    let world = world_in(&[WIDE, SSH], web_only(), Mode::Monitor);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::WouldClose, 0)
    );
    assert_eq!(world.ec2.calls(), [Call::Read(SG.into())]);
    assert_eq!(added(report(&event)).len(), 3);
    let email = world.last_email();
    assert!(
        email.contains("TCP ports 80 and 443 would stay open to 0.0.0.0/0 as new rules."),
        "{email}"
    );
    assert!(!email.contains("How to undo it"), "{email}");
}

#[test]
fn existing_rules_are_not_added_twice_and_the_undo_covers_all_rounds() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(rule_from_line(
            "sgr-9 all - 0.0.0.0/0",
        ))]);
    let event = world.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(world.rules(), ["tcp 22 203.0.113.0/24", WEB[0], WEB[1]]);
    assert_eq!(report(&event).additions_to_remove().count(), 3);
    let restored: BTreeSet<_> = report(&event)
        .rules_to_restore()
        .map(|outcome| outcome.rule.to_string())
        .collect();
    let expected = ["tcp 80-443 0.0.0.0/0", "all - 0.0.0.0/0"];
    assert_eq!(restored, expected.map(str::to_owned).into());
}

#[test]
fn an_addition_that_another_rule_covers_is_not_skipped() {
    let world = world(
        &["sgr-1 tcp 22 0.0.0.0/1", "sgr-2 tcp 22 128.0.0.0/1"],
        web_only(),
    );
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, world.rules()),
        (
            GroupOutcome::Closed,
            vec!["tcp 22 203.0.113.0/24".to_owned()]
        )
    );
    assert!(
        report(&event).skipped_additions.is_empty(),
        "skipped for one half, added for the other"
    );
}
