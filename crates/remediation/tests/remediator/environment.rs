//! A remediator with an in-memory EC2, and the policies of the tests.

use std::sync::Arc;

use jiff::Timestamp;
use portcullis_remediation::AlertOptions;
use portcullis_remediation::event::{GroupChange, PrefixListChange, Target};
use portcullis_remediation::remediator::{
    EventOutcome, Limits, RemediationError, Remediator, Services,
};
use portcullis_remediation::report::{GroupReport, PolicyIdentity, RuleOutcome};
use portcullis_remediation::services::{IngressEditor, Mode};
use portcullis_rules::check::Check;
use portcullis_rules::{Action, Policy, PolicyRule, Scope, Severity, TrafficSet};
use portcullis_testkit::{Call, FakeClock, FakeEc2, FakePublisher, group_change, group_from_lines};

pub(crate) const SG: &str = "sg-1";
/// The role of the remediator.
pub(crate) const OWN_ROLE: &str = "arn:aws:iam::111122223333:role/portcullis";
/// A rule of which the web-only policy allows two ports.
pub(crate) const WIDE: &str = "sgr-1 tcp 80-443 0.0.0.0/0";
pub(crate) const SSH: &str = "sgr-2 tcp 22 0.0.0.0/0";
/// The changes that narrow [`WIDE`].
pub(crate) const ADD: &str = "authorize tcp 443 0.0.0.0/0, tcp 80 0.0.0.0/0";
pub(crate) const REVOKE: &str = "revoke sgr-1 tcp 80-443 0.0.0.0/0";
/// What is left of [`WIDE`].
pub(crate) const WEB: [&str; 2] = ["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0"];

pub(crate) fn tcp(ports: &[u16]) -> TrafficSet {
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

/// The internet may reach TCP 80 and 443; SSH is opened to the office instead.
pub(crate) fn web_only() -> Policy {
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

/// SSH is opened to a prefix list instead of the internet.
pub(crate) fn office_list_only() -> Policy {
    let ssh = Check::OpenPorts(tcp(&[22]));
    Policy {
        name: "office-list-only".to_owned(),
        rules: vec![policy_rule("ssh", ssh, Action::Restrict, &["pl-office"])],
        ..Policy::default()
    }
}

/// Version 4 of the policy.
pub(crate) fn policy_identity() -> PolicyIdentity {
    PolicyIdentity {
        name: "web-only".to_owned(),
        version: Some(4),
        hash: Some("4f".repeat(32)),
    }
}

pub(crate) struct Environment {
    pub(crate) ec2: Arc<FakeEc2>,
    pub(crate) publisher: Arc<FakePublisher>,
    pub(crate) clock: Arc<FakeClock>,
    remediator: Remediator,
}

impl Environment {
    pub(crate) fn with_alert_options(self, options: AlertOptions) -> Self {
        Self {
            remediator: self.remediator.with_alert_options(options),
            ..self
        }
    }
}

/// An environment with one group of these rules, in enforce mode.
pub(crate) fn enforcing(lines: &[&str], policy: Policy) -> Environment {
    environment_in(lines, policy, Mode::Enforce)
}

pub(crate) fn environment_in(lines: &[&str], policy: Policy, mode: Mode) -> Environment {
    let mut group = group_from_lines(SG, lines);
    for rule in &mut group.rules {
        rule.description = Some(format!("about {rule}"));
        rule.tags.insert("team".to_owned(), "shop".to_owned());
    }
    environment_of(FakeEc2::with_groups([group]), policy, mode)
}

pub(crate) fn environment_of(ec2: FakeEc2, policy: Policy, mode: Mode) -> Environment {
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
    Environment {
        ec2,
        publisher,
        clock,
        remediator: Remediator::new(services, policy, Limits::default())
            .with_own_roles([OWN_ROLE.to_owned()])
            .with_policy_identity(policy_identity()),
    }
}

impl Environment {
    pub(crate) fn handle(&self, change: &GroupChange) -> EventOutcome {
        self.handle_until(change, Timestamp::MAX, &|_| {})
    }

    /// Handles a change with a deadline, as the function does.
    pub(crate) fn handle_until(
        &self,
        change: &GroupChange,
        deadline: Timestamp,
        on_report: &(dyn Fn(&GroupReport) + Sync),
    ) -> EventOutcome {
        let event = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(
                self.remediator
                    .handle_change_until(change, deadline, on_report),
            );
        self.assert_never_silent(&event);
        event
    }

    pub(crate) fn handle_event(&self, id: &str) -> EventOutcome {
        self.handle(&group_change(SG, id))
    }

    /// An event without errors leaves nothing open but what was refused, and every change is
    /// published.
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
    pub(crate) fn changes(&self) -> Vec<String> {
        let line = |call: Call| match call {
            Call::Authorize(_, rules) => Some(format!("authorize {}", rules.join(", "))),
            Call::Revoke(_, rules) => Some(format!("revoke {}", rules.join(", "))),
            Call::Read(_) | Call::Attachments(_) => None,
        };
        self.ec2.calls().into_iter().filter_map(line).collect()
    }

    /// The rules, without the ids.
    pub(crate) fn rules(&self) -> Vec<String> {
        let mut rules: Vec<_> = self
            .ec2
            .ingress_rules(SG)
            .iter()
            .map(ToString::to_string)
            .collect();
        rules.sort();
        rules
    }

    pub(crate) fn last_email(&self) -> String {
        self.publisher
            .published_alerts()
            .pop()
            .unwrap()
            .email
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    pub(crate) fn group_reads(&self) -> usize {
        self.ec2
            .calls()
            .iter()
            .filter(|call| matches!(call, Call::Read(_)))
            .count()
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        self.publisher
            .published_alerts()
            .into_iter()
            .map(|alert| alert.subject)
            .collect()
    }

    pub(crate) fn attachment_reads(&self) -> usize {
        self.ec2
            .calls()
            .iter()
            .filter(|call| matches!(call, Call::Attachments(_)))
            .count()
    }
}

/// A change of the prefix list `pl-1`.
pub(crate) fn prefix_list_change(id: &str) -> GroupChange {
    let list = PrefixListChange {
        id: "pl-1".to_owned(),
        previous_version: Some(1),
    };
    GroupChange {
        target: Target::PrefixList(list),
        ..group_change(SG, id)
    }
}

pub(crate) fn report(event: &EventOutcome) -> &GroupReport {
    assert_eq!(event.reports.len(), 1, "{event:?}");
    &event.reports[0]
}

pub(crate) fn codes(event: &EventOutcome) -> Vec<&'static str> {
    event.errors.iter().map(RemediationError::code).collect()
}

pub(crate) fn added(event: &EventOutcome) -> Vec<String> {
    let additions = report(event).replacements();
    additions
        .map(|addition| addition.ingress.to_string())
        .collect()
}

pub(crate) fn removed_count(event: &EventOutcome) -> usize {
    report(event).removed_rules().count()
}

pub(crate) fn failed_addition_count(event: &EventOutcome) -> usize {
    report(event).failed_additions().count()
}

/// How many rules have this status.
pub(crate) fn status_count(event: &EventOutcome, status: &str) -> usize {
    report(event)
        .rules
        .iter()
        .filter(|outcome| outcome.status.as_str() == status)
        .count()
}
