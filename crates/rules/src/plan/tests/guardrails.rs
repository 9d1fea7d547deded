//! What is refused.

use super::*;

/// A scene with one thing to do, under guardrails.
fn guarded(guardrails: Guardrails) -> Scene {
    Scene::new(
        Policy {
            guardrails,
            ..baseline_policy()
        },
        &["tcp 22 0.0.0.0/0", "tcp 20-25 ::/0", "tcp 22 10.0.0.0/8"],
    )
}

fn refused(scene: &Scene) -> Option<RefusalReason> {
    let plan = scene.plan();
    assert!(
        plan.refusals.is_empty() || (plan.removals.is_empty() && plan.additions.is_empty()),
        "all or nothing"
    );
    let boxes: Vec<_> = plan
        .refusals
        .iter()
        .map(|refusal| refusal.ingress.to_string())
        .collect();
    assert!(
        boxes.is_empty() || boxes == ["tcp 20-25 ::/0", "tcp 22 0.0.0.0/0"],
        "{boxes:?}"
    );
    plan.refusals.first().map(|refusal| refusal.reason)
}

#[test]
fn without_a_guardrail_nothing_is_refused() {
    assert_eq!(refused(&guarded(Guardrails::default())), None);
}

#[test]
fn a_group_of_another_account_is_refused() {
    let mut scene = guarded(Guardrails::default());
    assert_eq!(refused(&scene), None);
    scene.foreign = true;
    assert_eq!(refused(&scene), Some(RefusalReason::ForeignGroup));
}

#[test]
fn a_protected_group_is_refused() {
    let named = |id: &str| Scope {
        group_ids: vec![id.to_owned()],
        ..Scope::default()
    };
    let protecting = |protected| {
        guarded(Guardrails {
            protected,
            ..Guardrails::default()
        })
    };
    let id = guarded(Guardrails::default()).group.id;
    assert_eq!(
        refused(&protecting(vec![named("sg-other"), named(&id)])),
        Some(RefusalReason::ProtectedGroup)
    );
    assert_eq!(refused(&protecting(vec![named("sg-other")])), None);
}

#[test]
fn a_spared_principal_is_refused() {
    let mut scene = guarded(Guardrails {
        notify_only_principals: vec![Glob::new("*role/deploy*")],
        ..Guardrails::default()
    });
    assert_eq!(refused(&scene), None, "outside of an event nobody is known");
    scene.context.principals = vec!["arn:aws:iam::111122223333:user/alice".to_owned()];
    assert_eq!(refused(&scene), None);
    scene
        .context
        .principals
        .push("arn:aws:iam::111122223333:role/deploy-prod".to_owned());
    assert_eq!(refused(&scene), Some(RefusalReason::NotifyOnlyPrincipal));
    scene.policy.guardrails.notify_only_principals = Vec::new();
    assert_eq!(refused(&scene), None, "no glob spares nobody");
}

#[test]
fn groups_of_services_and_load_balancers_are_refused_when_asked_for() {
    let service = Attachments {
        service_managed: true,
        load_balancer: false,
    };
    let balancer = Attachments {
        service_managed: false,
        load_balancer: true,
    };
    for (spare_service_managed, spare_load_balancers, attachments, reason) in [
        (true, false, service, Some(RefusalReason::ServiceManaged)),
        (true, false, balancer, None),
        (false, true, balancer, Some(RefusalReason::LoadBalancer)),
        (false, true, service, None),
        (false, false, service, None),
        (true, true, Attachments::default(), None),
    ] {
        let guardrails = Guardrails {
            notify_only_service_managed: spare_service_managed,
            notify_only_load_balancers: spare_load_balancers,
            ..Guardrails::default()
        };
        let scene = Scene {
            attachments,
            ..guarded(guardrails)
        };
        assert_eq!(refused(&scene), reason, "{attachments:?}");
    }
}

#[test]
fn too_many_removals_act_on_none() {
    let most = |most| {
        refused(&guarded(Guardrails {
            max_removals: Some(most),
            ..Guardrails::default()
        }))
    };
    assert_eq!(
        (most(0), most(1)),
        (
            Some(RefusalReason::TooManyRemovals),
            Some(RefusalReason::TooManyRemovals)
        )
    );
    assert_eq!((most(2), most(3)), (None, None));
}

#[test]
fn every_code_is_its_own_and_has_a_sentence() {
    let refusals = RefusalReason::ALL.map(|reason| (reason.code(), reason.message()));
    let losses = SkipReason::ALL.map(|reason| (reason.code(), reason.message()));
    let all: BTreeMap<_, _> = refusals.into_iter().chain(losses).collect();
    assert_eq!(all.len(), RefusalReason::ALL.len() + SkipReason::ALL.len());
    for (code, sentence) in all {
        assert!(
            code.chars().all(|c| c.is_ascii_lowercase() || c == '-') && code.len() > 3,
            "{code}"
        );
        assert!(sentence.ends_with('.') && sentence.len() > 20, "{sentence}");
    }
}
