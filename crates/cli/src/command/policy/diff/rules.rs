//! Differences of policy rules and their overrides.

use portcullis_policy::coverage::scope_covers;
use portcullis_policy::render_scope;
use portcullis_rules::check::Check;
use portcullis_rules::{Action, Policy, PolicyRule, Scope, Source};

use super::actions::{
    Response, ResponseChange, action_direction, compare_overrides, overrides_of, possible_responses,
};
use super::change::{Change, DiffSection, Direction, describe_traffic_set, shorten_list};
use super::checks::{check_covers, covering_rules, forbidden_traffic, untrusted_sources};

/// The differences of rules and overrides, in the order of the policies.
pub(super) fn compare_rules(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = Vec::new();
    for rule in &old.rules {
        match new.rule_by_id(&rule.id) {
            Some(other) => {
                changes.extend(compare_rule(old, new, rule, other));
                changes.extend(compare_rule_overrides(old, new, other));
            }
            None => changes.push(removed_rule(old, new, rule)),
        }
    }
    let added = new
        .rules
        .iter()
        .filter(|rule| old.rule_by_id(&rule.id).is_none());
    changes.extend(added.map(|rule| added_rule(old, new, rule)));
    changes
}

fn removed_rule(old: &Policy, new: &Policy, rule: &PolicyRule) -> Change {
    let covering = covering_rules(new, old, rule);
    if is_always_off(old, rule) {
        let message = "removed; it was off";
        return rule_change(Direction::Neutral, rule, message);
    }
    if covering.is_empty() {
        let message = format!("removed: {} ({})", rule.forbids, rule.action);
        return rule_change(Direction::Weaker, rule, message);
    }
    let message = format!("removed; still forbidden by {}", covering.join(", "));
    rule_change(Direction::Neutral, rule, message)
}

fn added_rule(old: &Policy, new: &Policy, rule: &PolicyRule) -> Change {
    let covering = covering_rules(old, new, rule);
    if is_always_off(new, rule) {
        return rule_change(Direction::Neutral, rule, "added, but it is off");
    }
    let message = format!(
        "added: {} ({}, {})",
        rule.forbids, rule.severity, rule.action
    );
    if covering.is_empty() {
        return rule_change(Direction::Stricter, rule, message);
    }
    let message = format!("{message}; already forbidden by {}", covering.join(", "));
    rule_change(Direction::Neutral, rule, message)
}

fn is_always_off(policy: &Policy, rule: &PolicyRule) -> bool {
    possible_responses(policy, rule)
        .iter()
        .all(|response| response.action == Action::Off)
}

fn rule_change(direction: Direction, rule: &PolicyRule, message: impl Into<String>) -> Change {
    Change::new(direction, DiffSection::Rules, rule.id.as_str(), message)
}

/// The differences of two rules with the same id.
fn compare_rule(
    old_policy: &Policy,
    new_policy: &Policy,
    old: &PolicyRule,
    new: &PolicyRule,
) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(compare_checks(old_policy, new_policy, old, new));
    if old.action != new.action {
        let direction = action_direction(old.action, new.action);
        let message = format!("action {} -> {}", old.action, new.action);
        changes.push(rule_change(direction, new, message));
    }
    if old.severity != new.severity {
        let direction = Direction::from_order(&old.severity, &new.severity);
        let message = format!("severity {} -> {}", old.severity, new.severity);
        changes.push(rule_change(direction, new, message));
    }
    if old.scope != new.scope {
        let direction = Direction::from_coverage(
            scope_covers(&new.scope, &old.scope),
            scope_covers(&old.scope, &new.scope),
        );
        let (before, after) = (describe_scope(&old.scope), describe_scope(&new.scope));
        let message = format!("scope {before} -> {after}");
        changes.push(rule_change(direction, new, message));
    }
    changes.extend(compare_trusted(new_policy, old, new));
    if old.forbids != new.forbids || old.references != new.references {
        changes.push(rule_change(Direction::Neutral, new, "text or references"));
    }
    changes
}

/// The difference of checks. What one rule no longer forbids may be forbidden by others.
fn compare_checks(
    old_policy: &Policy,
    new_policy: &Policy,
    old: &PolicyRule,
    new: &PolicyRule,
) -> Option<Change> {
    if old.check == new.check {
        return None;
    }
    let direction = Direction::from_coverage(
        check_covers(&new.check, &old.check),
        check_covers(&old.check, &new.check),
    );
    let message = describe_check_change(&old.check, &new.check);
    let (covering, word) = match direction {
        Direction::Weaker => (covering_rules(new_policy, old_policy, old), "still"),
        Direction::Stricter => (covering_rules(old_policy, new_policy, new), "already"),
        Direction::Neutral => (Vec::new(), ""),
    };
    let others: Vec<_> = covering.into_iter().filter(|id| *id != new.id).collect();
    if others.is_empty() {
        return Some(rule_change(direction, new, message));
    }
    let message = format!("{message}; {word} forbidden by {}", others.join(", "));
    Some(rule_change(Direction::Neutral, new, message))
}

