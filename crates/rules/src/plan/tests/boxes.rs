//! Several boxes of one group.

use super::*;

#[test]
fn the_baseline_revokes_what_offends_and_nothing_beside_it() {
    let lines = [
        "tcp 22 0.0.0.0/0",
        "tcp 22 10.0.0.0/8",
        "tcp 22 sg-1",
        "tcp 443 0.0.0.0/0",
        "tcp 8000-8010 ::/0",
    ];
    assert_eq!(
        planned(baseline_policy(), &lines),
        ["- tcp 22 0.0.0.0/0", "- tcp 8000-8010 ::/0"]
    );
}

#[test]
fn halves_go_together() {
    assert_eq!(
        planned(
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
fn a_closed_half_may_make_the_other_half_offend() {
    // As long as 22 is open to the world, the halves are not told to be broad there; then they are.
    let both = || {
        policy([
            rule("ssh", Action::Revoke, open(ports(&[22]))),
            rule("broad", Action::Narrow, Check::BroadSource),
        ])
    };
    let excepted = Exception {
        sources: vec!["0.0.0.0/1".parse().unwrap()],
        ..exception(TrafficSet::all())
    };
    let spared = Exception {
        rules: vec!["ssh".to_owned()],
        ..excepted
    };
    let policy = Policy {
        exceptions: vec![Arc::new(spared)],
        ..both()
    };
    let plan = Scene::new(policy, &["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"]).plan();
    assert_eq!(shown(&plan), ["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1"]);
    let because: Vec<_> = plan
        .removals
        .iter()
        .map(|it| (it.policy_rules.join(" "), it.action))
        .collect();
    assert_eq!(
        because,
        [
            ("broad".to_owned(), Action::Narrow),
            ("ssh".to_owned(), Action::Revoke)
        ]
    );
}

#[test]
fn narrow_sources_that_are_the_world_together_go_once_the_broad_one_is_gone() {
    let lines = [
        "tcp 22 0.0.0.0/0",
        "tcp 22 pl-low",
        "tcp 22 pl-high",
        "tcp 23 pl-low",
    ];
    assert_eq!(
        planned(baseline_policy(), &lines),
        ["- tcp 22 0.0.0.0/0", "- tcp 22 pl-low", "- tcp 22 pl-high"]
    );
}

#[test]
fn what_is_opened_does_not_take_a_rule_of_the_group_with_it() {
    let trusting = policy([restrict("ssh", open(ports(&[22])), &["pl-low"])]);
    assert_eq!(
        planned(trusting, &["tcp 22 0.0.0.0/0", "tcp 22 pl-high"]),
        [
            "- tcp 22 0.0.0.0/0",
            "x tcp 22 pl-low trusted-source-forbidden"
        ]
    );
}

#[test]
fn twins_go_together_and_are_replaced_once() {
    // EC2 holds no twins, an input file may.
    let plan = Scene::new(web_only(), &["tcp 80-81 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"]).plan();
    assert_eq!(
        shown(&plan),
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
fn of_two_rules_that_leave_the_same_the_order_does_not_choose() {
    let described = |scene: &mut Scene| {
        for rule in &mut scene.group.rules {
            rule.description = Some(format!("was {rule}"));
        }
        scene.plan().additions[0].ingress.description.clone()
    };
    let one = described(&mut Scene::new(
        web_only(),
        &["tcp 80-81 0.0.0.0/0", "tcp 79-80 0.0.0.0/0"],
    ));
    let other = described(&mut Scene::new(
        web_only(),
        &["tcp 79-80 0.0.0.0/0", "tcp 80-81 0.0.0.0/0"],
    ));
    assert_eq!(one, other);
}
