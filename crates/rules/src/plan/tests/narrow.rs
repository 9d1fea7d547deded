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
    let lines = plan_lines(&plan);
    assert_eq!(
        lines[..4],
        [
            "- all - 0.0.0.0/0",
            "+ icmp - 0.0.0.0/0",
            "+ tcp 443 0.0.0.0/0",
            "+ udp 443 0.0.0.0/0"
        ]
    );
    let numbers = plan
        .additions
        .iter()
        .filter(|it| matches!(it.ingress.protocol(), Protocol::Other(_)));
    assert_eq!((numbers.count(), lines.len()), (252, 256));
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
