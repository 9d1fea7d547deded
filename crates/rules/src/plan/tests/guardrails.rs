//! Guardrails and refusals.

use super::*;

/// A group with two violations under guardrails.
fn guarded_scenario(guardrails: Guardrails) -> Scenario {
    Scenario::new(
        Policy {
            guardrails,
            ..baseline_policy()
        },
        &["tcp 22 0.0.0.0/0", "tcp 20-25 ::/0", "tcp 22 10.0.0.0/8"],
    )
}

fn refusal_reason(scenario: &Scenario) -> Option<RefusalReason> {
    let plan = scenario.plan();
    assert!(
        plan.refusals.is_empty() || (plan.removals.is_empty() && plan.additions.is_empty()),
        "a plan either changes the group or refuses"
    );
    let rules: Vec<_> = plan
        .refusals
        .iter()
        .map(|refusal| refusal.ingress.to_string())
        .collect();
    assert!(
        rules.is_empty() || rules == ["tcp 20-25 ::/0", "tcp 22 0.0.0.0/0"],
        "{rules:?}"
    );
    plan.refusals.first().map(|refusal| refusal.reason)
}

#[test]
fn without_a_guardrail_nothing_is_refused() {
    assert_eq!(
        refusal_reason(&guarded_scenario(Guardrails::default())),
        None
    );
}

#[test]
fn a_group_of_another_account_is_refused() {
    let mut scenario = guarded_scenario(Guardrails::default());
    assert_eq!(refusal_reason(&scenario), None);
    scenario.group.owner_id = Some("444455556666".to_owned());
    assert_eq!(
        refusal_reason(&scenario),
        None,
        "the own account is unknown"
    );
    scenario.context.account = Some("444455556666".to_owned());
    assert_eq!(refusal_reason(&scenario), None);
    scenario.context.account = Some("111122223333".to_owned());
    assert_eq!(refusal_reason(&scenario), Some(RefusalReason::ForeignGroup));
}

#[test]
fn a_protected_group_is_refused() {
    let scope_of = |id: &str| Scope {
        group_ids: vec![id.to_owned()],
        ..Scope::default()
    };
    let with_protected = |protected| {
        guarded_scenario(Guardrails {
            protected,
            ..Guardrails::default()
        })
    };
    let id = guarded_scenario(Guardrails::default()).group.id;
    assert_eq!(
        refusal_reason(&with_protected(vec![scope_of("sg-other"), scope_of(&id)])),
        Some(RefusalReason::ProtectedGroup)
    );
    assert_eq!(
        refusal_reason(&with_protected(vec![scope_of("sg-other")])),
        None
    );
}

#[test]
fn only_what_a_notify_only_principal_opened_is_refused() {
    let guardrails = || Guardrails {
        notify_only_principals: vec![Glob::new("*role/deploy*")],
        ..Guardrails::default()
    };
    let lines_for = |principal: Option<&str>, opened: &[&str]| {
        let mut scenario = guarded_scenario(guardrails()).opened(opened);
        scenario.context.principals = principal.map(str::to_owned).into_iter().collect();
        plan_lines(&scenario.plan())
    };
    let both = ["- tcp 20-25 ::/0", "- tcp 22 0.0.0.0/0"];
    let alice = "arn:aws:iam::111122223333:user/alice";
    let deploy = "arn:aws:iam::111122223333:role/deploy-prod";
    assert_eq!(lines_for(None, &["tcp 22 0.0.0.0/0"]), both);
    assert_eq!(lines_for(Some(alice), &["tcp 22 0.0.0.0/0"]), both);
    assert_eq!(
        lines_for(Some(deploy), &["tcp 22 1.2.3.4/0"]),
        [
            "- tcp 20-25 ::/0",
            "! tcp 22 0.0.0.0/0 notify-only-principal"
        ],
        "the rule that somebody else opened is removed"
    );
    assert_eq!(lines_for(Some(deploy), &["tcp 22-23 0.0.0.0/0"]), both);
}

#[test]
fn service_managed_and_load_balancer_groups_are_refused_if_configured() {
    let service = Attachments {
        service_managed: true,
        load_balancer: false,
    };
    let balancer = Attachments {
        service_managed: false,
        load_balancer: true,
    };
    for (service_managed, load_balancers, attachments, reason) in [
        (true, false, service, Some(RefusalReason::ServiceManaged)),
        (true, false, balancer, None),
        (false, true, balancer, Some(RefusalReason::LoadBalancer)),
        (false, true, service, None),
        (false, false, service, None),
        (true, true, Attachments::default(), None),
    ] {
        let guardrails = Guardrails {
            notify_only_service_managed: service_managed,
            notify_only_load_balancers: load_balancers,
            ..Guardrails::default()
        };
        let scenario = Scenario {
            attachments,
            ..guarded_scenario(guardrails)
        };
        assert_eq!(refusal_reason(&scenario), reason, "{attachments:?}");
    }
}

fn limited_to(max_removals: usize) -> Guardrails {
    Guardrails {
        max_removals: Some(max_removals),
        ..Guardrails::default()
    }
}

