//! The loop under policies that narrow, restrict, except and spare, against an in-memory EC2 with faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, and so may what helps it"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_remediation::event::{GroupChange, Origin};
use portcullis_remediation::remediator::{
    EventOutcome, Limits, RemediationError, Remediator, Services,
};
use portcullis_remediation::report::{GroupOutcome, GroupReport};
use portcullis_remediation::services::{ErrorKind, IngressEditor, Mode};
use portcullis_rules::check::Check;
use portcullis_rules::plan::{ApplyOrder, Attachments, Purpose, RefusalReason, SkipReason};
use portcullis_rules::{
    Action, Exception, Glob, IngressRule, Policy, PolicyRule, Scope, Severity, Source, TrafficSet,
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

fn own_rule(id: &str, check: Check, action: Action, trusted: &[&str]) -> Arc<PolicyRule> {
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
        own_rule(
            "ssh",
            Check::OpenPorts(tcp(&[22])),
            Action::Restrict,
            &["203.0.113.0/24", "2001:db8::/48"],
        ),
        own_rule(
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
    tell: Arc<FakePublisher>,
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
    let tell = Arc::new(FakePublisher::default());
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
        remediator: Remediator::new(hands, policy, Limits::default()),
    }
}

impl World {
    fn handle(&self, change: &GroupChange) -> EventOutcome {
        let handled = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(self.remediator.handle_change(change));
        self.never_silent(&handled);
        handled
    }

    fn event(&self, id: &str) -> EventOutcome {
        self.handle(&group_change(SG, id))
    }

    /// Law 7: an event that is done with leaves nothing enforceable behind, but for what was refused and told.
    fn never_silent(&self, handled: &EventOutcome) {
        for report in &handled.reports {
            let refused = |rule: &IngressRule| {
                report
                    .refusals
                    .iter()
                    .any(|refusal| refusal.ingress == *rule)
            };
            let open = report
                .remaining
                .iter()
                .filter(|finding| !refused(&finding.ingress))
                .count();
            assert!(
                open == 0 || report.mode == Mode::Monitor || !handled.errors.is_empty(),
                "{report:?}"
            );
            let is_told = !self.tell.published_alerts().is_empty() || !handled.errors.is_empty();
            assert!(
                is_told
                    || (report.removed.is_empty()
                        && report.added.is_empty()
                        && report.refusals.is_empty())
            );
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

    fn last_mail(&self) -> String {
        self.tell
            .published_alerts()
            .pop()
            .unwrap()
            .email
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn asked_for_attachments(&self) -> usize {
        self.ec2
            .calls()
            .iter()
            .filter(|call| matches!(call, Call::Attachments(_)))
            .count()
    }
}

fn report(handled: &EventOutcome) -> &GroupReport {
    assert_eq!(handled.reports.len(), 1, "{handled:?}");
    &handled.reports[0]
}

fn codes(handled: &EventOutcome) -> Vec<&'static str> {
    handled.errors.iter().map(RemediationError::code).collect()
}

fn lines<'a>(rules: impl Iterator<Item = &'a IngressRule>) -> Vec<String> {
    rules.map(ToString::to_string).collect()
}

fn added(report: &GroupReport) -> Vec<String> {
    lines(report.added.iter().map(|addition| &addition.ingress))
}

const ADD: &str = "authorize tcp 80 0.0.0.0/0, tcp 443 0.0.0.0/0";
const REVOKE: &str = "revoke sgr-1 tcp 80-443 0.0.0.0/0";
const WEB: [&str; 2] = ["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0"];

#[test]
fn narrow_keeps_what_is_allowed_and_adds_before_it_removes() {
    let world = world(&[WIDE, "sgr-3 tcp 22 10.0.0.0/8"], web_only());
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, handled.errors.len()),
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
        report(&handled)
            .added
            .iter()
            .all(|addition| addition.purpose == Purpose::Keep)
    );
    assert!(
        world
            .last_mail()
            .contains("=> Narrowed: TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules.")
    );
}

