//! How to undo the remediation.

use portcullis_rules::plan::ApplyOrder;

use super::commands::Command;
use super::writer::EmailWriter;
use crate::alert::summary::Headline;
use crate::report::RuleStatus;

/// How many rules one command removes.
const RULES_PER_COMMAND: usize = 20;
const HEADING: &str = "To undo it";
const EXCEPTION_FIRST: &str = "add an exception first, or it is closed again. Then run:";

impl EmailWriter<'_> {
    /// The commands that restore removed rules and remove their replacements, in a safe order.
    pub(super) fn write_undo(&mut self) {
        let restore = self.restore_commands();
        let remove = self.removal_commands();
        if restore.is_empty() && remove.is_empty() {
            return;
        }
        if matches!(
            self.summary.headline,
            Headline::NotClosed | Headline::NotVerified
        ) {
            // A reader in a hurry could run the commands that open the group instead of those
            // that close it.
            self.page.push_section(
                HEADING,
                "close the group first. The commands are in the JSON report (`undo.restore`, \
                 `undo.remove`).",
            );
            return;
        }
        if restore.is_empty() {
            self.page
                .push_section("To remove the new rules that Portcullis added", "run:");
        } else {
            self.page.push_section(HEADING, EXCEPTION_FIRST);
        }
        if self.report.order == ApplyOrder::AddFirst {
            self.write_commands(&restore);
            self.write_commands(&remove);
        } else {
            self.write_commands(&remove);
            self.write_commands(&restore);
        }
    }

    fn restore_commands(&self) -> Vec<Command> {
        let to_restore: Vec<_> = self.report.rules_to_restore().collect();
        self.summary
            .numbered_entries(|status| *status == RuleStatus::Applied)
            .filter(|(_, outcome)| to_restore.contains(outcome))
            .map(|(_, outcome)| Command::authorize(self.report, &outcome.rule))
            .collect()
    }

    /// One command for all replacements.
    fn removal_commands(&self) -> Vec<Command> {
        let additions: Vec<_> = self
            .report
            .additions_to_remove()
            .map(|addition| &addition.ingress)
            .collect();
        additions
            .chunks(RULES_PER_COMMAND)
            .map(|rules| Command::revoke(self.report, rules))
            .collect()
    }
}
