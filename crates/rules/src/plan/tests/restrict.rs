//! Restricting: what is forbidden is opened to trusted sources.

use super::*;

#[test]
fn seed_000_step_03_only_trusted_entities_reach_8040() {
    // A fixed address, a range, another group: what the console steps of the seed offer.
    for (trusted, came) in [
        ("10.0.0.35/32", "+ tcp 8040 10.0.0.35/32"),
        ("10.0.5.0/24", "+ tcp 8040 10.0.5.0/24"),
        ("sg-01234123412341234", "+ tcp 8040 sg-01234123412341234"),
        ("pl-office", "+ tcp 8040 pl-office"),
    ] {
        let trusting = policy([restrict("uncommon", open(ports(&[8040])), &[trusted])]);
        let plan = Scene::new(trusting, &["tcp 8040 0.0.0.0/0"]).plan();
        assert_eq!(shown(&plan), ["- tcp 8040 0.0.0.0/0", came]);
        assert_eq!(plan.additions[0].purpose, Purpose::Trust);
    }
}

#[test]
fn v6_is_never_traded_for_v4() {
    for trusted in ["10.0.0.0/8", "pl-office"] {
        let trusting = policy([restrict("uncommon", open(ports(&[8040])), &[trusted])]);
        assert_eq!(
            planned(trusting, &["tcp 8040 0.0.0.0/0", "tcp 8040 ::/0"]),
            [
                "- tcp 8040 0.0.0.0/0".to_owned(),
                "- tcp 8040 ::/0".to_owned(),
                format!("+ tcp 8040 {trusted}")
            ]
        );
    }
    for trusted in ["2001:db8::/32", "pl-office6"] {
        let trusting = policy([restrict("uncommon", open(ports(&[8040])), &[trusted])]);
        assert_eq!(
            planned(trusting, &["tcp 8040 0.0.0.0/0"]),
            ["- tcp 8040 0.0.0.0/0"]
        );
    }
}

#[test]
fn a_trusted_source_outside_is_a_loss() {
    let trusting = |trusted: &str| policy([restrict("broad", Check::BroadSource, &[trusted])]);
    for trusted in [
        "10.0.0.0/8",
        "0.0.0.0/0",
        "pl-office",
        "pl-both",
        "pl-unknown",
    ] {
        assert_eq!(
            planned(trusting(trusted), &["tcp 22 52.0.0.0/8"]),
            [
                "- tcp 22 52.0.0.0/8".to_owned(),
                format!("x tcp 22 {trusted} trusted-source-outside")
            ]
        );
    }
    assert_eq!(
        planned(trusting("52.1.0.0/16"), &["tcp 22 52.0.0.0/8"]),
        ["- tcp 22 52.0.0.0/8", "+ tcp 22 52.1.0.0/16"]
    );
    let half_inside = [
        "- tcp 22 203.0.0.0/8",
        "x tcp 22 pl-office trusted-source-outside",
    ];
    assert_eq!(
        planned(trusting("pl-office"), &["tcp 22 203.0.0.0/8"]),
        half_inside
    );
    // Nothing is known of one list that goes; the other has entries of both families, and not this one.
    for list in ["pl-unknown", "pl-both"] {
        let ranges = policy([restrict(
            "ranges",
            Check::PortRangeInternal,
            &["10.0.0.0/8"],
        )]);
        assert_eq!(
            planned(ranges, &[&format!("tcp 20-25 {list}")]),
            [
                format!("- tcp 20-25 {list}"),
                "x tcp 20-25 10.0.0.0/8 trusted-source-outside".to_owned()
            ]
        );
    }
}