#[test]
fn restrict_opens_to_the_trusted_source_of_the_family() {
    let world = world(&[SSH, "sgr-3 tcp 22 ::/0"], web_only());
    let handled = world.event("e-1");
    assert_eq!(report(&handled).outcome, GroupOutcome::Closed);
    assert_eq!(
        world.rules(),
        ["tcp 22 2001:db8::/48", "tcp 22 203.0.113.0/24"]
    );
    assert!(
        report(&handled)
            .added
            .iter()
            .all(|addition| addition.purpose == Purpose::Trust)
    );
    assert!(
        world
            .last_mail()
            .contains("=> Restricted: TCP port 22 (SSH) is now open to 203.0.113.0/24 only.")
    );
}

#[test]
fn our_own_event_afterwards_is_clean() {
    let world = world(&[WIDE, SSH], web_only());
    let first = world.event("e-1");
    let claims = report(&first)
        .added
        .iter()
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
            world.tell.published_alerts().len()
        ),
        (GroupOutcome::Clean, 2, 1)
    );
}

/// A group so full that there is no room for old and new rules at once.
fn full() -> Vec<String> {
    let others = (1..=58).map(|host| format!("sgr-x{host} tcp 5432 10.0.0.{host}/32"));
    others.chain([WIDE.to_owned()]).collect()
}

fn full_world() -> World {
    let rules = full();
    let world = world(
        &rules.iter().map(String::as_str).collect::<Vec<_>>(),
        web_only(),
    );
    world.ec2.set_rule_limit(60);
    world
}

#[test]
fn where_the_quota_has_no_room_removal_comes_first_and_is_said() {
    let world = full_world();
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, report(&handled).order),
        (GroupOutcome::Closed, ApplyOrder::RemoveFirst)
    );
    assert_eq!(world.changes(), [REVOKE, ADD]);
    assert!(
        report(&handled).failed_additions.is_empty()
            && report(&handled).skipped_additions.is_empty()
    );
    assert!(
        world
            .last_mail()
            .contains("The old rules went before the new ones came")
    );
    assert!(
        world.tell.published_alerts()[0]
            .report
            .contains(r#""removed_first":true"#)
    );
}

#[test]
fn what_has_no_room_even_then_is_lost_and_told() {
    let rules: Vec<_> = full()
        .into_iter()
        .chain(["sgr-y tcp 5432 10.0.1.1/32".to_owned()])
        .collect();
    let world = world(
        &rules.iter().map(String::as_str).collect::<Vec<_>>(),
        web_only(),
    );
    world.ec2.set_rule_limit(60);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, handled.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        report(&handled)
            .skipped_additions
            .iter()
            .map(|loss| loss.reason)
            .collect::<Vec<_>>(),
        [SkipReason::RulesQuota]
    );
    assert!(
        world.tell.published_alerts()[0]
            .subject
            .starts_with("CLOSED, NOT ALL KEPT: ")
    );
}

