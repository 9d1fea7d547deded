//! How to undo the remediation.

use portcullis_rules::plan::ApplyOrder;

use super::commands::{Command, numbered_comment};
use super::writer::EmailWriter;
use crate::alert::phrases::short_rule;
use crate::alert::summary::Headline;
use crate::report::RuleStatus;

const EXCEPTION_FIRST: &str =
    "Get an exception first (see below), or Portcullis will close it again within seconds.";
const RESTORES_ONE: &str = "puts one rule back exactly as it was";

impl EmailWriter<'_> {
    /// The commands that add what was removed, and remove what was added in its place.
    pub(super) fn write_undo(&mut self) {
        let restore = self.restore_commands();
        let remove = self.removal_commands();
        if restore.is_empty() && remove.is_empty() {
            return;
        }
        self.page.push_heading("How to undo it");
        if matches!(
            self.summary.headline,
            Headline::NotClosed | Headline::NotVerified
        ) {
            // Commands that open a group, beside those that close it, are a trap for a hurried
            // reader.
            self.page.push_paragraph(
                "Close it first. The commands that put removed rules back, and take away added \
                 ones, are in the report (`undo.restore`, `undo.remove`).",
            );
            return;
        }
        let removes = if remove.len() == 1 {
            "this takes away the new rule"
        } else {
            "these take away the new rules"
        };
        if restore.is_empty() {
            self.write_command_list(
                &format!("What Portcullis added is in the group: {removes}:"),
                &remove,
            );
        } else if remove.is_empty() {
            self.write_command_list(
                &format!("{EXCEPTION_FIRST} Then each of these {RESTORES_ONE}:"),
                &restore,
            );
        } else if self.report.order == ApplyOrder::AddFirst {
            self.write_command_list(
                &format!("{EXCEPTION_FIRST} Then each of these {RESTORES_ONE}:"),
                &restore,
            );
            self.write_command_list(
                &format!("After that, {removes} that Portcullis put in their place:"),
                &remove,
            );
        } else {
            self.write_command_list(&format!("{EXCEPTION_FIRST} Then {removes}:"), &remove);
            self.write_command_list(
                &format!("After that, each of these {RESTORES_ONE}:"),
                &restore,
            );
        }
    }

    fn restore_commands(&self) -> Vec<Command> {
        let to_restore: Vec<_> = self.report.rules_to_restore().collect();
        self.summary
            .numbered_entries(|status| *status == RuleStatus::Applied)
            .filter(|(_, outcome)| to_restore.contains(outcome))
            .map(|(number, outcome)| {
                let comment = numbered_comment(number, outcome);
                Command::authorize(self.report, comment, &outcome.rule)
            })
            .collect()
    }

    fn removal_commands(&self) -> Vec<Command> {
        self.report
            .additions_to_remove()
            .map(|addition| {
                let rule = &addition.ingress;
                let comment = format!("new: {}", short_rule(rule));
                Command::revoke(self.report, comment, rule)
            })
            .collect()
    }
}
