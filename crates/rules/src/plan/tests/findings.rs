//! Several findings for one rule.

use super::*;

#[test]
fn the_strongest_action_is_used() {
    let rules = || {
        policy([
            restrict("ssh", open_ports(ports(&[22])), &["10.0.0.0/8"]),
            rule("telnet", Action::Narrow, open_ports(ports(&[23]))),
            rule("ftp", Action::Revoke, open_ports(ports(&[21]))),
        ])
    };
    for (line, action, policy_rules, additions) in [
        (
            "tcp 21-25 0.0.0.0/0",
            Action::Revoke,
            "ftp ssh telnet",
            &[][..],
        ),
        // 23 is allowed for nobody.
        (
            "tcp 22-25 0.0.0.0/0",
            Action::Restrict,
            "ssh telnet",
            &["+ tcp 22 10.0.0.0/8", "+ tcp 24-25 0.0.0.0/0"],
        ),
        (
            "tcp 23-25 0.0.0.0/0",
            Action::Narrow,
            "telnet",
            &["+ tcp 24-25 0.0.0.0/0"],
        ),
    ] {
        let plan = Scenario::new(rules(), &[line]).plan();
        let removal = &plan.removals[0];
        assert_eq!(removal.action, action, "{line}");
        assert_eq!(removal.policy_rules.join(" "), policy_rules, "{line}");
        assert_eq!(plan_lines(&plan)[1..], *additions, "{line}");
    }
}

#[test]
fn trusted_sources_keep_the_traffic_of_their_own_rules() {
    let both = policy([
        restrict("ssh", open_ports(ports(&[22])), &["10.0.0.0/8", "sg-1"]),
        restrict("telnet", open_ports(ports(&[23])), &["10.0.0.0/8"]),
    ]);
    assert_eq!(
        planned_lines(both, &["tcp 22-23 0.0.0.0/0"]),
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
        let plan = Scenario::new(
            policy([rule("ssh", action, open_ports(ports(&[22])))]),
            &["tcp 22 0.0.0.0/0"],
        )
        .plan();
        assert!(plan.is_empty() && plan_lines(&plan).is_empty());
    }
    let notify_only = Override {
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
        planned_lines(
            Policy {
                overrides: vec![notify_only],
                ..web_only()
            },
            &["tcp 22 0.0.0.0/0"]
        )
        .is_empty()
    );
}
