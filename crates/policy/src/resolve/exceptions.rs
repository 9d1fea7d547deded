//! Exceptions.

use portcullis_rules::{Exception, Glob, TrafficSet};

use super::{Resolver, scope, tags};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::TRAFFIC_KEYS;
use crate::record::{Record, Value};
use crate::text::{Spanned, listed, quoted};

/// What an exception can be limited by.
const LIMITS: [&str; 6] = ["rules", "ports", "protocol", "traffic", "sources", "match"];

/// What whoever opens the port can set.
const SETTABLE: [(&str, &str); 3] = [("tags", "tags"), ("rule_tags", "tags"), ("descriptions", "description")];

impl Resolver<'_> {
    /// The exception that is written; none when something of it is wrong, which is told.
    pub(super) fn exception(&mut self, record: &Record, rules: &[&str]) -> Option<Exception> {
        let id = record.text("id").unwrap_or_default();
        if !record.is_empty() && !record.is_flawed() && !LIMITS.iter().any(|key| record.has(key)) {
            let message = format!("exception {} frees everything, everywhere", quoted(id));
            let help = format!("limit it by {}", listed(LIMITS, "or"));
            self.tell(Diagnostic::new(Code::LimitlessException, record.span(), message).help(help));
        }
        for item in record.list("rules") {
            self.known_rule(item.value.text().unwrap_or_default(), item.span, rules);
        }
        let traffic = match self.traffic(record) {
            Some(traffic) => traffic,
            None if TRAFFIC_KEYS.iter().any(|key| record.has(key)) => TrafficSet::default(),
            None => TrafficSet::everything(),
        };
        if record.record("traffic").is_some_and(Record::is_empty) {
            let message = format!("exception {} frees nothing", quoted(id));
            self.tell(Diagnostic::new(Code::Nothing, record.value_span("traffic"), message));
        }
        let matched = record.record("match").cloned().unwrap_or_default();
        self.warn_of_self_granted(record, &matched, id);
        let globs = |key: &str| matched.texts(key).map(Glob::new).collect();
        let sources = record.list("sources").iter().filter_map(|item| item.value.source().cloned());
        Some(Exception {
            id: record.text("id")?.to_owned(),
            reason: record.text("reason")?.to_owned(),
            owner: record.text("owner")?.to_owned(),
            expires: record.moment("expires"),
            rules: record.texts("rules").map(str::to_owned).collect(),
            scope: scope(&matched),
            rule_tags: tags(&matched, "rule_tags"),
            descriptions: globs("descriptions"),
            principals: globs("principals"),
            traffic,
            sources: sources.collect(),
        })
    }

    fn warn_of_self_granted(&mut self, record: &Record, matched: &Record, id: &str) {
        if record.flag("self_service") {
            return;
        }
        // Tags of the group are protected by a group that is named outright.
        let pinned = matched.has("groups");
        let settable = SETTABLE.iter().find(|(key, _)| matched.has(key) && !(pinned && *key == "tags"));
        if let Some((key, what)) = settable {
            let message = format!("whoever opens the port can set the {what} that exception {} goes by", quoted(id));
            let help = "protect it by a service control policy, or add `self_service: true` to accept it".to_owned();
            self.tell(Diagnostic::new(Code::SelfGranted, matched.key_span(key), message).help(help));
        }
        for principal in matched.list("principals") {
            self.warn_of_session_names(principal);
        }
    }

    /// Whoever assumes a role chooses the session's name. A pattern must therefore name the role or the user itself.
    pub(super) fn warn_of_session_names(&mut self, pattern: &Spanned<Value>) {
        let text = pattern.value.text().unwrap_or_default();
        let names_somebody = ["role/", "user/"].iter().any(|kind| {
            text.split(kind).nth(1).is_some_and(|name| name.starts_with(|c: char| !matches!(c, '*' | '?' | '/')))
        });
        if !names_somebody && !text.ends_with(":root") {
            let message = format!("pattern {} may be met by the name of a session", quoted(text));
            let help = "name the role: `arn:aws:sts::*:assumed-role/deploy/*`".to_owned();
            let label = "whoever assumes a role chooses it";
            self.tell(Diagnostic::new(Code::SelfGranted, pattern.span, message).label(label).help(help));
        }
    }
}
