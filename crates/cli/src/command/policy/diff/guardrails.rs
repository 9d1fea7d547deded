//! Differences of the mode, the name and the guardrails.

use portcullis_policy::coverage::{glob_covers, scope_covers};
use portcullis_policy::render_scope;
use portcullis_rules::{ExistingRules, Glob, Guardrails, Policy, Scope};

use super::change::{Change, DiffSection, Direction, shorten_list};

/// The differences of the name and the mode.
pub(super) fn compare_mode(old: &Policy, new: &Policy) -> Vec<Change> {
    let mut changes = Vec::new();
    if old.monitor != new.monitor {
        let direction = Direction::from_order(&!old.monitor, &!new.monitor);
        let (before, after) = (mode_name(old), mode_name(new));
        changes.push(Change {
            subject: None,
            ..Change::new(
                direction,
                DiffSection::Mode,
                "",
                format!("{before} -> {after}"),
            )
        });
    }
    if old.name != new.name {
        let message = format!("{} -> {}", old.name, new.name);
        changes.push(Change {
            subject: None,
            ..Change::new(Direction::Neutral, DiffSection::Name, "", message)
        });
    }
    changes
}

/// The mode of a policy, as in its file.
pub(super) const fn mode_name(policy: &Policy) -> &'static str {
    if policy.monitor { "monitor" } else { "enforce" }
}

/// The differences of guardrails. One that refuses more is weaker.
pub(super) fn compare_guardrails(old: &Guardrails, new: &Guardrails) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(compare_protected(&old.protected, &new.protected));
    if old.existing != new.existing {
        let enforces = |guardrails: &Guardrails| guardrails.existing == ExistingRules::Enforce;
        let direction = Direction::from_order(&enforces(old), &enforces(new));
        let (before, after) = (existing_name(old), existing_name(new));
        changes.push(guardrail(
            "existing",
            direction,
            format!("{before} -> {after}"),
        ));
    }
    if old.max_removals != new.max_removals {
        let limit = |guardrails: &Guardrails| guardrails.max_removals.unwrap_or(usize::MAX);
        let direction = Direction::from_order(&limit(old), &limit(new));
        let (before, after) = (limit_name(old), limit_name(new));
        changes.push(guardrail(
            "max_removals",
            direction,
            format!("{before} -> {after}"),
        ));
    }
    let flags = [
        (
            "service_managed",
            old.notify_only_service_managed,
            new.notify_only_service_managed,
        ),
        (
            "load_balancers",
            old.notify_only_load_balancers,
            new.notify_only_load_balancers,
        ),
    ];
    for (key, before, after) in flags {
        if before != after {
            let direction = Direction::from_order(&!before, &!after);
            let message = format!("{} -> {}", flag_name(before), flag_name(after));
            changes.push(guardrail(key, direction, message));
        }
    }
    changes.extend(compare_principals(
        &old.notify_only_principals,
        &new.notify_only_principals,
    ));
    changes
}

fn guardrail(key: &str, direction: Direction, message: String) -> Change {
    Change::new(direction, DiffSection::Guardrails, key, message)
}

fn existing_name(guardrails: &Guardrails) -> &'static str {
    match guardrails.existing {
        ExistingRules::Enforce => "enforce",
        ExistingRules::Notify => "notify",
    }
}

fn limit_name(guardrails: &Guardrails) -> String {
    match guardrails.max_removals {
        Some(max) => max.to_string(),
        None => "no limit".to_owned(),
    }
}

const fn flag_name(only_notifies: bool) -> &'static str {
    if only_notifies { "notify" } else { "act" }
}

fn compare_protected(old: &[Scope], new: &[Scope]) -> Option<Change> {
    if old == new {
        return None;
    }
    let added = uncovered(new, old, scope_covers).into_iter();
    let removed = uncovered(old, new, scope_covers).into_iter();
    Some(list_change(
        "protected",
        &added.map(render_scope).collect::<Vec<_>>(),
        &removed.map(render_scope).collect::<Vec<_>>(),
    ))
}

fn compare_principals(old: &[Glob], new: &[Glob]) -> Option<Change> {
    if old == new {
        return None;
    }
    let added = uncovered(new, old, glob_covers).into_iter();
    let removed = uncovered(old, new, glob_covers).into_iter();
    Some(list_change(
        "principals",
        &added.map(ToString::to_string).collect::<Vec<_>>(),
        &removed.map(ToString::to_string).collect::<Vec<_>>(),
    ))
}

/// The items that none of the others covers.
fn uncovered<'a, T>(items: &'a [T], others: &[T], covers: impl Fn(&T, &T) -> bool) -> Vec<&'a T> {
    items
        .iter()
        .filter(|item| !others.iter().any(|other| covers(other, item)))
        .collect()
}

fn list_change(key: &str, added: &[String], removed: &[String]) -> Change {
    let direction = Direction::from_coverage(added.is_empty(), removed.is_empty());
    let mut parts = Vec::new();
    if !added.is_empty() {
        parts.push(format!("added {}", shorten_list(added, ", ")));
    }
    if !removed.is_empty() {
        parts.push(format!("removed {}", shorten_list(removed, ", ")));
    }
    let message = if parts.is_empty() {
        "written differently, with the same effect".to_owned()
    } else {
        parts.join("; ")
    };
    guardrail(key, direction, message)
}
