//! Warnings about scopes that depend on what the person who opens a port can set, and about
//! protections of everything.

use super::active_rules::is_every_group;
use crate::code::Code;
use crate::record::Record;
use crate::resolve::resolve_scope;
use crate::scalar::matches_any_text;
use crate::yaml::{Diagnostic, Span, quote_text};

/// The warnings about the scopes of rules, overrides and protections.
pub(super) fn lint_scopes(record: &Record) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in record.list_records("rules") {
        let id = quote_text(rule.get_text("id").unwrap_or_default());
        let scope = rule.get_record("scope");
        found.extend(scope.and_then(|scope| {
            let what = format!("rule {id} applies only to groups");
            settable_scope(scope, &what)
        }));
    }
    for entry in record.list_records("overrides") {
        let scope = entry.get_record("scope");
        found.extend(scope.and_then(|scope| settable_scope(scope, "an override selects groups")));
    }
    let guardrails = record.get_record("guardrails");
    let protections = guardrails
        .into_iter()
        .flat_map(|guardrails| guardrails.list_records("protected"));
    for scope in protections {
        if is_every_group(&resolve_scope(scope)) {
            found.push(protects_everything(scope));
        } else {
            found.extend(settable_scope(scope, "`protected` selects groups"));
        }
    }
    found
}

/// The warning about a scope that selects groups by names or tags. These are harmless if the groups
/// themselves are listed.
fn settable_scope(scope: &Record, what: &str) -> Option<Diagnostic> {
    if scope.contains_key("groups") {
        return None;
    }
    let (property, span) = settable_property(scope)?;
    let message = format!("{what} by {property} that anyone who opens the port can choose");
    let help = "select them by `groups`, `vpcs` or `accounts`, or accept this with the comment \
                `# accept: self-granted`";
    let diagnostic = Diagnostic::new(Code::SelfGranted, span, message).with_help(help.to_owned());
    Some(diagnostic)
}

fn settable_property(scope: &Record) -> Option<(&'static str, Span)> {
    let limits_names =
        scope.contains_key("names") && !scope.list_texts("names").any(matches_any_text);
    if limits_names {
        Some(("names", scope.key_span("names")))
    } else if scope.contains_key("tags") {
        Some(("tags", scope.key_span("tags")))
    } else {
        None
    }
}

fn protects_everything(scope: &Record) -> Diagnostic {
    let message = "`protected` matches every group";
    Diagnostic::new(Code::ProtectsEverything, scope.value_span("names"), message)
        .with_label("no group is ever changed")
        .with_help("list the groups to protect, or use `mode: monitor`".to_owned())
}
