//! Restricting: trusted sources keep access to forbidden traffic.

use super::*;

#[test]
fn only_trusted_sources_keep_access() {
    // An address, a CIDR block, a security group and a prefix list.
    for (trusted, addition) in [
        ("10.0.0.35/32", "+ tcp 8040 10.0.0.35/32"),
        ("10.0.5.0/24", "+ tcp 8040 10.0.5.0/24"),
        ("sg-01234123412341234", "+ tcp 8040 sg-01234123412341234"),
        ("pl-office", "+ tcp 8040 pl-office"),
    ] {
        let restricting = policy([restrict("uncommon", open_ports(ports(&[8040])), &[trusted])]);
        let plan = Scenario::new(restricting, &["tcp 8040 0.0.0.0/0"]).plan();
        assert_eq!(plan_lines(&plan), ["- tcp 8040 0.0.0.0/0", addition]);
        assert_eq!(plan.additions[0].purpose, Purpose::Trust);
    }
}

#[test]
fn trusted_sources_of_the_other_family_are_ignored() {
    for trusted in ["10.0.0.0/8", "pl-office"] {
        let restricting = policy([restrict("uncommon", open_ports(ports(&[8040])), &[trusted])]);
        assert_eq!(
            planned_lines(restricting, &["tcp 8040 0.0.0.0/0", "tcp 8040 ::/0"]),
            [
                "- tcp 8040 0.0.0.0/0".to_owned(),
                "- tcp 8040 ::/0".to_owned(),
                format!("+ tcp 8040 {trusted}")
            ]
        );
    }
    for trusted in ["2001:db8::/32", "pl-office6"] {
        let restricting = policy([restrict("uncommon", open_ports(ports(&[8040])), &[trusted])]);
        assert_eq!(
            planned_lines(restricting, &["tcp 8040 0.0.0.0/0"]),
            ["- tcp 8040 0.0.0.0/0"]
        );
    }
}

#[test]
fn a_trusted_source_outside_is_skipped() {
    let restricting = |trusted: &str| policy([restrict("broad", Check::BroadSource, &[trusted])]);
    for trusted in ["10.0.0.0/8", "0.0.0.0/0", "pl-office", "pl-both"] {
        assert_eq!(
            planned_lines(restricting(trusted), &["tcp 22 52.0.0.0/8"]),
            [
                "- tcp 22 52.0.0.0/8".to_owned(),
                format!("x tcp 22 {trusted} trusted-source-outside")
            ]
        );
    }
    assert_eq!(
        planned_lines(restricting("pl-unknown"), &["tcp 22 52.0.0.0/8"]),
        [
            "- tcp 22 52.0.0.0/8",
            "x tcp 22 pl-unknown trusted-list-unresolved"
        ]
    );
    assert_eq!(
        planned_lines(restricting("52.1.0.0/16"), &["tcp 22 52.0.0.0/8"]),
        ["- tcp 22 52.0.0.0/8", "+ tcp 22 52.1.0.0/16"]
    );
    let half_inside = [
        "- tcp 22 203.0.0.0/8",
        "x tcp 22 pl-office trusted-source-outside",
    ];
    assert_eq!(
        planned_lines(restricting("pl-office"), &["tcp 22 203.0.0.0/8"]),
        half_inside
    );
    // The entries of one list are unknown; the other has entries of both families, but not this
    // one.
    for list in ["pl-unknown", "pl-both"] {
        let ranges = policy([restrict(
            "ranges",
            Check::PortRangeInternal,
            &["10.0.0.0/8"],
        )]);
        assert_eq!(
            planned_lines(ranges, &[&format!("tcp 20-25 {list}")]),
            [
                format!("- tcp 20-25 {list}"),
                "x tcp 20-25 10.0.0.0/8 trusted-source-outside".to_owned()
            ]
        );
    }
}

