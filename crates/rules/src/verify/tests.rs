//! What the checker says to plans one can read. That it accepts what the planner makes, and rejects what is spoiled, is a
//! law in `tests/laws`.

use std::sync::Arc;

use super::*;
use crate::baseline::baseline_policy;
use crate::group::tests::{group, rule};
use crate::plan::{Addition, Purpose, Refusal, RefusalReason, Removal};
use crate::policy::RuleOverride;
use crate::source::parse_cidr;

/// A plan in lines: `-` goes, `+` comes, `!` is refused.
fn plan(lines: &[&str]) -> Plan {
    let mut plan = Plan::default();
    for line in lines {
        let (sign, ingress) = line.split_once(' ').unwrap();
        let ingress = rule(ingress);
        match sign {
            "-" => plan.removals.push(Removal {
                ingress,
                policy_rules: Vec::new(),
                action: Action::Revoke,
            }),
            "+" => {
                let instead_of = ingress.clone();
                plan.additions.push(Addition {
                    ingress,
                    purpose: Purpose::Keep,
                    replaces: instead_of,
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
    let ninths = |text: &str| cidr(text).subnets(9).unwrap().collect();
    [
        ("pl-halves", vec![cidr("0.0.0.0/1"), cidr("128.0.0.0/1")]),
        ("pl-low", ninths("0.0.0.0/1")),
        ("pl-high", ninths("128.0.0.0/1")),
        ("pl-wide", vec![cidr("0.0.0.0/0"), cidr("10.0.0.0/8")]),
        ("pl-empty", Vec::new()),
    ]
    .into_iter()
    .collect()
}

/// The baseline, but uncommon ports are restricted to `sg-trusted`.
fn policy() -> Policy {
    let mut policy = baseline_policy();
    for own in policy
        .rules
        .iter_mut()
        .filter(|own| own.id == "uncommon-ports")
    {
        let own = Arc::make_mut(own);
        (own.action, own.trusted) = (
            Action::Restrict,
            vec![
                Source::from_group_id("sg-trusted"),
                Source::from_group_id("sg-bastion"),
            ],
        );
    }
    policy
}

fn objections(before: &[&str], lines: &[&str]) -> Vec<String> {
    let found = verify_plan(
        &policy(),
        &group(before),
        &lists(),
        &Context::default(),
        &plan(lines),
    );
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_plan_is_passed() {
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
        assert_eq!(objections(before, lines), Vec::<String>::new(), "{lines:?}");
    }
}

#[test]
fn what_is_not_there_cannot_go() {
    assert_eq!(
        objections(&[], &["- tcp 22 0.0.0.0/0"])[0],
        "removes `tcp 22 0.0.0.0/0`, which the group does not have"
    );
    let twice = objections(
        &["tcp 22 0.0.0.0/0"],
        &["- tcp 22 0.0.0.0/0", "- tcp 22 0.0.0.0/0"],
    );
    assert_eq!(
        twice,
        ["removes `tcp 22 0.0.0.0/0`, which the group does not have"]
    );
}

#[test]
fn an_innocent_rule_must_not_go() {
    for innocent in [
        "tcp 443 0.0.0.0/0",
        "tcp 22 10.0.0.0/8",
        "tcp 22 8.8.8.0/24",
        "-1 - sg-1",
        "tcp 22 pl-low",
    ] {
        assert_eq!(
            objections(
                &["tcp 22 0.0.0.0/0", innocent],
                &["- tcp 22 0.0.0.0/0", &format!("- {innocent}")]
            ),
            [format!(
                "removes `{}`, which no enforcing rule forbids",
                rule(innocent)
            )]
        );
    }
}

#[test]
fn what_offends_once_others_are_gone_may_go() {
    for broad in ["tcp 22 0.0.0.0/0", "tcp 22 pl-wide"] {
        let before = [broad, "tcp 22 pl-low", "tcp 22 pl-high"];
        let gone = [&format!("- {broad}"), "- tcp 22 pl-low", "- tcp 22 pl-high"];
        assert_eq!(objections(&before, &gone), Vec::<String>::new());
    }
}

#[test]
fn what_offends_must_go() {
    assert_eq!(
        objections(
            &["tcp 22 0.0.0.0/0", "tcp 3389 ::/0"],
            &["- tcp 22 0.0.0.0/0"]
        ),
        ["leaves `tcp 3389 ::/0`, which an enforcing rule forbids"]
    );
    assert_eq!(
        objections(
            &["tcp 22 0.0.0.0/0", "tcp 3389 ::/0"],
            &["- tcp 22 0.0.0.0/0", "! tcp 22 ::/0"]
        ),
        ["leaves `tcp 3389 ::/0`, which an enforcing rule forbids"],
        "another box was refused"
    );
    assert_eq!(
        objections(
            &["tcp 22-23 0.0.0.0/0"],
            &["- tcp 22-23 0.0.0.0/0", "+ tcp 22 0.0.0.0/0"]
        ),
        ["leaves `tcp 22 0.0.0.0/0`, which an enforcing rule forbids"],
        "an addition is judged, too"
    );
}

/// The objection to adding a rule in the place of others; none when it does not widen.
fn widens(before: &[&str], added: &str) -> bool {
    let found = verify_plan(
        &policy(),
        &group(before),
        &lists(),
        &Context::default(),
        &plan(&[&format!("+ {added}")]),
    );
    found.iter().any(
        |objection| matches!(objection, Violation::WidensAccess(rule) if rule.to_string() == added),
    )
}

#[test]
fn nothing_may_be_added_that_was_not_open() {
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
fn parts_of_what_was_open_may_be_added() {
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
fn a_trusted_group_gets_in_where_somebody_did() {
    assert!(!widens(&["tcp 8040-8050 0.0.0.0/0"], "tcp 8040 sg-trusted"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "tcp 8040-8041 sg-trusted"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "all - sg-trusted"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "tcp 8040 sg-stranger"));
    assert!(widens(&["tcp 8040 0.0.0.0/0"], "tcp 8041 10.0.0.0/8"));
}

#[test]
fn a_group_is_trusted_where_its_rule_restricts_if_only_by_an_override() {
    let added = plan(&["- tcp 8040 0.0.0.0/0", "+ tcp 8040 sg-trusted"]);
    let passes = |policy: &Policy| {
        let before = group(&["tcp 8040 0.0.0.0/0"]);
        verify_plan(policy, &before, &lists(), &Context::default(), &added).is_empty()
    };
    let mut policy = policy();
    let id = policy
        .rules
        .iter()
        .position(|own| own.id == "uncommon-ports")
        .unwrap();
    Arc::make_mut(&mut policy.rules[id]).action = Action::Narrow;
    assert!(!passes(&policy));
    let restricts = RuleOverride {
        severity: None,
        action: Some(Action::Restrict),
    };
    let mut other = crate::policy::Override::default();
    other
        .rule_overrides
        .insert("uncommon-ports".to_owned(), restricts);
    policy.overrides.push(other);
    assert!(passes(&policy));
}
