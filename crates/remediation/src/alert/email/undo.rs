//! How to undo the remediation.

use super::commands::{Command, numbered_comment, write_commands};
use crate::alert::phrases::short_rule;
use crate::alert::plain_text::PlainText;
use crate::alert::summary::{AlertSummary, Headline};
use crate::report::RuleStatus;
use portcullis_rules::plan::ApplyOrder;

const EXCEPTION_FIRST: &str = "Add an exception to the policy first (see below); otherwise, \
    Portcullis closes it again within seconds.";
const RESTORES_ONE: &str = "each of these commands restores one rule exactly as it was";

/// The commands that restore removed rules and remove their replacements, in a safe order.
pub(super) fn write_undo(page: &mut PlainText, summary: &AlertSummary<'_>, max_entries: usize) {
    let restore = restore_commands(summary);
    let remove = removal_commands(summary);
    if restore.is_empty() && remove.is_empty() {
        return;
    }
    page.push_heading("How to undo it");
    if matches!(
        summary.headline,
        Headline::NotClosed | Headline::NotVerified
    ) {
        // A reader in a hurry could run the commands that open the group instead of those that
        // close it.
        page.push_paragraph(
            "Close the group first. The commands that restore removed rules and remove added ones \
             are in the JSON report (`undo.restore`, `undo.remove`).",
        );
        return;
    }
    let new_rules = if remove.len() == 1 {
        "the new rule"
    } else {
        "the new rules"
    };
    if restore.is_empty() {
        page.push_paragraph(&format!("To remove {new_rules} that Portcullis added:"));
        write_commands(page, max_entries, &remove);
    } else if remove.is_empty() {
        page.push_paragraph(&format!("{EXCEPTION_FIRST} Then {RESTORES_ONE}:"));
        write_commands(page, max_entries, &restore);
    } else if summary.report.order == ApplyOrder::AddFirst {
        page.push_paragraph(&format!("{EXCEPTION_FIRST} Then {RESTORES_ONE}:"));
        write_commands(page, max_entries, &restore);
        page.push_paragraph(&format!(
            "After that, remove {new_rules} that Portcullis added in their place:"
        ));
        write_commands(page, max_entries, &remove);
    } else {
        page.push_paragraph(&format!("{EXCEPTION_FIRST} Then remove {new_rules}:"));
        write_commands(page, max_entries, &remove);
        page.push_paragraph(&format!("After that, {RESTORES_ONE}:"));
        write_commands(page, max_entries, &restore);
    }
}

fn restore_commands(summary: &AlertSummary<'_>) -> Vec<Command> {
    let to_restore: Vec<_> = summary.report.rules_to_restore().collect();
    summary
        .numbered_entries(|status| *status == RuleStatus::Applied)
        .filter(|(_, outcome)| to_restore.contains(outcome))
        .map(|(number, outcome)| {
            let comment = numbered_comment(number, outcome);
            Command::authorize(summary, comment, &outcome.rule)
        })
        .collect()
}

fn removal_commands(summary: &AlertSummary<'_>) -> Vec<Command> {
    summary
        .report
        .additions_to_remove()
        .map(|addition| {
            let comment = format!("new: {}", short_rule(&addition.ingress));
            Command::revoke(summary, comment, &addition.ingress)
        })
        .collect()
}
