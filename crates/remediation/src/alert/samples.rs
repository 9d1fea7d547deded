//! Reports to test with, made as the use case makes them: judged by the baseline and planned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_rules::check::Check;
use portcullis_rules::group::WrittenPorts;
use portcullis_rules::plan::{Addition, Attachments, Loss, LossReason, Order, Purpose, Refusal, RefusalReason};
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{
    Action, Exception, Finding, IngressRule, Policy, PortSet, PrefixLists, Quota, Rule, Scope, SecurityGroup,
    Situation, Source, TrafficSet, baseline, judge, plan,
};

use crate::intake::{Actor, Origin};
use crate::ports::{ErrorKind, GroupRef, Mode, PortError};
use crate::report::{Failure, Outcome, Report, Unkept};

const ID: &str = "sg-0123456789abcdef0";

/// A rule in a line, `tcp 20-25 0.0.0.0/0 described so`, with an id made of its place.
fn rule(place: usize, line: &str) -> IngressRule {
    let mut words = line.splitn(4, ' ');
    let (protocol, ports, source) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
    let ports = WrittenPorts { from: from.parse().ok(), to: to.parse().ok() };
    let source = match source {
        list if list.starts_with("pl-") => Source::PrefixList(list.to_owned()),
        cidr => Source::cidr(cidr).unwrap(),
    };
    let mut rule = IngressRule::new(protocol.parse().unwrap(), ports, source).unwrap();
    rule.id = Some(format!("sgr-{place:017x}"));
    rule.description = words.next().map(str::to_owned);
    rule
}

/// A group of such rules.
pub(crate) fn group(lines: &[&str]) -> SecurityGroup {
    SecurityGroup {
        id: ID.to_owned(),
        name: Some("web".to_owned()),
        vpc_id: Some("vpc-0a1b2c3d".to_owned()),
        owner_id: Some("111122223333".to_owned()),
        rules: (1..).zip(lines).map(|(place, line)| rule(place, line)).collect(),
        open_egress: Some(true),
        ..SecurityGroup::default()
    }
}

pub(crate) fn origin() -> Origin {
    Origin {
        event_id: Some("8f5c1c0e-6a3b-4d2e-9f10-0123456789ab".to_owned()),
        event_name: "AuthorizeSecurityGroupIngress".to_owned(),
        time: Some("2026-11-21T03:12:45Z".parse().unwrap()),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        actor: Actor {
            kind: Some("AssumedRole".to_owned()),
            who: Some("alice@example.com (role Developer)".to_owned()),
            arn: Some("arn:aws:sts::111122223333:assumed-role/Developer/alice@example.com".to_owned()),
            issuer: Some("arn:aws:iam::111122223333:role/Developer".to_owned()),
            invoked_by: None,
        },
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/macos".to_owned()),
    }
}

/// What the use case reports when all goes well.
pub(crate) fn report(group: SecurityGroup) -> Report {
    report_by(&baseline::baseline(), group)
}

/// As [`report`], by another policy.
pub(crate) fn report_by(policy: &Policy, group: SecurityGroup) -> Report {
    let whole_world = ["0.0.0.0/1", "128.0.0.0/1"].map(|half| parse_cidr(half).unwrap()).to_vec();
    let lists = PrefixLists::from_iter([("pl-0fedcba9876543210", whole_world)]);
    let context = origin().context("2026-11-21T03:12:46Z".parse().ok());
    let judgement = judge(policy, &group, &lists, &context);
    let (attachments, quota) = (Attachments::default(), Quota::default());
    let situation =
        Situation { policy, group: &group, lists: &lists, context: &context, foreign: false, attachments, quota };
    let plan = plan(&situation, &judgement);
    let remaining: Vec<_> = judgement.findings.iter().filter(|finding| finding.enforces()).cloned().collect();
    let outcome = match (plan.is_empty(), plan.refusals.is_empty()) {
        (false, _) => Outcome::Closed,
        (true, false) => Outcome::Refused,
        (true, true) => Outcome::Noticed,
    };
    Report {
        outcome,
        mode: Mode::Enforce,
        policy: policy.name.clone(),
        origin: origin(),
        named: GroupRef::Id(group.id.clone()),
        findings: judgement.findings,
        closed_at: (outcome == Outcome::Closed).then(|| "2026-11-21T03:12:47Z".parse().unwrap()),
        rounds: u32::from(!plan.removals.is_empty()),
        removed: plan.removals,
        added: plan.additions,
        losses: plan.losses,
        unkept: Vec::new(),
        order: plan.order,
        failures: Vec::new(),
        refusals: plan.refusals,
        remaining: if outcome == Outcome::Refused { remaining } else { Vec::new() },
        unresolved_prefix_lists: judgement.unresolved_prefix_lists,
        expired_exceptions: judgement.exceptions_expired,
        unverified: None,
        group,
    }
}

