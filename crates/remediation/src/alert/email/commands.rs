//! Commands to paste into a shell.

use portcullis_rules::IngressRule;

use super::writer::EmailWriter;
use crate::alert::phrases::{count_phrase, short_rule};
use crate::report::{GroupReport, RuleOutcome, authorize_command, revoke_command};

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
    pub(super) fn authorize(report: &GroupReport, comment: String, rule: &IngressRule) -> Self {
        let region = report.origin.region.as_deref();
        Self {
            comment,
            words: authorize_command(&report.group.id, region, rule),
        }
    }

    /// Removes a rule.
    pub(super) fn revoke(report: &GroupReport, comment: String, rule: &IngressRule) -> Self {
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

impl EmailWriter<'_> {
    /// Commands with a text above them.
    pub(super) fn write_command_list(&mut self, text: &str, commands: &[Command]) {
        self.page.push_paragraph(text);
        self.write_commands(commands);
    }

    /// The first commands, each with its comment, and how many more there are.
    fn write_commands(&mut self, commands: &[Command]) {
        let shown = self.max_entries.min(MAX_COMMANDS);
        for command in commands.iter().take(shown) {
            self.page.push_line(&format!("  # {}", command.comment));
            self.page.push_command(&command.words);
        }
        let omitted = commands.len().saturating_sub(shown);
        if omitted > 0 {
            let more = count_phrase(omitted, "more rule", "more rules");
            self.page
                .push_paragraph(&format!("And {more}. {FULL_REPORT} has all commands."));
        }
    }
}