#[test]
fn a_trusted_source_inside_any_removed_rule_is_added() {
    let restricting = policy([restrict(
        "ssh",
        open_ports(ports(&[22])),
        &["10.0.0.0/8", "203.0.113.0/24"],
    )]);
    assert_eq!(
        planned_lines(restricting, &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
        [
            "- tcp 22 0.0.0.0/1",
            "- tcp 22 128.0.0.0/1",
            "+ tcp 22 10.0.0.0/8",
            "+ tcp 22 203.0.113.0/24"
        ],
        "each half contains one of the two, and neither is skipped"
    );
}

#[test]
fn an_addition_is_skipped_only_if_other_rules_do_not_allow_it() {
    let restricting = policy([
        restrict("ports", open_ports(ports(&[22, 23])), &["10.0.0.0/8"]),
        restrict("broad", Check::BroadSource, &["10.0.0.0/8"]),
    ]);
    assert_eq!(
        planned_lines(
            restricting.clone(),
            &["tcp 22-23 0.0.0.0/0", "tcp 22 52.0.0.0/8"]
        ),
        [
            "- tcp 22 52.0.0.0/8",
            "- tcp 22-23 0.0.0.0/0",
            "+ tcp 22 10.0.0.0/8",
            "+ tcp 22-23 10.0.0.0/8"
        ],
        "0.0.0.0/0 gave the trusted source port 22 before"
    );
    assert_eq!(
        planned_lines(restricting, &["tcp 22 0.0.0.0/0", "tcp 24 52.0.0.0/8"]),
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
        planned_lines(icmp, &["icmp 8/0 0.0.0.0/0", "icmp 3/4 pl-unknown"]),
        [
            "- icmp 8/0 0.0.0.0/0",
            "x icmp 8/0 pl-unknown trusted-list-unresolved"
        ],
        "another ICMP message is not a substitute"
    );
}

#[test]
fn a_forbidden_trusted_source_is_skipped() {
    let own = policy([restrict(
        "ranges",
        Check::PortRangeInternal,
        &["10.0.0.0/8"],
    )]);
    assert_eq!(
        planned_lines(own, &["tcp 20-25 10.0.0.0/8"]),
        [
            "- tcp 20-25 10.0.0.0/8",
            "x tcp 20-25 10.0.0.0/8 trusted-source-forbidden"
        ]
    );
    let other = policy([
        restrict("ssh", open_ports(ports(&[22])), &["52.0.0.0/8"]),
        rule("broad", Action::Revoke, Check::BroadSource),
    ]);
    assert_eq!(
        planned_lines(other, &["tcp 22 0.0.0.0/0"]),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 52.0.0.0/8 trusted-source-forbidden"
        ]
    );
}

#[test]
fn trusted_sources_that_are_forbidden_in_turn_are_skipped() {
    let mut scenario = Scenario::new(
        policy([restrict(
            "ssh",
            open_ports(ports(&[22])),
            &["pl-world", "0.0.0.0/0"],
        )]),
        &["tcp 22 0.0.0.0/0"],
    );
    scenario
        .lists
        .insert("pl-world", [parse_cidr("0.0.0.0/0").unwrap()]);
    assert_eq!(
        plan_lines(&scenario.plan()),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 0.0.0.0/0 trusted-source-forbidden",
            "x tcp 22 pl-world trusted-source-forbidden"
        ]
    );
}

#[test]
fn trusted_sources_of_all_traffic_get_the_protocols_that_narrowing_keeps() {
    let restricting = policy([restrict("all-traffic", Check::AllTraffic, &["10.0.0.0/8"])]);
    assert_eq!(
        planned_lines(restricting, &["-1 - 0.0.0.0/0"]),
        [
            "- all - 0.0.0.0/0",
            "+ icmp - 10.0.0.0/8",
            "+ tcp 0-65535 10.0.0.0/8",
            "+ udp 0-65535 10.0.0.0/8",
            "+ 4 - 10.0.0.0/8",
            "+ 41 - 10.0.0.0/8",
            "+ 47 - 10.0.0.0/8",
            "+ 50 - 10.0.0.0/8",
            "+ 51 - 10.0.0.0/8",
        ]
    );
}

