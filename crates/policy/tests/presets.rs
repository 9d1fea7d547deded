//! The policies that come with Portcullis.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail loudly, and its helpers too"
)]

use portcullis_policy::{PRESETS, find_preset, lint_policy, parse_policy, render_policy};
use portcullis_rules::baseline::baseline_policy;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{
    Action, Context, PlanInput, Policy, PrefixLists, Quota, SecurityGroup, build_plan, evaluate,
};

fn loaded(name: &str) -> Policy {
    let loaded = parse_policy(&format!("{name}.yaml"), find_preset(name).unwrap().text)
        .unwrap_or_else(|wrong| panic!("{wrong}"));
    let warnings = lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap());
    assert!(warnings.is_empty(), "{warnings}");
    loaded.policy
}

/// What the group holds once the policy was carried out.
fn after(policy: &Policy, lines: &[&str]) -> Vec<String> {
    let rules = lines.iter().map(|line| line.parse().unwrap()).collect();
    let group = SecurityGroup {
        id: "sg-0123456789abcdef0".into(),
        rules,
        ..SecurityGroup::default()
    };
    let (lists, context) = (PrefixLists::empty(), Context::default());
    let judgement = evaluate(policy, &group, &lists, &context);
    let situation = PlanInput {
        policy,
        group: &group,
        lists: &lists,
        context: &context,
        foreign: false,
        attachments: Attachments::default(),
        quota: Quota::default(),
    };
    let left = build_plan(&situation, &judgement).apply_to(&group);
    let mut lines: Vec<_> = left.rules.iter().map(ToString::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn every_preset_is_sound_and_called_by_its_name() {
    for one in PRESETS {
        assert_eq!(loaded(one.name).name, one.name);
    }
    assert_eq!(find_preset("strict"), None);
}

#[test]
fn the_baseline_file_is_the_built_in_baseline() {
    assert_eq!(loaded("baseline"), baseline_policy());
}

#[test]
fn monitor_is_the_baseline_changing_nothing() {
    assert_eq!(
        loaded("monitor"),
        Policy {
            name: "monitor".into(),
            monitor: true,
            ..baseline_policy()
        }
    );
}

#[test]
fn web_only_narrows_everything_to_the_web() {
    let policy = loaded("web-only");
    assert_eq!(
        after(&policy, &["tcp 0-65535 0.0.0.0/0"]),
        ["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0"]
    );
    assert_eq!(
        after(&policy, &["all - ::/0"]),
        ["icmpv6 - ::/0", "tcp 443 ::/0", "tcp 80 ::/0"],
        "ICMP for IPv4 means nothing from IPv6"
    );
    let innocent = [
        "all - sg-0123456789abcdef0",
        "icmp - 0.0.0.0/0",
        "tcp 22 10.0.0.0/8",
        "tcp 443 0.0.0.0/0",
    ];
    assert_eq!(after(&policy, &innocent), innocent);
    assert!(
        after(
            &policy,
            &["tcp 22 0.0.0.0/0", "47 - 0.0.0.0/0", "udp 443 0.0.0.0/0"]
        )
        .is_empty()
    );
}

#[test]
fn hipaa_is_the_baseline_with_more_to_say() {
    let policy = loaded("hipaa");
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
    assert_eq!((mapped, policy.rules.len()), (5, 8));
    assert!(
        after(
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
        "it has nobody to trust"
    );
}

#[test]
fn what_a_preset_holds_in_the_end() {
    for one in PRESETS {
        insta::assert_snapshot!(
            format!("show_{}", one.name),
            render_policy(&loaded(one.name))
        );
    }
}
