//! The findings of whole groups, and the effect of exceptions on them.

use super::*;
use crate::baseline::{COMMON_SERVICE_PORTS, baseline_policy};
use crate::group::tests::{group, rule};
use crate::policy::Action;
use crate::scope::{Glob, OpenedRules, Scope};
use crate::source::parse_cidr;

fn finding_lines(lines: &[&str]) -> Vec<String> {
    evaluate(
        &baseline_policy(),
        &group(lines),
        &PrefixLists::empty(),
        &Context::default(),
    )
    .findings
    .iter()
    .map(|finding| {
        let (from, to) = finding.ingress.display_ports();
        let ports = from
            .zip(to)
            .map_or("-".to_owned(), |(from, to)| format!("{from}-{to}"));
        let (protocol, source) = (finding.ingress.protocol(), &finding.ingress.source);
        format!(
            "{protocol} {ports} {source}: {} {}",
            finding.policy_rule.id, finding.offending
        )
    })
    .collect()
}

#[test]
fn ssh_open_to_the_world() {
    assert_eq!(
        finding_lines(&["tcp 22 0.0.0.0/0"]),
        ["tcp 22-22 0.0.0.0/0: restricted-common-ports 22"]
    );
    assert_eq!(
        finding_lines(&["udp 22 ::/0"]),
        ["udp 22-22 ::/0: restricted-common-ports 22"]
    );
}

#[test]
fn only_web_mail_and_name_services_may_be_open_to_the_world() {
    let allowed = [25, 53, 80, 443, 465, 587];
    for port in COMMON_SERVICE_PORTS {
        for protocol in ["tcp", "udp"] {
            let lines = finding_lines(&[&format!("{protocol} {port} 0.0.0.0/0")]);
            assert_eq!(lines.is_empty(), allowed.contains(&port), "{lines:?}");
        }
    }
    assert_eq!(
        finding_lines(&["tcp 5432 0.0.0.0/0"]),
        ["tcp 5432-5432 0.0.0.0/0: high-risk-ports 5432"]
    );
}

#[test]
fn web_ports_open_to_the_world_are_allowed() {
    assert!(
        finding_lines(&[
            "tcp 443 0.0.0.0/0",
            "tcp 80 ::/0",
            "icmp - 0.0.0.0/0",
            "tcp 22 10.0.0.0/8"
        ])
        .is_empty()
    );
}

#[test]
fn an_uncommon_port_open_to_the_world() {
    assert_eq!(
        finding_lines(&["tcp 8040 0.0.0.0/0"]),
        ["tcp 8040-8040 0.0.0.0/0: uncommon-ports 8040"]
    );
}

#[test]
fn a_range_violates_every_rule_it_overlaps() {
    assert_eq!(
        finding_lines(&["tcp 20-25 0.0.0.0/0"]),
        [
            "tcp 20-25 0.0.0.0/0: high-risk-ports 23",
            "tcp 20-25 0.0.0.0/0: port-range 20-25",
            "tcp 20-25 0.0.0.0/0: restricted-common-ports 20-22",
            "tcp 20-25 0.0.0.0/0: uncommon-ports 24",
        ]
    );
}

#[test]
fn all_traffic_violates_port_rules_too() {
    assert_eq!(
        finding_lines(&["-1 - ::/0"]),
        [
            "all - ::/0: all-traffic all",
            "all - ::/0: high-risk-ports 23,135,137-139,445,1433,1521,5432",
            "all - ::/0: port-range all",
            "all - ::/0: restricted-common-ports 20-22,3306,3389,4333",
            "all - ::/0: uncommon-ports 0-19,24,26-52,54-79,81-134,136,140-442,444,\
             446-464,466-586,588-1432,1434-1520,1522-3305,3307-3388,3390-5431,5433-65535",
        ]
    );
}

#[test]
fn port_ranges_from_other_sources_are_reported() {
    assert_eq!(
        finding_lines(&["tcp 8000-8010 10.0.0.0/8"]),
        ["tcp 8000-8010 10.0.0.0/8: port-range-internal 8000-8010"]
    );
    assert_eq!(
        finding_lines(&["tcp 8000-8010 pl-1"]),
        ["tcp 8000-8010 pl-1: port-range-internal 8000-8010"]
    );
    assert_eq!(
        finding_lines(&["-1 - 10.0.0.0/8"]),
        ["all - 10.0.0.0/8: port-range-internal all"]
    );
    assert!(
        finding_lines(&[
            "tcp 8000-8010 sg-1",
            "-1 - sg-1",
            "icmp - 10.0.0.0/8",
            "47 - 10.0.0.0/8"
        ])
        .is_empty()
    );
}

