//! Reports for tests, made as the remediator makes them: decided by a policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_rules::check::Check;
use portcullis_rules::group::Ec2Ports;
use portcullis_rules::plan::{
    Addition, ApplyOrder, Purpose, RefusalReason, SkipReason, SkippedAddition,
};
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{
    Action, Decision, Exception, IngressRule, PlanInput, Policy, PolicyRule, PortSet, PrefixLists,
    Scope, SecurityGroup, Severity, Source, TrafficSet, baseline, decide,
};

use super::rule_outcome::sort_by_attention;
use super::{FailedAddition, GroupOutcome, GroupReport, RuleOutcome, RuleStatus};
use crate::event::{Actor, GroupChange, Origin, Target};
use crate::services::{ErrorKind, GroupRef, Mode, ServiceError};

mod by_size;
mod hostile;
mod huge;
mod withdrawn;

pub(crate) use by_size::{single_rule_reports, six_rule_reports};
pub(crate) use hostile::hostile_text_report;
pub(crate) use huge::huge_report;
pub(crate) use withdrawn::withdrawn_report;

const GROUP_ID: &str = "sg-0123456789abcdef0";

/// A rule in a line, `tcp 20-25 0.0.0.0/0 described so`, with an id made of its number.
fn numbered_rule(number: usize, line: &str) -> IngressRule {
    let mut words = line.splitn(4, ' ');
    let (protocol, ports, source) = (
        words.next().unwrap(),
        words.next().unwrap(),
        words.next().unwrap(),
    );
    let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
    let ports = Ec2Ports {
        from: from.parse().ok(),
        to: to.parse().ok(),
    };
    let source = match source {
        list if list.starts_with("pl-") => Source::PrefixList(list.to_owned()),
        cidr => Source::from_cidr(cidr).unwrap(),
    };
    let mut rule = IngressRule::new(protocol.parse().unwrap(), ports, source).unwrap();
    rule.id = Some(rule_id(number));
    rule.description = words.next().map(str::to_owned);
    rule
}

fn rule_id(number: usize) -> String {
    format!("sgr-{number:017x}")
}

/// A group of such rules, numbered from one.
pub(crate) fn sample_group(lines: &[&str]) -> SecurityGroup {
    SecurityGroup {
        id: GROUP_ID.to_owned(),
        name: Some("web".to_owned()),
        vpc_id: Some("vpc-0a1b2c3d".to_owned()),
        owner_id: Some("111122223333".to_owned()),
        rules: (1..)
            .zip(lines)
            .map(|(number, line)| numbered_rule(number, line))
            .collect(),
        open_egress: Some(true),
        ..SecurityGroup::default()
    }
}

pub(crate) fn sample_origin() -> Origin {
    Origin {
        event_id: Some("8f5c1c0e-6a3b-4d2e-9f10-0123456789ab".to_owned()),
        event_name: "AuthorizeSecurityGroupIngress".to_owned(),
        time: Some("2026-11-21T03:12:45Z".parse().unwrap()),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        actor: Actor {
            kind: Some("AssumedRole".to_owned()),
            who: Some("alice@example.com (role Developer)".to_owned()),
            arn: Some(
                "arn:aws:sts::111122223333:assumed-role/Developer/alice@example.com".to_owned(),
            ),
            issuer: Some("arn:aws:iam::111122223333:role/Developer".to_owned()),
            ..Actor::default()
        },
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/macos".to_owned()),
    }
}

/// The event that opened these rules.
fn sample_change(group_id: &str, opened: &[IngressRule]) -> GroupChange {
    GroupChange {
        origin: sample_origin(),
        target: Target::Groups(vec![GroupRef::Id(group_id.to_owned())]),
        claimed_rules: opened.to_vec(),
    }
}

