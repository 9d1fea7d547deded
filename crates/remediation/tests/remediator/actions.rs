//! Policies that narrow and restrict, and exceptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_remediation::event::GroupChange;
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::Mode;
use portcullis_rules::plan::{ApplyOrder, Purpose, SkipReason};
use portcullis_rules::{Exception, PrefixLists, Scope};
use portcullis_testkit::{Call, Fault, group_change, rule_from_line};

use super::environment::{
    ADD, REVOKE, SG, SSH, WEB, WIDE, added, enforcing, environment_in, office_list_only,
    policy_identity, report, tcp, web_only,
};

fn exception(port: u16, expires: Option<&str>) -> Arc<Exception> {
    Arc::new(Exception {
        id: "vendor".to_owned(),
        reason: "their appliance".to_owned(),
        owner: "edge@example.com".to_owned(),
        expires: expires.map(|time| time.parse().unwrap()),
        rules: Vec::new(),
        scope: Scope::default(),
        rule_tags: BTreeMap::new(),
        descriptions: Vec::new(),
        principals: Vec::new(),
        traffic: tcp(&[port]),
        sources: Vec::new(),
    })
}

#[test]
fn narrow_keeps_allowed_ports_and_adds_before_it_removes() {
    let environment = enforcing(&[WIDE, "sgr-3 tcp 22 10.0.0.0/8"], web_only());
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(environment.changes(), [ADD, REVOKE]);
    assert_eq!(environment.rules(), ["tcp 22 10.0.0.0/8", WEB[0], WEB[1]]);
    for kept in environment
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
        environment
            .last_email()
            .contains("=> Narrowed: TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules.")
    );
}

#[test]
fn restrict_opens_to_trusted_sources_of_the_same_family() {
    let environment = enforcing(&[SSH, "sgr-3 tcp 22 ::/0"], web_only());
    let event = environment.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(
        environment.rules(),
        ["tcp 22 2001:db8::/48", "tcp 22 203.0.113.0/24"]
    );
    assert!(
        report(&event)
            .replacements()
            .all(|addition| addition.purpose == Purpose::Trust)
    );
    assert!(
        environment
            .last_email()
            .contains("=> Restricted: TCP port 22 (SSH) is now open to 203.0.113.0/24 only.")
    );
}

#[test]
fn each_report_and_alert_specifies_the_policy() {
    for mode in [Mode::Enforce, Mode::Monitor] {
        let environment = environment_in(&[WIDE], web_only(), mode);
        let event = environment.handle_event("e-1");
        assert_eq!(report(&event).policy, policy_identity());
        let alert = environment.publisher.published_alerts().remove(0);
        let hash = "4f".repeat(32);
        let expected = format!(r#""policy":{{"name":"web-only","version":4,"hash":"{hash}"}}"#);
        assert!(alert.report.contains(&expected), "{}", alert.report);
        assert!(
            alert.email.contains("web-only, version 4, mode"),
            "{}",
            alert.email
        );
        assert!(alert.email.contains(&hash), "{}", alert.email);
    }
}

#[test]
fn the_event_of_our_own_change_is_clean() {
    let environment = enforcing(&[WIDE, SSH], web_only());
    let first = environment.handle_event("e-1");
    let claims = report(&first)
        .replacements()
        .map(|addition| addition.ingress.clone())
        .collect();
    let second = environment.handle(&GroupChange {
        claimed_rules: claims,
        ..group_change(SG, "e-2")
    });
    assert_eq!(
        (
            report(&second).outcome,
            environment.changes().len(),
            environment.publisher.published_alerts().len()
        ),
        (GroupOutcome::Clean, 2, 1)
    );
}

#[test]
fn monitor_mode_reports_what_it_would_add() {
    let environment = environment_in(&[WIDE, SSH], web_only(), Mode::Monitor);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::WouldClose, 0)
    );
    assert_eq!(environment.ec2.calls(), [Call::Read(SG.into())]);
    assert_eq!(added(&event).len(), 3);
    let email = environment.last_email();
    assert!(
        email.contains("TCP ports 80 and 443 would stay open to 0.0.0.0/0 as new rules."),
        "{email}"
    );
    assert!(!email.contains("How to undo it"), "{email}");
}