#[test]
fn broad_sources_are_reported_where_not_open_to_the_world() {
    assert_eq!(
        finding_lines(&["tcp 22 52.0.0.0/8"]),
        ["tcp 22-22 52.0.0.0/8: broad-source 22"]
    );
    assert_eq!(
        finding_lines(&["-1 - 0.0.0.0/1"]),
        [
            "all - 0.0.0.0/1: broad-source all",
            "all - 0.0.0.0/1: port-range-internal all"
        ]
    );
    assert_eq!(
        finding_lines(&["tcp 22-23 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
        [
            "tcp 22-22 128.0.0.0/1: restricted-common-ports 22",
            "tcp 22-23 0.0.0.0/1: broad-source 23",
            "tcp 22-23 0.0.0.0/1: port-range-internal 23",
            "tcp 22-23 0.0.0.0/1: restricted-common-ports 22",
        ]
    );
}

#[test]
fn other_protocols_open_to_the_world_are_reported() {
    assert_eq!(
        finding_lines(&["47 - 0.0.0.0/0"]),
        ["47 - 0.0.0.0/0: other-protocols all"]
    );
    assert!(finding_lines(&["47 - 52.0.0.0/8", "58 - ::/0"]).is_empty());
}

#[test]
fn unresolved_prefix_lists_are_listed() {
    let evaluation = evaluate(
        &baseline_policy(),
        &group(&["tcp 22 pl-2", "tcp 23 pl-2", "tcp 22 pl-1"]),
        &PrefixLists::empty(),
        &Context::default(),
    );
    assert_eq!(
        evaluation
            .unresolved_prefix_lists
            .into_iter()
            .collect::<Vec<_>>(),
        ["pl-1", "pl-2"]
    );
    assert!(evaluation.findings.is_empty());
}

#[test]
fn a_rule_that_is_off_is_not_evaluated() {
    let mut policy = baseline_policy();
    for rule in &mut policy.rules {
        Arc::make_mut(rule).action = Action::Off;
    }
    assert!(
        evaluate(
            &policy,
            &group(&["-1 - 0.0.0.0/0"]),
            &PrefixLists::empty(),
            &Context::default()
        )
        .findings
        .is_empty()
    );
}

fn exception(id: &str, ports: &[u16]) -> Exception {
    Exception {
        id: id.to_owned(),
        reason: "agreed".to_owned(),
        owner: "edge@example.com".to_owned(),
        expires: None,
        rules: Vec::new(),
        scope: Scope::default(),
        rule_tags: BTreeMap::new(),
        descriptions: Vec::new(),
        principals: Vec::new(),
        traffic: TrafficSet::tcp(ports.iter().copied().collect()),
        sources: Vec::new(),
    }
}

fn policy_with(exceptions: impl IntoIterator<Item = Exception>) -> Policy {
    Policy {
        exceptions: exceptions.into_iter().map(Arc::new).collect(),
        ..baseline_policy()
    }
}

/// The findings as rule, policy rule, action, offending ports and exception.
fn actions(policy: &Policy, context: &Context, lines: &[&str]) -> Vec<String> {
    let nines = parse_cidr("0.0.0.0/0")
        .unwrap()
        .subnets(9)
        .unwrap()
        .collect();
    let lists = PrefixLists::from_iter([("pl-nines", nines)]);
    evaluate(policy, &group(lines), &lists, context)
        .findings
        .iter()
        .map(|finding| {
            let Finding {
                ingress, offending, ..
            } = finding;
            let PolicyRule { id, action, .. } = &*finding.policy_rule;
            let exempt = finding.exempted_by.as_deref().unwrap_or("-");
            format!("{ingress}: {id} {action} {offending} {exempt}")
        })
        .collect()
}

#[test]
fn an_excepted_source_hides_no_list_that_covers_the_internet() {
    let partner = Exception {
        sources: vec!["8.0.0.0/8".parse().unwrap()],
        ..exception("partner", &[22])
    };
    assert_eq!(
        actions(
            &policy_with([partner]),
            &Context::default(),
            &[
                "tcp 22 8.0.0.0/8",
                "tcp 22 pl-nines",
                "tcp 22 203.0.113.7/32"
            ]
        ),
        [
            "tcp 22 8.0.0.0/8: restricted-common-ports revoke 22 partner",
            "tcp 22 pl-nines: restricted-common-ports revoke 22 -",
        ]
    );
}

#[test]
fn ports_that_an_unknown_principal_may_open_are_only_reported() {
    let deploy = Exception {
        principals: vec![Glob::new("deploy")],
        ..exception("deploy", &[22, 8040])
    };
    let policy = policy_with([deploy]);
    let lines = ["tcp 22 0.0.0.0/0", "tcp 8040-8041 0.0.0.0/0"];
    assert_eq!(
        actions(&policy, &Context::default(), &lines),
        [
            "tcp 22 0.0.0.0/0: restricted-common-ports notify 22 -",
            "tcp 8040-8041 0.0.0.0/0: port-range revoke 8041 -",
            "tcp 8040-8041 0.0.0.0/0: uncommon-ports revoke 8041 -",
        ]
    );
    let opened_ssh = |principal: &str| Context {
        principals: vec![principal.to_owned()],
        opened: OpenedRules::from_iter([&rule("tcp 22 1.2.3.4/0")]),
        ..Context::default()
    };
    assert_eq!(
        actions(&policy, &opened_ssh("alice"), &lines),
        [
            "tcp 22 0.0.0.0/0: restricted-common-ports revoke 22 -",
            "tcp 8040-8041 0.0.0.0/0: port-range revoke 8041 -",
            "tcp 8040-8041 0.0.0.0/0: uncommon-ports revoke 8041 -",
        ],
        "it is known that alice opened port 22, and not who opened the other rule"
    );
    assert_eq!(
        actions(&policy, &opened_ssh("deploy"), &lines)[0],
        "tcp 22 0.0.0.0/0: restricted-common-ports revoke 22 deploy"
    );
}

#[test]
fn traffic_that_exceptions_name_is_listed_for_rules_with_findings() {
    let other_policy_rule = Exception {
        rules: vec!["port-range".to_owned()],
        ..exception("range", &[8041])
    };
    let unknown_principal = Exception {
        principals: vec![Glob::new("deploy")],
        ..exception("deploy", &[8042])
    };
    let expired = Exception {
        expires: "2026-01-01T00:00:00Z".parse().ok(),
        ..exception("expired", &[8043])
    };
    let exceptions = [other_policy_rule, unknown_principal, expired];
    let context = Context {
        now: "2026-06-01T00:00:00Z".parse().ok(),
        ..Context::default()
    };
    let group = group(&["tcp 443 0.0.0.0/0", "tcp 8040-8043 0.0.0.0/0"]);
    let policy = policy_with(exceptions);
    let evaluation = evaluate(&policy, &group, &PrefixLists::empty(), &context);
    let expected = TrafficSet::tcp([8041, 8042].into_iter().collect());
    assert_eq!(evaluation.excepted, BTreeMap::from([(1, expected)]));
    let ids = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>();
    assert_eq!(ids(&evaluation.exceptions_used), ["range"]);
    assert_eq!(ids(&evaluation.exceptions_undecided), ["deploy"]);
    assert_eq!(ids(&evaluation.exceptions_expired), ["expired"]);
}

#[test]
fn all_traffic_offends_for_protocols_that_it_opens_together_with_others() {
    let web_only = PolicyRule {
        check: crate::check::Check::OpenExcept(TrafficSet::tcp([443].into_iter().collect())),
        ..(*baseline_policy().rules[0]).clone()
    };
    let policy = Policy {
        rules: vec![Arc::new(web_only)],
        ..Policy::default()
    };
    let offending_lines = |lines: &[&str]| -> Vec<String> {
        let (lists, context) = (PrefixLists::empty(), Context::default());
        let findings = evaluate(&policy, &group(lines), &lists, &context).findings;
        findings
            .iter()
            .map(|it| format!("{}: {:?}", it.ingress, it.offending.icmp))
            .collect()
    };
    assert_eq!(
        offending_lines(&["-1 - 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]),
        ["all - 0.0.0.0/1: true", "icmp 8/0 128.0.0.0/1: true"]
    );
    assert_eq!(
        offending_lines(&["-1 - 52.0.0.0/8", "47 - 0.0.0.0/0"]),
        ["47 - 0.0.0.0/0: false", "all - 52.0.0.0/8: false"]
    );
}

fn allowed_lines(policy: &Policy, lines: &[&str]) -> Vec<String> {
    let group = group(lines);
    let evaluation = evaluate(policy, &group, &PrefixLists::empty(), &Context::default());
    let allowed = evaluation.open_and_allowed.iter();
    allowed
        .map(|(index, traffic)| {
            let icmp = if traffic.icmp { " icmp" } else { "" };
            let numbers = traffic.other_protocols.numbers().count();
            let (tcp, udp) = (&traffic.tcp, &traffic.udp);
            format!("{}: tcp:{tcp} udp:{udp}{icmp} +{numbers}", lines[*index])
        })
        .collect()
}

#[test]
fn open_and_allowed_is_what_no_policy_rule_forbids() {
    let baseline = baseline_policy();
    let lines = [
        "tcp 443 0.0.0.0/0",
        "tcp 80 10.0.0.0/8",
        "udp 53 ::/0",
        "icmp 8 0.0.0.0/0",
        "tcp 22 0.0.0.0/0",
        "tcp 443-445 0.0.0.0/0",
        // The policy rule only notifies, but it forbids the traffic.
        "50 - 0.0.0.0/0",
        "-1 - ::/0",
    ];
    assert_eq!(
        allowed_lines(&baseline, &lines),
        [
            "tcp 443 0.0.0.0/0: tcp:443 udp: +0",
            "udp 53 ::/0: tcp: udp:53 +0",
            "icmp 8 0.0.0.0/0: tcp: udp: icmp +0",
        ]
    );
}

#[test]
fn the_rest_of_a_range_that_no_policy_rule_forbids_is_allowed() {
    let mut policy = baseline_policy();
    policy
        .rules
        .retain(|rule| !["port-range", "all-traffic"].contains(&rule.id.as_str()));
    assert_eq!(
        allowed_lines(&policy, &["tcp 79-81 0.0.0.0/0", "-1 - ::/0"]),
        [
            "tcp 79-81 0.0.0.0/0: tcp:80 udp: +0",
            "-1 - ::/0: tcp:25,53,80,443,465,587 udp:25,53,80,443,465,587 icmp +252",
        ]
    );
}
