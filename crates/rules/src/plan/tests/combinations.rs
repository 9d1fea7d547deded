//! Several rules in one group.

use super::*;

#[test]
fn the_baseline_revokes_offending_rules_only() {
    let lines = [
        "tcp 22 0.0.0.0/0",
        "tcp 22 10.0.0.0/8",
        "tcp 22 sg-1",
        "tcp 443 0.0.0.0/0",
        "tcp 8000-8010 ::/0",
    ];
    assert_eq!(
        planned_lines(baseline_policy(), &lines),
        ["- tcp 22 0.0.0.0/0", "- tcp 8000-8010 ::/0"]
    );
}

#[test]
fn two_halves_are_removed_together() {
    assert_eq!(
        planned_lines(
            baseline_policy(),
            &[
                "tcp 22 0.0.0.0/1",
                "tcp 22 128.0.0.0/1",
                "tcp 443 128.0.0.0/1"
            ]
        ),
        ["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1"]
    );
}

#[test]
fn removing_one_half_can_make_the_other_half_forbidden() {
    // While port 22 is open to the world, `broad` does not apply to it. Once one half is removed,
    // it applies to the other.
    let rules = [
        rule("ssh", Action::Revoke, open_ports(ports(&[22]))),
        rule("broad", Action::Narrow, Check::BroadSource),
    ];
    let exempted = Exception {
        rules: vec!["ssh".to_owned()],
        sources: vec!["0.0.0.0/1".parse().unwrap()],
        ..exception(TrafficSet::all())
    };
    let policy = Policy {
        exceptions: vec![Arc::new(exempted)],
        ..policy(rules)
    };
    let plan = Scenario::new(policy, &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"]).plan();
    assert_eq!(
        plan_lines(&plan),
        ["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1"]
    );
    let reasons: Vec<_> = plan
        .removals
        .iter()
        .map(|it| (it.policy_rules.join(" "), it.action))
        .collect();
    assert_eq!(
        reasons,
        [
            ("broad".to_owned(), Action::Narrow),
            ("ssh".to_owned(), Action::Revoke)
        ]
    );
}

#[test]
fn narrow_sources_open_to_the_world_together_are_removed_after_the_broad_one() {
    let lines = [
        "tcp 22 0.0.0.0/0",
        "tcp 22 pl-low",
        "tcp 22 pl-high",
        "tcp 23 pl-low",
    ];
    assert_eq!(
        planned_lines(baseline_policy(), &lines),
        ["- tcp 22 0.0.0.0/0", "- tcp 22 pl-high", "- tcp 22 pl-low"]
    );
}

#[test]
fn additions_do_not_cause_removals() {
    let trusting = policy([restrict("ssh", open_ports(ports(&[22])), &["pl-low"])]);
    assert_eq!(
        planned_lines(trusting, &["tcp 22 0.0.0.0/0", "tcp 22 pl-high"]),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 pl-low trusted-source-forbidden"
        ]
    );
}

#[test]
fn duplicates_are_removed_together_and_replaced_once() {
    // EC2 does not allow duplicates, but an input file can contain them.
    let plan = Scenario::new(web_only(), &["tcp 80-81 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]).plan();
    assert_eq!(
        plan_lines(&plan),
        [
            "- tcp 80-81 0.0.0.0/0",
            "- tcp 80-81 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0"
        ]
    );
    let group = group(&["tcp 80-81 0.0.0.0/0", "tcp 80-81 0.0.0.0/0", "tcp 22 sg-1"]);
    let lines: Vec<_> = plan
        .apply_to(&group)
        .rules
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(lines, ["tcp 22 sg-1", "tcp 80 0.0.0.0/0"]);
}

#[test]
fn the_order_of_rules_does_not_decide_which_replacement_is_used() {
    let description_of_addition = |scenario: &mut Scenario| {
        for rule in &mut scenario.group.rules {
            rule.description = Some(format!("was {rule}"));
        }
        scenario.plan().additions[0].ingress.description.clone()
    };
    let one = description_of_addition(&mut Scenario::new(
        web_only(),
        &["tcp 80-81 0.0.0.0/0", "tcp 79-80 0.0.0.0/0"],
    ));
    let other = description_of_addition(&mut Scenario::new(
        web_only(),
        &["tcp 79-80 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"],
    ));
    assert_eq!(one, other);
}

#[test]
fn a_trusted_list_may_be_open_to_the_world_where_the_replaced_rule_is_only_broad() {
    let revoke_ranges = rule("ranges", Action::Revoke, Check::PortRangeInternal);
    let trust_all = restrict("broad", Check::BroadSource, &["pl-nines"]);
    let lines = ["-1 - 0.0.0.0/1", "tcp 25 128.0.0.0/1"];
    let mut scenario = Scenario::new(policy([revoke_ranges, trust_all]), &lines);
    let nines = parse_cidr("0.0.0.0/0").unwrap().subnets(9).unwrap();
    scenario.lists.insert("pl-nines", nines);
    assert_eq!(
        plan_lines(&scenario.plan()),
        [
            "- all - 0.0.0.0/1",
            "- tcp 25 128.0.0.0/1",
            "+ tcp 25 pl-nines"
        ]
    );
}
