//! Generates policies, from the same table of ports and addresses as [`crate::generate`].

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_rules::check::Check;
use portcullis_rules::policy::{Override, RuleOverride};
use portcullis_rules::{
    Action, Exception, ExistingRules, Glob, Guardrails, Policy, PolicyRule, Scope, Severity,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::generate::*;

fn check() -> impl Strategy<Value = Check> {
    prop_oneof![
        1 => Just(Check::AllTraffic),
        4 => traffic().prop_map(Check::OpenPorts),
        3 => traffic().prop_map(Check::OpenExcept),
        1 => Just(Check::PortRange),
        1 => Just(Check::PortRangeInternal),
        1 => Just(Check::BroadSource),
        1 => Just(Check::OtherProtocols),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let ids = |ids: &[&str]| Scope {
        group_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        ..Scope::default()
    };
    prop_oneof![
        12 => Just(Scope::default()),
        1 => Just(ids(&[GROUP])),
        1 => Just(ids(&["sg-other"])),
    ]
}

fn rule(actions: &'static [Action]) -> impl Strategy<Value = PolicyRule> {
    (check(), select(actions), vec(source(), 0..4), scope()).prop_map(
        |(check, action, trusted, scope)| PolicyRule {
            id: String::new(),
            forbids: String::new(),
            check,
            severity: Severity::High,
            action,
            references: Vec::new(),
            scope,
            trusted,
        },
    )
}

fn exception() -> impl Strategy<Value = Exception> {
    let conditions = (
        vec(select(vec!["r0".to_owned(), "r1".to_owned()]), 0..2),
        prop_oneof![
            4 => vec(source(), 0..3),
            1 => Just(vec!["8.0.0.0/8".parse().unwrap()]),
        ],
        scope(),
    );
    let patterns = (
        option::weighted(0.2, Just("vendor")),
        option::weighted(0.2, Just("SEC-*")),
        option::weighted(0.2, Just("deploy*")),
    );
    let expires = option::weighted(
        0.5,
        select(vec!["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
    );
    (traffic(), conditions, patterns, expires).prop_map(
        |(traffic, (rules, sources, scope), (description, ticket, principal), expires)| Exception {
            id: String::new(),
            reason: "agreed".to_owned(),
            owner: "edge@example.com".to_owned(),
            expires: expires.map(|text| text.parse().unwrap()),
            rules,
            scope,
            rule_tags: ticket
                .map(|glob| ("ticket".to_owned(), Glob::new(glob)))
                .into_iter()
                .collect(),
            descriptions: description.map(Glob::new).into_iter().collect(),
            principals: principal.map(Glob::new).into_iter().collect(),
            traffic,
            sources,
        },
    )
}

fn policy_override(actions: &'static [Action]) -> impl Strategy<Value = Override> {
    let change = select(actions).prop_map(|action| RuleOverride {
        severity: None,
        action: Some(action),
    });
    (
        scope(),
        select(vec!["r0".to_owned(), "r1".to_owned()]),
        change,
    )
        .prop_map(|(scope, id, change)| Override {
            scope,
            rule_overrides: BTreeMap::from([(id, change)]),
        })
}

pub(crate) const ALL_ACTIONS: &[Action] = &[
    Action::Narrow,
    Action::Restrict,
    Action::Revoke,
    Action::Narrow,
    Action::Restrict,
    Action::Notify,
    Action::Off,
];

fn guardrails() -> impl Strategy<Value = Guardrails> {
    let existing = prop_oneof![
        9 => Just(ExistingRules::Enforce),
        1 => Just(ExistingRules::Notify),
    ];
    let principals = option::weighted(0.1, Just("deploy*"));
    (existing, option::weighted(0.2, 0..4_usize), principals).prop_map(
        |(existing, max_removals, principal)| Guardrails {
            existing,
            max_removals,
            notify_only_principals: principal.map(Glob::new).into_iter().collect(),
            ..Guardrails::default()
        },
    )
}

pub(crate) fn policy(actions: &'static [Action]) -> impl Strategy<Value = Policy> {
    (
        vec(rule(actions), 1..5),
        vec(exception(), 0..3),
        vec(policy_override(actions), 0..2),
        guardrails(),
    )
        .prop_map(|(mut rules, mut exceptions, overrides, guardrails)| {
            for (number, rule) in rules.iter_mut().enumerate() {
                rule.id = format!("r{number}");
            }
            for (number, exception) in exceptions.iter_mut().enumerate() {
                exception.id = format!("e{number}");
            }
            Policy {
                name: "generated".to_owned(),
                rules: rules.into_iter().map(Arc::new).collect(),
                exceptions: exceptions.into_iter().map(Arc::new).collect(),
                overrides,
                guardrails,
                ..Policy::default()
            }
        })
}
