//! The quota of rules.

use super::*;

#[test]
fn with_room_for_both_what_is_kept_comes_first() {
    for (v4, order) in [(3, ApplyOrder::AddFirst), (2, ApplyOrder::RemoveFirst)] {
        let mut scene = Scene::new(web_only(), &["tcp 0-65535 0.0.0.0/0"]);
        scene.quota = Quota { v4, v6: 0 };
        let plan = scene.plan();
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
fn what_has_no_room_is_lost_and_told() {
    let mut scene = Scene::new(web_only(), &["tcp 0-65535 0.0.0.0/0", "udp 53 10.0.0.0/8"]);
    scene.quota = Quota { v4: 2, v6: 60 };
    let plan = scene.plan();
    assert_eq!(plan.order, ApplyOrder::RemoveFirst);
    assert_eq!(
        shown(&plan),
        [
            "- tcp 0-65535 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0",
            "x tcp 443 0.0.0.0/0 rules-quota"
        ]
    );
    scene.quota = Quota { v4: 1, v6: 60 };
    assert_eq!(
        scene.plan().skipped_additions.len(),
        2,
        "closing comes before keeping"
    );
    assert_eq!(scene.plan().order, ApplyOrder::AddFirst, "nothing is added");
}

#[test]
fn of_all_traffic_the_ports_are_kept_first_then_tunnels_then_the_rest() {
    let mut scene = Scene::new(
        policy([rule("ssh", Action::Narrow, open(ports(&[22])))]),
        &["-1 - 0.0.0.0/0"],
    );
    scene.quota = Quota::default();
    let plan = scene.plan();
    assert_eq!(
        (plan.additions.len(), plan.skipped_additions.len()),
        (11, 5 + 252 - 11),
        "the rest whole or not at all"
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
fn each_family_has_its_quota_and_a_list_weighs_its_entries() {
    let restricted = |trusted: &str, quota| {
        let mut scene = Scene::new(
            policy([restrict("ssh", open(ports(&[22])), &[trusted])]),
            &["tcp 22 0.0.0.0/0", "tcp 1 ::/0"],
        );
        scene.quota = quota;
        let plan = scene.plan();
        (plan.order, plan.skipped_additions.len())
    };
    // The group is beyond its quota for IPv6 already, which is no matter to IPv4.
    assert_eq!(
        restricted("10.0.0.0/8", Quota { v4: 2, v6: 0 }),
        (ApplyOrder::AddFirst, 0)
    );
    assert_eq!(
        restricted("10.0.0.0/8", Quota { v4: 1, v6: 0 }),
        (ApplyOrder::RemoveFirst, 0)
    );
    assert_eq!(
        restricted("pl-office", Quota { v4: 3, v6: 0 }),
        (ApplyOrder::AddFirst, 0)
    );
    assert_eq!(
        restricted("pl-office", Quota { v4: 2, v6: 0 }),
        (ApplyOrder::RemoveFirst, 0)
    );
    assert_eq!(
        restricted("pl-office", Quota { v4: 1, v6: 0 }),
        (ApplyOrder::AddFirst, 1)
    );
    assert_eq!(
        restricted("sg-1", Quota { v4: 2, v6: 2 }),
        (ApplyOrder::AddFirst, 0)
    );
    assert_eq!(
        restricted("sg-1", Quota { v4: 2, v6: 1 }),
        (ApplyOrder::AddFirst, 1),
        "a group counts for both"
    );
}

#[test]
fn a_list_weighs_on_the_families_it_has_and_one_that_is_not_known_on_ipv4() {
    for (list, v4, order) in [
        ("pl-unknown", 3, ApplyOrder::AddFirst),
        ("pl-unknown", 2, ApplyOrder::RemoveFirst),
        ("pl-office", 4, ApplyOrder::AddFirst),
        ("pl-office", 3, ApplyOrder::RemoveFirst),
        ("pl-office6", 2, ApplyOrder::AddFirst),
    ] {
        let mut scene = Scene::new(
            web_only(),
            &["tcp 79-80 0.0.0.0/0", &format!("tcp 443 {list}")],
        );
        scene.quota = Quota { v4, v6: 1 };
        let plan = scene.plan();
        assert_eq!(
            (plan.order, plan.skipped_additions.len()),
            (order, 0),
            "{list} {v4}"
        );
    }
}

#[test]
fn a_loss_that_makes_what_is_left_offend_takes_that_too() {
    // The rest of the half is open to the world only together with what there is no room for.
    let both = policy([
        rule("one", Action::Narrow, open(ports(&[8085]))),
        rule("ranges", Action::Narrow, Check::PortRangeInternal),
    ]);
    let mut scene = Scene::new(
        both,
        &["tcp 8080-8087 0.0.0.0/1", "tcp 8080-8090 0.0.0.0/0"],
    );
    scene.quota = Quota { v4: 3, v6: 3 };
    assert_eq!(
        shown(&scene.plan()),
        [
            "- tcp 8080-8087 0.0.0.0/1",
            "- tcp 8080-8090 0.0.0.0/0",
            "+ tcp 8080-8084 0.0.0.0/0",
            "+ tcp 8080-8084 0.0.0.0/1",
            "x tcp 8086-8090 0.0.0.0/0 rules-quota",
        ],
        "8086-8087 from the half is a range of its own then"
    );
}

#[test]
fn a_twin_of_what_goes_comes_after_it() {
    // The untagged half goes; the world, excepted by its tag, is kept for that half only: the same box, but tagged.
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
    let mut scene = Scene::new(policy, &["tcp 80 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]);
    scene.group.rules[1]
        .tags
        .insert("ticket".to_owned(), "SEC-1".to_owned());
    let plan = scene.plan();
    assert_eq!(
        shown(&plan),
        [
            "- tcp 80 0.0.0.0/0",
            "- tcp 80-81 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0"
        ]
    );
    assert_eq!(
        plan.order,
        ApplyOrder::RemoveFirst,
        "EC2 would refuse the twin"
    );
}
