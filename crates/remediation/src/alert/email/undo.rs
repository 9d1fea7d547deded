//! How to undo the remediation.

use portcullis_rules::plan::ApplyOrder;

use super::commands::{Command, numbered_comment};
use super::writer::EmailWriter;
use crate::alert::phrases::short_rule;
use crate::alert::summary::Headline;
use crate::report::RuleStatus;

const EXCEPTION_FIRST: &str = "Add an exception to the policy first (see below); otherwise, \
    Portcullis closes it again within seconds.";
const RESTORES_ONE: &str = "each of these commands restores one rule exactly as it was";

impl EmailWriter<'_> {
    /// The commands that restore removed rules and remove their replacements, in a safe order.
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
            // A reader in a hurry could run the commands that open the group instead of those
            // that close it.
            self.page.push_paragraph(
                "Close the group first. The commands that restore removed rules and remove added \
                 ones are in the JSON report (`undo.restore`, `undo.remove`).",
            );
            return;
        }
        let new_rules = if remove.len() == 1 {
            "the new rule"
        } else {
            "the new rules"
        };
        if restore.is_empty() {
            self.write_command_list(
                &format!("To remove {new_rules} that Portcullis added:"),
                &remove,
            );
        } else if remove.is_empty() {
            self.write_command_list(&format!("{EXCEPTION_FIRST} Then {RESTORES_ONE}:"), &restore);
        } else if self.report.order == ApplyOrder::AddFirst {
            self.write_command_list(&format!("{EXCEPTION_FIRST} Then {RESTORES_ONE}:"), &restore);
            self.write_command_list(
                &format!("After that, remove {new_rules} that Portcullis added in their place:"),
                &remove,
            );
        } else {
            self.write_command_list(
                &format!("{EXCEPTION_FIRST} Then remove {new_rules}:"),
                &remove,
            );
            self.write_command_list(&format!("After that, {RESTORES_ONE}:"), &restore);
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
