//! Policies that extend a preset.

#![expect(clippy::panic, reason = "tests and their helpers may panic")]

use portcullis_policy::parse_policy;
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::check::Check;
use portcullis_rules::{Action, Policy, PortRange, PortSet, Severity, TrafficSet};

fn extend(preset: &str, rest: &str) -> Policy {
    let text = format!("version: 1\nextends: {preset}\n{rest}");
    parse_policy("mine.yaml", &text)
        .unwrap_or_else(|errors| panic!("{errors}"))
        .policy
}

fn single_port(port: u16) -> PortSet {
    PortRange::single(port).into()
}

#[test]
fn a_policy_without_keys_is_the_preset_with_another_name() {
    assert_eq!(
        extend("baseline", ""),
        Policy {
            name: "mine".into(),
            ..baseline_policy()
        }
    );
    assert!(extend("monitor", "").monitor);
    assert!(!extend("monitor", "mode: enforce\n").monitor);
}

#[test]
fn a_rule_with_an_inherited_id_replaces_the_keys_that_it_lists() {
    let policy = extend(
        "baseline",
        "rules: [{ id: uncommon-ports, severity: low, action: notify }]\n",
    );
    assert_eq!(policy.rules.len(), 8);
    let rule = policy.rule_by_id("uncommon-ports").unwrap();
    let baseline = baseline_policy();
    let inherited = baseline.rule_by_id("uncommon-ports").unwrap();
    assert_eq!(
        (rule.severity, rule.action),
        (Severity::Low, Action::Notify)
    );
    assert_eq!(
        (&rule.check, &rule.forbids, &rule.references),
        (&inherited.check, &inherited.forbids, &inherited.references)
    );
}

#[test]
fn new_rules_follow_inherited_rules_in_the_order_of_the_text() {
    let rest = "rules:\n  - { id: b, forbids: x, check: port-range, severity: low, action: off }\n  \
                - { id: port-range, action: off }\n  \
                - { id: a, forbids: x, check: port-range, severity: low, action: off }\n";
    let ids: Vec<_> = extend("baseline", rest)
        .rules
        .iter()
        .map(|rule| rule.id.clone())
        .collect();
    assert_eq!(
        ids[4..],
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
fn a_new_check_does_not_inherit_parameters() {
    let check = |rest: &str| {
        extend("baseline", rest)
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
        Check::OpenPorts(TrafficSet::tcp(single_port(22)))
    );
    assert_eq!(
        check(&format!("rules: [{{ {id}, traffic: {{ udp: 53 }} }}]\n")),
        Check::OpenPorts(TrafficSet::udp(single_port(53)))
    );
}

#[test]
fn a_redefined_name_replaces_the_inherited_one() {
    let policy = extend("web-only", "ports: { web: 8443 }\n");
    let allowed = TrafficSet {
        tcp: single_port(8443),
        icmp: true,
        icmpv6: true,
        ..TrafficSet::default()
    };
    assert_eq!(policy.rules[0].check, Check::OpenExcept(allowed));
}

#[test]
fn conflicts_with_inherited_keys_are_reported() {
    let text = "version: 1\nextends: web-only\nports: { web: all }\n";
    let loaded = parse_policy("mine.yaml", text).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let errors = parse_policy(
        "mine.yaml",
        "version: 1\nextends: web-only\nrules: [{ id: web-only, check: all-traffic, ports: 22 }]\n",
    )
    .unwrap_err();
    let codes: Vec<_> = errors.iter().map(|error| error.code().code()).collect();
    assert_eq!(codes, ["policy/misplaced-parameter"]);
}

#[test]
fn yaml_1_1_values_are_plain_text() {
    let rest = "exceptions:\n  - id: no-reason\n    reason: no\n    owner: 12\n    ports: [\"22\", 23]\n    sources: 2001:db8::/32\n    match: { names: [off, 1.10], tags: { on: 0x10 } }\n    self_service: true\n";
    let policy = extend("baseline", rest);
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
fn sections_without_entries_are_empty() {
    let policy = extend(
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
