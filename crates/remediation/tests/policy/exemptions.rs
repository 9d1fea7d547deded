//! Exceptions and guardrails.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_remediation::report::{GroupOutcome, RuleStatus};
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::plan::{Attachments, RefusalReason};
use portcullis_rules::{Exception, Glob, Policy, Scope};
use portcullis_testkit::{Fault, group_change, rule_from_line};

use crate::world::{
    ADD, REVOKE, SG, SSH, WIDE, codes, removed_count, report, tcp, web_only, world,
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

/// Sets a guardrail.
type Guard = fn(&mut Policy);

#[test]
fn an_exception_allows_its_port_until_it_expires() {
    let after = |expires: &str| {
        let mut policy = web_only();
        policy.exceptions = vec![exception(8443, Some(expires))];
        let world = world(
            &["sgr-1 tcp 8443 0.0.0.0/0", "sgr-2 tcp 8443-8444 ::/0"],
            policy,
        );
        let event = world.handle_event("e-1");
        (world, event)
    };
    let (world, event) = after("2026-11-21T12:05:01Z");
    assert_eq!(
        (report(&event).outcome, world.rules()),
        (
            GroupOutcome::Closed,
            vec!["tcp 8443 0.0.0.0/0".into(), "tcp 8443 ::/0".into()]
        )
    );
    assert!(
        world
            .last_email()
            .contains("allowed by exception `vendor`."),
        "{}",
        world.last_email()
    );
    assert!(
        world.publisher.published_alerts()[0]
            .subject
            .starts_with("CLOSED (narrowed): tcp 8443-8444 from ::/0")
    );
    let (world, event) = after("2026-11-21T12:05:00Z");
    assert_eq!(
        (report(&event).outcome, world.rules().len()),
        (GroupOutcome::Closed, 0)
    );
    assert!(
        world
            .last_email()
            .contains("The exception `vendor` has expired"),
        "{}",
        world.last_email()
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
    let world = world(&["tcp 8443 0.0.0.0/0"], policy);
    let event = world.handle_event("e-1");
    assert_eq!(
        (
            report(&event).outcome,
            world.publisher.published_alerts().len()
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
fn guardrails_refuse_and_report_without_error() {
    let everywhere = |policy: &mut Policy| policy.guardrails.protected = vec![Scope::default()];
    let pipeline = |policy: &mut Policy| {
        policy.guardrails.notify_only_principals = vec![Glob::new("*role/deploy")];
    };
    let one = |policy: &mut Policy| policy.guardrails.max_removals = Some(1);
    let managed = |policy: &mut Policy| policy.guardrails.notify_only_service_managed = true;
    let balancer = |policy: &mut Policy| policy.guardrails.notify_only_load_balancers = true;
    let cases: [(Guard, RefusalReason); 5] = [
        (everywhere, RefusalReason::ProtectedGroup),
        (pipeline, RefusalReason::NotifyOnlyPrincipal),
        (one, RefusalReason::TooManyRemovals),
        (managed, RefusalReason::ServiceManaged),
        (balancer, RefusalReason::LoadBalancer),
    ];
    for (set, reason) in cases {
        let mut policy = web_only();
        set(&mut policy);
        let world = world(&[WIDE, SSH], policy);
        world.ec2.set_attachments(Attachments {
            service_managed: true,
            load_balancer: true,
        });
        let mut by_pipeline = group_change(SG, "e-1");
        by_pipeline.origin.actor.issuer = Some("arn:aws:iam::111122223333:role/deploy".to_owned());
        let event = world.handle(&by_pipeline);
        assert_eq!(
            (report(&event).outcome, event.errors.len()),
            (GroupOutcome::Refused, 0),
            "{reason:?}"
        );
        assert!(
            report(&event)
                .refused_rules()
                .all(|outcome| outcome.status.refusal() == Some(reason)),
            "{reason:?}"
        );
        assert!(
            world.changes().is_empty() && report(&event).refused_rules().count() == 2,
            "{reason:?}"
        );
        assert!(
            world.last_email().contains(reason.message()),
            "{}",
            world.last_email()
        );
        assert!(
            world.publisher.published_alerts()[0]
                .subject
                .starts_with("REFUSED, STILL OPEN: 2 rules")
        );
    }
}

#[test]
fn the_limit_of_removals_counts_all_rounds() {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(1);
    let world = world(&[WIDE], policy);
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(rule_from_line(
            "sgr-9 tcp 23 0.0.0.0/0",
        ))]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(report(&event))),
        (GroupOutcome::Refused, 1)
    );
    assert_eq!(
        report(&event).rules[0].status,
        RuleStatus::Refused(RefusalReason::TooManyRemovals)
    );
    assert_eq!(world.changes(), [ADD, REVOKE]);
}

#[test]
fn attachments_are_read_only_if_a_guardrail_needs_them() {
    let reads = |guarded: bool, line: &str| {
        let mut policy = web_only();
        policy.guardrails.notify_only_load_balancers = guarded;
        let world = world(&[line], policy);
        world.handle_event("e-1");
        world.attachment_reads()
    };
    assert_eq!(
        (
            reads(false, WIDE),
            reads(true, WIDE),
            reads(true, "tcp 443 0.0.0.0/0")
        ),
        (0, 1, 0)
    );
}

#[test]
fn unreadable_attachments_are_an_error() {
    let mut policy = web_only();
    policy.guardrails.notify_only_load_balancers = true;
    let world = world(&[WIDE], policy);
    world
        .ec2
        .inject_faults([Fault::Attachments(ErrorKind::Denied)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (codes(&event), event.reports.len(), world.changes().len()),
        (vec!["group-unreadable"], 0, 0)
    );
    assert_eq!(
        report(&world.handle_event("e-1")).outcome,
        GroupOutcome::Closed
    );
}
