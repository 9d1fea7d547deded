//! Exceptions.

use portcullis_rules::{Exception, TrafficSet};

use super::resolver::Resolver;
use super::scope::{owned_texts, resolve_globs, resolve_scope, resolve_tags};
use crate::code::Code;
use crate::record::Record;
use crate::scalar::matches_any_text;
use crate::schema_table::TRAFFIC_KEYS;
use crate::yaml::{Diagnostic, quote_list, quote_text};

/// The keys that limit an exception.
const LIMITING_KEYS: [&str; 6] = ["rules", "ports", "protocol", "traffic", "sources", "match"];

/// The keys under `match` for properties that anyone who opens the port can set, and their names.
const USER_SETTABLE_KEYS: [(&str, &str); 4] = [
    ("names", "names"),
    ("tags", "tags"),
    ("rule_tags", "tags"),
    ("descriptions", "descriptions"),
];

impl Resolver<'_> {
    /// The exception; none if it is incomplete, which is reported.
    pub(super) fn resolve_exception(
        &mut self,
        record: &Record,
        rules: &[&str],
    ) -> Option<Exception> {
        let id = record.get_text("id").unwrap_or_default();
        self.report_unlimited_exception(record, id);
        for item in record.list_items("rules") {
            self.check_rule_id(item.value.as_text().unwrap_or_default(), item.span, rules);
        }
        let traffic = self.exempt_traffic(record, id);
        let matched = record.get_record("match").cloned().unwrap_or_default();
        if !record.get_flag("self_service") {
            self.warn_about_self_granted(&matched, id);
        }
        let sources = record
            .list_items("sources")
            .iter()
            .filter_map(|item| item.value.as_source().cloned());
        Some(Exception {
            id: record.get_text("id")?.to_owned(),
            reason: record.get_text("reason")?.to_owned(),
            owner: record.get_text("owner")?.to_owned(),
            expires: record.get_timestamp("expires"),
            rules: owned_texts(record, "rules"),
            scope: resolve_scope(&matched),
            rule_tags: resolve_tags(&matched, "rule_tags"),
            descriptions: resolve_globs(&matched, "descriptions"),
            principals: resolve_globs(&matched, "principals"),
            traffic,
            sources: sources.collect(),
        })
    }

    fn report_unlimited_exception(&mut self, record: &Record, id: &str) {
        let is_limited = LIMITING_KEYS.iter().any(|key| record.contains_key(key));
        if is_limited || record.is_empty() || record.has_unknown_key() {
            return;
        }
        let message = format!("exception {} exempts everything everywhere", quote_text(id));
        let help = format!("limit it with {}", quote_list(LIMITING_KEYS, "or"));
        let diagnostic =
            Diagnostic::new(Code::UnlimitedException, record.span(), message).with_help(help);
        self.report(diagnostic);
    }

    fn exempt_traffic(&mut self, record: &Record, id: &str) -> TrafficSet {
        if record.get_record("traffic").is_some_and(Record::is_empty) {
            let message = format!("exception {} exempts no traffic", quote_text(id));
            let span = record.value_span("traffic");
            self.report(Diagnostic::new(Code::EmptyValue, span, message));
        }
        let is_invalid = TRAFFIC_KEYS.iter().any(|key| record.contains_key(key));
        match self.resolve_traffic(record) {
            Some(traffic) => traffic,
            None if is_invalid => TrafficSet::default(),
            None => TrafficSet::all(),
        }
    }

    fn warn_about_self_granted(&mut self, matched: &Record, id: &str) {
        let settable = USER_SETTABLE_KEYS
            .iter()
            .find(|(key, _)| limits_by_settable_key(matched, key));
        if let Some((key, what)) = settable {
            let message = format!(
                "exception {} depends on {what} that anyone who opens the port can set",
                quote_text(id)
            );
            let help = if key.contains("tags") {
                "protect them with a service control policy, \
                 or add `self_service: true` to accept this"
            } else {
                "match the IDs of the groups (`groups`), or add `self_service: true` to accept this"
            };
            let diagnostic = Diagnostic::new(Code::SelfGranted, matched.key_span(key), message)
                .with_help(help.to_owned());
            self.report(diagnostic);
        }
        self.warn_about_session_names(matched);
    }
}

/// Whether the key decides whether the exception matches. Names and tags of groups are harmless if
/// the groups themselves are listed. A pattern for any text has a warning of its own.
fn limits_by_settable_key(matched: &Record, key: &str) -> bool {
    let is_about_group = matches!(key, "names" | "tags");
    matched.contains_key(key)
        && !(is_about_group && matched.contains_key("groups"))
        && !matched.list_texts(key).any(matches_any_text)
}
