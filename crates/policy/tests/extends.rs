//! One policy laid over another.

#![expect(clippy::panic, reason = "a test may fail loudly, and its helpers too")]

use portcullis_policy::parse_policy;
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::check::Check;
use portcullis_rules::{Action, Policy, PortRange, PortSet, Severity, TrafficSet};

fn over(preset: &str, rest: &str) -> Policy {
    let text = format!("version: 1\nextends: {preset}\n{rest}");
    parse_policy("mine.yaml", &text)
        .unwrap_or_else(|wrong| panic!("{wrong}"))
        .policy
}

fn port(port: u16) -> PortSet {
    PortRange::single(port).into()
}

#[test]
fn alone_it_is_the_other_policy_under_its_own_name() {
    assert_eq!(
        over("baseline", ""),
        Policy {
            name: "mine".into(),
            ..baseline_policy()
        }
    );
    assert!(over("monitor", "").monitor);
    assert!(!over("monitor", "mode: enforce\n").monitor);
}

#[test]
fn a_rule_with_a_known_id_replaces_the_fields_it_names() {
    let policy = over(
        "baseline",
        "rules: [{ id: uncommon-ports, severity: low, action: notify }]\n",
    );
    assert_eq!(policy.rules.len(), 7);
    let (mine, theirs) = (
        policy.rule_by_id("uncommon-ports").unwrap(),
        baseline_policy(),
    );
    let theirs = theirs.rule_by_id("uncommon-ports").unwrap();
    assert_eq!(
        (mine.severity, mine.action),
        (Severity::Low, Action::Notify)
    );
    assert_eq!(
        (&mine.check, &mine.forbids, &mine.references),
        (&theirs.check, &theirs.forbids, &theirs.references)
    );
}

#[test]
fn new_rules_come_after_the_others_in_the_order_of_the_text() {
    let rest = "rules:\n  - { id: b, forbids: x, check: port-range, severity: low, action: off }\n  \
                - { id: port-range, action: off }\n  \
                - { id: a, forbids: x, check: port-range, severity: low, action: off }\n";
    let ids: Vec<_> = over("baseline", rest)
        .rules
        .iter()
        .map(|rule| rule.id.clone())
        .collect();
    assert_eq!(
        ids[3..],
        [
            "port-range",
            "port-range-internal",
            "broad-source",
            "other-protocols",
            "b",
            "a"
        ]
    );
}

#[test]
fn a_new_check_brings_its_own_parameters() {
    let check = |rest: &str| {
        over("baseline", rest)
            .rule_by_id("restricted-common-ports")
            .unwrap()
            .check
            .clone()
    };
    let id = "id: restricted-common-ports";
    assert_eq!(
        check(&format!("rules: [{{ {id}, check: all-traffic }}]\n")),
        Check::AllTraffic
    );
    assert_eq!(
        check(&format!("rules: [{{ {id}, ports: 22, protocol: tcp }}]\n")),
        Check::OpenPorts(TrafficSet::tcp(port(22)))
    );
    assert_eq!(
        check(&format!("rules: [{{ {id}, traffic: {{ udp: 53 }} }}]\n")),
        Check::OpenPorts(TrafficSet::udp(port(53)))
    );
}

#[test]
fn a_name_of_ones_own_takes_the_place_of_the_others() {
    let policy = over("web-only", "ports: { web: 8443 }\n");
    let allowed = TrafficSet {
        tcp: port(8443),
        icmp: true,
        icmpv6: true,
        ..TrafficSet::default()
    };
    assert_eq!(policy.rules[0].check, Check::OpenExcept(allowed));
}

#[test]
fn what_is_wrong_only_together_is_told_where_it_is_extended() {
    let text = "version: 1\nextends: web-only\nports: { web: all }\n";
    let loaded = parse_policy("mine.yaml", text).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let wrong = parse_policy(
        "mine.yaml",
        "version: 1\nextends: web-only\nrules: [{ id: web-only, check: all-traffic, ports: 22 }]\n",
    );
    let wrong = wrong.unwrap_err();
    assert_eq!(
        wrong
            .iter()
            .map(|one| one.code().code())
            .collect::<Vec<_>>(),
        ["policy/misplaced-parameter"]
    );
}

#[test]
fn yaml_of_the_old_days_means_what_it_says() {
    let rest = "exceptions:\n  - id: no-reason\n    reason: no\n    owner: 12\n    ports: [\"22\", 23]\n    sources: 2001:db8::/32\n    match: { names: [off, 1.10], tags: { on: 0x10 } }\n    self_service: true\n";
    let policy = over("baseline", rest);
    let exception = &policy.exceptions[0];
    assert_eq!(
        (exception.reason.as_str(), exception.owner.as_str()),
        ("no", "12")
    );
    assert_eq!(exception.traffic.tcp.to_string(), "22-23");
    assert_eq!(exception.sources[0].to_string(), "2001:db8::/32");
    assert_eq!(
        format!("{:?}", exception.scope.group_names),
        "[`off`, `1.10`]"
    );
    assert_eq!(
        format!("{:?}", exception.scope.group_tags),
        "{\"on\": `0x10`}"
    );
}

#[test]
fn sections_whose_every_entry_is_commented_out_are_empty() {
    let policy = over(
        "baseline",
        "trusted:\nports:\nexceptions:\n  # - id: later\noverrides: ~\n",
    );
    assert_eq!(
        policy,
        Policy {
            name: "mine".into(),
            ..baseline_policy()
        }
    );
}
