//! The remediator under policies that narrow and restrict, with exceptions and guardrails, against an
//! in-memory EC2 with faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests and their helpers may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use portcullis_remediation::event::{GroupChange, Origin};
use portcullis_remediation::remediator::{
    EventOutcome, Limits, RemediationError, Remediator, Services,
};
use portcullis_remediation::report::{GroupOutcome, GroupReport, RuleOutcome, RuleStatus};
use portcullis_remediation::services::{ErrorKind, IngressEditor, Mode};
use portcullis_rules::check::Check;
use portcullis_rules::plan::{ApplyOrder, Attachments, Purpose, RefusalReason, SkipReason};
use portcullis_rules::{
    Action, Exception, Glob, Policy, PolicyRule, Scope, Severity, Source, TrafficSet,
};
use portcullis_testkit::{
    Call, FakeClock, FakeEc2, FakePublisher, Fault, group_change, group_from_lines, rule_from_line,
};

const SG: &str = "sg-1";
const WIDE: &str = "sgr-1 tcp 80-443 0.0.0.0/0";
const SSH: &str = "sgr-2 tcp 22 0.0.0.0/0";

fn tcp(ports: &[u16]) -> TrafficSet {
    TrafficSet::tcp(ports.iter().copied().collect())
}

fn policy_rule(id: &str, check: Check, action: Action, trusted: &[&str]) -> Arc<PolicyRule> {
    Arc::new(PolicyRule {
        id: id.to_owned(),
        forbids: id.to_owned(),
        check,
        severity: Severity::High,
        action,
        references: Vec::new(),
        scope: Scope::default(),
        trusted: trusted
            .iter()
            .map(|source| source.parse().unwrap())
            .collect(),
    })
}

/// The world may reach TCP 80 and 443; SSH is opened to the office instead.
fn web_only() -> Policy {
    let rules = vec![
        policy_rule(
            "ssh",
            Check::OpenPorts(tcp(&[22])),
            Action::Restrict,
            &["203.0.113.0/24", "2001:db8::/48"],
        ),
        policy_rule(
            "web-only",
            Check::OpenExcept(tcp(&[22, 80, 443])),
            Action::Narrow,
            &[],
        ),
    ];
    Policy {
        name: "web-only".to_owned(),
        rules,
        ..Policy::default()
    }
}

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

struct World {
    ec2: Arc<FakeEc2>,
    publisher: Arc<FakePublisher>,
    clock: Arc<FakeClock>,
    remediator: Remediator,
}

fn world(lines: &[&str], policy: Policy) -> World {
    world_in(lines, policy, Mode::Enforce)
}

fn world_in(lines: &[&str], policy: Policy, mode: Mode) -> World {
    let mut group = group_from_lines(SG, lines);
    for rule in &mut group.rules {
        rule.description = Some(format!("about {rule}"));
        rule.tags.insert("team".to_owned(), "shop".to_owned());
    }
    let ec2 = Arc::new(FakeEc2::with_groups([group]));
    let publisher = Arc::new(FakePublisher::default());
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
        remediator: Remediator::new(services, policy, Limits::default()),
    }
}

impl World {
    fn handle(&self, change: &GroupChange) -> EventOutcome {
        let event = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(self.remediator.handle_change(change));
        self.assert_never_silent(&event);
        event
    }

    fn handle_event(&self, id: &str) -> EventOutcome {
        self.handle(&group_change(SG, id))
    }

    /// An event without errors leaves nothing open but what was refused, and every change is published.
    fn assert_never_silent(&self, event: &EventOutcome) {
        for report in &event.reports {
            let is_refused = |outcome: &&RuleOutcome| outcome.status.refusal().is_some();
            let open = report.open_rules().filter(|outcome| !is_refused(outcome));
            let is_open = open.count() > 0 && report.mode == Mode::Enforce;
            assert!(!is_open || !event.errors.is_empty(), "{report:?}");
            let has_changes = report.removed_rules().count() > 0
                || report.replacements().count() > 0
                || report.refused_rules().count() > 0;
            let is_published = !self.publisher.published_alerts().is_empty();
            assert!(is_published || !event.errors.is_empty() || !has_changes);
        }
    }

