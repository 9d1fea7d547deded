//! Overrides, and what they mean for trusted sources.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_rules::policy::{Override, RuleOverride};
use portcullis_rules::{Action, PolicyRule};

use super::resolver::Resolver;
use super::scope::resolve_scope;
use crate::code::Code;
use crate::record::Record;
use crate::schema_table::{parse_action, parse_severity};
use crate::yaml::{Diagnostic, quote_text};

impl Resolver<'_> {
    pub(super) fn resolve_override(
        &mut self,
        record: &Record,
        rules: &[Arc<PolicyRule>],
        ids: &[&str],
    ) -> Override {
        let mut rule_overrides = BTreeMap::new();
        for (id, value) in record.map_entries("rules") {
            let Some(changes) = value.value.as_record() else {
                continue;
            };
            if !self.check_rule_id(&id.value, id.span, ids) {
                continue;
            }
            let rule_override = RuleOverride {
                severity: changes.get_choice("severity").and_then(parse_severity),
                action: changes.get_choice("action").and_then(parse_action),
            };
            let rule = rules.iter().find(|rule| rule.id == id.value);
            let lacks_trusted = rule.is_some_and(|rule| rule.trusted.is_empty());
            if rule_override.action == Some(Action::Restrict) && lacks_trusted {
                self.report_restrict_without_trusted(&id.value, changes.value_span("action"));
            }
            rule_overrides.insert(id.value.clone(), rule_override);
        }
        Override {
            scope: record
                .get_record("scope")
                .map(resolve_scope)
                .unwrap_or_default(),
            rule_overrides,
        }
    }

    /// Warns about rules in the policy file itself that have trusted sources but never restrict.
    pub(super) fn warn_about_unused_trusted(
        &mut self,
        own: &Record,
        rules: &[Arc<PolicyRule>],
        overrides: &[Override],
    ) {
        let with_trusted = own
            .list_records("rules")
            .filter(|record| record.contains_key("trusted"));
        for record in with_trusted {
            let id = record.get_text("id");
            let Some(rule) = rules.iter().find(|rule| Some(rule.id.as_str()) == id) else {
                continue;
            };
            if !ever_restricts(rule, overrides) {
                let message = format!(
                    "rule {} has trusted sources but never restricts",
                    quote_text(&rule.id)
                );
                let help = format!(
                    "with `action: restrict` instead of `{}`, they would keep access",
                    rule.action
                );
                let span = record.key_span("trusted");
                let diagnostic =
                    Diagnostic::new(Code::UnusedTrusted, span, message).with_help(help);
                self.report(diagnostic);
            }
        }
    }
}

fn ever_restricts(rule: &PolicyRule, overrides: &[Override]) -> bool {
    let overridden = overrides
        .iter()
        .filter_map(|entry| entry.rule_overrides.get(&rule.id))
        .any(|rule_override| rule_override.action == Some(Action::Restrict));
    rule.action == Action::Restrict || overridden
}
