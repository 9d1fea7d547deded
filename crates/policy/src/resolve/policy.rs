//! The whole policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_rules::Policy;

use super::resolver::Resolver;
use crate::code::Code;
use crate::record::Record;
use crate::yaml::{Diagnostic, quote_text};

/// The typed policy. `own` is what the policy file says, `merged` includes the preset that it
/// extends; `name` is used if the file has no `name`.
pub(crate) fn resolve_policy(
    own: &Record,
    merged: &Record,
    name: &str,
    found: &mut Vec<Diagnostic>,
) -> Policy {
    report_duplicate_ids(own, found);
    let mut resolver = Resolver::new(merged, found);
    resolver.collect_names();
    let rules: Vec<_> = merged
        .list_records("rules")
        .filter_map(|rule| resolver.resolve_rule(rule).map(Arc::new))
        .collect();
    let ids: Vec<&str> = merged
        .list_records("rules")
        .filter_map(|rule| rule.get_text("id"))
        .collect();
    let exceptions = merged
        .list_records("exceptions")
        .filter_map(|exception| resolver.resolve_exception(exception, &ids).map(Arc::new))
        .collect();
    let overrides: Vec<_> = merged
        .list_records("overrides")
        .map(|record| resolver.resolve_override(record, &rules, &ids))
        .collect();
    let guardrails = resolver.resolve_guardrails();
    resolver.require_rules();
    resolver.warn_about_unused_trusted(own, &rules, &overrides);
    resolver.warn_about_unused_names(own);
    Policy {
        name: own.get_text("name").unwrap_or(name).to_owned(),
        monitor: merged.get_choice("mode") == Some("monitor"),
        rules,
        exceptions,
        overrides,
        guardrails,
    }
}

/// Reports ids that occur twice in one file.
fn report_duplicate_ids(own: &Record, found: &mut Vec<Diagnostic>) {
    for (list, what) in [("rules", "rule"), ("exceptions", "exception")] {
        let mut seen = BTreeMap::new();
        for record in own.list_records(list) {
            let Some(id) = record.get_text("id") else {
                continue;
            };
            let span = record.value_span("id");
            if let Some(earlier) = seen.insert(id, span) {
                let message = format!("duplicate {what} id {}", quote_text(id));
                let diagnostic = Diagnostic::new(Code::DuplicateId, span, message)
                    .with_label("used again here")
                    .with_related(earlier, "first used here");
                found.push(diagnostic);
            }
        }
    }
}
