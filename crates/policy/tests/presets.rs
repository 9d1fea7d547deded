//! The built-in policies.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and their helpers may panic"
)]

use portcullis_policy::{PRESETS, find_preset, lint_policy, parse_policy, render_policy};
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::{
    Action, Context, PlanInput, Policy, PrefixLists, SecurityGroup, build_plan, evaluate,
};

fn load_preset(name: &str) -> Policy {
    let loaded = parse_policy(&format!("{name}.yaml"), find_preset(name).unwrap().text)
        .unwrap_or_else(|errors| panic!("{errors}"));
    let warnings = lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap());
    assert!(warnings.is_empty(), "{warnings}");
    loaded.policy
}

/// The rules of the group after the policy was applied.
fn rules_after(policy: &Policy, lines: &[&str]) -> Vec<String> {
    let rules = lines.iter().map(|line| line.parse().unwrap()).collect();
    let group = SecurityGroup {
        id: "sg-0123456789abcdef0".into(),
        rules,
        ..SecurityGroup::default()
    };
    let (lists, context) = (PrefixLists::empty(), Context::default());
    let evaluation = evaluate(policy, &group, &lists, &context);
    let input = PlanInput::new(policy, &group, &lists, &context);
    let result = build_plan(&input, &evaluation).apply_to(&group);
    let mut lines: Vec<_> = result.rules.iter().map(ToString::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn every_preset_is_valid_and_has_its_name() {
    for preset in PRESETS {
        assert_eq!(load_preset(preset.name).name, preset.name);
    }
    assert_eq!(find_preset("strict"), None);
}

#[test]
fn baseline_file_equals_baseline_in_code() {
    assert_eq!(
        load_preset("baseline"),
        baseline_policy(),
        "the baselines differ: edit crates/policy/presets/baseline.yaml first, \
         then crates/rules/src/baseline.rs"
    );
}

#[test]
fn monitor_is_the_baseline_in_monitor_mode() {
    assert_eq!(
        load_preset("monitor"),
        Policy {
            name: "monitor".into(),
            monitor: true,
            ..baseline_policy()
        }
    );
}

#[test]
fn web_only_narrows_to_web_ports_and_icmp() {
    let policy = load_preset("web-only");
    assert_eq!(
        rules_after(&policy, &["tcp 0-65535 0.0.0.0/0"]),
        ["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0"]
    );
    assert_eq!(
        rules_after(&policy, &["all - ::/0"]),
        ["icmpv6 - ::/0", "tcp 443 ::/0", "tcp 80 ::/0"],
        "ICMP for IPv4 has no meaning with an IPv6 source"
    );
    let unaffected = [
        "all - sg-0123456789abcdef0",
        "icmp - 0.0.0.0/0",
        "tcp 22 10.0.0.0/8",
        "tcp 443 0.0.0.0/0",
    ];
    assert_eq!(rules_after(&policy, &unaffected), unaffected);
    assert!(
        rules_after(
            &policy,
            &["tcp 22 0.0.0.0/0", "47 - 0.0.0.0/0", "udp 443 0.0.0.0/0"]
        )
        .is_empty()
    );
}

#[test]
fn silent_databases_are_closed_by_every_preset() {
    for preset in PRESETS {
        let policy = load_preset(preset.name);
        for port in [23, 135, 137, 138, 139, 445, 1433, 1521, 5432] {
            for line in [format!("tcp {port} 0.0.0.0/0"), format!("udp {port} ::/0")] {
                assert!(rules_after(&policy, &[&line]).is_empty(), "{line}");
            }
        }
    }
    let baseline = load_preset("baseline");
    let open_and_allowed = ["tcp 25 0.0.0.0/0", "tcp 53 0.0.0.0/0", "udp 53 0.0.0.0/0"];
    assert_eq!(rules_after(&baseline, &open_and_allowed), open_and_allowed);
}

#[test]
fn hipaa_extends_the_baseline() {
    let policy = load_preset("hipaa");
    let rule = policy.rule_by_id("restricted-common-ports").unwrap();
    assert_eq!(
        rule.check,
        baseline_policy()
            .rule_by_id("restricted-common-ports")
            .unwrap()
            .check
    );
    let mapped = policy
        .rules
        .iter()
        .filter(|rule| rule.references.contains(&"HIPAA".to_owned()))
        .count();
    assert_eq!((mapped, policy.rules.len()), (5, 9));
    assert!(
        rules_after(
            &policy,
            &[
                "tcp 20-22 0.0.0.0/0",
                "udp 4333 ::/0",
                "tcp 27017 0.0.0.0/1",
                "tcp 27017 128.0.0.0/1"
            ]
        )
        .is_empty()
    );
    assert!(
        policy
            .rules
            .iter()
            .all(|rule| rule.action != Action::Restrict),
        "it has no trusted sources"
    );
}

#[test]
fn effective_policies_of_the_presets() {
    for preset in PRESETS {
        insta::assert_snapshot!(
            format!("show_{}", preset.name),
            render_policy(&load_preset(preset.name))
        );
    }
}