#[test]
fn when_removal_comes_first_and_adding_is_throttled_it_is_tried_again() {
    let world = full_world();
    world
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Throttled)]);
    let handled = world.event("e-1");
    assert_eq!(
        (
            report(&handled).outcome,
            report(&handled).failed_additions.len()
        ),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(world.changes(), [REVOKE, ADD, ADD]);
    assert_eq!(world.clock.recorded_sleeps(), [Duration::from_millis(300)]);

    let world = full_world();
    world
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let handled = world.event("e-1");
    assert_eq!(
        (
            report(&handled).outcome,
            report(&handled).failed_additions.len()
        ),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(world.changes().len(), 4);
    assert!(
        world
            .last_mail()
            .contains("To open them again by hand, run these:"),
        "{}",
        world.last_mail()
    );
}

#[test]
fn when_removal_comes_first_nothing_is_added_for_a_box_that_did_not_go() {
    let world = full_world();
    world.ec2.inject_faults([Fault::Revoke(ErrorKind::Denied)]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, codes(&handled)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(world.changes(), [REVOKE]);
    assert!(
        report(&handled).failed_additions.is_empty(),
        "nothing is cut"
    );

    let world = full_world();
    world
        .ec2
        .inject_faults([Fault::ClosedAfterRead(rule_from_line(
            "tcp 80-443 0.0.0.0/0",
        ))]);
    let handled = world.event("e-1");
    assert_eq!(
        world.changes(),
        [REVOKE],
        "what somebody else closed is not opened again"
    );
    assert_eq!(
        (
            handled.errors.len(),
            report(&handled).failed_additions.len()
        ),
        (0, 2),
        "but told"
    );

    let world = full_world();
    world.ec2.inject_faults([Fault::RevokeUnanswered]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, report(&handled).removed.len()),
        (GroupOutcome::Closed, 1)
    );
    assert_eq!(
        (added(report(&handled)).len(), world.rules().len()),
        (2, 60)
    );
}

#[test]
fn a_box_waits_for_what_takes_its_place() {
    let world = world(&[WIDE, SSH], web_only());
    world.ec2.inject_faults([Fault::AuthorizeFrom(
        Source::from_cidr("0.0.0.0/0").unwrap(),
        ErrorKind::Throttled,
    )]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, report(&handled).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        world.changes()[1..],
        ["revoke sgr-2 tcp 22 0.0.0.0/0", ADD, REVOKE]
    );
    assert_eq!(world.rules(), ["tcp 22 203.0.113.0/24", WEB[0], WEB[1]]);
    assert_eq!(
        (
            report(&handled).added.len(),
            report(&handled).failed_additions.len()
        ),
        (3, 0)
    );
    assert_eq!(
        world.clock.recorded_sleeps().first(),
        Some(&Duration::from_millis(300))
    );
}

#[test]
fn in_the_last_round_closing_comes_before_keeping() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults((0..9).map(|_| Fault::Authorize(ErrorKind::Throttled)));
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, handled.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(world.changes(), [ADD, ADD, ADD, REVOKE, ADD, ADD]);
    assert_eq!(
        (report(&handled).failed_additions.len(), world.rules().len()),
        (2, 0)
    );
    assert!(
        world.tell.published_alerts()[0]
            .subject
            .starts_with("CLOSED, NOT ALL KEPT: ")
    );
    assert!(world.last_mail().contains("AWS took no more calls."));
}

#[test]
fn what_may_not_be_added_does_not_keep_the_hole_open() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults([Fault::Authorize(ErrorKind::Denied)]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, handled.errors.len()),
        (GroupOutcome::Closed, 0)
    );
    assert_eq!(
        (world.changes(), world.rules().len()),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
    let mail = world.last_mail();
    assert!(
        mail.contains("ec2:AuthorizeSecurityGroupIngress") && mail.contains("could NOT be kept"),
        "{mail}"
    );
    assert!(
        world.tell.published_alerts()[0]
            .report
            .contains(r#""unkept":[{"#)
    );
}

#[test]
fn what_could_not_be_kept_is_not_forgotten_in_a_later_round() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([
        Fault::Authorize(ErrorKind::Denied),
        Fault::OpenedAfterRevoke(rule_from_line("tcp 23 0.0.0.0/0")),
    ]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).rounds, report(&handled).outcome),
        (2, GroupOutcome::Closed)
    );
    assert_eq!(
        (
            report(&handled).removed.len(),
            report(&handled).failed_additions.len()
        ),
        (2, 2)
    );
}

#[test]
fn an_addition_without_an_answer_is_looked_for() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([Fault::AuthorizeUnanswered]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, report(&handled).rounds),
        (GroupOutcome::Closed, 2)
    );
    assert_eq!(
        added(report(&handled)),
        ["tcp 80 0.0.0.0/0", "tcp 443 0.0.0.0/0"]
    );
    assert_eq!(
        (world.changes(), report(&handled).failed_additions.len()),
        (vec![ADD.to_owned(), REVOKE.to_owned()], 0)
    );
}

#[test]
fn a_removal_that_fails_leaves_what_was_added_and_the_retry_goes_on() {
    let world = world(&[WIDE], web_only());
    world.ec2.inject_faults([
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
        Fault::Revoke(ErrorKind::Denied),
    ]);
    for _ in 0..3 {
        assert_eq!(codes(&world.event("e-1")), ["group-not-closed"]);
    }
    assert_eq!(
        world.tell.published_alerts().len(),
        1,
        "a retry that finds nothing new is not told"
    );
    assert!(
        world
            .last_mail()
            .contains("new rules are there for TCP ports 80 and 443"),
        "{}",
        world.last_mail()
    );
    assert_eq!(world.changes()[..3], [ADD, REVOKE, REVOKE], "added once");
    assert_eq!(report(&world.event("e-1")).outcome, GroupOutcome::Closed);
    assert_eq!(
        (world.rules(), world.tell.published_alerts().len()),
        (WEB.map(str::to_owned).to_vec(), 2)
    );
}

