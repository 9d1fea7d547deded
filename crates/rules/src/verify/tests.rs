//! Readable plans and their violations. `tests/properties` verifies that the check accepts every
//! plan of the planner and rejects mutated plans.

use std::sync::Arc;

use super::*;
use crate::baseline::baseline_policy;
use crate::group::tests::{group, rule};
use crate::plan::{Addition, Purpose, Refusal, RefusalReason, Removal};
use crate::policy::{Action, Override, PolicyRule, RuleOverride};
use crate::source::{Source, parse_cidr};
use crate::traffic::ProtocolSet;

/// Parses a plan from lines: `-` removal, `+` addition, `!` refusal.
fn plan_from_lines(lines: &[&str]) -> Plan {
    let mut plan = Plan::default();
    for line in lines {
        let (sign, ingress) = line.split_once(' ').unwrap();
        let ingress = rule(ingress);
        match sign {
            "-" => plan.removals.push(Removal {
                ingress,
                policy_rules: Vec::new(),
                action: Action::Revoke,
                dropped_protocols: ProtocolSet::empty(),
            }),
            "+" => {
                plan.additions.push(Addition {
                    replaces: ingress.clone(),
                    ingress,
                    purpose: Purpose::Keep,
                    is_excepted: false,
                });
            }
            _ => plan.refusals.push(Refusal {
                ingress,
                reason: RefusalReason::ProtectedGroup,
            }),
        }
    }
    plan
}

fn lists() -> PrefixLists {
    let cidr = |text: &str| parse_cidr(text).unwrap();
    let split_in_slash_9 = |text: &str| cidr(text).subnets(9).unwrap().collect();
    [
        ("pl-halves", vec![cidr("0.0.0.0/1"), cidr("128.0.0.0/1")]),
        ("pl-low", split_in_slash_9("0.0.0.0/1")),
        ("pl-high", split_in_slash_9("128.0.0.0/1")),
        ("pl-wide", vec![cidr("0.0.0.0/0"), cidr("10.0.0.0/8")]),
        ("pl-empty", Vec::new()),
    ]
    .into_iter()
    .collect()
}

/// The baseline with uncommon ports restricted to `sg-trusted` and `sg-bastion`.
fn policy() -> Policy {
    let mut policy = baseline_policy();
    let rule = uncommon_ports_rule(&mut policy);
    rule.action = Action::Restrict;
    rule.trusted = ["sg-trusted", "sg-bastion"]
        .map(Source::from_group_id)
        .to_vec();
    policy
}

fn uncommon_ports_rule(policy: &mut Policy) -> &mut PolicyRule {
    let rule = policy
        .rules
        .iter_mut()
        .find(|rule| rule.id == "uncommon-ports");
    Arc::make_mut(rule.unwrap())
}

fn violations(before: &[&str], plan: &[&str]) -> Vec<Violation> {
    verify_plan(
        &policy(),
        &group(before),
        &lists(),
        &Context::default(),
        &plan_from_lines(plan),
    )
}

