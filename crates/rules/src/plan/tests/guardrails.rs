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
    scenario.foreign = true;
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
fn a_change_by_a_notify_only_principal_is_refused() {
    let mut scenario = guarded_scenario(Guardrails {
        notify_only_principals: vec![Glob::new("*role/deploy*")],
        ..Guardrails::default()
    });
    assert_eq!(
        refusal_reason(&scenario),
        None,
        "the principal is not known outside of an event"
    );
    scenario.context.principals = vec!["arn:aws:iam::111122223333:user/alice".to_owned()];
    assert_eq!(refusal_reason(&scenario), None);
    scenario
        .context
        .principals
        .push("arn:aws:iam::111122223333:role/deploy-prod".to_owned());
    assert_eq!(
        refusal_reason(&scenario),
        Some(RefusalReason::NotifyOnlyPrincipal)
    );
    scenario.policy.guardrails.notify_only_principals = Vec::new();
    assert_eq!(
        refusal_reason(&scenario),
        None,
        "without globs no principal matches"
    );
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

#[test]
fn too_many_removals_change_nothing() {
    let with_limit = |limit| {
        refusal_reason(&guarded_scenario(Guardrails {
            max_removals: Some(limit),
            ..Guardrails::default()
        }))
    };
    assert_eq!(
        (with_limit(0), with_limit(1)),
        (
            Some(RefusalReason::TooManyRemovals),
            Some(RefusalReason::TooManyRemovals)
        )
    );
    assert_eq!((with_limit(2), with_limit(3)), (None, None));
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
