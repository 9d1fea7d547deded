//! The rules quota.

use super::*;

#[test]
fn additions_come_first_if_the_quota_allows_both() {
    for (v4, order) in [(3, ApplyOrder::AddFirst), (2, ApplyOrder::RemoveFirst)] {
        let mut scenario = Scenario::new(web_only(), &["tcp 0-65535 0.0.0.0/0"]);
        scenario.quota = Quota { v4, v6: 0 };
        let plan = scenario.plan();
        assert_eq!(
            (
                plan.order,
                plan.additions.len(),
                plan.skipped_additions.len()
            ),
            (order, 2, 0),
            "{v4}"
        );
    }
}

#[test]
fn additions_over_quota_are_skipped() {
    let mut scenario = Scenario::new(web_only(), &["tcp 0-65535 0.0.0.0/0", "udp 53 10.0.0.0/8"]);
    scenario.quota = Quota { v4: 2, v6: 60 };
    let plan = scenario.plan();
    assert_eq!(plan.order, ApplyOrder::RemoveFirst);
    assert_eq!(
        plan_lines(&plan),
        [
            "- tcp 0-65535 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0",
            "x tcp 443 0.0.0.0/0 rules-quota"
        ]
    );
    scenario.quota = Quota { v4: 1, v6: 60 };
    assert_eq!(
        scenario.plan().skipped_additions.len(),
        2,
        "removals do not depend on the quota"
    );
    assert_eq!(
        scenario.plan().order,
        ApplyOrder::AddFirst,
        "nothing is added"
    );
}

#[test]
fn ports_have_precedence_over_tunnels_and_other_protocols() {
    let mut scenario = Scenario::new(
        policy([rule("ssh", Action::Narrow, open_ports(ports(&[22])))]),
        &["-1 - 0.0.0.0/0"],
    );
    scenario.quota = Quota::default();
    let plan = scenario.plan();
    assert_eq!(
        (plan.additions.len(), plan.skipped_additions.len()),
        (11, 5 + 252 - 11),
        "uncommon protocols are kept all or none"
    );
    let protocols: Vec<_> = plan
        .additions
        .iter()
        .map(|it| it.ingress.protocol().to_string())
        .collect();
    assert_eq!(
        protocols,
        [
            "icmp", "tcp", "tcp", "udp", "udp", "4", "41", "47", "50", "51", "132"
        ]
        .map(str::to_owned)
    );
}

#[test]
fn each_family_has_its_own_quota() {
    let order_and_skipped = |trusted: &str, quota| {
        let mut scenario = Scenario::new(
            policy([restrict("ssh", open_ports(ports(&[22])), &[trusted])]),
            &["tcp 22 0.0.0.0/0", "tcp 1 ::/0"],
        );
        scenario.quota = quota;
        let plan = scenario.plan();
        (plan.order, plan.skipped_additions.len())
    };
    // The group is over its IPv6 quota, which does not matter for IPv4 additions.
    assert_eq!(
        order_and_skipped("10.0.0.0/8", Quota { v4: 2, v6: 0 }),
        (ApplyOrder::AddFirst, 0)
    );
    assert_eq!(
        order_and_skipped("10.0.0.0/8", Quota { v4: 1, v6: 0 }),
        (ApplyOrder::RemoveFirst, 0)
    );
    assert_eq!(
        order_and_skipped("pl-office", Quota { v4: 3, v6: 0 }),
        (ApplyOrder::AddFirst, 0)
    );
    assert_eq!(
        order_and_skipped("pl-office", Quota { v4: 2, v6: 0 }),
        (ApplyOrder::RemoveFirst, 0)
    );
    assert_eq!(
        order_and_skipped("pl-office", Quota { v4: 1, v6: 0 }),
        (ApplyOrder::AddFirst, 1)
    );
    assert_eq!(
        order_and_skipped("sg-1", Quota { v4: 2, v6: 2 }),
        (ApplyOrder::AddFirst, 0)
    );
    assert_eq!(
        order_and_skipped("sg-1", Quota { v4: 2, v6: 1 }),
        (ApplyOrder::AddFirst, 1),
        "a security group counts for both families"
    );
}

#[test]
fn prefix_lists_count_by_their_entries_and_unknown_lists_as_ipv4() {
    for (list, v4, order) in [
        ("pl-unknown", 3, ApplyOrder::AddFirst),
        ("pl-unknown", 2, ApplyOrder::RemoveFirst),
        ("pl-office", 4, ApplyOrder::AddFirst),
        ("pl-office", 3, ApplyOrder::RemoveFirst),
        ("pl-office6", 2, ApplyOrder::AddFirst),
    ] {
        let mut scenario = Scenario::new(
            web_only(),
            &["tcp 79-80 0.0.0.0/0", &format!("tcp 443 {list}")],
        );
        scenario.quota = Quota { v4, v6: 1 };
        let plan = scenario.plan();
        assert_eq!(
            (plan.order, plan.skipped_additions.len()),
            (order, 0),
            "{list} {v4}"
        );
    }
}

#[test]
fn a_skipped_addition_can_make_another_addition_forbidden() {
    // Ports 8086-8087 from 0.0.0.0/1 are open to the world only together with the skipped addition.
    let rules = policy([
        rule("one", Action::Narrow, open_ports(ports(&[8085]))),
        rule("ranges", Action::Narrow, Check::PortRangeInternal),
    ]);
    let mut scenario = Scenario::new(
        rules,
        &["tcp 8080-8087 0.0.0.0/1", "tcp 8080-8090 0.0.0.0/0"],
    );
    scenario.quota = Quota { v4: 3, v6: 3 };
    assert_eq!(
        plan_lines(&scenario.plan()),
        [
            "- tcp 8080-8087 0.0.0.0/1",
            "- tcp 8080-8090 0.0.0.0/0",
            "+ tcp 8080-8084 0.0.0.0/0",
            "+ tcp 8080-8084 0.0.0.0/1",
            "x tcp 8086-8090 0.0.0.0/0 rules-quota",
        ],
        "without it, 8086-8087 from 0.0.0.0/1 violates `ranges`"
    );
}

#[test]
fn a_duplicate_of_a_removed_rule_is_added_after_the_removal() {
    // Port 80 is exempt by the tag of the second rule only. The addition that keeps it has the same
    // content as the first rule, which is removed.
    let tagged = Exception {
        rule_tags: BTreeMap::from([("ticket".to_owned(), Glob::new("SEC-*"))]),
        ..exception(TrafficSet::tcp(ports(&[80])))
    };
    let strict = policy([rule(
        "nothing",
        Action::Narrow,
        Check::OpenExcept(TrafficSet::default()),
    )]);
    let policy = Policy {
        exceptions: vec![Arc::new(tagged)],
        ..strict
    };
    let mut scenario = Scenario::new(policy, &["tcp 80 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]);
    scenario.group.rules[1]
        .tags
        .insert("ticket".to_owned(), "SEC-1".to_owned());
    let plan = scenario.plan();
    assert_eq!(
        plan_lines(&plan),
        [
            "- tcp 80 0.0.0.0/0",
            "- tcp 80-81 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0"
        ]
    );
    assert_eq!(
        plan.order,
        ApplyOrder::RemoveFirst,
        "EC2 would reject the duplicate"
    );
}
