//! Reports to test with, made as the use case makes them: judged by the baseline and planned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_rules::check::Check;
use portcullis_rules::group::Ec2Ports;
use portcullis_rules::plan::{
    Addition, ApplyOrder, Purpose, Refusal, RefusalReason, SkipReason, SkippedAddition,
};
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{
    Action, Exception, Finding, IngressRule, PlanInput, Policy, PolicyRule, PortSet, PrefixLists,
    Scope, SecurityGroup, Source, TrafficSet, baseline, build_plan, evaluate,
};

use crate::event::{Actor, Origin};
use crate::report::{FailedAddition, FailedRemoval, GroupOutcome, GroupReport};
use crate::services::{ErrorKind, GroupRef, Mode, ServiceError};

const GROUP_ID: &str = "sg-0123456789abcdef0";

/// A rule in a line, `tcp 20-25 0.0.0.0/0 described so`, with an id made of its place.
fn numbered_rule(place: usize, line: &str) -> IngressRule {
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
    rule.id = Some(format!("sgr-{place:017x}"));
    rule.description = words.next().map(str::to_owned);
    rule
}

/// A group of such rules.
pub(crate) fn sample_group(lines: &[&str]) -> SecurityGroup {
    SecurityGroup {
        id: GROUP_ID.to_owned(),
        name: Some("web".to_owned()),
        vpc_id: Some("vpc-0a1b2c3d".to_owned()),
        owner_id: Some("111122223333".to_owned()),
        rules: (1..)
            .zip(lines)
            .map(|(place, line)| numbered_rule(place, line))
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
            invoked_by: None,
        },
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/macos".to_owned()),
    }
}

/// What the use case reports when all goes well.
pub(crate) fn baseline_report(group: SecurityGroup) -> GroupReport {
    report_with_policy(&baseline::baseline_policy(), group)
}

/// As [`report`], by another policy.
pub(crate) fn report_with_policy(policy: &Policy, group: SecurityGroup) -> GroupReport {
    let whole_world = ["0.0.0.0/1", "128.0.0.0/1"]
        .map(|half| parse_cidr(half).unwrap())
        .to_vec();
    let lists = PrefixLists::from_iter([("pl-0fedcba9876543210", whole_world)]);
    let context = sample_origin().evaluation_context("2026-11-21T03:12:46Z".parse().ok());
    let judgement = evaluate(policy, &group, &lists, &context);
    let situation = PlanInput::new(policy, &group, &lists, &context);
    let plan = build_plan(&situation, &judgement);
    let remaining: Vec<_> = judgement
        .findings
        .iter()
        .filter(|finding| finding.enforces())
        .cloned()
        .collect();
    let outcome = match (plan.is_empty(), plan.refusals.is_empty()) {
        (false, _) => GroupOutcome::Closed,
        (true, false) => GroupOutcome::Refused,
        (true, true) => GroupOutcome::Reported,
    };
    GroupReport {
        outcome,
        mode: Mode::Enforce,
        policy: policy.name.clone(),
        origin: sample_origin(),
        group_ref: GroupRef::Id(group.id.clone()),
        findings: judgement.findings,
        closed_at: (outcome == GroupOutcome::Closed)
            .then(|| "2026-11-21T03:12:47Z".parse().unwrap()),
        rounds: u32::from(!plan.removals.is_empty()),
        removed: plan.removals,
        added: plan.additions,
        skipped_additions: plan.skipped_additions,
        failed_additions: Vec::new(),
        order: plan.order,
        failed_removals: Vec::new(),
        refusals: plan.refusals,
        remaining: if outcome == GroupOutcome::Refused {
            remaining
        } else {
            Vec::new()
        },
        unresolved_prefix_lists: judgement.unresolved_prefix_lists,
        expired_exceptions: judgement.exceptions_expired,
        unverified: None,
        group,
    }
}