/// Only HTTP and HTTPS may be open to the world; the rest of it is narrowed away. SSH is for the office.
pub(crate) fn web_only() -> Policy {
    let rule = |id: &str, forbids: &str, check, action, trusted: &[&str]| {
        Arc::new(Rule {
            id: id.to_owned(),
            forbids: forbids.to_owned(),
            check,
            severity: portcullis_rules::Severity::High,
            action,
            references: vec!["EC2-001".to_owned()],
            scope: Scope::default(),
            trusted: trusted.iter().map(|source| source.parse().unwrap()).collect(),
        })
    };
    let ports = |ports: &[u16]| TrafficSet::tcp(ports.iter().copied().collect());
    let office = ["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/48"];
    let rules = vec![
        rule("ssh-from-office", "SSH open to the world", Check::OpenPorts(ports(&[22])), Action::Restrict, &office),
        rule(
            "web-only",
            "anything but HTTP and HTTPS open to the world",
            Check::OpenExcept(ports(&[80, 443, 22])),
            Action::Narrow,
            &[],
        ),
    ];
    Policy { name: "web-only".to_owned(), rules, ..Policy::default() }
}

fn exception(id: &str, port: u16, expires: Option<&str>) -> Arc<Exception> {
    Arc::new(Exception {
        id: id.to_owned(),
        reason: "their appliance".to_owned(),
        owner: "edge@example.com".to_owned(),
        expires: expires.map(|time| time.parse().unwrap()),
        rules: Vec::new(),
        scope: Scope::default(),
        rule_tags: BTreeMap::new(),
        descriptions: Vec::new(),
        principals: Vec::new(),
        traffic: TrafficSet::tcp(PortSet::from_iter([port])),
        sources: Vec::new(),
    })
}

/// One rule for everything becomes one for HTTP and one for HTTPS.
pub(crate) fn narrowed() -> Report {
    let mut group = group(&["tcp 23-65535 0.0.0.0/0 the shop", "tcp 22 10.0.0.0/8"]);
    group.rules[0].tags.insert("team".to_owned(), "shop".to_owned());
    report_by(&web_only(), group)
}

/// SSH is for the office.
pub(crate) fn restricted() -> Report {
    report_by(&web_only(), group(&["tcp 22 0.0.0.0/0 temp ssh"]))
}

/// All kinds of deeds; the group has no room for old and new rules at once.
pub(crate) fn mixed() -> Report {
    let mut report = report_by(&web_only(), group(&["-1 -1--1 0.0.0.0/0 all of it", "udp 53 ::/0 dns", "tcp 22 ::/0"]));
    report.order = Order::RemoveFirst;
    report
}

/// The same in monitor mode.
pub(crate) fn would_narrow() -> Report {
    let mut report = mixed();
    (report.mode, report.outcome, report.rounds, report.closed_at) = (Mode::Monitor, Outcome::WouldClose, 0, None);
    (report.remaining, report.order) = (enforced(&report), Order::AddFirst);
    report
}

/// One exception is live, one has ended.
pub(crate) fn excepted() -> Report {
    let mut policy = web_only();
    policy.exceptions =
        vec![exception("vendor", 8443, None), exception("old-vendor", 9443, Some("2026-11-01T00:00:00Z"))];
    report_by(&policy, group(&["tcp 8443 0.0.0.0/0 vendor", "tcp 9443 0.0.0.0/0 old vendor"]))
}

