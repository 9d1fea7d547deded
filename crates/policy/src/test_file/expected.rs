//! Decodes the expected outcome of a case.

use portcullis_rules::plan::{RefusalReason, SkipReason};
use portcullis_rules::{IngressRule, SecurityGroup};

use super::model::{ExpectedOutcome, IdsByRule};
use super::values::TestFileDecoder;
use crate::code::Code;
use crate::yaml::{Diagnostic, Node, Span};

const EXPECT_KEYS: [&str; 7] = [
    "findings",
    "exempt",
    "removals",
    "additions",
    "after",
    "refusals",
    "skipped_additions",
];

impl TestFileDecoder {
    pub(super) fn decode_expected_outcome(
        &mut self,
        node: &Node<'_>,
        group: &SecurityGroup,
    ) -> Option<ExpectedOutcome> {
        let fields = self.decode_fields(node, "`expect`", &EXPECT_KEYS)?;
        let mut expected = ExpectedOutcome::default();
        if let Some(node) = fields.get("findings") {
            expected.findings = Some(self.decode_ids_by_rule(node, group));
        }
        if let Some(node) = fields.get("exempt") {
            expected.exempt = Some(self.decode_ids_by_rule(node, group));
        }
        if let Some(node) = fields.get("after") {
            expected.after = Some(self.decode_rule_lines(node, None));
        } else {
            // Without `after`, changes that are not listed are not expected.
            expected.removals = Some(Vec::new());
            expected.additions = Some(Vec::new());
        }
        if let Some(node) = fields.get("removals") {
            expected.removals = Some(self.decode_rule_lines(node, Some(group)));
        }
        if let Some(node) = fields.get("additions") {
            expected.additions = Some(self.decode_rule_lines(node, None));
        }
        if let Some(node) = fields.get("refusals") {
            let codes = RefusalReason::ALL.map(RefusalReason::code);
            expected.refusals = self.decode_known_words(node, "refusal", &codes);
        }
        if let Some(node) = fields.get("skipped_additions") {
            let codes = SkipReason::ALL.map(SkipReason::code);
            expected.skipped_additions = self.decode_known_words(node, "skipped addition", &codes);
        }
        Some(expected)
    }

    /// Rules in their canonical form. With a group, they must be rules of it.
    fn decode_rule_lines(&mut self, node: &Node<'_>, group: Option<&SecurityGroup>) -> Vec<String> {
        let mut lines = Vec::new();
        for line in self.decode_texts(node, "expected a list of rules") {
            let Some(rule) = self.parse_rule(line.span, &line.value) else {
                continue;
            };
            if let Some(group) = group {
                self.require_group_rule(group, &rule, line.span);
            }
            lines.push(rule.to_string());
        }
        lines
    }

    /// Rules of the group.
    pub(super) fn decode_rules_of_group(
        &mut self,
        node: &Node<'_>,
        group: &SecurityGroup,
    ) -> Vec<IngressRule> {
        let mut rules = Vec::new();
        for line in self.decode_texts(node, "expected a list of rules") {
            if let Some(rule) = self.parse_rule(line.span, &line.value) {
                self.require_group_rule(group, &rule, line.span);
                rules.push(rule);
            }
        }
        rules
    }

    fn decode_ids_by_rule(&mut self, node: &Node<'_>, group: &SecurityGroup) -> IdsByRule {
        let mut ids_by_rule = IdsByRule::new();
        for (line, value) in
            self.decode_entries(node, "expected IDs, keyed by rule in one-line notation")
        {
            let ids = self.decode_texts(value, "expected an ID or a list of IDs");
            let Some(rule) = self.parse_rule(line.span, &line.value) else {
                continue;
            };
            self.require_group_rule(group, &rule, line.span);
            let ids = ids.into_iter().map(|id| id.value);
            ids_by_rule.entry(rule.to_string()).or_default().extend(ids);
        }
        ids_by_rule.retain(|_, ids| !ids.is_empty());
        ids_by_rule
    }

    fn require_group_rule(&mut self, group: &SecurityGroup, rule: &IngressRule, span: Span) {
        if !group.rules.iter().any(|own| own.same_content(rule)) {
            let message = format!("the group of this case has no rule `{rule}`");
            let help = "add it to the `rules` of the group".to_owned();
            let diagnostic = Diagnostic::new(Code::UnlistedRule, span, message).with_help(help);
            self.report(diagnostic);
        }
    }
}
