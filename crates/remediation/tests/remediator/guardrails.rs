//! Guardrails.

use portcullis_remediation::report::{GroupOutcome, RuleStatus};
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::plan::{Attachments, RefusalReason};
use portcullis_rules::{Glob, Policy, Scope};
use portcullis_testkit::{Fault, group_change, rule_from_line};

use super::environment::{
    ADD, REVOKE, SG, SSH, WIDE, codes, enforcing, removed_count, report, web_only,
};

/// Sets a guardrail.
type Guard = fn(&mut Policy);

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
        let environment = enforcing(&[WIDE, SSH], policy);
        environment.ec2.set_attachments(Attachments {
            service_managed: true,
            load_balancer: true,
        });
        let mut by_pipeline = group_change(SG, "e-1");
        by_pipeline.origin.actor.issuer = Some("arn:aws:iam::111122223333:role/deploy".to_owned());
        if reason == RefusalReason::NotifyOnlyPrincipal {
            by_pipeline.claimed_rules = environment.ec2.ingress_rules(SG);
        }
        let event = environment.handle(&by_pipeline);
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
            environment.changes().is_empty() && report(&event).refused_rules().count() == 2,
            "{reason:?}"
        );
        assert!(
            environment.last_email().contains(reason.message()),
            "{}",
            environment.last_email()
        );
        assert!(
            environment.publisher.published_alerts()[0]
                .subject
                .starts_with("REFUSED, OPEN, high: 2 rules")
        );
    }
}

#[test]
fn the_limit_of_removals_counts_all_rounds() {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(1);
    let environment = enforcing(&[WIDE], policy);
    environment
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(rule_from_line(
            "sgr-9 tcp 23 0.0.0.0/0",
        ))]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(&event)),
        (GroupOutcome::Refused, 1)
    );
    assert_eq!(
        report(&event).rules[0].status,
        RuleStatus::Refused(RefusalReason::TooManyRemovals)
    );
    assert_eq!(environment.changes(), [ADD, REVOKE]);
}

#[test]
fn a_stale_read_does_not_count_a_removal_twice() {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(1);
    let environment = enforcing(&["sgr-1 tcp 23 0.0.0.0/0"], policy);
    environment.ec2.inject_faults([Fault::RevokeIgnored]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(&event)),
        (GroupOutcome::Closed, 1)
    );
}

#[test]
fn attachments_are_read_only_if_a_guardrail_needs_them() {
    let reads = |guarded: bool, line: &str| {
        let mut policy = web_only();
        policy.guardrails.notify_only_load_balancers = guarded;
        let environment = enforcing(&[line], policy);
        environment.handle_event("e-1");
        environment.attachment_reads()
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
    let environment = enforcing(&[WIDE], policy);
    environment
        .ec2
        .inject_faults([Fault::Attachments(ErrorKind::Denied)]);
    let event = environment.handle_event("e-1");
    assert_eq!(
        (
            codes(&event),
            event.reports.len(),
            environment.changes().len()
        ),
        (vec!["group-unreadable"], 0, 0)
    );
    assert_eq!(
        report(&environment.handle_event("e-1")).outcome,
        GroupOutcome::Closed
    );
}