/// Only HTTP and HTTPS may be open to the world; the rest of it is narrowed away. SSH is for the office.
pub(crate) fn web_only_policy() -> Policy {
    let rule = |id: &str, forbids: &str, check, action, trusted: &[&str]| {
        Arc::new(PolicyRule {
            id: id.to_owned(),
            forbids: forbids.to_owned(),
            check,
            severity: portcullis_rules::Severity::High,
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
    group.rules[0]
        .tags
        .insert("team".to_owned(), "shop".to_owned());
    report_with_policy(&web_only_policy(), group)
}

/// SSH is for the office.
pub(crate) fn restricted_report() -> GroupReport {
    report_with_policy(
        &web_only_policy(),
        sample_group(&["tcp 22 0.0.0.0/0 temp ssh"]),
    )
}

/// All kinds of deeds; the group has no room for old and new rules at once.
pub(crate) fn mixed_remedies_report() -> GroupReport {
    let mut report = report_with_policy(
        &web_only_policy(),
        sample_group(&[
            "-1 -1--1 0.0.0.0/0 all of it",
            "udp 53 ::/0 dns",
            "tcp 22 ::/0",
        ]),
    );
    report.order = ApplyOrder::RemoveFirst;
    report
}

/// The same in monitor mode.
pub(crate) fn would_narrow_report() -> GroupReport {
    let mut report = mixed_remedies_report();
    (report.mode, report.outcome, report.rounds, report.closed_at) =
        (Mode::Monitor, GroupOutcome::WouldClose, 0, None);
    (report.remaining, report.order) = (enforced_findings(&report), ApplyOrder::AddFirst);
    report
}

/// One exception is live, one has ended.
pub(crate) fn exempt_report() -> GroupReport {
    let mut policy = web_only_policy();
    policy.exceptions = vec![
        port_exception("vendor", 8443, None),
        port_exception("old-vendor", 9443, Some("2026-11-01T00:00:00Z")),
    ];
    report_with_policy(
        &policy,
        sample_group(&["tcp 8443 0.0.0.0/0 vendor", "tcp 9443 0.0.0.0/0 old vendor"]),
    )
}

/// Not all of what may stay could be kept: no room, no permission, and a trusted source that had no access.
pub(crate) fn lost_access_report() -> GroupReport {
    let mut lines: Vec<String> = (1..=58)
        .map(|host| format!("tcp 443 10.0.0.{host}/32"))
        .collect();
    lines.push("tcp 22-65535 0.0.0.0/0 the shop".to_owned());
    lines.push("tcp 22 128.0.0.0/1 half of the world".to_owned());
    let mut report = report_with_policy(
        &web_only_policy(),
        sample_group(&lines.iter().map(String::as_str).collect::<Vec<_>>()),
    );
    let addition = report.added.remove(0);
    let message = "UnauthorizedOperation: You are not authorized to perform this operation.";
    let error = ServiceError::new("AuthorizeSecurityGroupIngress", ErrorKind::Denied, message);
    report.failed_additions = vec![FailedAddition { addition, error }];
    report
}

/// A guardrail stops what would remove more than two rules.
pub(crate) fn removal_limit_report() -> GroupReport {
    let mut policy = web_only_policy();
    policy.guardrails.max_removals = Some(2);
    report_with_policy(
        &policy,
        sample_group(&["tcp 23 0.0.0.0/0", "tcp 80-90 0.0.0.0/0", "tcp 22 ::/0"]),
    )
}

/// The plan did not pass its own check.
pub(crate) fn failed_verification_report() -> GroupReport {
    let mut report = refused_report();
    report.group.owner_id = Some("111122223333".to_owned());
    report.outcome = GroupOutcome::NotClosed;
    report.refusals[0].reason = RefusalReason::FailedVerification;
    report
}

/// All kinds of rules, all of them removed that have to be.
pub(crate) fn closed_report() -> GroupReport {
    let mut group = sample_group(&[
        "tcp 22 0.0.0.0/0 temp ssh for INC-4711, remove by friday",
        "tcp 8000-8090 ::/0",
        "-1 -1--1 0.0.0.0/0 debugging",
        "tcp 3306 pl-0fedcba9876543210 partners (see wiki)",
        "tcp 443 0.0.0.0/0 the shop",
        "tcp 9000-9010 10.20.0.0/16 metrics",
    ]);
    group.rules[0]
        .tags
        .insert("ticket".to_owned(), "INC-4711".to_owned());
    baseline_report(group)
}

/// One rule, one port: what happens most.
pub(crate) fn single_rule_report() -> GroupReport {
    baseline_report(sample_group(&["tcp 22 0.0.0.0/0 temp ssh"]))
}

pub(crate) fn monitor_report() -> GroupReport {
    let mut report = baseline_report(sample_group(&[
        "tcp 22 0.0.0.0/0 temp ssh",
        "tcp 3389 ::/0",
    ]));
    (report.mode, report.outcome, report.rounds, report.closed_at) =
        (Mode::Monitor, GroupOutcome::WouldClose, 0, None);
    report.remaining = enforced_findings(&report);
    report
}

pub(crate) fn notify_only_report() -> GroupReport {
    let mut report = baseline_report(sample_group(&[
        "tcp 9000-9010 10.20.0.0/16 metrics",
        "tcp 443 52.0.0.0/6",
        "tcp 22 pl-0bad",
    ]));
    report.group.open_egress = None;
    report
}

/// The role may not revoke one of the rules; another came back.
pub(crate) fn incomplete_report() -> GroupReport {
    let mut report = baseline_report(sample_group(&[
        "tcp 22 0.0.0.0/0 temp ssh",
        "tcp 3389 ::/0 rdp",
        "udp 5000-5010 0.0.0.0/0",
        "tcp 21 0.0.0.0/0",
    ]));
    (report.outcome, report.closed_at, report.rounds) = (GroupOutcome::NotClosed, None, 3);
    let message = "UnauthorizedOperation: You are not authorized to perform this operation. Encoded authorization failure \
                   message: tHiSiSnOtRead4bLe (request id 5b1c)";
    let error = |kind| ServiceError::new("RevokeSecurityGroupIngress", kind, message);
    let [ssh, rdp, udp] = [0, 1, 2].map(|place: usize| report.group.rules[place].clone());
    let is = |rule: &IngressRule| {
        let rule = rule.clone();
        move |finding: &Finding| finding.ingress == rule
    };
    let remaining = |finding: &Finding| is(&ssh)(finding) || is(&rdp)(finding) || is(&udp)(finding);
    report.remaining = enforced_findings(&report)
        .into_iter()
        .filter(remaining)
        .collect();
    report
        .removed
        .retain(|removal| removal.ingress != ssh && removal.ingress != rdp);
    report.failed_removals = vec![
        FailedRemoval {
            ingress: ssh,
            error: error(ErrorKind::Denied),
        },
        FailedRemoval {
            ingress: rdp,
            error: ServiceError::new(
                "RevokeSecurityGroupIngress",
                ErrorKind::NoAnswer,
                "timed out after 3 s",
            ),
        },
    ];
    report
}

/// As much as can come: a thousand findings, long texts everywhere.
pub(crate) fn huge_report() -> GroupReport {
    let long = "\"é\\".repeat(85);
    let lines: Vec<_> = (20_000..21_000)
        .map(|port| format!("tcp {port} 0.0.0.0/0 {long}"))
        .collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut report = baseline_report(sample_group(&lines));
    for removal in &mut report.removed {
        removal.ingress.tags = (0..5)
            .map(|tag| (format!("key-{tag}"), "é".repeat(256)))
            .collect();
    }
    let error = ServiceError::new(
        "RevokeSecurityGroupIngress",
        ErrorKind::Denied,
        "x\n".repeat(4000),
    );
    report.failed_removals = report
        .group
        .rules
        .iter()
        .map(|rule| FailedRemoval {
            ingress: rule.clone(),
            error: error.clone(),
        })
        .collect();
    report.remaining = report.findings.clone();
    let exempt: Vec<_> = report
        .findings
        .iter()
        .enumerate()
        .map(|(place, finding)| {
            let mut finding = finding.clone();
            finding.exempted_by = Some(long.clone());
            finding.ingress.id = Some(format!("sgr-exempt{place}"));
            finding
        })
        .collect();
    report.findings.extend(exempt);
    (report.outcome, report.unverified) = (GroupOutcome::NotClosed, Some(error.clone()));
    let additions = report.group.rules.iter().map(|rule| Addition {
        ingress: rule.clone(),
        purpose: Purpose::Keep,
        replaces: rule.clone(),
        is_excepted: false,
    });
    report.added = additions.collect();
    report.failed_additions = report
        .added
        .iter()
        .map(|addition| FailedAddition {
            addition: addition.clone(),
            error: error.clone(),
        })
        .collect();
    let lost = |rule: &IngressRule| SkippedAddition {
        ingress: rule.clone(),
        reason: SkipReason::RulesQuota,
    };
    report.skipped_additions = report.group.rules.iter().map(lost).collect();
    report.expired_exceptions = (0..1000)
        .map(|number| format!("{number}{}", "\"é\\".repeat(85)))
        .collect();
    report.unresolved_prefix_lists = (0..1000).map(|list| format!("pl-{list:017x}")).collect();
    report.group.name = Some("\"".repeat(255));
    report.origin.user_agent = Some("\u{1}".repeat(100_000));
    report.origin.actor.who = Some("\\".repeat(100_000));
    report
}

/// A group of a shared VPC.
pub(crate) fn refused_report() -> GroupReport {
    let mut report = baseline_report(sample_group(&["tcp 22 0.0.0.0/0 temp ssh"]));
    report.group.owner_id = Some("444455556666".to_owned());
    (report.outcome, report.closed_at, report.rounds) = (GroupOutcome::Refused, None, 0);
    report.remaining = enforced_findings(&report);
    let refusal = |removal: portcullis_rules::Removal| Refusal {
        ingress: removal.ingress,
        reason: RefusalReason::ForeignGroup,
    };
    report.refusals = report.removed.drain(..).map(refusal).collect();
    report
}

pub(crate) fn unverified_report() -> GroupReport {
    let mut report = baseline_report(sample_group(&[
        "tcp 22 0.0.0.0/0 temp ssh",
        "tcp 3389 ::/0 rdp",
    ]));
    (report.outcome, report.closed_at) = (GroupOutcome::NotClosed, None);
    let rdp = report.removed.pop().unwrap().ingress;
    report.remaining = enforced_findings(&report)
        .into_iter()
        .filter(|finding| finding.ingress == rdp)
        .collect();
    report.unverified = Some(ServiceError::new(
        "DescribeSecurityGroupRules",
        ErrorKind::Throttled,
        "RequestLimitExceeded",
    ));
    report.group.open_egress = Some(false);
    report
}

/// Somebody deleted the group before it could be closed.
pub(crate) fn already_gone_report() -> GroupReport {
    let mut report = single_rule_report();
    (report.outcome, report.closed_at, report.rounds) = (GroupOutcome::Reported, None, 1);
    report.removed.clear();
    report
}

/// The event named a group that is not there.
pub(crate) fn group_deleted_report() -> GroupReport {
    let mut report = baseline_report(SecurityGroup {
        name: Some("web".to_owned()),
        ..SecurityGroup::default()
    });
    (report.outcome, report.group_ref, report.group.name) = (
        GroupOutcome::GroupDeleted,
        GroupRef::Name("web".to_owned()),
        Some("web".to_owned()),
    );
    report
}

/// Somebody who wants the readers to look elsewhere, or to click.
pub(crate) fn hostile_text_report() -> GroupReport {
    let mut report = single_rule_report();
    report.group.name = Some("web\r\nBcc: all@example.com\u{202e}<!channel> `x` *y*".to_owned());
    report.group.open_egress = None;
    report.group.rules[0].description = Some(
        "\"} <https://evil.example|click> www.evil.example 'q' \u{1b}[31mRED\u{200b}".to_owned(),
    );
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

fn enforced_findings(report: &GroupReport) -> Vec<Finding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.enforces())
        .cloned()
        .collect()
}