#[test]
fn what_the_rules_allowed_together_counts_for_trusted_sources() {
    let restricting = || policy([restrict("ssh", open_ports(ports(&[22])), &["pl-split"])]);
    let plan_of = |lines: &[&str]| {
        let mut scenario = Scenario::new(restricting(), lines);
        let entries = ["9.9.9.0/24", "203.0.113.0/24"].map(|text| parse_cidr(text).unwrap());
        scenario.lists.insert("pl-split", entries);
        plan_lines(&scenario.plan())
    };
    assert_eq!(
        plan_of(&["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
        [
            "- tcp 22 0.0.0.0/1",
            "- tcp 22 128.0.0.0/1",
            "+ tcp 22 pl-split"
        ]
    );
    assert_eq!(
        plan_of(&["-1 - 0.0.0.0/1", "tcp 20-22 128.0.0.0/1"])[..1],
        ["- all - 0.0.0.0/1"],
    );
    assert!(
        plan_of(&["-1 - 0.0.0.0/1", "tcp 20-22 128.0.0.0/1"])
            .contains(&"+ tcp 22 pl-split".to_owned()),
    );
}

#[test]
fn a_trusted_source_gets_only_the_ports_that_it_had() {
    let restricting = policy([restrict("broad", Check::BroadSource, &["52.0.0.0/7"])]);
    assert_eq!(
        planned_lines(
            restricting,
            &["tcp 20-25 52.0.0.0/8", "tcp 22-30 53.0.0.0/8"]
        ),
        [
            "- tcp 20-25 52.0.0.0/8",
            "- tcp 22-30 53.0.0.0/8",
            "x tcp 20-21 52.0.0.0/7 trusted-source-outside",
            "x tcp 22-25 52.0.0.0/7 trusted-source-forbidden",
            "x tcp 26-30 52.0.0.0/7 trusted-source-outside",
        ],
        "a trusted /7 is broad itself"
    );
    let narrower = policy([restrict(
        "ranges",
        Check::PortRangeInternal,
        &["10.0.0.0/8"],
    )]);
    assert_eq!(
        planned_lines(
            narrower,
            &["tcp 20-21 10.0.0.0/9", "tcp 21-22 10.128.0.0/9"]
        ),
        [
            "- tcp 20-21 10.0.0.0/9",
            "- tcp 21-22 10.128.0.0/9",
            "+ tcp 21 10.0.0.0/8",
            "x tcp 20 10.0.0.0/8 trusted-source-outside",
            "x tcp 22 10.0.0.0/8 trusted-source-outside",
        ],
    );
}

#[test]
fn a_trusted_list_of_both_families_needs_prior_access_in_both() {
    let restricting = || policy([restrict("ssh", open_ports(ports(&[22])), &["pl-both"])]);
    assert_eq!(
        planned_lines(restricting(), &["tcp 22 0.0.0.0/0"]),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 pl-both trusted-source-outside"
        ]
    );
    assert_eq!(
        planned_lines(restricting(), &["tcp 22 0.0.0.0/0", "tcp 22 ::/0"]),
        ["- tcp 22 0.0.0.0/0", "- tcp 22 ::/0", "+ tcp 22 pl-both"]
    );
}

#[test]
fn icmp_for_a_trusted_source_keeps_type_and_code() {
    let restricting = policy([restrict(
        "icmp",
        Check::OpenExcept(TrafficSet::default()),
        &["10.0.0.0/8", "sg-1"],
    )]);
    assert_eq!(
        planned_lines(restricting, &["icmp 8/0 0.0.0.0/0"]),
        [
            "- icmp 8/0 0.0.0.0/0",
            "+ icmp 8/0 10.0.0.0/8",
            "+ icmp 8/0 sg-1"
        ]
    );
}

#[test]
fn groups_are_compared_without_their_owner() {
    let restricting = policy([restrict("ssh", open_ports(ports(&[22])), &["sg-1"])]);
    let mut scenario = Scenario::new(restricting, &["tcp 22 0.0.0.0/0", "tcp 22 sg-1"]);
    let Source::Group(there) = &mut scenario.group.rules[1].source else {
        panic!()
    };
    there.owner_id = Some("111122223333".to_owned());
    assert_eq!(
        plan_lines(&scenario.plan()),
        ["- tcp 22 0.0.0.0/0"],
        "EC2 would reject a duplicate"
    );
}

#[test]
fn messages_of_one_type_include_its_codes() {
    let no_icmp = Check::OpenExcept(TrafficSet::tcp(ports(&[443])));
    let lines = ["icmp 8/0 10.0.0.0/7", "icmp 8/-1 0.0.0.0/0"];
    assert_eq!(
        planned_lines(
            policy([restrict("no-icmp", no_icmp, &["8.8.8.0/24"])]),
            &lines
        ),
        [
            "- icmp 8/-1 0.0.0.0/0",
            "- icmp 8/0 10.0.0.0/7",
            "+ icmp 8/-1 8.8.8.0/24",
            "+ icmp 8/0 8.8.8.0/24"
        ]
    );
}

#[test]
fn a_trusted_source_that_completes_the_coverage_of_icmp_is_skipped() {
    let no_icmp = Check::OpenExcept(TrafficSet::tcp(ports(&[443])));
    let restricting = policy([restrict("no-icmp", no_icmp, &["52.0.0.0/9"])]);
    let lines = ["-1 - pl-most", "-1 - pl-halves", "icmp 0/0 52.128.0.0/9"];
    let mut scenario = Scenario::new(restricting, &lines);
    let nines = parse_cidr("0.0.0.0/0").unwrap().subnets(9).unwrap();
    let inside_52 = parse_cidr("52.0.0.0/8").unwrap();
    scenario
        .lists
        .insert("pl-most", nines.filter(|net| !inside_52.contains(net)));
    let halves = ["0.0.0.0/1", "128.0.0.0/1"].map(|text| parse_cidr(text).unwrap());
    scenario.lists.insert("pl-halves", halves);
    let plan = scenario.plan();
    let removed: Vec<_> = plan
        .removals
        .iter()
        .map(|it| it.ingress.to_string())
        .collect();
    assert_eq!(removed, ["all - pl-halves"]);
    let forbidden = "x icmp - 52.0.0.0/9 trusted-source-forbidden";
    assert!(plan_lines(&plan).contains(&forbidden.to_owned()));
}