#[test]
fn an_exception_allows_its_port_until_it_expires() {
    let after = |expires: &str| {
        let mut policy = web_only();
        policy.exceptions = vec![exception(8443, Some(expires))];
        let environment = enforcing(
            &["sgr-1 tcp 8443 0.0.0.0/0", "sgr-2 tcp 8443-8444 ::/0"],
            policy,
        );
        let event = environment.handle_event("e-1");
        (environment, event)
    };
    let (environment, event) = after("2026-11-21T12:05:01Z");
    assert_eq!(
        (report(&event).outcome, environment.rules()),
        (
            GroupOutcome::Closed,
            vec!["tcp 8443 0.0.0.0/0".into(), "tcp 8443 ::/0".into()]
        )
    );
    assert!(
        environment
            .last_email()
            .contains("allowed by exception `vendor`."),
        "{}",
        environment.last_email()
    );
    assert!(
        environment.publisher.published_alerts()[0]
            .subject
            .starts_with("CLOSED (narrowed), high: tcp 8443-8444 from ::/0")
    );
    let (environment, event) = after("2026-11-21T12:05:00Z");
    assert_eq!(
        (report(&event).outcome, environment.rules().len()),
        (GroupOutcome::Closed, 0)
    );
    assert!(
        environment.last_email().contains("`vendor` has expired"),
        "{}",
        environment.last_email()
    );
    assert_eq!(
        report(&event).expired_exceptions.iter().collect::<Vec<_>>(),
        ["vendor"]
    );
}

#[test]
fn an_exempt_rule_is_not_published() {
    let mut policy = web_only();
    policy.exceptions = vec![exception(8443, None)];
    let environment = enforcing(&["tcp 8443 0.0.0.0/0"], policy);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (
            report(&event).outcome,
            environment.publisher.published_alerts().len()
        ),
        (GroupOutcome::Clean, 0)
    );
    assert_eq!(
        (
            report(&event).max_severity(),
            report(&event).findings().count()
        ),
        (None, 1)
    );
}

#[test]
fn existing_rules_are_not_added_twice_and_the_undo_covers_all_rounds() {
    let environment = enforcing(&[WIDE], web_only());
    environment
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(rule_from_line(
            "sgr-9 all - 0.0.0.0/0",
        ))]);
    let event = environment.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(
        environment.rules(),
        ["tcp 22 203.0.113.0/24", WEB[0], WEB[1]]
    );
    assert_eq!(report(&event).additions_to_remove().count(), 3);
    let restored: BTreeSet<_> = report(&event)
        .rules_to_restore()
        .map(|outcome| outcome.rule.to_string())
        .collect();
    let expected = ["tcp 80-443 0.0.0.0/0", "all - 0.0.0.0/0"];
    assert_eq!(restored, expected.map(str::to_owned).into());
}

#[test]
fn an_addition_that_another_rule_gives_is_not_skipped() {
    let environment = enforcing(
        &["sgr-1 tcp 22 0.0.0.0/1", "sgr-2 tcp 22 128.0.0.0/1"],
        web_only(),
    );
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, environment.rules()),
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

#[test]
fn restrict_reads_the_entries_of_trusted_prefix_lists() {
    let mut lists = PrefixLists::empty();
    lists.insert("pl-office", ["203.0.113.0/24".parse().unwrap()]);
    for mode in [Mode::Enforce, Mode::Monitor] {
        let environment = environment_in(&[SSH], office_list_only(), mode);
        environment.ec2.set_prefix_lists(lists.clone());
        let event = environment.handle_event("e-1");
        assert_eq!(report(&event).skipped_additions, []);
        let replacements = &report(&event).rules[0].replacements;
        assert_eq!(replacements[0].ingress.to_string(), "tcp 22 pl-office");
    }
}

#[test]
fn a_trusted_prefix_list_that_does_not_exist_is_reported() {
    let environment = enforcing(&[SSH], office_list_only());
    let event = environment.handle_event("e-1");
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    let skipped = &report(&event).skipped_additions;
    assert_eq!(skipped[0].reason, SkipReason::TrustedListUnresolved);
    assert!(
        environment
            .last_email()
            .contains("Check whether the list exists")
    );
}

#[test]
fn the_size_of_a_trusted_prefix_list_decides_the_order() {
    let private: Vec<_> = (0..15)
        .map(|host| format!("tcp 443 10.0.0.{host}/32"))
        .collect();
    let lines: Vec<_> = private.iter().map(String::as_str).chain([SSH]).collect();
    let environment = enforcing(&lines, office_list_only());
    let mut lists = PrefixLists::empty();
    lists.insert("pl-office", ["203.0.113.0/24".parse().unwrap()]);
    lists.set_max_entries("pl-office", 50);
    environment.ec2.set_prefix_lists(lists);
    let event = environment.handle_event("e-1");
    assert_eq!(report(&event).order, ApplyOrder::RemoveFirst);
}
