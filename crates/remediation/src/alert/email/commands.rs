//! Commands to paste into a shell.

use portcullis_rules::IngressRule;

use super::writer::EmailWriter;
use crate::alert::phrases::count_phrase;
use crate::report::{GroupReport, authorize_command, revoke_rules_command};

/// How many commands a list has.
const MAX_COMMANDS: usize = 10;

/// Where the lists of the e-mail are complete.
pub(super) const FULL_REPORT: &str =
    "The JSON report that SQS and Lambda subscribers of this topic receive";

/// A command.
pub(super) struct Command {
    words: Vec<String>,
}

impl Command {
    /// Adds a rule.
    pub(super) fn authorize(report: &GroupReport, rule: &IngressRule) -> Self {
        let region = report.origin.region.as_deref();
        Self {
            words: authorize_command(&report.group.id, region, rule),
        }
    }

    /// Removes rules.
    pub(super) fn revoke(report: &GroupReport, rules: &[&IngressRule]) -> Self {
        let region = report.origin.region.as_deref();
        Self {
            words: revoke_rules_command(&report.group.id, region, rules),
        }
    }
}

impl EmailWriter<'_> {
    /// Commands with a text above them.
    pub(super) fn write_command_list(&mut self, text: &str, commands: &[Command]) {
        self.page.push_paragraph(text);
        self.write_commands(commands);
    }

    /// The first commands, and how many more there are.
    pub(super) fn write_commands(&mut self, commands: &[Command]) {
        let shown = self.max_entries.min(MAX_COMMANDS);
        for command in commands.iter().take(shown) {
            self.page.push_command(&command.words);
        }
        let omitted = commands.len().saturating_sub(shown);
        if omitted > 0 {
            let more = count_phrase(omitted, "more command", "more commands");
            self.page
                .push_paragraph(&format!("And {more}. {FULL_REPORT} has all of them."));
        }
    }
}
