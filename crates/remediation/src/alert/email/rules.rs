//! The rules with findings, and the exceptions.

use portcullis_rules::Finding;

use super::commands::FULL_REPORT;
use super::writer::{EmailWriter, quote_id};
use crate::alert::phrases::{
    capitalize_first, count_phrase, describe_rule, exceptions_phrase, is_every_address,
};
use crate::alert::sanitize::{sanitize_line, truncate_with_ellipsis};
use crate::alert::summary::{describe_outcome, is_open_entry};
use crate::report::RuleOutcome;

/// How many findings about one rule are listed.
const MAX_FINDINGS: usize = 6;

impl EmailWriter<'_> {
    /// Each security group rule with its outcome and the policy rules that it violates.
    pub(super) fn write_rules(&mut self) {
        let summary = self.summary;
        if summary.entries.is_empty() {
            return;
        }
        self.page.push_blank_line();
        for (number, outcome) in summary.numbered_entries(|_| true).take(self.max_entries) {
            self.write_rule(number, outcome);
        }
        let omitted = summary.entries.len().saturating_sub(self.max_entries);
        if omitted > 0 {
            let more = count_phrase(omitted, "more rule", "more rules");
            self.page
                .push_paragraph(&format!("And {more}. {FULL_REPORT} lists all of them."));
        }
        if summary.hidden_count > 0 {
            let more = count_phrase(summary.hidden_count, "more rule", "more rules");
            self.page.push_paragraph(&format!(
                "The JSON report lists {more} that the policy only reports."
            ));
        }
    }

    fn write_rule(&mut self, number: usize, outcome: &RuleOutcome) {
        let description = outcome.rule.description.as_deref().unwrap_or_default();
        let description = match sanitize_line(description, 255) {
            empty if empty.is_empty() => empty,
            text => format!(", \"{text}\""),
        };
        let rule = describe_rule(&outcome.rule);
        let page = &mut self.page;
        page.push_item(&format!("{number:>2}. "), &format!("{rule}{description}"));
        let result = match describe_outcome(outcome, self.report.mode) {
            (head, Some(details)) => format!("{head}: {details}"),
            (head, None) => head,
        };
        let result = capitalize_first(&result);
        let reasons = describe_reasons(outcome);
        let notes = self.describe_notes(outcome);
        self.page
            .push_item("    => ", &format!("{result}. Violates {reasons}.{notes}"));
    }

    /// What readers have to know to understand why a rule is in the list.
    fn describe_notes(&self, outcome: &RuleOutcome) -> String {
        let mut notes = String::new();
        if is_open_entry(outcome) && !is_every_address(&outcome.rule.source) {
            notes.push_str(
                " Alone or combined with others of the group, this source covers the whole \
                 internet.",
            );
        }
        if self.summary.is_opened_by_event() && !self.report.opened.contains(&outcome.rule) {
            notes.push_str(" The rule is older than this change.");
        }
        notes
    }

    /// The rules that exceptions allow.
    pub(super) fn write_exempt_rules(&mut self) {
        let rules = self.summary.exempt_rules;
        if rules.is_empty() {
            return;
        }
        self.page.push_heading("Allowed by exceptions");
        for outcome in rules.iter().take(self.max_entries) {
            let rule = describe_rule(&outcome.rule);
            let exceptions: Vec<_> = outcome
                .exceptions()
                .into_iter()
                .take(MAX_FINDINGS)
                .map(quote_id)
                .collect();
            self.page.push_item(
                "  - ",
                &format!("{rule}: allowed by {}.", exceptions_phrase(&exceptions)),
            );
        }
        self.write_omitted_rules(rules.len());
    }

    /// The exceptions that have expired.
    pub(super) fn write_expired_exceptions(&mut self) {
        let expired = &self.report.expired_exceptions;
        if expired.is_empty() {
            return;
        }
        let page = &mut self.page;
        page.push_heading("Expired exceptions");
        let shown = self.max_entries.max(1);
        for id in expired.iter().take(shown) {
            page.push_item(
                "  - ",
                &format!("{} has expired: extend or delete it.", quote_id(id)),
            );
        }
        let omitted = expired.len().saturating_sub(shown);
        if omitted > 0 {
            page.push_line(&format!("  - and {omitted} more"));
        }
    }
}

/// `a, b (20-22)`. A rule that was removed only because of other removals has no findings.
fn describe_reasons(outcome: &RuleOutcome) -> String {
    if outcome.findings.is_empty() {
        let ids = outcome.policy_rules.join(", ");
        let ids = sanitize_line(&ids, 200);
        return format!("{ids} after the removal of the other rules");
    }
    let mut reasons: Vec<_> = outcome
        .findings
        .iter()
        .take(MAX_FINDINGS)
        .map(|finding| describe_reason(outcome, finding))
        .collect();
    let omitted = outcome.findings.len().saturating_sub(MAX_FINDINGS);
    if omitted > 0 {
        reasons.push(format!("{omitted} more"));
    }
    reasons.join(", ")
}

/// `common-ports`, with the ports if the policy rule does not forbid all of the rule, and with the
/// exception that allows it.
fn describe_reason(outcome: &RuleOutcome, finding: &Finding) -> String {
    let id = sanitize_line(&finding.policy_rule.id, 64);
    let ports = finding.offending.to_string();
    let is_whole_rule = outcome
        .rule
        .port_range()
        .is_none_or(|range| range.to_string() == ports);
    let mut notes = Vec::new();
    if !is_whole_rule {
        notes.push(truncate_with_ellipsis(&ports, 80));
    }
    if let Some(exception) = &finding.exempted_by {
        let exception = sanitize_line(exception, 64);
        notes.push(format!("allowed by exception {exception}"));
    }
    if notes.is_empty() {
        id
    } else {
        format!("{id} ({})", notes.join("; "))
    }
}