#[test]
fn monitor_mode_says_what_it_would_add_and_does_nothing() {
    let world = world_in(&[WIDE, SSH], web_only(), Mode::Monitor);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, handled.errors.len()),
        (GroupOutcome::WouldClose, 0)
    );
    assert_eq!(world.ec2.calls(), [Call::Read(SG.into())]);
    assert_eq!(added(report(&handled)).len(), 3);
    let mail = world.last_mail();
    assert!(
        mail.contains("TCP ports 80 and 443 would stay open to 0.0.0.0/0 as new rules."),
        "{mail}"
    );
    assert!(!mail.contains("How to undo it"), "{mail}");
}

#[test]
fn an_exception_frees_its_port_until_the_clock_says_that_it_ended() {
    let after = |expires: &str| {
        let mut policy = web_only();
        policy.exceptions = vec![exception(8443, Some(expires))];
        let world = world(
            &["sgr-1 tcp 8443 0.0.0.0/0", "sgr-2 tcp 8443-8444 ::/0"],
            policy,
        );
        let handled = world.event("e-1");
        (world, handled)
    };
    let (world, handled) = after("2026-11-21T12:05:01Z");
    assert_eq!(
        (report(&handled).outcome, world.rules()),
        (
            GroupOutcome::Closed,
            vec!["tcp 8443 0.0.0.0/0".into(), "tcp 8443 ::/0".into()]
        )
    );
    assert!(
        world.last_mail().contains("allowed by exception `vendor`."),
        "{}",
        world.last_mail()
    );
    assert!(
        world.tell.published_alerts()[0]
            .subject
            .starts_with("CLOSED (narrowed): tcp 8443-8444 from ::/0")
    );
    let (world, handled) = after("2026-11-21T12:05:00Z");
    assert_eq!(
        (report(&handled).outcome, world.rules().len()),
        (GroupOutcome::Closed, 0)
    );
    assert!(
        world
            .last_mail()
            .contains("The exception `vendor` has ended"),
        "{}",
        world.last_mail()
    );
    assert_eq!(
        report(&handled)
            .expired_exceptions
            .iter()
            .collect::<Vec<_>>(),
        ["vendor"]
    );
}

#[test]
fn what_an_exception_allows_wholly_is_no_news() {
    let mut policy = web_only();
    policy.exceptions = vec![exception(8443, None)];
    let world = world(&["tcp 8443 0.0.0.0/0"], policy);
    let handled = world.event("e-1");
    assert_eq!(
        (
            report(&handled).outcome,
            world.tell.published_alerts().len()
        ),
        (GroupOutcome::Clean, 0)
    );
    assert_eq!(
        (
            report(&handled).max_severity(),
            report(&handled).findings.len()
        ),
        (None, 1)
    );
}

/// Sets a guardrail.
type Guard = fn(&mut Policy);

#[test]
fn guardrails_refuse_and_tell_without_error() {
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
        if reason == RefusalReason::NotifyOnlyPrincipal {
            by_pipeline.claimed_rules = world.ec2.ingress_rules(SG);
        }
        let handled = world.handle(&by_pipeline);
        assert_eq!(
            (report(&handled).outcome, handled.errors.len()),
            (GroupOutcome::Refused, 0),
            "{reason:?}"
        );
        assert!(
            report(&handled)
                .refusals
                .iter()
                .all(|refusal| refusal.reason == reason),
            "{reason:?}"
        );
        assert!(
            world.changes().is_empty() && report(&handled).refusals.len() == 2,
            "{reason:?}"
        );
        assert!(
            world.last_mail().contains(reason.message()),
            "{}",
            world.last_mail()
        );
        assert!(
            world.tell.published_alerts()[0]
                .subject
                .starts_with("REFUSED, STILL OPEN: 2 rules")
        );
    }
}

