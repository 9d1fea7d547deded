//! Rules.

use portcullis_rules::{Action, PolicyRule};

use super::resolver::Resolver;
use super::scope::{owned_texts, resolve_scope};
use crate::code::Code;
use crate::record::Record;
use crate::schema_table::{parse_action, parse_severity};
use crate::yaml::{Diagnostic, did_you_mean, quote_list, quote_text};

/// The keys that a rule must have, its own or inherited ones.
const REQUIRED_KEYS: [&str; 3] = ["check", "severity", "action"];

impl Resolver<'_> {
    /// The rule; none if it is incomplete, which is reported.
    pub(super) fn resolve_rule(&mut self, record: &Record) -> Option<PolicyRule> {
        let missing: Vec<_> = REQUIRED_KEYS
            .into_iter()
            .filter(|key| !record.contains_key(key))
            .collect();
        if !missing.is_empty() && !record.has_unknown_key() {
            self.report_incomplete_rule(record, &missing);
        }
        let trusted = self.resolve_trusted(record);
        let check = self.resolve_check(record);
        let id = record.get_text("id")?.to_owned();
        let action = record.get_choice("action").and_then(parse_action);
        if action == Some(Action::Restrict) && !record.contains_key("trusted") {
            self.report_restrict_without_trusted(&id, record.value_span("action"));
        }
        let check = check?;
        Some(PolicyRule {
            id,
            forbids: match record.get_text("forbids") {
                Some(text) => text.to_owned(),
                None => check.describe(),
            },
            check,
            severity: record.get_choice("severity").and_then(parse_severity)?,
            action: action?,
            references: owned_texts(record, "references"),
            scope: record
                .get_record("scope")
                .map(resolve_scope)
                .unwrap_or_default(),
            trusted,
        })
    }

    fn report_incomplete_rule(&mut self, record: &Record, missing: &[&str]) {
        let Some(id) = record.get_text("id") else {
            return;
        };
        let missing_keys = quote_list(missing.iter().copied(), "and");
        let message = format!("rule {} is missing {missing_keys}", quote_text(id));
        let other_ids = self
            .root
            .list_records("rules")
            .filter_map(|rule| rule.get_text("id"))
            .filter(|other| *other != id);
        let diagnostic = Diagnostic::new(Code::MissingKey, record.value_span("id"), message)
            .with_label("not the id of an inherited rule, so it must be complete")
            .with_help(did_you_mean(id, other_ids));
        self.report(diagnostic);
    }

    /// Reports a policy that could never find anything, unless another error explains that.
    pub(super) fn require_rules(&mut self) {
        let rules_are_invalid = self.root.contains_key("rules") && self.root.get("rules").is_none();
        let has_other_error = self.root.is_empty()
            || self.root.has_unknown_key()
            || self.root.contains_key("extends")
            || rules_are_invalid;
        if self.root.list_items("rules").is_empty() && !has_other_error {
            let help = "add `extends: baseline`, or `rules` of your own".to_owned();
            let span = self.root.key_span("rules");
            let diagnostic = Diagnostic::new(Code::NoRules, span, "the policy has no rules")
                .with_label("this policy forbids nothing")
                .with_help(help);
            self.report(diagnostic);
        }
    }
}
