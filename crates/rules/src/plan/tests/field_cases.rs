//! Cases from the field with made-up values.

use super::*;

/// Rules for port 443 from private blocks.
fn private_lines(count: usize) -> Vec<String> {
    (0..count)
        .map(|i| format!("tcp 443 10.{i}.0.0/16"))
        .collect()
}

fn scenario_with(policy: Policy, lines: &[String]) -> Scenario {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut scenario = Scenario::new(policy, &lines);
    scenario.quota = Quota::default();
    scenario
}

#[test]
fn a_raised_quota_does_not_cost_public_443() {
    let mut lines = private_lines(80);
    lines.push("tcp 80-443 0.0.0.0/0".to_owned());
    let one_port = policy([rule(
        "web-only",
        Action::Narrow,
        Check::OpenExcept(TrafficSet::tcp(ports(&[443]))),
    )]);
    let plan = scenario_with(one_port, &lines).plan();
    assert_eq!(
        plan_lines(&plan),
        ["- tcp 80-443 0.0.0.0/0", "+ tcp 443 0.0.0.0/0"]
    );
    assert_eq!(plan.order, ApplyOrder::RemoveFirst);
}

#[test]
fn a_list_with_room_for_50_entries_is_added_after_the_removal() {
    let mut lines = private_lines(15);
    lines.push("tcp 22 0.0.0.0/0".to_owned());
    let restricting = policy([restrict("ssh", open_ports(ports(&[22])), &["pl-office"])]);
    let mut scenario = scenario_with(restricting, &lines);
    assert_eq!(scenario.plan().order, ApplyOrder::AddFirst);
    scenario.lists.set_max_entries("pl-office", 50);
    let plan = scenario.plan();
    assert_eq!(
        plan_lines(&plan),
        ["- tcp 22 0.0.0.0/0", "+ tcp 22 pl-office"]
    );
    assert_eq!(plan.order, ApplyOrder::RemoveFirst);
}

#[test]
fn a_list_of_both_halves_is_narrowed_after_the_removal() {
    let mut scenario = scenario_with(web_only(), &["tcp 22-443 pl-anyone".to_owned()]);
    let halves = ["0.0.0.0/1", "128.0.0.0/1"].map(|text| parse_cidr(text).unwrap());
    scenario.lists.insert("pl-anyone", halves);
    scenario.lists.set_max_entries("pl-anyone", 40);
    let plan = scenario.plan();
    assert_eq!(
        plan_lines(&plan),
        [
            "- tcp 22-443 pl-anyone",
            "+ tcp 80 pl-anyone",
            "+ tcp 443 pl-anyone"
        ]
    );
    assert_eq!(plan.order, ApplyOrder::RemoveFirst);
}

#[test]
fn many_rules_for_all_traffic_are_narrowed() {
    let lines: Vec<String> = (0..240).map(|i| format!("-1 - {i}.0.0.0/8")).collect();
    let narrow = policy([rule("ssh", Action::Narrow, open_ports(ports(&[22])))]);
    let plan = scenario_with(narrow, &lines).plan();
    // 10.0.0.0/8, 0.0.0.0/8, 127.0.0.0/8 and the blocks from 224.0.0.0/8 on are not public.
    assert_eq!(plan.removals.len(), 240 - 3 - 16);
    assert_eq!(plan.additions.len(), plan.removals.len() * 10);
}
