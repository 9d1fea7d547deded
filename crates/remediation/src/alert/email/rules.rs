//! The rules with findings, and the exceptions.

use portcullis_rules::{Finding, PolicyRule};

use super::commands::FULL_REPORT;
use super::writer::{EmailWriter, quote_id};
use crate::alert::phrases::{
    capitalize_first, count_phrase, describe_rule, exceptions_phrase, is_every_address,
    is_open_to_world,
};
use crate::alert::sanitize::{sanitize_line, truncate_with_ellipsis};
use crate::alert::summary::describe_outcome;
use crate::report::RuleOutcome;

/// How many findings about one rule are listed.
const MAX_FINDINGS: usize = 6;
/// The note about a source that is open to the world although it is not every address.
const SHARED: &str =
    " (Alone or combined with other sources in the group, this source covers the whole internet.)";

impl EmailWriter<'_> {
    /// Each security group rule with its findings and its outcome.
    pub(super) fn write_rules(&mut self) {
        if self.summary.entries.is_empty() {
            return;
        }
        self.page.push_heading("What was found");
        let summary = self.summary;
        for (number, outcome) in summary.numbered_entries(|_| true).take(self.max_entries) {
            if number > 1 {
                self.page.push_blank_line();
            }
            self.write_rule(number, outcome);
        }
        let omitted = summary.entries.len().saturating_sub(self.max_entries);
        if omitted > 0 {
            let more = count_phrase(omitted, "more rule", "more rules");
            self.page.push_blank_line();
            self.page
                .push_paragraph(&format!("And {more}. {FULL_REPORT} lists all of them."));
        }
    }

    fn write_rule(&mut self, number: usize, outcome: &RuleOutcome) {
        let page = &mut self.page;
        page.push_item(&format!("{number:>2}. "), &describe_rule(&outcome.rule));
        let description = outcome.rule.description.as_deref().unwrap_or_default();
        match sanitize_line(description, 255) {
            empty if empty.is_empty() => page.push_line("    No description"),
            text => page.push_item("    ", &format!("Description: \"{text}\"")),
        }
        for reason in describe_reasons(outcome) {
            page.push_item("    - ", &reason);
        }
        let omitted = outcome.findings.len().saturating_sub(MAX_FINDINGS);
        if omitted > 0 {
            let more = count_phrase(omitted, "more policy rule", "more policy rules");
            page.push_line(&format!("    - and {more}"));
        }
        let result = match describe_outcome(outcome, self.report.mode) {
            (head, Some(details)) => format!("{head}: {details}"),
            (head, None) => head,
        };
        page.push_item("    => ", &format!("{}.", capitalize_first(&result)));
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
                &format!("The exception {} has expired.", quote_id(id)),
            );
        }
        let omitted = expired.len().saturating_sub(shown);
        if omitted > 0 {
            page.push_line(&format!("  - and {omitted} more"));
        }
        page.push_paragraph(
            "If an exception is still needed, extend its expiry date in the policy; otherwise, \
             delete it.",
        );
    }
}

/// The findings about a rule. One that was removed only because of other removals has none.
fn describe_reasons(outcome: &RuleOutcome) -> Vec<String> {
    if outcome.findings.is_empty() {
        let ids = outcome.policy_rules.join(", ");
        return vec![format!(
            "{}, after the removal of the other rules",
            sanitize_line(&ids, 200)
        )];
    }
    outcome
        .findings
        .iter()
        .take(MAX_FINDINGS)
        .map(|finding| describe_finding(outcome, finding))
        .collect()
}

/// `common-ports (high, HIPAA): TCP or UDP ports 20, ... open to the world. Here: 20-22.`
fn describe_finding(outcome: &RuleOutcome, finding: &Finding) -> String {
    let policy_rule = &finding.policy_rule;
    let shared = if is_shared_opening(outcome, finding) {
        SHARED
    } else {
        ""
    };
    let exempt = match &finding.exempted_by {
        Some(id) => {
            let id = sanitize_line(id, 64);
            format!(" Allowed by exception {id}.")
        }
        None => String::new(),
    };
    format!(
        "{} ({}{}): {}.{}{shared}{exempt}",
        sanitize_line(&policy_rule.id, 64),
        policy_rule.severity,
        describe_references(policy_rule),
        sanitize_line(&policy_rule.forbids, 200),
        describe_offending_ports(outcome, finding)
    )
}

/// `, HIPAA`.
fn describe_references(policy_rule: &PolicyRule) -> String {
    let references = policy_rule.references.join(", ");
    match sanitize_line(&references, 100) {
        none if none.is_empty() => none,
        references => format!(", {references}"),
    }
}

/// ` Here: 20-22.`, unless the policy rule forbids all ports of the rule.
fn describe_offending_ports(outcome: &RuleOutcome, finding: &Finding) -> String {
    let ports = finding.offending.to_string();
    let is_whole_rule = outcome
        .rule
        .port_range()
        .is_none_or(|range| range.to_string() == ports);
    if is_whole_rule {
        String::new()
    } else {
        format!(" Here: {}.", truncate_with_ellipsis(&ports, 80))
    }
}

/// Whether the rule is open to the world although its source is not every address.
fn is_shared_opening(outcome: &RuleOutcome, finding: &Finding) -> bool {
    is_open_to_world(finding) && !is_every_address(&outcome.rule.source)
}
