//! Policies as users write them, carried out by the engine.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use portcullis_policy::{lint_policy, parse_policy, render_policy};
use portcullis_rules::plan::Attachments;
use portcullis_rules::{
    Context, PlanInput, Policy, PrefixLists, Quota, SecurityGroup, build_plan, evaluate,
    verify_plan,
};

const README: &str = include_str!("examples/readme.yaml");
const EVERYTHING: &str = include_str!("examples/everything.yaml");

/// What the group holds once the policy was carried out at a certain time, and that the plan passes its own check.
fn after(policy: &Policy, now: &str, lines: &[&str]) -> Vec<String> {
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
    let situation = PlanInput {
        policy,
        group: &group,
        lists: &lists,
        context: &context,
        foreign: false,
        attachments: Attachments::default(),
        quota: Quota::default(),
    };
    let plan = build_plan(&situation, &evaluate(policy, &group, &lists, &context));
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
fn only_443_from_anywhere_ssh_from_our_office_and_a_vendors_8443_until_march() {
    let loaded = parse_policy("readme.yaml", README).unwrap_or_else(|wrong| panic!("{wrong}"));
    let before = "2026-11-21T12:00:00Z";
    assert!(lint_policy(&loaded, before.parse().unwrap()).is_empty());
    let policy = &loaded.policy;
    assert_eq!(
        after(policy, before, &["all - 0.0.0.0/0"]),
        [
            "icmp - 0.0.0.0/0",
            "tcp 22 203.0.113.0/24",
            "tcp 443 0.0.0.0/0",
            "tcp 8443 0.0.0.0/0"
        ]
    );
    assert_eq!(
        after(policy, before, &["tcp 22 0.0.0.0/0", "tcp 22 ::/0"]),
        ["tcp 22 203.0.113.0/24"]
    );
    assert_eq!(
        after(
            policy,
            before,
            &["tcp 8000-9000 ::/0", "tcp 22 203.0.113.9/32"]
        ),
        ["tcp 22 203.0.113.9/32", "tcp 8443 ::/0"]
    );
    assert_eq!(
        after(policy, "2027-02-28T23:59:59Z", &["tcp 8443 0.0.0.0/0"]),
        ["tcp 8443 0.0.0.0/0"]
    );
    assert!(after(policy, "2027-03-01T00:00:00Z", &["tcp 8443 0.0.0.0/0"]).is_empty());
    assert_eq!(
        lint_policy(&loaded, "2027-03-01T00:00:00Z".parse().unwrap()).len(),
        1,
        "it says that the exception ended"
    );
}

#[test]
fn every_key_has_its_effect() {
    let loaded =
        parse_policy("everything.yaml", EVERYTHING).unwrap_or_else(|wrong| panic!("{wrong}"));
    insta::assert_debug_snapshot!(loaded.policy);
    insta::assert_snapshot!(render_policy(&loaded.policy));
    assert_eq!(
        parse_policy("shown.yaml", &render_policy(&loaded.policy))
            .unwrap()
            .policy,
        loaded.policy
    );
}