#[test]
fn too_many_removals_of_existing_rules_are_refused() {
    let with_limit = |limit| refusal_reason(&guarded_scenario(limited_to(limit)));
    let refused = Some(RefusalReason::TooManyRemovals);
    assert_eq!((with_limit(0), with_limit(1)), (refused, refused));
    assert_eq!((with_limit(2), with_limit(3)), (None, None));
}

#[test]
fn what_the_event_opened_does_not_count_towards_the_limit() {
    let lines: Vec<String> = (5000..5021)
        .map(|port| format!("tcp {port} 0.0.0.0/0"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let scenario_of = |lines: &[&str], limit| {
        let guardrails = limited_to(limit);
        Scenario::new(
            Policy {
                guardrails,
                ..baseline_policy()
            },
            lines,
        )
    };
    let plan = scenario_of(&lines, 20).opened(&lines).plan();
    assert_eq!((plan.removals.len(), plan.refusals.len()), (21, 0));
    let plan = scenario_of(&lines, 20).opened(&lines[..1]).plan();
    assert_eq!((plan.removals.len(), plan.refusals.len()), (21, 0));
    let plan = scenario_of(&lines, 19).opened(&lines[..1]).plan();
    assert_eq!((plan.removals.len(), plan.refusals.len()), (1, 20));
    assert_eq!(plan.removals[0].ingress.to_string(), lines[0]);
}

#[test]
fn earlier_removals_for_the_event_count_towards_the_limit() {
    let mut scenario = guarded_scenario(limited_to(2)).opened(&["tcp 22 0.0.0.0/0"]);
    let both = ["- tcp 20-25 ::/0", "- tcp 22 0.0.0.0/0"];
    assert_eq!(plan_lines(&scenario.plan()), both);
    scenario.already_removed = group(&["tcp 20-25 ::/0", "tcp 1 ::/0"]).rules;
    assert_eq!(
        plan_lines(&scenario.plan()),
        both,
        "one rule is removed again"
    );
    scenario.already_removed.push("tcp 2 ::/0".parse().unwrap());
    assert_eq!(
        plan_lines(&scenario.plan()),
        ["- tcp 22 0.0.0.0/0", "! tcp 20-25 ::/0 too-many-removals"]
    );
}

#[test]
fn a_limit_does_not_refuse_what_the_removal_of_opened_rules_makes_allowed() {
    let half = |limit, opened: &[&str]| {
        let guardrails = limited_to(limit);
        let baseline = Policy {
            guardrails,
            ..baseline_policy()
        };
        let lines = ["tcp 22 0.0.0.0/1", "tcp 22 128.0.0.0/1"];
        plan_lines(&Scenario::new(baseline, &lines).opened(opened).plan())
    };
    let both = ["- tcp 22 0.0.0.0/1", "- tcp 22 128.0.0.0/1"];
    assert_eq!(half(1, &["tcp 22 128.0.0.0/1"]), both);
    assert_eq!(
        half(0, &["tcp 22 128.0.0.0/1"]),
        ["- tcp 22 128.0.0.0/1"],
        "one half alone is not open to the world"
    );
}

#[test]
fn existing_rules_only_notify_if_configured() {
    let guardrails = || Guardrails {
        existing: ExistingRules::Notify,
        ..Guardrails::default()
    };
    let opened = guarded_scenario(guardrails()).opened(&["tcp 22 0.0.0.0/0"]);
    assert_eq!(plan_lines(&opened.plan()), ["- tcp 22 0.0.0.0/0"]);
    let sweep = guarded_scenario(guardrails());
    assert!(plan_lines(&sweep.plan()).is_empty());
    let mut unreadable = guarded_scenario(guardrails());
    unreadable.context.opened = OpenedRules::All;
    assert_eq!(plan_lines(&unreadable.plan()).len(), 2);
}

#[test]
fn a_replacement_of_an_opened_rule_counts_as_opened() {
    let both = policy([
        rule("ranges", Action::Narrow, open_ports(ports(&[23]))),
        restrict("ssh", open_ports(ports(&[22])), &["52.0.0.0/8"]),
        rule("broad", Action::Revoke, Check::BroadSource),
    ]);
    let guarded = Policy {
        guardrails: Guardrails {
            existing: ExistingRules::Notify,
            ..Guardrails::default()
        },
        ..both
    };
    let scenario =
        Scenario::new(guarded, &["tcp 22-24 0.0.0.0/0"]).opened(&["tcp 22-24 0.0.0.0/0"]);
    assert_eq!(
        plan_lines(&scenario.plan()),
        [
            "- tcp 22-24 0.0.0.0/0",
            "+ tcp 24 0.0.0.0/0",
            "x tcp 22 52.0.0.0/8 trusted-source-forbidden",
        ]
    );
}

#[test]
fn every_reason_has_a_unique_code_and_a_message() {
    let refusals = RefusalReason::ALL.map(|reason| (reason.code(), reason.message()));
    let skipped = SkipReason::ALL.map(|reason| (reason.code(), reason.message()));
    let all: BTreeMap<_, _> = refusals.into_iter().chain(skipped).collect();
    assert_eq!(all.len(), RefusalReason::ALL.len() + SkipReason::ALL.len());
    for (code, message) in all {
        assert!(
            code.chars().all(|c| c.is_ascii_lowercase() || c == '-') && code.len() > 3,
            "{code}"
        );
        assert!(message.ends_with('.') && message.len() > 20, "{message}");
    }
}