    /// The changes so far, as lines.
    fn changes(&self) -> Vec<String> {
        let line = |call: Call| match call {
            Call::Authorize(_, rules) => Some(format!("authorize {}", rules.join(", "))),
            Call::Revoke(_, rules) => Some(format!("revoke {}", rules.join(", "))),
            Call::Read(_) | Call::Attachments(_) => None,
        };
        self.ec2.calls().into_iter().filter_map(line).collect()
    }

    /// The rules, without the ids.
    fn rules(&self) -> Vec<String> {
        let mut rules: Vec<_> = self
            .ec2
            .ingress_rules(SG)
            .iter()
            .map(ToString::to_string)
            .collect();
        rules.sort();
        rules
    }

    fn last_email(&self) -> String {
        self.publisher
            .published_alerts()
            .pop()
            .unwrap()
            .email
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn attachment_reads(&self) -> usize {
        self.ec2
            .calls()
            .iter()
            .filter(|call| matches!(call, Call::Attachments(_)))
            .count()
    }
}

fn report(event: &EventOutcome) -> &GroupReport {
    assert_eq!(event.reports.len(), 1, "{event:?}");
    &event.reports[0]
}

fn codes(event: &EventOutcome) -> Vec<&'static str> {
    event.errors.iter().map(RemediationError::code).collect()
}

fn added(report: &GroupReport) -> Vec<String> {
    let additions = report.replacements();
    additions
        .map(|addition| addition.ingress.to_string())
        .collect()
}

fn removed_count(report: &GroupReport) -> usize {
    report.removed_rules().count()
}

fn failed_addition_count(report: &GroupReport) -> usize {
    report.failed_additions().count()
}

const ADD: &str = "authorize tcp 80 0.0.0.0/0, tcp 443 0.0.0.0/0";
const REVOKE: &str = "revoke sgr-1 tcp 80-443 0.0.0.0/0";
const WEB: [&str; 2] = ["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0"];

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

/// A group whose quota has no space for old and new rules at once.
fn full_group_lines() -> Vec<String> {
    let others = (1..=58).map(|host| format!("sgr-x{host} tcp 5432 10.0.0.{host}/32"));
    others.chain([WIDE.to_owned()]).collect()
}

fn full_world() -> World {
    let rules = full_group_lines();
    let world = world(
        &rules.iter().map(String::as_str).collect::<Vec<_>>(),
        web_only(),
    );
    world.ec2.set_rule_limit(60);
    world
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
            .contains("The old rules went before the new ones came")
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
            .starts_with("CLOSED, NOT ALL KEPT: ")
    );
}

#[test]
fn a_throttled_addition_after_a_removal_is_retried() {
    let world = full_world();
    world
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Throttled)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (
            report(&event).outcome,
            failed_addition_count(report(&event))
        ),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(world.changes(), [REVOKE, ADD, ADD]);
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);

    let world = full_world();
    world
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let event = world.handle_event("e-1");
    assert_eq!(
        (
            report(&event).outcome,
            failed_addition_count(report(&event))
        ),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(world.changes().len(), 4);
    assert!(
        world
            .last_email()
            .contains("To open them again by hand, run these:"),
        "{}",
        world.last_email()
    );
}