/// The decision about a group, with one prefix list that is open to the world.
pub(crate) fn decide_with_policy(policy: &Policy, group: &SecurityGroup) -> Decision {
    let whole_world = ["0.0.0.0/1", "128.0.0.0/1"]
        .map(|half| parse_cidr(half).unwrap())
        .to_vec();
    let lists = PrefixLists::from_iter([("pl-0fedcba9876543210", whole_world)]);
    let context = sample_origin().evaluation_context("2026-11-21T03:12:46Z".parse().ok());
    decide(&PlanInput::new(policy, group, &lists, &context))
}

/// The report in monitor mode.
fn planned_report(policy: &Policy, group: &SecurityGroup) -> GroupReport {
    let change = sample_change(&group.id, &group.rules);
    let named = GroupRef::Id(group.id.clone());
    let decision = decide_with_policy(policy, group);
    GroupReport::planned(policy, &change, &named, group, &decision)
}

/// The report in enforce mode if everything succeeds, under the baseline policy.
pub(crate) fn baseline_report(group: &SecurityGroup) -> GroupReport {
    report_with_policy(&baseline::baseline_policy(), group)
}

/// The report in enforce mode if everything succeeds.
pub(crate) fn report_with_policy(policy: &Policy, group: &SecurityGroup) -> GroupReport {
    let change = sample_change(&group.id, &group.rules);
    let named = GroupRef::Id(group.id.clone());
    let decision = decide_with_policy(policy, group);
    let mut report = GroupReport::preview_enforced(policy, &change, &named, group, &decision);
    finish_report(&mut report);
    report
}

/// Sets what follows from the outcomes of the rules.
fn finish_report(report: &mut GroupReport) {
    sort_by_attention(&mut report.rules);
    report.outcome = GroupOutcome::from_rules(&report.rules, report.unverified.is_none());
    report.closed_at = None;
    if report.outcome == GroupOutcome::Closed {
        report.closed_at = "2026-11-21T03:12:47Z".parse().ok();
    }
}

/// The outcome of the rule with this number in the lines of the group.
fn numbered_outcome(report: &mut GroupReport, number: usize) -> &mut RuleOutcome {
    let id = Some(rule_id(number));
    let mut rules = report.rules.iter_mut();
    rules.find(|outcome| outcome.rule.id == id).unwrap()
}

/// A rule that was not removed after all.
fn mark_not_removed(outcome: &mut RuleOutcome, status: RuleStatus) {
    outcome.status = status;
    outcome.removed = false;
    outcome.replacements.clear();
}