#[test]
fn what_one_rule_cannot_open_another_can() {
    let trusting = policy([restrict(
        "ssh",
        open(ports(&[22])),
        &["10.0.0.0/8", "203.0.113.0/24"],
    )]);
    assert_eq!(
        planned(trusting, &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
        [
            "- tcp 22 0.0.0.0/1",
            "- tcp 22 128.0.0.0/1",
            "+ tcp 22 10.0.0.0/8",
            "+ tcp 22 203.0.113.0/24"
        ],
        "each half holds one of the two, and neither is a loss"
    );
}

#[test]
fn a_loss_is_one_unless_the_source_has_all_of_it_in_the_end() {
    let trusting = policy([
        restrict("ports", open(ports(&[22, 23])), &["10.0.0.0/8"]),
        restrict("broad", Check::BroadSource, &["10.0.0.0/8"]),
    ]);
    assert_eq!(
        planned(
            trusting.clone(),
            &["tcp 22-23 0.0.0.0/0", "tcp 22 52.0.0.0/8"]
        ),
        [
            "- tcp 22-23 0.0.0.0/0",
            "- tcp 22 52.0.0.0/8",
            "+ tcp 22-23 10.0.0.0/8"
        ]
    );
    assert_eq!(
        planned(trusting, &["tcp 22 0.0.0.0/0", "tcp 24 52.0.0.0/8"]),
        [
            "- tcp 22 0.0.0.0/0",
            "- tcp 24 52.0.0.0/8",
            "+ tcp 22 10.0.0.0/8",
            "x tcp 24 10.0.0.0/8 trusted-source-outside"
        ]
    );
    let icmp = policy([restrict(
        "icmp",
        Check::OpenExcept(TrafficSet::default()),
        &["pl-unknown"],
    )]);
    assert_eq!(
        planned(icmp, &["icmp 8/0 0.0.0.0/0", "icmp 3/4 pl-unknown"]),
        [
            "- icmp 8/0 0.0.0.0/0",
            "x icmp 8/0 pl-unknown trusted-source-outside"
        ],
        "another message is no substitute"
    );
}

#[test]
fn a_trusted_source_that_is_forbidden_too_is_a_loss() {
    let own = policy([restrict(
        "ranges",
        Check::PortRangeInternal,
        &["10.0.0.0/8"],
    )]);
    assert_eq!(
        planned(own, &["tcp 20-25 10.0.0.0/8"]),
        [
            "- tcp 20-25 10.0.0.0/8",
            "x tcp 20-25 10.0.0.0/8 trusted-source-forbidden"
        ]
    );
    let other = policy([
        restrict("ssh", open(ports(&[22])), &["52.0.0.0/8"]),
        rule("broad", Action::Revoke, Check::BroadSource),
    ]);
    assert_eq!(
        planned(other, &["tcp 22 0.0.0.0/0"]),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 52.0.0.0/8 trusted-source-forbidden"
        ]
    );
}

#[test]
fn opening_and_forbidding_by_turns_comes_to_an_end() {
    let mut scene = Scene::new(
        policy([restrict(
            "ssh",
            open(ports(&[22])),
            &["pl-world", "0.0.0.0/0"],
        )]),
        &["tcp 22 0.0.0.0/0"],
    );
    scene
        .lists
        .insert("pl-world", [parse_cidr("0.0.0.0/0").unwrap()]);
    assert_eq!(
        shown(&scene.plan()),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 0.0.0.0/0 trusted-source-forbidden",
            "x tcp 22 pl-world trusted-source-forbidden"
        ]
    );
}

#[test]
fn all_of_it_for_a_trusted_source_is_one_rule() {
    let trusting = policy([restrict("all-traffic", Check::AllTraffic, &["10.0.0.0/8"])]);
    assert_eq!(
        planned(trusting, &["-1 - 0.0.0.0/0"]),
        ["- all - 0.0.0.0/0", "+ all - 10.0.0.0/8"]
    );
}

#[test]
fn icmp_for_a_trusted_source_keeps_its_type_and_code() {
    let trusting = policy([restrict(
        "icmp",
        Check::OpenExcept(TrafficSet::default()),
        &["10.0.0.0/8", "sg-1"],
    )]);
    assert_eq!(
        planned(trusting, &["icmp 8/0 0.0.0.0/0"]),
        [
            "- icmp 8/0 0.0.0.0/0",
            "+ icmp 8/0 10.0.0.0/8",
            "+ icmp 8/0 sg-1"
        ]
    );
}

#[test]
fn a_group_whose_owner_is_told_is_the_same_group() {
    let trusting = policy([restrict("ssh", open(ports(&[22])), &["sg-1"])]);
    let mut scene = Scene::new(trusting, &["tcp 22 0.0.0.0/0", "tcp 22 sg-1"]);
    let Source::Group(there) = &mut scene.group.rules[1].source else {
        panic!()
    };
    there.owner_id = Some("111122223333".to_owned());
    assert_eq!(
        shown(&scene.plan()),
        ["- tcp 22 0.0.0.0/0"],
        "EC2 would refuse a twin"
    );
}
