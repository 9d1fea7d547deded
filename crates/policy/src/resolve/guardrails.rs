//! Guardrails, and principals in general.

use portcullis_rules::{ExistingRules, Guardrails};

use super::resolver::Resolver;
use super::scope::{resolve_globs, resolve_scope};
use crate::code::Code;
use crate::record::{Record, Value};
use crate::yaml::{Diagnostic, Spanned, quote_text};

impl Resolver<'_> {
    pub(super) fn resolve_guardrails(&mut self) -> Guardrails {
        let Some(record) = self.root.get_record("guardrails") else {
            return Guardrails::default();
        };
        self.warn_about_session_names(record);
        Guardrails {
            protected: record
                .list_records("protected")
                .map(resolve_scope)
                .collect(),
            existing: match record.get_choice("existing") {
                Some("notify") => ExistingRules::Notify,
                _ => ExistingRules::Enforce,
            },
            max_removals: record.get_count("max_removals"),
            notify_only_service_managed: record.get_choice("service_managed") == Some("notify"),
            notify_only_load_balancers: record.get_choice("load_balancers") == Some("notify"),
            notify_only_principals: resolve_globs(record, "principals"),
        }
    }

    /// Requires that every pattern under `principals` specifies a role or user. The session name
    /// does not count, because anyone who assumes a role chooses it.
    pub(super) fn warn_about_session_names(&mut self, record: &Record) {
        for pattern in record.list_items("principals") {
            let text = pattern.value.as_text().unwrap_or_default();
            if !specifies_identity(text) {
                self.report(session_name_warning(pattern, text));
            }
        }
    }
}

fn specifies_identity(pattern: &str) -> bool {
    pattern.ends_with(":root")
        || specifies_name_after("role/", pattern)
        || specifies_name_after("user/", pattern)
}

fn specifies_name_after(kind: &str, pattern: &str) -> bool {
    pattern
        .split(kind)
        .nth(1)
        .is_some_and(|name| !name.is_empty() && !name.starts_with(['*', '?', '/']))
}

fn session_name_warning(pattern: &Spanned<Value>, text: &str) -> Diagnostic {
    let message = format!("pattern {} can match a session name", quote_text(text));
    let help = "specify the role, as in `arn:aws:sts::*:assumed-role/deploy/*`".to_owned();
    Diagnostic::new(Code::SelfGranted, pattern.span, message)
        .with_label("anyone who assumes a role chooses the session name")
        .with_help(help)
}