/// The difference of trusted sources, which matter only if the new rule restricts some group.
fn compare_trusted(new_policy: &Policy, old: &PolicyRule, new: &PolicyRule) -> Option<Change> {
    if old.trusted == new.trusted {
        return None;
    }
    let restricts = possible_responses(new_policy, new)
        .iter()
        .any(|response| response.action == Action::Restrict);
    let added: Vec<_> = untrusted_sources(&new.trusted, &old.trusted).collect();
    let removed: Vec<_> = untrusted_sources(&old.trusted, &new.trusted).collect();
    let direction = if restricts {
        Direction::from_coverage(added.is_empty(), removed.is_empty())
    } else {
        Direction::Neutral
    };
    let message = format!(
        "trusted sources{}{}",
        describe_sources(" added: ", &added),
        describe_sources(" removed: ", &removed)
    );
    Some(rule_change(direction, new, message))
}

fn describe_scope(scope: &Scope) -> String {
    if scope.is_everywhere() {
        "everywhere".to_owned()
    } else {
        render_scope(scope)
    }
}

fn describe_sources(label: &str, sources: &[&Source]) -> String {
    if sources.is_empty() {
        return String::new();
    }
    let texts: Vec<_> = sources.iter().map(ToString::to_string).collect();
    format!("{label}{}", shorten_list(&texts, ", "))
}

fn describe_check_change(old: &Check, new: &Check) -> String {
    let (Some(before), Some(after)) = (forbidden_traffic(old), forbidden_traffic(new)) else {
        return "another check".to_owned();
    };
    let mut parts = Vec::new();
    let (allowed, forbidden) = (before.difference(&after), after.difference(&before));
    if !allowed.is_empty() {
        let traffic = describe_traffic_set(&allowed);
        parts.push(format!("no longer forbids {traffic}"));
    }
    if !forbidden.is_empty() {
        let traffic = describe_traffic_set(&forbidden);
        parts.push(format!("now forbids {traffic}"));
    }
    if parts.is_empty() {
        return "another check for the same traffic".to_owned();
    }
    parts.join("; ")
}

/// The difference of the overrides of a rule that both policies have.
fn compare_rule_overrides(old: &Policy, new: &Policy, rule: &PolicyRule) -> Option<Change> {
    let old_overrides = overrides_of(old, &rule.id);
    let new_overrides = overrides_of(new, &rule.id);
    if old_overrides == new_overrides {
        return None;
    }
    let base = Response::of_rule(rule);
    let id = rule.id.as_str();
    let Some(differences) = compare_overrides(base, &old_overrides, &new_overrides) else {
        let message = "too many to compare: taken as weaker";
        return Some(Change::new(
            Direction::Weaker,
            DiffSection::Overrides,
            id,
            message,
        ));
    };
    if differences.is_empty() {
        let message = "written differently, with the same effect";
        return Some(Change::new(
            Direction::Neutral,
            DiffSection::Overrides,
            id,
            message,
        ));
    }
    let direction = Direction::from_coverage(
        differences
            .iter()
            .all(|change| change.new.covers(change.old)),
        differences
            .iter()
            .all(|change| change.old.covers(change.new)),
    );
    let texts: Vec<_> = differences.iter().map(describe_response_change).collect();
    let message = shorten_list(&texts, "; ");
    Some(Change::new(direction, DiffSection::Overrides, id, message))
}

/// `{accounts: ["111122223333"]}: action revoke -> notify`.
fn describe_response_change(change: &ResponseChange<'_>) -> String {
    let scopes: Vec<_> = change
        .scopes
        .iter()
        .map(|scope| render_scope(scope))
        .collect();
    let mut parts = Vec::new();
    if change.old.action != change.new.action {
        parts.push(format!(
            "action {} -> {}",
            change.old.action, change.new.action
        ));
    }
    if change.old.severity != change.new.severity {
        let (old, new) = (change.old.severity, change.new.severity);
        parts.push(format!("severity {old} -> {new}"));
    }
    format!("in {}: {}", scopes.join(" and "), parts.join(", "))
}
