//! Commands to paste into a shell.

use portcullis_rules::IngressRule;

use crate::alert::phrases::{count_phrase, short_rule};
use crate::alert::plain_text::PlainText;
use crate::alert::summary::AlertSummary;
use crate::report::{RuleOutcome, authorize_command, revoke_command};

/// How many commands a list has.
const MAX_COMMANDS: usize = 10;

/// Where the lists of the e-mail are complete.
pub(super) const FULL_REPORT: &str =
    "The JSON report that SQS and Lambda subscribers of this topic receive";

/// A command with the comment above it.
pub(super) struct Command {
    comment: String,
    words: Vec<String>,
}

impl Command {
    /// Adds a rule.
    pub(super) fn authorize(
        summary: &AlertSummary<'_>,
        comment: String,
        rule: &IngressRule,
    ) -> Self {
        let report = summary.report;
        let region = report.origin.region.as_deref();
        Self {
            comment,
            words: authorize_command(&report.group.id, region, rule),
        }
    }

    /// Removes a rule.
    pub(super) fn revoke(summary: &AlertSummary<'_>, comment: String, rule: &IngressRule) -> Self {
        let report = summary.report;
        let region = report.origin.region.as_deref();
        Self {
            comment,
            words: revoke_command(&report.group.id, region, rule),
        }
    }
}

/// `rule 3: tcp 22 from 0.0.0.0/0`.
pub(super) fn numbered_comment(number: usize, outcome: &RuleOutcome) -> String {
    format!("rule {number}: {}", short_rule(&outcome.rule))
}

/// The first commands, each with its comment, and how many more there are.
pub(super) fn write_commands(page: &mut PlainText, max_entries: usize, commands: &[Command]) {
    let shown = max_entries.min(MAX_COMMANDS);
    for command in commands.iter().take(shown) {
        page.push_line(&format!("  # {}", command.comment));
        page.push_command(&command.words);
    }
    let left_out = commands.len().saturating_sub(shown);
    if left_out > 0 {
        let more = count_phrase(left_out, "more rule", "more rules");
        page.push_paragraph(&format!("And {more}. {FULL_REPORT} has all commands."));
    }
}
