//! How to undo the remediation.

use super::commands::{Command, numbered_comment, write_commands};
use crate::alert::phrases;
use crate::alert::plain_text::PlainText;
use crate::alert::summary::{AlertSummary, Headline};
use crate::report::RuleStatus;
use portcullis_rules::plan::ApplyOrder;

const EXCEPTION_FIRST: &str =
    "Get an exception first (see below), or Portcullis will close it again within seconds.";
const RESTORES_ONE: &str = "puts one rule back exactly as it was";

/// The commands that add what was removed, and remove what was added in its place.
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
        // Commands that open a group, beside those that close it, are a trap for a hurried reader.
        page.push_paragraph(
            "Close it first. The commands that put removed rules back, and take away added ones, \
             are in the report (`undo.restore`, `undo.remove`).",
        );
        return;
    }
    let removes = if remove.len() == 1 {
        "this takes away the new rule"
    } else {
        "these take away the new rules"
    };
    if restore.is_empty() {
        page.push_paragraph(&format!(
            "What Portcullis added is in the group: {removes}:"
        ));
        write_commands(page, max_entries, &remove);
    } else if remove.is_empty() {
        page.push_paragraph(&format!(
            "{EXCEPTION_FIRST} Then each of these {RESTORES_ONE}:"
        ));
        write_commands(page, max_entries, &restore);
    } else if summary.report.order == ApplyOrder::AddFirst {
        page.push_paragraph(&format!(
            "{EXCEPTION_FIRST} Then each of these {RESTORES_ONE}:"
        ));
        write_commands(page, max_entries, &restore);
        page.push_paragraph(&format!(
            "After that, {removes} that Portcullis put in their place:"
        ));
        write_commands(page, max_entries, &remove);
    } else {
        page.push_paragraph(&format!("{EXCEPTION_FIRST} Then {removes}:"));
        write_commands(page, max_entries, &remove);
        page.push_paragraph(&format!("After that, each of these {RESTORES_ONE}:"));
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
    let additions = summary.report.additions_to_remove();
    additions
        .map(|addition| {
            let comment = format!("new: {}", phrases::short_rule(&addition.ingress));
            Command::revoke(summary, comment, &addition.ingress)
        })
        .collect()
}