#[test]
fn nothing_is_added_for_a_rule_that_was_not_removed_first() {
    let world = full_world();
    world.ec2.inject_faults([Fault::Revoke(ErrorKind::Denied)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(world.changes(), [REVOKE]);
    assert!(
        failed_addition_count(report(&event)) == 0,
        "no access is lost"
    );

    let world = full_world();
    world
        .ec2
        .inject_faults([Fault::ClosedAfterRead(rule_from_line(
            "tcp 80-443 0.0.0.0/0",
        ))]);
    let event = world.handle_event("e-1");
    assert_eq!(
        world.changes(),
        [REVOKE],
        "what somebody else closed is not opened again"
    );
    assert_eq!(
        (event.errors.len(), failed_addition_count(report(&event))),
        (0, 2),
        "but reported"
    );

    let world = full_world();
    world.ec2.inject_faults([Fault::RevokeUnanswered]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(report(&event))),
        (GroupOutcome::Closed, 1)
    );
    assert_eq!((added(report(&event)).len(), world.rules().len()), (2, 60));
}

#[test]
fn a_removal_waits_for_its_replacement() {
    let world = world(&[WIDE, SSH], web_only());
    world.ec2.inject_faults([Fault::AuthorizeFrom(
        Source::from_cidr("0.0.0.0/0").unwrap(),
        ErrorKind::Throttled,
    )]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        world.changes()[1..],
        ["revoke sgr-2 tcp 22 0.0.0.0/0", ADD, REVOKE]
    );
    assert_eq!(world.rules(), ["tcp 22 203.0.113.0/24", WEB[0], WEB[1]]);
    assert_eq!(
        (
            added(report(&event)).len(),
            failed_addition_count(report(&event))
        ),
        (3, 0)
    );
    assert_eq!(
        world.clock.recorded_sleeps().first(),
        Some(&Duration::from_millis(300))
    );
}

#[test]
fn the_last_round_closes_even_without_replacements() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(world.changes(), [ADD, ADD, ADD, REVOKE, ADD, ADD]);
    assert_eq!(
        (failed_addition_count(report(&event)), world.rules().len()),
        (2, 0)
    );
    assert!(
        world.publisher.published_alerts()[0]
            .subject
            .starts_with("CLOSED, NOT ALL KEPT: ")
    );
    assert!(world.last_email().contains("AWS took no more calls."));
}

#[test]
fn a_denied_addition_does_not_prevent_the_removal() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Denied)]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        (world.changes(), world.rules().len()),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
    let email = world.last_email();
    assert!(
        email.contains("ec2:AuthorizeSecurityGroupIngress") && email.contains("could NOT be kept"),
        "{email}"
    );
    assert!(
        world.publisher.published_alerts()[0]
            .report
            .contains(r#""failed_additions":[{"#)
    );
}

#[test]
fn a_failed_addition_is_reported_after_later_rounds() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([
        Fault::Authorize(ErrorKind::Denied),
        Fault::OpenedAfterRevoke(rule_from_line("tcp 23 0.0.0.0/0")),
    ]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).rounds, report(&event).outcome),
        (2, GroupOutcome::Closed)
    );
    assert_eq!(
        (
            removed_count(report(&event)),
            failed_addition_count(report(&event))
        ),
        (2, 2)
    );
}

#[test]
fn an_addition_without_an_answer_is_found_by_the_next_read() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([Fault::AuthorizeUnanswered]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, report(&event).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        added(report(&event)),
        ["tcp 80 0.0.0.0/0", "tcp 443 0.0.0.0/0"]
    );
    assert_eq!(
        (world.changes(), failed_addition_count(report(&event))),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
}

