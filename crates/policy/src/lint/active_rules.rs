//! The rules that are evaluated for some groups, and what they forbid.

use portcullis_rules::check::Check;
use portcullis_rules::{Action, Glob, Policy, PolicyRule, PortSet, Scope, TrafficSet};

use crate::scalar::matches_any_text;

/// A rule that is evaluated for some groups.
pub(super) struct ActiveRule<'p> {
    pub(super) rule: &'p PolicyRule,
    /// All that a finding can be about.
    pub(super) possible: TrafficSet,
    /// What an exception must exempt so that hardly any finding is left.
    pub(super) essential: TrafficSet,
}

/// The rules that are not off everywhere.
pub(super) fn active_rules(policy: &Policy) -> Vec<ActiveRule<'_>> {
    policy
        .rules
        .iter()
        .filter(|rule| is_active(rule, policy))
        .map(|rule| ActiveRule {
            rule,
            possible: possible_traffic(&rule.check),
            essential: essential_traffic(&rule.check),
        })
        .collect()
}

fn is_active(rule: &PolicyRule, policy: &Policy) -> bool {
    let mut action = rule.action;
    let mut is_on_somewhere = false;
    for entry in &policy.overrides {
        let changes = entry.rule_overrides.get(&rule.id);
        if let Some(changed) = changes.and_then(|changes| changes.action) {
            if is_every_group(&entry.scope) {
                action = changed;
            } else {
                is_on_somewhere |= changed != Action::Off;
            }
        }
    }
    action != Action::Off || is_on_somewhere
}

fn possible_traffic(check: &Check) -> TrafficSet {
    match check {
        Check::OpenPorts(forbidden) => forbidden.clone(),
        Check::OpenExcept(allowed) => allowed.complement(),
        Check::AllTraffic
        | Check::PortRange
        | Check::PortRangeInternal
        | Check::BroadSource
        | Check::OtherProtocols => TrafficSet::all(),
    }
}

fn essential_traffic(check: &Check) -> TrafficSet {
    match check {
        Check::PortRange | Check::PortRangeInternal | Check::BroadSource => {
            TrafficSet::tcp_and_udp(PortSet::all())
        }
        Check::OtherProtocols => TrafficSet {
            other_protocols: TrafficSet::all().other_protocols,
            ..TrafficSet::default()
        },
        Check::OpenPorts(_) | Check::OpenExcept(_) | Check::AllTraffic => possible_traffic(check),
    }
}

/// Whether every group is in scope: the scope is empty, or its only condition is that the group has
/// a name.
pub(super) fn is_every_group(scope: &Scope) -> bool {
    let Scope {
        accounts,
        regions,
        vpcs,
        group_ids,
        group_names,
        group_tags,
    } = scope;
    let has_other_conditions = !(accounts.is_empty()
        && regions.is_empty()
        && vpcs.is_empty()
        && group_ids.is_empty()
        && group_tags.is_empty());
    !has_other_conditions && is_any_text(group_names)
}

/// Whether there are no patterns, or one that matches every text.
pub(super) fn is_any_text(patterns: &[Glob]) -> bool {
    patterns.is_empty()
        || patterns
            .iter()
            .any(|pattern| matches_any_text(&pattern.to_string()))
}