#[test]
fn the_most_removals_are_those_of_the_event_over_all_rounds() {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(1);
    let world = world(&[WIDE], policy);
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(rule_from_line(
            "sgr-9 tcp 23 0.0.0.0/0",
        ))]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, report(&handled).removed.len()),
        (GroupOutcome::Refused, 1)
    );
    assert_eq!(
        report(&handled).refusals[0].reason,
        RefusalReason::TooManyRemovals
    );
    assert_eq!(world.changes(), [ADD, REVOKE]);
}

#[test]
fn an_early_look_does_not_count_a_removal_twice() {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(1);
    let world = world(&["sgr-1 tcp 23 0.0.0.0/0"], policy);
    world.ec2.inject_faults([Fault::RevokeIgnored]);
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, report(&handled).removed.len()),
        (GroupOutcome::Closed, 1)
    );
}

#[test]
fn attachments_are_asked_for_only_when_it_matters() {
    let asked = |guarded: bool, line: &str| {
        let mut policy = web_only();
        policy.guardrails.notify_only_load_balancers = guarded;
        let world = world(&[line], policy);
        world.event("e-1");
        world.asked_for_attachments()
    };
    assert_eq!(
        (
            asked(false, WIDE),
            asked(true, WIDE),
            asked(true, "tcp 443 0.0.0.0/0")
        ),
        (0, 1, 0)
    );
}

#[test]
fn attachments_that_cannot_be_found_out_are_an_error() {
    let mut policy = web_only();
    policy.guardrails.notify_only_load_balancers = true;
    let world = world(&[WIDE], policy);
    world
        .ec2
        .inject_faults([Fault::Attachments(ErrorKind::Denied)]);
    let handled = world.event("e-1");
    assert_eq!(
        (
            codes(&handled),
            handled.reports.len(),
            world.changes().len()
        ),
        (vec!["group-unread"], 0, 0)
    );
    assert_eq!(report(&world.event("e-1")).outcome, GroupOutcome::Closed);
}

#[test]
fn what_is_there_already_is_not_added_twice_and_the_undo_is_of_all_rounds() {
    let world = world(&[WIDE], web_only());
    world
        .ec2
        .inject_faults([Fault::OpenedAfterRevoke(rule_from_line(
            "sgr-9 all - 0.0.0.0/0",
        ))]);
    let handled = world.event("e-1");
    assert_eq!(report(&handled).outcome, GroupOutcome::Closed);
    assert_eq!(world.rules(), ["tcp 22 203.0.113.0/24", WEB[0], WEB[1]]);
    assert_eq!(report(&handled).additions_to_remove().count(), 3);
    let back = lines(
        report(&handled)
            .removals_to_restore()
            .map(|removal| &removal.ingress),
    );
    assert_eq!(back, ["tcp 80-443 0.0.0.0/0", "all - 0.0.0.0/0"]);
}

#[test]
fn a_loss_of_one_half_that_the_other_gives_is_none() {
    let world = world(
        &["sgr-1 tcp 22 0.0.0.0/1", "sgr-2 tcp 22 128.0.0.0/1"],
        web_only(),
    );
    let handled = world.event("e-1");
    assert_eq!(
        (report(&handled).outcome, world.rules()),
        (
            GroupOutcome::Closed,
            vec!["tcp 22 203.0.113.0/24".to_owned()]
        )
    );
    assert!(
        report(&handled).skipped_additions.is_empty(),
        "one half lost it, the other gave it"
    );
}

#[test]
fn an_unverified_look_after_narrowing_is_an_error_and_tells_what_was_done() {
    let world = world(&[WIDE], web_only());
    let origin = Origin {
        time: None,
        ..group_change(SG, "e-1").origin
    };
    world.ec2.inject_faults([
        Fault::OpenedAfterRead(rule_from_line("tcp 443 ::/0")),
        Fault::Read(ErrorKind::Throttled),
    ]);
    let handled = world.handle(&GroupChange {
        origin,
        ..group_change(SG, "e-1")
    });
    assert_eq!(
        (report(&handled).outcome, codes(&handled)),
        (GroupOutcome::NotClosed, vec!["group-not-closed"])
    );
    assert_eq!(
        (report(&handled).removed.len(), report(&handled).added.len()),
        (1, 2)
    );
    assert!(
        world
            .last_mail()
            .contains("=> Narrowed: TCP ports 80 and 443 stay open"),
        "{}",
        world.last_mail()
    );
}