#[test]
fn a_retry_continues_after_a_failed_removal() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
    ]);
    for _ in 0..3 {
        assert_eq!(codes(&world.handle_event("e-1")), ["group-not-closed"]);
    }
    assert_eq!(
        world.publisher.published_alerts().len(),
        1,
        "a retry without news is not published"
    );
    assert!(
        world
            .last_email()
            .contains("new rules are there for TCP ports 80 and 443"),
        "{}",
        world.last_email()
    );
    assert_eq!(world.changes()[..3], [ADD, REVOKE, REVOKE], "added once");
    assert_eq!(
        report(&world.handle_event("e-1")).outcome,
        GroupOutcome::Closed
    );
    assert_eq!(
        (world.rules(), world.publisher.published_alerts().len()),
        (WEB.map(str::to_owned).to_vec(), 2)
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
            .contains("The exception `vendor` has ended"),
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

/// Sets a guardrail.
type Guard = fn(&mut Policy);

#[test]
fn guardrails_refuse_and_report_without_error() {
    let everywhere = |policy: &mut Policy| policy.guardrails.protected = vec![Scope::default()];
    let pipeline = |policy: &mut Policy| {
        policy.guardrails.notify_only_principals = vec![Glob::new("*role/deploy")]
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
fn a_stale_read_does_not_count_a_removal_twice() {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(1);
    let world = world(&["sgr-1 tcp 23 0.0.0.0/0"], policy);
    world.ec2.inject_faults([Fault::RevokeIgnored]);
    let event = world.handle_event("e-1");
    assert_eq!(
        (report(&event).outcome, removed_count(report(&event))),
        (GroupOutcome::Closed, 1)
    );
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
fn an_addition_that_another_rule_gives_is_not_skipped() {
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

#[test]
fn an_unverified_narrowing_is_an_error_and_reports_what_was_done() {
    let world = world(&[WIDE], web_only());
    let origin = Origin {
        time: None,
        ..group_change(SG, "e-1").origin
    };
    world.ec2.inject_faults([
        Fault::OpenedAfterRead(rule_from_line("tcp 443 ::/0")),
        Fault::Read(ErrorKind::Throttled),
    ]);
    let event = world.handle(&GroupChange {
        origin,
        ..group_change(SG, "e-1")
    });
    assert_eq!(
        (report(&event).outcome, codes(&event)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(
        (removed_count(report(&event)), added(report(&event)).len()),
        (1, 2)
    );
    assert!(
        world
            .last_email()
            .contains("=> Narrowed: TCP ports 80 and 443 stay open"),
        "{}",
        world.last_email()
    );
}

fn wide_rule() -> portcullis_rules::IngressRule {
    rule_from_line("tcp 80-443 0.0.0.0/0")
}

fn withdrawn(report: &GroupReport) -> Vec<String> {
    let rules = report.rules.iter();
    rules
        .flat_map(|outcome| &outcome.withdrawals)
        .map(|withdrawal| withdrawal.addition.ingress.to_string())
        .collect()
}

#[test]
fn replacements_of_a_rule_that_somebody_else_removed_are_withdrawn() {
    for fault in [
        Fault::ClosedAfterRead(wide_rule()),
        Fault::ClosedAfterAuthorize(wide_rule()),
    ] {
        let world = world(&[WIDE], web_only());
        world.ec2.inject_faults([fault.clone()]);
        let event = world.handle_event("e-1");
        assert_eq!(world.rules(), Vec::<String>::new(), "{fault:?}");
        let report = report(&event);
        assert_eq!(withdrawn(report).len(), 2, "{fault:?}");
        assert_eq!((added(report).len(), removed_count(report)), (0, 0));
        assert_eq!(report.rules[0].status, RuleStatus::Gone);
        assert!(event.errors.is_empty());
        let json = &world.publisher.published_alerts()[0].report;
        assert!(json.contains(r#""withdrawals":[{"#), "{json}");
        assert!(
            json.contains(r#""undo":{"restore":[],"remove":[]}"#),
            "{json}"
        );
    }
}

#[test]
fn replacements_are_withdrawn_while_another_removal_waits() {
    // The second addition is throttled, so the removal waits, and meanwhile somebody removes the rule.
    let world = world(&[WIDE], web_only());
    let port_443 = "0.0.0.0/0".parse().unwrap();
    world.ec2.inject_faults([
        Fault::AuthorizeFrom(port_443, ErrorKind::Throttled),
        Fault::ClosedAfterAuthorize(wide_rule()),
    ]);
    world.handle_event("e-1");
    assert_eq!(world.rules(), Vec::<String>::new());
}

#[test]
fn replacements_are_withdrawn_even_if_the_group_cannot_be_read_again() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([
        Fault::ClosedAfterRead(wide_rule()),
        Fault::Read(ErrorKind::NoAnswer),
    ]);
    let event = world.handle_event("e-1");
    assert_eq!(world.rules(), Vec::<String>::new());
    assert_eq!(withdrawn(report(&event)).len(), 2);
    assert_eq!(report(&event).outcome, GroupOutcome::NotClosed);
}

#[test]
fn a_failed_withdrawal_is_repeated_and_reported() {
    let throttled = || Fault::Revoke(ErrorKind::Throttled);
    let not_found = Fault::Revoke(ErrorKind::RuleNotFound);
    let closed = Fault::ClosedAfterRead(wide_rule());
    let world_with = |faults: Vec<Fault>| {
        let world = world(&[WIDE], web_only());
        world.ec2.inject_faults([closed.clone(), not_found.clone()]);
        world.ec2.inject_faults(faults);
        world
    };
    let retried = world_with(vec![throttled()]);
    retried.handle_event("e-1");
    assert_eq!(retried.rules(), Vec::<String>::new());

    let failed = world_with(vec![Fault::Revoke(ErrorKind::Denied)]);
    let event = failed.handle_event("e-1");
    assert_eq!(failed.rules().len(), 2);
    let outcome = &report(&event).rules[0];
    assert!(
        outcome
            .withdrawals
            .iter()
            .all(|withdrawal| withdrawal.error.is_some())
    );
    assert_eq!(outcome.replacements.len(), 2, "an undo removes them");
}

#[test]
fn what_another_invocation_added_is_not_withdrawn() {
    // The other invocation adds the replacement first, and also removes the rule first.
    let kept = rule_from_line("tcp 80 0.0.0.0/0");
    let world = world(&["sgr-1 tcp 79-80 0.0.0.0/0"], web_only());
    world.ec2.inject_faults([
        Fault::OpenedAfterRead(kept),
        Fault::ClosedAfterAuthorize(rule_from_line("tcp 79-80 0.0.0.0/0")),
    ]);
    let event = world.handle_event("e-1");
    assert_eq!(withdrawn(report(&event)), Vec::<String>::new());
    assert_eq!(world.rules().len(), 1, "{:?}", world.rules());
}

#[test]
fn what_another_invocation_withdrew_is_added_again() {
    // The other one added the replacement, did not find the rule that this one removed, and withdrew
    // the replacement.
    let narrow = "sgr-1 tcp 79-80 0.0.0.0/0";
    let kept = rule_from_line("tcp 80 0.0.0.0/0");
    let world = world(&[narrow], web_only());
    world.ec2.inject_faults([
        Fault::OpenedAfterRead(kept.clone()),
        Fault::ClosedAfterRevoke(kept),
    ]);
    let event = world.handle_event("e-1");
    assert_eq!(world.rules().len(), 1, "{:?}", world.rules());
    assert_eq!(report(&event).outcome, GroupOutcome::Closed);
    assert_eq!(added(report(&event)).len(), 1);
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);
}

#[test]
fn an_addition_that_ec2_has_no_room_for_comes_after_the_removal() {
    // The group is below the assumed quota, but its real quota leaves no room.
    let world = world(&[WIDE], web_only());
    world.ec2.set_rule_limit(2);
    let event = world.handle_event("e-1");
    let report = report(&event);
    assert_eq!(
        (report.outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(report.order, ApplyOrder::RemoveFirst);
    assert_eq!((world.rules().len(), added(report).len()), (2, 2));
    assert!(report.skipped_additions.is_empty());
    assert_eq!(failed_addition_count(report), 0);
}

#[test]
fn an_addition_is_skipped_only_after_ec2_refused_it_with_the_removal_done() {
    let world = world(&[WIDE], web_only());
    world.ec2.set_rule_limit(1);
    let event = world.handle_event("e-1");
    let report = report(&event);
    assert_eq!(
        (report.outcome, event.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    let reasons = report
        .skipped_additions
        .iter()
        .map(|skipped| skipped.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), [SkipReason::RulesQuota]);
    assert_eq!((world.rules().len(), added(report).len()), (1, 1));
    assert_eq!(failed_addition_count(report), 0);
}

#[test]
fn nothing_is_skipped_for_the_quota_if_the_removal_failed() {
    let world = world(&[WIDE], web_only());
    world.ec2.set_rule_limit(1);
    world.ec2.inject_faults([Fault::Revoke(ErrorKind::Denied)]);
    let event = world.handle_event("e-1");
    assert!(report(&event).skipped_additions.is_empty());
    assert_eq!(
        failed_addition_count(report(&event)),
        0,
        "no access is lost"
    );
}
