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
fn nothing_is_skipped_for_the_quota() {
    let mut scenario = Scenario::new(web_only(), &["tcp 0-65535 0.0.0.0/0", "udp 53 10.0.0.0/8"]);
    let added = [
        "- tcp 0-65535 0.0.0.0/0",
        "+ tcp 80 0.0.0.0/0",
        "+ tcp 443 0.0.0.0/0",
    ];
    for v4 in [0, 1, 2, 3] {
        scenario.quota = Quota { v4, v6: 60 };
        let plan = scenario.plan();
        assert_eq!(plan.order, ApplyOrder::RemoveFirst, "{v4}");
        assert_eq!(plan_lines(&plan), added, "{v4}");
    }
    scenario.quota = Quota { v4: 4, v6: 60 };
    assert_eq!(scenario.plan().order, ApplyOrder::AddFirst);
}

#[test]
fn a_group_with_more_rules_proves_a_higher_quota() {
    let mut lines: Vec<String> = (0..80).map(|i| format!("tcp 443 10.{i}.0.0/16")).collect();
    lines.push("tcp 80-443 0.0.0.0/0".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut scenario = Scenario::new(web_only(), &lines);
    scenario.quota = Quota::default();
    let plan = scenario.plan();
    assert_eq!(
        plan_lines(&plan),
        [
            "- tcp 80-443 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0",
            "+ tcp 443 0.0.0.0/0"
        ]
    );
    assert_eq!(
        plan.order,
        ApplyOrder::RemoveFirst,
        "82 rules may be too many"
    );
}

#[test]
fn each_family_has_its_own_quota() {
    let order = |trusted: &str, v4, v6| {
        let mut scenario = Scenario::new(
            policy([restrict("ssh", open_ports(ports(&[22])), &[trusted])]),
            &["tcp 22 0.0.0.0/0", "tcp 1 ::/0"],
        );
        scenario.quota = Quota { v4, v6 };
        scenario.plan().order
    };
    // The IPv6 quota does not matter for IPv4 additions.
    assert_eq!(order("10.0.0.0/8", 2, 0), ApplyOrder::AddFirst);
    assert_eq!(order("10.0.0.0/8", 1, 0), ApplyOrder::RemoveFirst);
    assert_eq!(order("pl-office", 3, 0), ApplyOrder::AddFirst);
    assert_eq!(order("pl-office", 2, 0), ApplyOrder::RemoveFirst);
    // A security group counts for both families.
    assert_eq!(order("sg-1", 2, 2), ApplyOrder::AddFirst);
    assert_eq!(order("sg-1", 2, 1), ApplyOrder::RemoveFirst);
}

#[test]
fn prefix_lists_count_by_their_maximum_or_published_weight() {
    for (name, max_entries, v4, order) in [
        (None, None, 3, ApplyOrder::AddFirst),
        (None, Some(40), 41, ApplyOrder::AddFirst),
        (None, Some(40), 40, ApplyOrder::RemoveFirst),
        (
            Some("com.amazonaws.eu-west-1.s3"),
            None,
            2,
            ApplyOrder::AddFirst,
        ),
        (
            Some("com.amazonaws.global.cloudfront.origin-facing"),
            None,
            55,
            ApplyOrder::RemoveFirst,
        ),
    ] {
        let mut scenario = Scenario::new(
            policy([restrict("ssh", open_ports(ports(&[22])), &["pl-office"])]),
            &["tcp 22 0.0.0.0/0"],
        );
        if let Some(max_entries) = max_entries {
            scenario.lists.set_max_entries("pl-office", max_entries);
        }
        if let Some(name) = name {
            scenario.lists.set_name("pl-office", name);
        }
        scenario.quota = Quota { v4, v6: 1 };
        assert_eq!(scenario.plan().order, order, "{name:?} {max_entries:?}");
    }
}

#[test]
fn prefix_lists_count_by_their_entries_and_unknown_lists_for_both_families() {
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
        assert_eq!(scenario.plan().order, order, "{list} {v4}");
    }
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
