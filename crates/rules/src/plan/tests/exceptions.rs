//! What live exceptions cover is kept under every action.

use super::*;

fn with_exceptions(policy: Policy, exceptions: impl IntoIterator<Item = Exception>) -> Policy {
    Policy {
        exceptions: exceptions.into_iter().map(Arc::new).collect(),
        ..policy
    }
}

fn revoked(check: Check) -> Policy {
    policy([rule("uncommon", Action::Revoke, check)])
}

#[test]
fn a_revoked_rule_keeps_excepted_ports() {
    let uncommon = || open_ports(port_range(1024, 65535));
    let excepted = with_exceptions(
        revoked(uncommon()),
        [exception(TrafficSet::tcp(ports(&[8080, 8085])))],
    );
    let plan = Scenario::new(excepted, &["tcp 8080-8090 0.0.0.0/0", "tcp 9000 ::/0"]).plan();
    assert_eq!(
        plan_lines(&plan),
        [
            "- tcp 8080-8090 0.0.0.0/0",
            "- tcp 9000 ::/0",
            "+ tcp 8080 0.0.0.0/0",
            "+ tcp 8085 0.0.0.0/0",
        ]
    );
    assert!(plan.additions.iter().all(|addition| addition.is_excepted));
}

#[test]
fn ports_that_another_policy_rule_forbids_are_not_kept() {
    let rules = policy([
        rule(
            "uncommon",
            Action::Revoke,
            open_ports(port_range(1024, 65535)),
        ),
        rule("range", Action::Revoke, Check::PortRange),
    ]);
    let for_one_rule = Exception {
        rules: vec!["uncommon".to_owned()],
        ..exception(TrafficSet::tcp(ports(&[8080])))
    };
    let excepted = with_exceptions(rules, [for_one_rule]);
    assert_eq!(
        planned_lines(excepted, &["tcp 8080-8090 0.0.0.0/0"]),
        ["- tcp 8080-8090 0.0.0.0/0"]
    );
}

#[test]
fn a_policy_rule_that_only_notifies_does_not_cut_excepted_ports() {
    let rules = policy([
        rule(
            "uncommon",
            Action::Revoke,
            open_ports(port_range(1024, 65535)),
        ),
        rule("range", Action::Notify, Check::PortRange),
    ]);
    let for_one_rule = Exception {
        rules: vec!["uncommon".to_owned()],
        ..exception(TrafficSet::tcp(ports(&[8080])))
    };
    let excepted = with_exceptions(rules, [for_one_rule]);
    assert_eq!(
        planned_lines(excepted, &["tcp 8080-8090 0.0.0.0/0"]),
        ["- tcp 8080-8090 0.0.0.0/0", "+ tcp 8080 0.0.0.0/0"]
    );
}

#[test]
fn an_exception_about_another_rule_or_an_expired_one_keeps_nothing() {
    let elsewhere = Exception {
        sources: vec!["203.0.113.0/24".parse().unwrap()],
        ..exception(TrafficSet::tcp(ports(&[8080])))
    };
    let expired = Exception {
        expires: "2026-01-01T00:00:00Z".parse().ok(),
        ..exception(TrafficSet::tcp(ports(&[8081])))
    };
    let policy = with_exceptions(
        revoked(open_ports(port_range(1024, 65535))),
        [elsewhere, expired],
    );
    let mut scenario = Scenario::new(policy, &["tcp 8080-8090 0.0.0.0/0"]);
    scenario.context.now = "2026-06-01T00:00:00Z".parse().ok();
    assert_eq!(plan_lines(&scenario.plan()), ["- tcp 8080-8090 0.0.0.0/0"]);
}

#[test]
fn an_excepted_port_that_no_policy_rule_forbids_is_kept_too() {
    let excepted = with_exceptions(
        revoked(open_ports(ports(&[22]))),
        [exception(TrafficSet::tcp(ports(&[443])))],
    );
    assert_eq!(
        planned_lines(excepted, &["tcp 20-500 0.0.0.0/0"]),
        ["- tcp 20-500 0.0.0.0/0", "+ tcp 443 0.0.0.0/0"]
    );
}

#[test]
fn a_revoked_rule_for_all_traffic_keeps_excepted_protocols() {
    let named = TrafficSet {
        icmp: true,
        other_protocols: ProtocolSet::from_iter([47, 132]),
        ..TrafficSet::default()
    };
    let excepted = with_exceptions(revoked(open_ports(PortSet::all())), [exception(named)]);
    assert_eq!(
        planned_lines(excepted, &["-1 - 0.0.0.0/0"]),
        [
            "- all - 0.0.0.0/0",
            "+ icmp - 0.0.0.0/0",
            "+ 47 - 0.0.0.0/0",
            "+ 132 - 0.0.0.0/0",
        ]
    );
}

#[test]
fn ports_of_an_exception_for_an_unknown_principal_are_not_cut() {
    let by_pipeline = Exception {
        principals: vec![Glob::new("*role/deploy*")],
        ..exception(TrafficSet::tcp(ports(&[8080])))
    };
    let policy = with_exceptions(revoked(open_ports(port_range(1024, 65535))), [by_pipeline]);
    let lines = ["tcp 8080 0.0.0.0/0", "tcp 8080-8090 ::/0"];
    assert_eq!(
        planned_lines(policy, &lines),
        ["- tcp 8080-8090 ::/0", "+ tcp 8080 ::/0"]
    );
}

#[test]
fn an_exception_by_a_tag_that_cannot_be_copied_keeps_nothing() {
    let tagged = Exception {
        rule_tags: BTreeMap::from([("aws:team".to_owned(), Glob::new("*"))]),
        ..exception(TrafficSet::tcp(ports(&[8080])))
    };
    let policy = with_exceptions(revoked(open_ports(port_range(1024, 65535))), [tagged]);
    let mut scenario = Scenario::new(policy, &["tcp 8080-8090 0.0.0.0/0"]);
    let tags = &mut scenario.group.rules[0].tags;
    tags.insert("aws:team".to_owned(), "edge".to_owned());
    assert_eq!(plan_lines(&scenario.plan()), ["- tcp 8080-8090 0.0.0.0/0"]);
}
