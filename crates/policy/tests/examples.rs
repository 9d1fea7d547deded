//! Policies as users write them, applied to groups.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use portcullis_policy::{lint_policy, parse_policy, render_policy};
use portcullis_rules::{
    Context, PlanInput, Policy, PrefixLists, SecurityGroup, build_plan, evaluate, verify_plan,
};

const README: &str = include_str!("examples/readme.yaml");
const EVERYTHING: &str = include_str!("examples/everything.yaml");

/// The rules of the group after the policy was applied at a certain time. The plan must pass
/// verification.
fn rules_after(policy: &Policy, now: &str, lines: &[&str]) -> Vec<String> {
    let rules = lines.iter().map(|line| line.parse().unwrap()).collect();
    let group = SecurityGroup {
        id: "sg-0123456789abcdef0".into(),
        rules,
        ..SecurityGroup::default()
    };
    let lists = PrefixLists::empty();
    let context = Context {
        now: Some(now.parse().unwrap()),
        ..Context::default()
    };
    let input = PlanInput::new(policy, &group, &lists, &context);
    let plan = build_plan(&input, &evaluate(policy, &group, &lists, &context));
    assert_eq!(verify_plan(policy, &group, &lists, &context, &plan), []);
    let mut left: Vec<_> = plan
        .apply_to(&group)
        .rules
        .iter()
        .map(ToString::to_string)
        .collect();
    left.sort();
    left
}

#[test]
fn readme_policy_is_applied_as_described() {
    let loaded = parse_policy("readme.yaml", README).unwrap_or_else(|errors| panic!("{errors}"));
    let before = "2026-11-21T12:00:00Z";
    assert!(lint_policy(&loaded, before.parse().unwrap()).is_empty());
    let policy = &loaded.policy;
    assert_eq!(
        rules_after(policy, before, &["all - 0.0.0.0/0"]),
        [
            "icmp - 0.0.0.0/0",
            "tcp 22 203.0.113.0/24",
            "tcp 443 0.0.0.0/0",
            "tcp 8443 0.0.0.0/0"
        ]
    );
    assert_eq!(
        rules_after(policy, before, &["tcp 22 0.0.0.0/0", "tcp 22 ::/0"]),
        ["tcp 22 203.0.113.0/24"]
    );
    assert_eq!(
        rules_after(
            policy,
            before,
            &["tcp 8000-9000 ::/0", "tcp 22 203.0.113.9/32"]
        ),
        ["tcp 22 203.0.113.9/32", "tcp 8443 ::/0"]
    );
    assert_eq!(
        rules_after(policy, "2027-02-28T23:59:59Z", &["tcp 8443 0.0.0.0/0"]),
        ["tcp 8443 0.0.0.0/0"]
    );
    assert!(rules_after(policy, "2027-03-01T00:00:00Z", &["tcp 8443 0.0.0.0/0"]).is_empty());
    assert_eq!(
        lint_policy(&loaded, "2027-03-01T00:00:00Z".parse().unwrap()).len(),
        1,
        "the expired exception is reported"
    );
}

#[test]
fn every_key_has_an_effect() {
    let loaded =
        parse_policy("everything.yaml", EVERYTHING).unwrap_or_else(|errors| panic!("{errors}"));
    insta::assert_debug_snapshot!(loaded.policy);
    insta::assert_snapshot!(render_policy(&loaded.policy));
    assert_eq!(
        parse_policy("rendered.yaml", &render_policy(&loaded.policy))
            .unwrap()
            .policy,
        loaded.policy
    );
}