fn violation_lines(before: &[&str], plan: &[&str]) -> Vec<String> {
    violations(before, plan)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn correct_plans_have_no_violations() {
    for (before, lines) in [
        (&["tcp 443 0.0.0.0/0"][..], &[][..]),
        (
            &["tcp 22 0.0.0.0/0", "tcp 22 10.0.0.0/8"],
            &["- tcp 22 0.0.0.0/0"],
        ),
        (
            &["tcp 80-90 0.0.0.0/0"],
            &["- tcp 80-90 0.0.0.0/0", "+ tcp 80 0.0.0.0/0"],
        ),
        (
            &["tcp 8040 0.0.0.0/0"],
            &[
                "- tcp 8040 0.0.0.0/0",
                "+ tcp 8040 10.0.0.0/8",
                "+ tcp 8040 sg-trusted",
            ],
        ),
        (
            &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"],
            &["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1"],
        ),
        (&["tcp 22 0.0.0.0/0"], &["! tcp 22 0.0.0.0/0"]),
    ] {
        assert_eq!(
            violation_lines(before, lines),
            Vec::<String>::new(),
            "{lines:?}"
        );
    }
}

#[test]
fn removing_a_missing_rule_is_a_violation() {
    assert_eq!(
        violation_lines(&[], &["- tcp 22 0.0.0.0/0"])[0],
        "removes `tcp 22 0.0.0.0/0`, which is not in the group"
    );
    let twice = violation_lines(
        &["tcp 22 0.0.0.0/0"],
        &["- tcp 22 0.0.0.0/0", "- tcp 22 0.0.0.0/0"],
    );
    assert_eq!(
        twice,
        ["removes `tcp 22 0.0.0.0/0`, which is not in the group"]
    );
}

#[test]
fn removing_an_unaffected_rule_is_a_violation() {
    for unaffected in [
        "tcp 443 0.0.0.0/0",
        "tcp 22 10.0.0.0/8",
        "tcp 22 8.8.8.0/24",
        "-1 - sg-1",
        "tcp 22 pl-low",
    ] {
        assert_eq!(
            violation_lines(
                &["tcp 22 0.0.0.0/0", unaffected],
                &["- tcp 22 0.0.0.0/0", &format!("- {unaffected}")]
            ),
            [format!(
                "removes `{}`, which no enforced policy rule forbids",
                rule(unaffected)
            )]
        );
    }
}

#[test]
fn rules_that_become_forbidden_by_other_removals_may_be_removed() {
    for broad in ["tcp 22 0.0.0.0/0", "tcp 22 pl-wide"] {
        let before = [broad, "tcp 22 pl-low", "tcp 22 pl-high"];
        let removals = [&format!("- {broad}"), "- tcp 22 pl-low", "- tcp 22 pl-high"];
        assert_eq!(violation_lines(&before, &removals), Vec::<String>::new());
    }
}

#[test]
fn leaving_a_forbidden_rule_is_a_violation() {
    assert_eq!(
        violation_lines(
            &["tcp 22 0.0.0.0/0", "tcp 3389 ::/0"],
            &["- tcp 22 0.0.0.0/0"]
        ),
        ["leaves `tcp 3389 ::/0`, which an enforced policy rule forbids"]
    );
    assert_eq!(
        violation_lines(
            &["tcp 22 0.0.0.0/0", "tcp 3389 ::/0"],
            &["- tcp 22 0.0.0.0/0", "! tcp 22 ::/0"]
        ),
        ["leaves `tcp 3389 ::/0`, which an enforced policy rule forbids"],
        "the refusal is for another rule"
    );
    assert_eq!(
        violation_lines(
            &["tcp 22-23 0.0.0.0/0"],
            &["- tcp 22-23 0.0.0.0/0", "+ tcp 22 0.0.0.0/0"]
        ),
        ["leaves `tcp 22 0.0.0.0/0`, which an enforced policy rule forbids"],
        "additions are evaluated, too"
    );
}

/// Whether adding the rule is reported as widening access.
fn widens(before: &[&str], added: &str) -> bool {
    violations(before, &[&format!("+ {added}")]).contains(&Violation::WidensAccess(rule(added)))
}

#[test]
fn additions_that_were_not_allowed_widen_access() {
    for (before, added) in [
        (&["tcp 80 0.0.0.0/0"][..], "tcp 81 0.0.0.0/0"),
        (&["tcp 80 0.0.0.0/0"], "tcp 79-80 0.0.0.0/0"),
        (&["tcp 80 0.0.0.0/0"], "tcp 80-81 0.0.0.0/0"),
        (&["tcp 80 0.0.0.0/0"], "udp 80 0.0.0.0/0"),
        (&["tcp 80 0.0.0.0/0"], "all - 0.0.0.0/0"),
        (&["tcp 80 0.0.0.0/0"], "tcp 80 ::/0"),
        (&["tcp 80 0.0.0.0/0"], "tcp 80 sg-1"),
        (&["tcp 80 0.0.0.0/0"], "tcp 80 pl-unknown"),
        (&["tcp 80 0.0.0.0/0"], "tcp 80 pl-empty"),
        (&["tcp 80 10.0.0.0/8"], "tcp 80 10.0.0.0/7"),
        (&["tcp 80 0.0.0.0/1"], "tcp 80 pl-halves"),
        (
            &["tcp 80 0.0.0.0/2", "tcp 80 128.0.0.0/1"],
            "tcp 80 0.0.0.0/0",
        ),
        (
            &["tcp 1-9 0.0.0.0/0", "tcp 11-19 0.0.0.0/0"],
            "tcp 1-19 0.0.0.0/0",
        ),
        (
            &["tcp 1-19 0.0.0.0/1", "tcp 1-9 128.0.0.0/1"],
            "tcp 1-19 0.0.0.0/0",
        ),
        (&["47 - 0.0.0.0/0"], "50 - 0.0.0.0/0"),
        (&["icmp 8/0 0.0.0.0/0"], "icmp - 0.0.0.0/0"),
        (&["icmp 8/0 0.0.0.0/0"], "icmp 3/4 0.0.0.0/0"),
        (&["icmp - 0.0.0.0/0"], "icmpv6 - 0.0.0.0/0"),
        (&["tcp 80 8000::/1"], "tcp 80 ::/1"),
        (&["tcp 80 8.8.8.8/32"], "tcp 80 8.8.8.8/31"),
        (
            &["tcp 80 8.8.8.8/32", "tcp 80 9.0.0.0/8"],
            "tcp 80 8.8.8.8/31",
        ),
    ] {
        assert!(widens(before, added), "{added} after {before:?}");
    }
}

#[test]
fn parts_of_allowed_access_may_be_added() {
    for (before, added) in [
        (&["tcp 80-90 0.0.0.0/0"][..], "tcp 85 0.0.0.0/0"),
        (&["all - 0.0.0.0/0"], "tcp 0-65535 10.0.0.0/8"),
        (&["all - 0.0.0.0/0"], "icmp - 10.0.0.0/8"),
        (&["all - 0.0.0.0/0"], "47 - 0.0.0.0/0"),
        (&["all - 0.0.0.0/0"], "all - 10.0.0.0/8"),
        (
            &["tcp 80 0.0.0.0/1", "tcp 80 128.0.0.0/1"],
            "tcp 80 0.0.0.0/0",
        ),
        (&["tcp 80 ::/1", "tcp 80 8000::/1"], "tcp 80 ::/0"),
        (
            &["tcp 80 8.8.8.8/32", "tcp 80 8.8.8.9/32"],
            "tcp 80 8.8.8.8/31",
        ),
        (&["tcp 80 0.0.0.0/0"], "tcp 80 pl-halves"),
        (&["tcp 80 pl-halves"], "tcp 80 0.0.0.0/0"),
        (&["tcp 80-90 pl-unknown"], "tcp 85 pl-unknown"),
        (
            &["tcp 1-9 0.0.0.0/0", "tcp 10-19 0.0.0.0/0"],
            "tcp 1-19 0.0.0.0/0",
        ),
        (&["tcp 65530-65535 0.0.0.0/0"], "tcp 65535 0.0.0.0/0"),
        (&["icmp - 0.0.0.0/0"], "icmp 8/0 0.0.0.0/0"),
        (&["icmp 8/0 0.0.0.0/0"], "icmp 8/0 10.0.0.0/8"),
        (&["icmpv6 - ::/0"], "icmpv6 - 2001:db8::/32"),
        (&["47 - 0.0.0.0/0"], "47 - 10.0.0.0/8"),
    ] {
        assert!(!widens(before, added), "{added} after {before:?}");
    }
}

#[test]
fn trusted_groups_may_use_ports_that_were_open() {
    assert!(!widens(&["tcp 8040-8050 0.0.0.0/0"], "tcp 8040 sg-trusted"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "tcp 8040-8041 sg-trusted"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "all - sg-trusted"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "tcp 8040 sg-stranger"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "tcp 8041 10.0.0.0/8"));
}

#[test]
fn groups_are_trusted_if_the_rule_restricts_by_an_override() {
    let before = group(&["tcp 8040 0.0.0.0/0"]);
    let plan = plan_from_lines(&["- tcp 8040 0.0.0.0/0", "+ tcp 8040 sg-trusted"]);
    let is_accepted = |policy: &Policy| {
        verify_plan(policy, &before, &lists(), &Context::default(), &plan).is_empty()
    };
    let mut policy = policy();
    uncommon_ports_rule(&mut policy).action = Action::Narrow;
    assert!(!is_accepted(&policy));
    let restrict = RuleOverride {
        severity: None,
        action: Some(Action::Restrict),
    };
    policy.overrides.push(Override {
        rule_overrides: [("uncommon-ports".to_owned(), restrict)].into(),
        ..Override::default()
    });
    assert!(is_accepted(&policy));
}