/// Not all of what may stay could be kept: no room, no permission, and a trusted source that had no access.
pub(crate) fn not_kept() -> Report {
    let mut lines: Vec<String> = (1..=58).map(|host| format!("tcp 443 10.0.0.{host}/32")).collect();
    lines.push("tcp 22-65535 0.0.0.0/0 the shop".to_owned());
    lines.push("tcp 22 128.0.0.0/1 half of the world".to_owned());
    let mut report = report_by(&web_only(), group(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
    let addition = report.added.remove(0);
    let message = "UnauthorizedOperation: You are not authorized to perform this operation.";
    let error = PortError::new("AuthorizeSecurityGroupIngress", ErrorKind::Denied, message);
    report.unkept = vec![Unkept { addition, error }];
    report
}

/// A guardrail stops what would remove more than two rules.
pub(crate) fn too_many() -> Report {
    let mut policy = web_only();
    policy.guardrails.max_removals = Some(2);
    report_by(&policy, group(&["tcp 23 0.0.0.0/0", "tcp 80-90 0.0.0.0/0", "tcp 22 ::/0"]))
}

/// The plan did not pass its own check.
pub(crate) fn unsound() -> Report {
    let mut report = refused();
    report.group.owner_id = Some("111122223333".to_owned());
    report.outcome = Outcome::Incomplete;
    report.refusals[0].reason = RefusalReason::Unsound;
    report
}

/// All kinds of rules, all of them removed that have to be.
pub(crate) fn closed() -> Report {
    let mut group = group(&[
        "tcp 22 0.0.0.0/0 temp ssh for INC-4711, remove by friday",
        "tcp 8000-8090 ::/0",
        "-1 -1--1 0.0.0.0/0 debugging",
        "tcp 3306 pl-0fedcba9876543210 partners (see wiki)",
        "tcp 443 0.0.0.0/0 the shop",
        "tcp 9000-9010 10.20.0.0/16 metrics",
    ]);
    group.rules[0].tags.insert("ticket".to_owned(), "INC-4711".to_owned());
    report(group)
}

/// One rule, one port: what happens most.
pub(crate) fn simple() -> Report {
    report(group(&["tcp 22 0.0.0.0/0 temp ssh"]))
}

pub(crate) fn monitor() -> Report {
    let mut report = report(group(&["tcp 22 0.0.0.0/0 temp ssh", "tcp 3389 ::/0"]));
    (report.mode, report.outcome, report.rounds, report.closed_at) = (Mode::Monitor, Outcome::WouldClose, 0, None);
    report.remaining = enforced(&report);
    report
}

pub(crate) fn noticed() -> Report {
    let mut report = report(group(&["tcp 9000-9010 10.20.0.0/16 metrics", "tcp 443 52.0.0.0/6", "tcp 22 pl-0bad"]));
    report.group.open_egress = None;
    report
}

/// The role may not revoke one of the rules; another came back.
pub(crate) fn incomplete() -> Report {
    let mut report = report(group(&[
        "tcp 22 0.0.0.0/0 temp ssh",
        "tcp 3389 ::/0 rdp",
        "udp 5000-5010 0.0.0.0/0",
        "tcp 21 0.0.0.0/0",
    ]));
    (report.outcome, report.closed_at, report.rounds) = (Outcome::Incomplete, None, 3);
    let message = "UnauthorizedOperation: You are not authorized to perform this operation. Encoded authorization failure \
                   message: tHiSiSnOtRead4bLe (request id 5b1c)";
    let error = |kind| PortError::new("RevokeSecurityGroupIngress", kind, message);
    let [ssh, rdp, udp] = [0, 1, 2].map(|place: usize| report.group.rules[place].clone());
    let is = |rule: &IngressRule| {
        let rule = rule.clone();
        move |finding: &Finding| finding.ingress == rule
    };
    let remaining = |finding: &Finding| is(&ssh)(finding) || is(&rdp)(finding) || is(&udp)(finding);
    report.remaining = enforced(&report).into_iter().filter(remaining).collect();
    report.removed.retain(|removal| removal.ingress != ssh && removal.ingress != rdp);
    report.failures = vec![
        Failure { ingress: ssh, error: error(ErrorKind::Denied) },
        Failure {
            ingress: rdp,
            error: PortError::new("RevokeSecurityGroupIngress", ErrorKind::NoAnswer, "timed out after 3 s"),
        },
    ];
    report
}

/// As much as can come: a thousand findings, long texts everywhere.
pub(crate) fn huge() -> Report {
    let long = "\"é\\".repeat(85);
    let lines: Vec<_> = (20_000..21_000).map(|port| format!("tcp {port} 0.0.0.0/0 {long}")).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut report = report(group(&lines));
    for removal in &mut report.removed {
        removal.ingress.tags = (0..5).map(|tag| (format!("key-{tag}"), "é".repeat(256))).collect();
    }
    let error = PortError::new("RevokeSecurityGroupIngress", ErrorKind::Denied, "x\n".repeat(4000));
    report.failures =
        report.group.rules.iter().map(|rule| Failure { ingress: rule.clone(), error: error.clone() }).collect();
    report.remaining = report.findings.clone();
    let exempt: Vec<_> = report
        .findings
        .iter()
        .enumerate()
        .map(|(place, finding)| {
            let mut finding = finding.clone();
            finding.exempt = Some(long.clone());
            finding.ingress.id = Some(format!("sgr-exempt{place}"));
            finding
        })
        .collect();
    report.findings.extend(exempt);
    (report.outcome, report.unverified) = (Outcome::Incomplete, Some(error.clone()));
    let additions = report.group.rules.iter().map(|rule| Addition {
        ingress: rule.clone(),
        purpose: Purpose::Keep,
        instead_of: rule.clone(),
    });
    report.added = additions.collect();
    report.unkept =
        report.added.iter().map(|addition| Unkept { addition: addition.clone(), error: error.clone() }).collect();
    let lost = |rule: &IngressRule| Loss { ingress: rule.clone(), reason: LossReason::Quota };
    report.losses = report.group.rules.iter().map(lost).collect();
    report.expired_exceptions = (0..1000).map(|number| format!("{number}{}", "\"é\\".repeat(85))).collect();
    report.unresolved_prefix_lists = (0..1000).map(|list| format!("pl-{list:017x}")).collect();
    report.group.name = Some("\"".repeat(255));
    report.origin.user_agent = Some("\u{1}".repeat(100_000));
    report.origin.actor.who = Some("\\".repeat(100_000));
    report
}

/// A group of a shared VPC.
pub(crate) fn refused() -> Report {
    let mut report = report(group(&["tcp 22 0.0.0.0/0 temp ssh"]));
    report.group.owner_id = Some("444455556666".to_owned());
    (report.outcome, report.closed_at, report.rounds) = (Outcome::Refused, None, 0);
    report.remaining = enforced(&report);
    let refusal =
        |removal: portcullis_rules::Removal| Refusal { ingress: removal.ingress, reason: RefusalReason::ForeignGroup };
    report.refusals = report.removed.drain(..).map(refusal).collect();
    report
}

pub(crate) fn unverified() -> Report {
    let mut report = report(group(&["tcp 22 0.0.0.0/0 temp ssh", "tcp 3389 ::/0 rdp"]));
    (report.outcome, report.closed_at) = (Outcome::Incomplete, None);
    let rdp = report.removed.pop().unwrap().ingress;
    report.remaining = enforced(&report).into_iter().filter(|finding| finding.ingress == rdp).collect();
    report.unverified =
        Some(PortError::new("DescribeSecurityGroupRules", ErrorKind::Throttled, "RequestLimitExceeded"));
    report.group.open_egress = Some(false);
    report
}

/// Somebody deleted the group before it could be closed.
pub(crate) fn already_gone() -> Report {
    let mut report = simple();
    (report.outcome, report.closed_at, report.rounds) = (Outcome::Noticed, None, 1);
    report.removed.clear();
    report
}

/// The event named a group that is not there.
pub(crate) fn vanished() -> Report {
    let mut report = report(SecurityGroup { name: Some("web".to_owned()), ..SecurityGroup::default() });
    (report.outcome, report.named, report.group.name) =
        (Outcome::Vanished, GroupRef::Name("web".to_owned()), Some("web".to_owned()));
    report
}

/// Somebody who wants the readers to look elsewhere, or to click.
pub(crate) fn nasty() -> Report {
    let mut report = simple();
    report.group.name = Some("web\r\nBcc: all@example.com\u{202e}<!channel> `x` *y*".to_owned());
    report.group.open_egress = None;
    report.group.rules[0].description =
        Some("\"} <https://evil.example|click> www.evil.example 'q' \u{1b}[31mRED\u{200b}".to_owned());
    report.removed[0].ingress = report.group.rules[0].clone();
    for finding in &mut report.findings {
        finding.ingress = report.group.rules[0].clone();
    }
    report.origin.actor.who = Some("<@U0123> @here &lt;b&gt;".to_owned());
    report.origin.user_agent = Some("curl\u{0}/\n8 `rm`".to_owned());
    report.origin.event_id = Some("e-1\n<!here>".to_owned());
    report.unresolved_prefix_lists = BTreeSet::from(["pl-<!here>".to_owned()]);
    report
}

fn enforced(report: &Report) -> Vec<Finding> {
    report.findings.iter().filter(|finding| finding.enforces()).cloned().collect()
}
