//! What can be said of a sound policy at a certain time: exceptions that have ended, or that another one makes needless.

use jiff::Timestamp;
use portcullis_rules::{Context, Exception, Glob, Scope, Source};
use std::collections::BTreeMap;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::load::LoadedPolicy;
use crate::record::Record;
use crate::text::quote_text;

/// Everything that is odd about a policy that holds, at this moment.
///
/// Whether an exception is stale, that is matches nothing that exists, is not for the text to say: compare the ids with
/// `Evaluation::exceptions_used`.
pub fn lint_policy(loaded: &LoadedPolicy, now: Timestamp) -> Diagnostics {
    let mut found: Vec<Diagnostic> = loaded.warnings.iter().cloned().collect();
    let context = Context {
        now: Some(now),
        ..Context::default()
    };
    let records: BTreeMap<&str, &Record> = loaded
        .record
        .list_records("exceptions")
        .filter_map(|record| Some((record.get_text("id")?, record)))
        .collect();
    let mut live: Vec<&Exception> = Vec::new();
    for exception in &loaded.policy.exceptions {
        let Some(record) = records.get(exception.id.as_str()) else {
            continue;
        };
        if exception.is_expired(&context) {
            found.push(expired_exception(exception, record));
            continue;
        }
        if let Some(earlier) = live
            .iter()
            .find(|earlier| exception_covers(earlier, exception))
        {
            found.push(shadowed_exception(exception, earlier, &records));
        }
        live.push(exception);
    }
    Diagnostics::new(&loaded.file_name, &loaded.text, found)
}

fn expired_exception(exception: &Exception, record: &Record) -> Diagnostic {
    let message = format!(
        "exception {} has ended and does nothing",
        quote_text(&exception.id)
    );
    let help = format!(
        "remove it, or ask {} for another date",
        quote_text(&exception.owner)
    );
    Diagnostic::new(
        Code::ExpiredException,
        record.value_span("expires"),
        message,
    )
    .with_help(help)
}

fn shadowed_exception(
    exception: &Exception,
    earlier: &Exception,
    records: &BTreeMap<&str, &Record>,
) -> Diagnostic {
    let at = |exception: &Exception| {
        records
            .get(exception.id.as_str())
            .map(|record| record.value_span("id"))
    };
    let message = format!(
        "exception {} frees nothing that {} does not",
        quote_text(&exception.id),
        quote_text(&earlier.id)
    );
    let diagnostic = Diagnostic::new(
        Code::ShadowedException,
        at(exception).unwrap_or_default(),
        message,
    );
    match at(earlier) {
        Some(span) => diagnostic.with_related(span, "this one frees all of it, as long"),
        None => diagnostic,
    }
}

/// Whether all that the second frees is freed by the first, as long. It may say no where it is so.
fn exception_covers(first: &Exception, second: &Exception) -> bool {
    let lasts = first
        .expires
        .is_none_or(|end| second.expires.is_some_and(|other| other <= end));
    // Groups differ most, so they come first.
    lasts
        && scope_covers(&first.scope, &second.scope)
        && list_covers(&first.rules, &second.rules, |a, b| a == b)
        && list_covers(&first.sources, &second.sources, source_covers)
        && list_covers(&first.descriptions, &second.descriptions, glob_covers)
        && list_covers(&first.principals, &second.principals, glob_covers)
        && tags_cover(&first.rule_tags, &second.rule_tags)
        && second.traffic.difference(&first.traffic).is_empty()
}

fn scope_covers(first: &Scope, second: &Scope) -> bool {
    let same = |a: &String, b: &String| a == b;
    list_covers(&first.group_ids, &second.group_ids, same)
        && list_covers(&first.accounts, &second.accounts, same)
        && list_covers(&first.regions, &second.regions, same)
        && list_covers(&first.vpcs, &second.vpcs, same)
        && list_covers(&first.group_names, &second.group_names, glob_covers)
        && tags_cover(&first.group_tags, &second.group_tags)
}

/// A list of which any one must fit: an empty one is everything.
fn list_covers<T>(first: &[T], second: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    first.is_empty()
        || (!second.is_empty() && second.iter().all(|b| first.iter().any(|a| covers(a, b))))
}

/// Tags must all fit: what the first wants, the second must want too.
fn tags_cover(first: &BTreeMap<String, Glob>, second: &BTreeMap<String, Glob>) -> bool {
    first.iter().all(|(key, glob)| {
        second
            .get(key)
            .is_some_and(|other| glob_covers(glob, other))
    })
}

/// Of two patterns only the same one, and `*`; of a plain text every pattern that it matches.
fn glob_covers(first: &Glob, second: &Glob) -> bool {
    let other = second.to_string();
    first == second
        || first.to_string() == "*"
        || (!other.contains(['*', '?']) && first.matches(&other))
}

fn source_covers(first: &Source, second: &Source) -> bool {
    match (first, second) {
        (Source::Cidr(outer), Source::Cidr(inner)) => outer.contains(inner),
        (one, two) => one.same_source(two),
    }
}
