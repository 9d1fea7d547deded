//! Differences of exceptions.

use std::sync::Arc;

use jiff::Timestamp;
use portcullis_policy::coverage::exception_applies_wherever;
use portcullis_policy::{render_expiry, render_match};
use portcullis_rules::{Context, Exception, Policy, Source, TrafficSet};

use super::change::{Change, DiffSection, Direction, describe_traffic_set, shorten_list};

/// The differences of exceptions at this time, in the order of the policies.
pub(super) fn compare_exceptions(old: &Policy, new: &Policy, now: Timestamp) -> Vec<Change> {
    let context = Context {
        now: Some(now),
        ..Context::default()
    };
    let live_old = live_exceptions(old, &context);
    let live_new = live_exceptions(new, &context);
    let mut changes = Vec::new();
    for exception in &old.exceptions {
        let kept = find_exception(new, &exception.id);
        match kept {
            Some(other) if other == exception => {}
            Some(other) => changes.push(Change::new(
                Direction::from_coverage(
                    other.is_expired(&context) || is_covered(other, &live_old),
                    exception.is_expired(&context) || is_covered(exception, &live_new),
                ),
                DiffSection::Exceptions,
                exception.id.as_str(),
                describe_difference(exception, other),
            )),
            None => changes.push(removed_exception(exception, &live_new, &context)),
        }
    }
    let added = new
        .exceptions
        .iter()
        .filter(|exception| find_exception(old, &exception.id).is_none());
    changes.extend(added.map(|exception| added_exception(exception, &live_old, &context)));
    changes
}

fn live_exceptions<'a>(policy: &'a Policy, context: &Context) -> Vec<&'a Exception> {
    policy
        .exceptions
        .iter()
        .map(AsRef::as_ref)
        .filter(|exception| !exception.is_expired(context))
        .collect()
}

fn find_exception<'a>(policy: &'a Policy, id: &str) -> Option<&'a Arc<Exception>> {
    policy
        .exceptions
        .iter()
        .find(|exception| exception.id == id)
}

fn removed_exception(exception: &Exception, live_new: &[&Exception], context: &Context) -> Change {
    let (direction, message) = if exception.is_expired(context) {
        (Direction::Neutral, "removed; it had expired".to_owned())
    } else if is_covered(exception, live_new) {
        let message = "removed; other exceptions exempt the same".to_owned();
        (Direction::Neutral, message)
    } else {
        let what = describe_exception(exception);
        (Direction::Stricter, format!("removed: {what}"))
    };
    Change::new(
        direction,
        DiffSection::Exceptions,
        exception.id.as_str(),
        message,
    )
}

fn added_exception(exception: &Exception, live_old: &[&Exception], context: &Context) -> Change {
    let (direction, message) = if exception.is_expired(context) {
        (Direction::Neutral, "added, but it has expired".to_owned())
    } else if is_covered(exception, live_old) {
        let message = "added; other exceptions exempted the same".to_owned();
        (Direction::Neutral, message)
    } else {
        let what = describe_exception(exception);
        (Direction::Weaker, format!("added: {what}"))
    };
    Change::new(
        direction,
        DiffSection::Exceptions,
        exception.id.as_str(),
        message,
    )
}

/// Whether these exceptions together exempt everything that the first one does, for at least as
/// long. Its groups, sources and policy rules are compared one by one.
fn is_covered(exception: &Exception, by: &[&Exception]) -> bool {
    let mut parts = vec![exception.clone()];
    parts = split(
        parts,
        |part| &part.scope.group_ids,
        |part, id: String| {
            part.scope.group_ids = vec![id];
        },
    );
    parts = split(
        parts,
        |part| &part.sources,
        |part, source: Source| {
            part.sources = vec![source];
        },
    );
    parts = split(
        parts,
        |part| &part.rules,
        |part, rule: String| {
            part.rules = vec![rule];
        },
    );
    parts.iter().all(|part| {
        let covering = by
            .iter()
            .filter(|other| exception_applies_wherever(other, part));
        let exempted = covering.fold(TrafficSet::default(), |all, other| {
            all.union(&other.traffic)
        });
        part.traffic.difference(&exempted).is_empty()
    })
}

/// Splits each exception into one for each item of a list; one with an empty list stays whole.
fn split<T: Clone>(
    exceptions: Vec<Exception>,
    list: impl Fn(&Exception) -> &Vec<T>,
    set: impl Fn(&mut Exception, T),
) -> Vec<Exception> {
    let mut parts = Vec::new();
    for exception in exceptions {
        if list(&exception).len() <= 1 {
            parts.push(exception);
            continue;
        }
        for item in list(&exception) {
            let mut part = exception.clone();
            set(&mut part, item.clone());
            parts.push(part);
        }
    }
    parts
}

/// What an exception exempts, in a phrase.
fn describe_exception(exception: &Exception) -> String {
    let traffic = describe_traffic_set(&exception.traffic);
    let sources = describe_source_list(&exception.sources);
    let matched = describe_match(exception);
    let rules = describe_rule_list(&exception.rules);
    let expires = describe_expiry(exception.expires);
    format!("{traffic} from {sources} in {matched}{rules}; expires {expires}")
}

fn describe_match(exception: &Exception) -> String {
    match render_match(exception).as_str() {
        "{}" => "all groups".to_owned(),
        matched => matched.to_owned(),
    }
}

fn describe_source_list(sources: &[Source]) -> String {
    if sources.is_empty() {
        return "any source".to_owned();
    }
    let texts: Vec<_> = sources.iter().map(ToString::to_string).collect();
    shorten_list(&texts, ", ")
}

fn describe_rule_list(rules: &[String]) -> String {
    if rules.is_empty() {
        String::new()
    } else {
        format!(" for {}", rules.join(", "))
    }
}

fn describe_expiry(expires: Option<Timestamp>) -> String {
    match expires {
        Some(time) => render_expiry(time),
        None => "never".to_owned(),
    }
}

/// What is different about two exceptions with the same id.
fn describe_difference(old: &Exception, new: &Exception) -> String {
    let mut parts = Vec::new();
    if old.traffic != new.traffic {
        let added = new.traffic.difference(&old.traffic);
        let removed = old.traffic.difference(&new.traffic);
        if !added.is_empty() {
            parts.push(format!("also exempts {}", describe_traffic_set(&added)));
        }
        if !removed.is_empty() {
            parts.push(format!(
                "no longer exempts {}",
                describe_traffic_set(&removed)
            ));
        }
    }
    let texts = [
        (
            "sources",
            describe_source_list(&old.sources),
            describe_source_list(&new.sources),
        ),
        ("match", describe_match(old), describe_match(new)),
        (
            "expires",
            describe_expiry(old.expires),
            describe_expiry(new.expires),
        ),
        ("rules", list_or_all(&old.rules), list_or_all(&new.rules)),
    ];
    for (key, before, after) in texts {
        if before != after {
            parts.push(format!("{key} {before} -> {after}"));
        }
    }
    if parts.is_empty() {
        "reason or owner".to_owned()
    } else {
        parts.join("; ")
    }
}

fn list_or_all(rules: &[String]) -> String {
    if rules.is_empty() {
        "all".to_owned()
    } else {
        rules.join(", ")
    }
}