/// Only HTTP and HTTPS may be open to the world; the rest of it is narrowed away. SSH is for the
/// office.
pub(crate) fn web_only_policy() -> Policy {
    let rule = |id: &str, forbids: &str, check, action, trusted: &[&str]| {
        Arc::new(PolicyRule {
            id: id.to_owned(),
            forbids: forbids.to_owned(),
            check,
            severity: Severity::High,
            action,
            references: vec!["EC2-001".to_owned()],
            scope: Scope::default(),
            trusted: trusted
                .iter()
                .map(|source| source.parse().unwrap())
                .collect(),
        })
    };
    let ports = |ports: &[u16]| TrafficSet::tcp(ports.iter().copied().collect());
    let office = ["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/48"];
    let rules = vec![
        rule(
            "ssh-from-office",
            "SSH open to the world",
            Check::OpenPorts(ports(&[22])),
            Action::Restrict,
            &office,
        ),
        rule(
            "web-only",
            "anything but HTTP and HTTPS open to the world",
            Check::OpenExcept(ports(&[80, 443, 22])),
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

fn port_exception(id: &str, port: u16, expires: Option<&str>) -> Arc<Exception> {
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
pub(crate) fn narrowed_report() -> GroupReport {
    let mut group = sample_group(&["tcp 23-65535 0.0.0.0/0 the shop", "tcp 22 10.0.0.0/8"]);
    let tags = &mut group.rules[0].tags;
    tags.insert("team".to_owned(), "shop".to_owned());
    report_with_policy(&web_only_policy(), &group)
}

/// SSH is for the office.
pub(crate) fn restricted_report() -> GroupReport {
    let group = sample_group(&["tcp 22 0.0.0.0/0 temp ssh"]);
    report_with_policy(&web_only_policy(), &group)
}

fn mixed_remedies_group() -> SecurityGroup {
    sample_group(&[
        "-1 -1--1 0.0.0.0/0 all of it",
        "udp 53 ::/0 dns",
        "tcp 22 ::/0",
    ])
}

/// All kinds of remedies. The rules quota does not allow the old and the new rules at once.
pub(crate) fn mixed_remedies_report() -> GroupReport {
    let mut report = report_with_policy(&web_only_policy(), &mixed_remedies_group());
    report.order = ApplyOrder::RemoveFirst;
    report
}

/// The same in monitor mode.
pub(crate) fn would_narrow_report() -> GroupReport {
    let mut report = planned_report(&web_only_policy(), &mixed_remedies_group());
    report.order = ApplyOrder::AddFirst;
    report
}

/// One exception is live, one has expired.
pub(crate) fn exempt_report() -> GroupReport {
    let mut policy = web_only_policy();
    policy.exceptions = vec![
        port_exception("vendor", 8443, None),
        port_exception("old-vendor", 9443, Some("2026-11-01T00:00:00Z")),
    ];
    let group = sample_group(&["tcp 8443 0.0.0.0/0 vendor", "tcp 9443 0.0.0.0/0 old vendor"]);
    report_with_policy(&policy, &group)
}

/// Allowed access was lost: over quota, and without permission.
pub(crate) fn lost_access_report() -> GroupReport {
    let mut lines: Vec<String> = (1..=58)
        .map(|host| format!("tcp 443 10.0.0.{host}/32"))
        .collect();
    lines.push("tcp 22-65535 0.0.0.0/0 the shop".to_owned());
    lines.push("tcp 22 128.0.0.0/1 half of the world".to_owned());
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut report = report_with_policy(&web_only_policy(), &sample_group(&lines));
    let message = "UnauthorizedOperation: You are not authorized to perform this operation.";
    let error = ServiceError::new("AuthorizeSecurityGroupIngress", ErrorKind::Denied, message);
    let outcome = numbered_outcome(&mut report, 59);
    let is_web = |addition: &Addition| addition.purpose == Purpose::Keep;
    let (web, mut trusted): (Vec<_>, Vec<_>) = outcome.replacements.drain(..).partition(is_web);
    let addition = trusted.remove(0);
    outcome.replacements = trusted;
    outcome.failed_additions = vec![FailedAddition { addition, error }];
    let over_quota = web.into_iter().map(|addition| SkippedAddition {
        ingress: addition.ingress,
        reason: SkipReason::RulesQuota,
    });
    report.skipped_additions.extend(over_quota);
    report
}

/// A guardrail refuses a plan that would remove more than two rules.
pub(crate) fn removal_limit_report() -> GroupReport {
    let mut policy = web_only_policy();
    policy.guardrails.max_removals = Some(2);
    let group = sample_group(&["tcp 23 0.0.0.0/0", "tcp 80-90 0.0.0.0/0", "tcp 22 ::/0"]);
    report_with_policy(&policy, &group)
}

/// The plan did not pass its verification.
pub(crate) fn failed_verification_report() -> GroupReport {
    let mut report = refused_report();
    report.group.owner_id = Some("111122223333".to_owned());
    report.rules[0].status = RuleStatus::Refused(RefusalReason::FailedVerification);
    finish_report(&mut report);
    report
}

/// All kinds of rules. Everything that has to be removed is removed.
pub(crate) fn closed_report() -> GroupReport {
    let mut group = sample_group(&[
        "tcp 22 0.0.0.0/0 temp ssh for INC-4711, remove by friday",
        "tcp 8000-8090 ::/0",
        "-1 -1--1 0.0.0.0/0 debugging",
        "tcp 3306 pl-0fedcba9876543210 partners (see wiki)",
        "tcp 443 0.0.0.0/0 the shop",
        "tcp 9000-9010 10.20.0.0/16 metrics",
    ]);
    let tags = &mut group.rules[0].tags;
    tags.insert("ticket".to_owned(), "INC-4711".to_owned());
    let mut report = baseline_report(&group);
    report.opened = group.rules.iter().take(2).collect();
    report.policy.version = Some(4);
    report.policy.hash = Some("4f".repeat(32));
    report
}

/// One rule, one port: the most common case.
pub(crate) fn single_rule_report() -> GroupReport {
    baseline_report(&sample_group(&["tcp 22 0.0.0.0/0 temp ssh"]))
}

/// Two rules in monitor mode.
pub(crate) fn monitor_report() -> GroupReport {
    let group = sample_group(&["tcp 22 0.0.0.0/0 temp ssh", "tcp 3389 ::/0"]);
    planned_report(&baseline::baseline_policy(), &group)
}

/// Findings that the policy only reports.
pub(crate) fn notify_only_report() -> GroupReport {
    let mut report = baseline_report(&sample_group(&[
        "tcp 9000-9010 10.20.0.0/16 metrics",
        "tcp 443 52.0.0.0/6",
        "tcp 22 pl-0bad",
    ]));
    report.group.open_egress = None;
    report
}

/// The role is not allowed to revoke one of the rules, and another one was added again.
pub(crate) fn incomplete_report() -> GroupReport {
    let mut report = baseline_report(&sample_group(&[
        "tcp 22 0.0.0.0/0 temp ssh",
        "tcp 3389 ::/0 rdp",
        "udp 5000-5010 0.0.0.0/0",
        "tcp 21 0.0.0.0/0",
    ]));
    let message = "UnauthorizedOperation: You are not authorized to perform this operation. \
                   Encoded authorization failure message: tHiSiSnOtRead4bLe (request id 5b1c)";
    let denied = revoke_error(ErrorKind::Denied, message);
    let timed_out = revoke_error(ErrorKind::NoAnswer, "timed out after 3 s");
    mark_not_removed(numbered_outcome(&mut report, 1), RuleStatus::Failed(denied));
    mark_not_removed(
        numbered_outcome(&mut report, 2),
        RuleStatus::Failed(timed_out),
    );
    numbered_outcome(&mut report, 3).status = RuleStatus::Reopened;
    report.rounds = 3;
    finish_report(&mut report);
    report
}

fn revoke_error(kind: ErrorKind, message: &str) -> ServiceError {
    ServiceError::new("RevokeSecurityGroupIngress", kind, message)
}

/// A group of a shared VPC.
pub(crate) fn refused_report() -> GroupReport {
    let mut report = baseline_report(&sample_group(&["tcp 22 0.0.0.0/0 temp ssh"]));
    report.group.owner_id = Some("444455556666".to_owned());
    report.rounds = 0;
    let refused = RuleStatus::Refused(RefusalReason::ForeignGroup);
    mark_not_removed(&mut report.rules[0], refused);
    finish_report(&mut report);
    report
}

/// The group could not be read again.
pub(crate) fn unverified_report() -> GroupReport {
    let mut report = baseline_report(&sample_group(&[
        "tcp 22 0.0.0.0/0 temp ssh",
        "tcp 3389 ::/0 rdp",
    ]));
    let rdp = numbered_outcome(&mut report, 2);
    mark_not_removed(rdp, RuleStatus::Unverified(None));
    report.unverified = Some(ServiceError::new(
        "DescribeSecurityGroupRules",
        ErrorKind::Throttled,
        "RequestLimitExceeded",
    ));
    report.group.open_egress = Some(false);
    finish_report(&mut report);
    report
}

/// The group was deleted before it could be closed.
pub(crate) fn already_gone_report() -> GroupReport {
    let mut report = single_rule_report();
    mark_not_removed(&mut report.rules[0], RuleStatus::Gone);
    finish_report(&mut report);
    report
}

/// The event referred to a group that does not exist.
pub(crate) fn group_deleted_report() -> GroupReport {
    let policy = baseline::baseline_policy();
    let named = GroupRef::Name("web".to_owned());
    GroupReport::group_deleted(&policy, &sample_change("", &[]), &named, Mode::Enforce)
}
