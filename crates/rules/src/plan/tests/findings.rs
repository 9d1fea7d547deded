//! Several findings on one box.

use super::*;

#[test]
fn the_strongest_action_on_a_box_wins() {
    let ssh = || restrict("ssh", open(ports(&[22])), &["10.0.0.0/8"]);
    let telnet = || rule("telnet", Action::Narrow, open(ports(&[23])));
    let ftp = || rule("ftp", Action::Revoke, open(ports(&[21])));
    let box_of = |policy, line| {
        let plan = Scene::new(policy, &[line]).plan();
        (
            plan.removals[0].action,
            plan.removals[0].policy_rules.clone(),
            shown(&plan)[1..].to_vec(),
        )
    };
    let (action, because, came) = box_of(policy([ssh(), telnet(), ftp()]), "tcp 21-25 0.0.0.0/0");
    assert_eq!(
        (action, because.join(" "), came),
        (Action::Revoke, "ftp ssh telnet".to_owned(), Vec::new())
    );
    let (action, because, came) = box_of(policy([ssh(), telnet(), ftp()]), "tcp 22-25 0.0.0.0/0");
    assert_eq!(
        (action, because.join(" ")),
        (Action::Restrict, "ssh telnet".to_owned())
    );
    assert_eq!(
        came,
        ["+ tcp 22 10.0.0.0/8", "+ tcp 24-25 0.0.0.0/0"],
        "23 is opened to nobody"
    );
    let (action, _, came) = box_of(policy([ssh(), telnet(), ftp()]), "tcp 23-25 0.0.0.0/0");
    assert_eq!(
        (action, came),
        (Action::Narrow, vec!["+ tcp 24-25 0.0.0.0/0".to_owned()])
    );
}

#[test]
fn each_trusted_source_gets_what_its_own_rules_forbid() {
    let both = policy([
        restrict("ssh", open(ports(&[22])), &["10.0.0.0/8", "sg-1"]),
        restrict("telnet", open(ports(&[23])), &["10.0.0.0/8"]),
    ]);
    assert_eq!(
        planned(both, &["tcp 22-23 0.0.0.0/0"]),
        [
            "- tcp 22-23 0.0.0.0/0",
            "+ tcp 22 sg-1",
            "+ tcp 22-23 10.0.0.0/8"
        ]
    );
}

#[test]
fn notify_and_off_change_nothing() {
    for action in [Action::Notify, Action::Off] {
        let plan = Scene::new(
            policy([rule("ssh", action, open(ports(&[22])))]),
            &["tcp 22 0.0.0.0/0"],
        )
        .plan();
        assert!(plan.is_empty() && shown(&plan).is_empty());
    }
    let other = Override {
        scope: Scope::default(),
        rule_overrides: BTreeMap::from([(
            "web-only".to_owned(),
            RuleOverride {
                severity: None,
                action: Some(Action::Notify),
            },
        )]),
    };
    assert!(
        planned(
            Policy {
                overrides: vec![other],
                ..web_only()
            },
            &["tcp 22 0.0.0.0/0"]
        )
        .is_empty()
    );
}
