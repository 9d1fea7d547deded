//! Narrowing: allowed traffic is kept by separate rules.

use super::*;

#[test]
fn narrowing_all_ports_keeps_80_and_443() {
    assert_eq!(
        planned_lines(
            web_only(),
            &["tcp 0-65535 0.0.0.0/0", "udp 0-65535 0.0.0.0/0"]
        ),
        [
            "- tcp 0-65535 0.0.0.0/0",
            "- udp 0-65535 0.0.0.0/0",
            "+ tcp 80 0.0.0.0/0",
            "+ tcp 443 0.0.0.0/0"
        ]
    );
}

#[test]
fn an_existing_rule_is_not_added_again() {
    let plan = Scenario::new(web_only(), &["tcp 80-443 0.0.0.0/0", "tcp 80 0.0.0.0/0"]).plan();
    assert_eq!(
        plan_lines(&plan),
        ["- tcp 80-443 0.0.0.0/0", "+ tcp 443 0.0.0.0/0"]
    );
}

#[test]
fn narrowing_all_traffic_keeps_icmp_and_other_protocols() {
    let no_ports = policy([rule(
        "no-ports",
        Action::Narrow,
        open_ports(ports(&[443]).complement()),
    )]);
    let plan = Scenario::new(no_ports.clone(), &["-1 - 0.0.0.0/0"]).plan();
    assert_eq!(
        plan_lines(&plan),
        [
            "- all - 0.0.0.0/0",
            "+ icmp - 0.0.0.0/0",
            "+ tcp 443 0.0.0.0/0",
            "+ udp 443 0.0.0.0/0",
            "+ 4 - 0.0.0.0/0",
            "+ 41 - 0.0.0.0/0",
            "+ 47 - 0.0.0.0/0",
            "+ 50 - 0.0.0.0/0",
            "+ 51 - 0.0.0.0/0",
        ]
    );
    let dropped = plan.removals[0].dropped_protocols;
    assert_eq!(dropped.numbers().count(), 252 - 5);
    assert!(dropped.contains(132) && !dropped.contains(47));
    // The address family of the source decides between ICMP and ICMPv6.
    let over_v6 = Scenario::new(no_ports, &["-1 - ::/0"]).plan();
    assert_eq!(over_v6.additions[0].ingress.to_string(), "icmpv6 - ::/0");
}

#[test]
fn narrowing_a_fully_forbidden_rule_keeps_nothing() {
    assert_eq!(
        planned_lines(web_only(), &["icmp 8/0 0.0.0.0/0"]),
        ["- icmp 8/0 0.0.0.0/0"]
    );
    assert_eq!(planned_lines(web_only(), &["47 - ::/0"]), ["- 47 - ::/0"]);
}

#[test]
fn exempted_ports_are_kept() {
    let uncommon = || {
        policy([rule(
            "uncommon",
            Action::Narrow,
            open_ports(port_range(1024, 65535)),
        )])
    };
    let exceptions = vec![Arc::new(exception(TrafficSet::tcp(ports(&[8080]))))];
    let excepted = || Policy {
        exceptions: exceptions.clone(),
        ..uncommon()
    };
    assert_eq!(
        planned_lines(excepted(), &["tcp 8080-8090 0.0.0.0/0"]),
        ["- tcp 8080-8090 0.0.0.0/0", "+ tcp 8080 0.0.0.0/0"]
    );
    assert!(planned_lines(excepted(), &["tcp 8080 0.0.0.0/0"]).is_empty());
    assert_eq!(
        planned_lines(excepted(), &["udp 8080 0.0.0.0/0"]),
        ["- udp 8080 0.0.0.0/0"],
        "the exception is for TCP only"
    );
    assert_eq!(
        planned_lines(uncommon(), &["tcp 8080-8090 0.0.0.0/0"]),
        ["- tcp 8080-8090 0.0.0.0/0"]
    );
}

#[test]
fn additions_have_the_description_and_tags_of_the_removed_rule() {
    let mut scenario = Scenario::new(web_only(), &["tcp 440-450 0.0.0.0/0"]);
    scenario.group.rules[0].id = Some("sgr-1".to_owned());
    scenario.group.rules[0].description = Some("shop".to_owned());
    scenario.group.rules[0]
        .tags
        .insert("team".to_owned(), "edge".to_owned());
    let plan = scenario.plan();
    let kept = &plan.additions[0];
    assert_eq!(
        (kept.purpose, &kept.replaces),
        (Purpose::Keep, &scenario.group.rules[0])
    );
    assert_eq!(
        (&kept.ingress.id, kept.ingress.description.as_deref()),
        (&None, Some("shop"))
    );
    assert_eq!(kept.ingress.tags, scenario.group.rules[0].tags);
}

#[test]
fn other_protocols_of_all_traffic_are_kept_where_an_exception_names_them() {
    let named = TrafficSet {
        other_protocols: ProtocolSet::from_iter([132]),
        ..TrafficSet::default()
    };
    let kept_protocols = |traffic| {
        let ssh = policy([rule("ssh", Action::Narrow, open_ports(ports(&[22])))]);
        let excepted = Policy {
            exceptions: vec![Arc::new(exception(traffic))],
            ..ssh
        };
        let plan = Scenario::new(excepted, &["-1 - 0.0.0.0/0"]).plan();
        let kept: Vec<_> = plan
            .additions
            .iter()
            .filter_map(|it| match it.ingress.traffic() {
                Traffic::Other(number) => Some((number, it.is_excepted)),
                Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Icmp | Traffic::Icmpv6 => None,
                Traffic::All => panic!("protocol -1 is kept"),
            })
            .collect();
        (kept, plan.removals[0].dropped_protocols.contains(132))
    };
    let tunnels = [4, 41, 47, 50, 51].map(|number| (number, false));
    let with_named = [&tunnels[..], &[(132, true)]].concat();
    assert_eq!(kept_protocols(named), (with_named, false));
    let unrelated = TrafficSet::tcp(ports(&[8080]));
    assert_eq!(kept_protocols(unrelated), (tunnels.to_vec(), true));
}

#[test]
fn equal_replacements_take_the_description_of_the_lower_rule_id() {
    for ids in [["sgr-1", "sgr-2"], ["sgr-2", "sgr-1"]] {
        let mut scenario =
            Scenario::new(web_only(), &["tcp 79-80 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]);
        for (rule, id) in scenario.group.rules.iter_mut().zip(ids) {
            rule.id = Some(id.to_owned());
            rule.description = Some(format!("from {id}"));
        }
        let plan = scenario.plan();
        assert_eq!(plan.additions.len(), 1);
        let kept = &plan.additions[0];
        assert_eq!(kept.ingress.description.as_deref(), Some("from sgr-1"));
        assert_eq!(kept.replaces.id.as_deref(), Some("sgr-1"));
    }
}

#[test]
fn tags_that_only_aws_may_set_are_not_copied() {
    let mut scenario = Scenario::new(web_only(), &["tcp 440-450 0.0.0.0/0"]);
    for key in ["aws:cloudformation:stack-name", "AWS:x", "aws", "team"] {
        let tags = &mut scenario.group.rules[0].tags;
        tags.insert(key.to_owned(), "edge".to_owned());
    }
    let plan = scenario.plan();
    let copied: Vec<_> = plan.additions[0].ingress.tags.keys().cloned().collect();
    assert_eq!(copied, ["aws", "team"]);
    assert_eq!(plan.removals[0].ingress, scenario.group.rules[0]);
}
