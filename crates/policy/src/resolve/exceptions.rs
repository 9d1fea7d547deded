//! Exceptions.

use portcullis_rules::{Exception, Glob, TrafficSet};

use super::{Resolver, resolve_scope, resolve_tags};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::TRAFFIC_KEYS;
use crate::record::{Record, Value};
use crate::text::{Spanned, quote_list, quote_text};

/// What an exception can be limited by.
const LIMITING_KEYS: [&str; 6] = ["rules", "ports", "protocol", "traffic", "sources", "match"];

/// What whoever opens the port can set.
const USER_SETTABLE_KEYS: [(&str, &str); 3] = [
    ("tags", "tags"),
    ("rule_tags", "tags"),
    ("descriptions", "description"),
];

impl Resolver<'_> {
    /// The exception that is written; none when something of it is wrong, which is told.
    pub(super) fn resolve_exception(
        &mut self,
        record: &Record,
        rules: &[&str],
    ) -> Option<Exception> {
        let id = record.get_text("id").unwrap_or_default();
        if !record.is_empty()
            && !record.is_flawed()
            && !LIMITING_KEYS.iter().any(|key| record.contains_key(key))
        {
            let message = format!("exception {} frees everything, everywhere", quote_text(id));
            let help = format!("limit it by {}", quote_list(LIMITING_KEYS, "or"));
            self.report(
                Diagnostic::new(Code::LimitlessException, record.span(), message).with_help(help),
            );
        }
        for item in record.list_items("rules") {
            self.check_rule_id(item.value.as_text().unwrap_or_default(), item.span, rules);
        }
        let traffic = match self.resolve_traffic(record) {
            Some(traffic) => traffic,
            None if TRAFFIC_KEYS.iter().any(|key| record.contains_key(key)) => {
                TrafficSet::default()
            }
            None => TrafficSet::all(),
        };
        if record.get_record("traffic").is_some_and(Record::is_empty) {
            let message = format!("exception {} frees nothing", quote_text(id));
            self.report(Diagnostic::new(
                Code::Nothing,
                record.value_span("traffic"),
                message,
            ));
        }
        let matched = record.get_record("match").cloned().unwrap_or_default();
        self.warn_about_self_granted(record, &matched, id);
        let globs = |key: &str| matched.list_texts(key).map(Glob::new).collect();
        let sources = record
            .list_items("sources")
            .iter()
            .filter_map(|item| item.value.as_source().cloned());
        Some(Exception {
            id: record.get_text("id")?.to_owned(),
            reason: record.get_text("reason")?.to_owned(),
            owner: record.get_text("owner")?.to_owned(),
            expires: record.get_timestamp("expires"),
            rules: record.list_texts("rules").map(str::to_owned).collect(),
            scope: resolve_scope(&matched),
            rule_tags: resolve_tags(&matched, "rule_tags"),
            descriptions: globs("descriptions"),
            principals: globs("principals"),
            traffic,
            sources: sources.collect(),
        })
    }

    fn warn_about_self_granted(&mut self, record: &Record, matched: &Record, id: &str) {
        if record.get_flag("self_service") {
            return;
        }
        // Tags of the group are protected by a group that is named outright.
        let pinned = matched.contains_key("groups");
        let settable = USER_SETTABLE_KEYS
            .iter()
            .find(|(key, _)| matched.contains_key(key) && !(pinned && *key == "tags"));
        if let Some((key, what)) = settable {
            let message = format!(
                "whoever opens the port can set the {what} that exception {} goes by",
                quote_text(id)
            );
            let help =
                "protect it by a service control policy, or add `self_service: true` to accept it"
                    .to_owned();
            self.report(
                Diagnostic::new(Code::SelfGranted, matched.key_span(key), message).with_help(help),
            );
        }
        for principal in matched.list_items("principals") {
            self.warn_about_session_names(principal);
        }
    }

    /// Whoever assumes a role chooses the session's name. A pattern must therefore name the role or the user itself.
    pub(super) fn warn_about_session_names(&mut self, pattern: &Spanned<Value>) {
        let text = pattern.value.as_text().unwrap_or_default();
        let names_somebody = ["role/", "user/"].iter().any(|kind| {
            text.split(kind)
                .nth(1)
                .is_some_and(|name| name.starts_with(|c: char| !matches!(c, '*' | '?' | '/')))
        });
        if !names_somebody && !text.ends_with(":root") {
            let message = format!(
                "pattern {} may be met by the name of a session",
                quote_text(text)
            );
            let help = "name the role: `arn:aws:sts::*:assumed-role/deploy/*`".to_owned();
            let label = "whoever assumes a role chooses it";
            self.report(
                Diagnostic::new(Code::SelfGranted, pattern.span, message)
                    .with_label(label)
                    .with_help(help),
            );
        }
    }
}
