//! What the reader has to do, and how to get an exception.

use std::collections::BTreeSet;

use portcullis_rules::plan::{ApplyOrder, RefusalReason};

use super::commands::{Command, numbered_comment, write_commands};
use crate::alert::phrases::{error_remedy, join_numbers, short_rule};
use crate::alert::plain_text::PlainText;
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::{AlertSummary, Headline, is_partly_allowed};
use crate::report::{RuleOutcome, RuleStatus};
use crate::services::{Mode, ServiceError};

/// How many different errors are shown.
const MAX_ERRORS: usize = 5;
/// How many rule numbers are listed.
const MAX_NUMBERS: usize = 30;

const AUTOMATIC_RETRY: &str = "Portcullis retries automatically within minutes.";

/// What the reader has to do, if anything.
pub(super) fn write_next_steps(
    page: &mut PlainText,
    summary: &AlertSummary<'_>,
    max_entries: usize,
) {
    match summary.headline {
        Headline::NotVerified | Headline::NotClosed => page.push_heading("What to do"),
        Headline::Refused => page.push_heading("Why it was refused, and what to do"),
        Headline::WouldClose => page.push_heading("What you can do"),
        Headline::Closed
        | Headline::AlreadyGone
        | Headline::Reported
        | Headline::GroupDeleted
        | Headline::Clean => return,
    }
    if let Some(error) = &summary.report.unverified {
        page.push_paragraph(&format!(
            "{} Check the group in the console (link below). {AUTOMATIC_RETRY}",
            error.kind.message()
        ));
        write_error_details(page, error);
    }
    write_errors(page, summary);
    let reopened: Vec<_> = summary
        .numbered_entries(|status| *status == RuleStatus::Reopened)
        .collect();
    let them = if reopened.len() == 1 { "it" } else { "them" };
    if let Some(rules) = rule_number_phrase(&reopened, false) {
        page.push_paragraph(&format!(
            "{rules}: added faster than Portcullis could remove {them}. Look for automation \
             (CloudFormation, Terraform, a controller) that keeps adding {them}, and stop it. \
             {AUTOMATIC_RETRY}"
        ));
    }
    let refusals: BTreeSet<_> = summary
        .entries
        .iter()
        .map(|outcome| &outcome.status)
        .filter_map(RuleStatus::refusal)
        .collect();
    for reason in refusals {
        page.push_paragraph(reason.message());
    }
    write_manual_removal(page, summary, max_entries);
}

/// Each kind of error once, with the rules that it left open.
fn write_errors(page: &mut PlainText, summary: &AlertSummary<'_>) {
    let mut shown: Vec<&ServiceError> = Vec::new();
    let errors = summary
        .entries
        .iter()
        .filter_map(|outcome| outcome.status.error());
    for error in errors {
        let is_shown = shown.iter().any(|known| is_same_failure(known, error));
        if is_shown || shown.len() >= MAX_ERRORS {
            continue;
        }
        shown.push(error);
        let numbers: Vec<_> = summary
            .numbered_entries(|status| {
                let other = status.error();
                other.is_some_and(|other| is_same_failure(other, error))
            })
            .map(|(number, _)| number)
            .take(MAX_NUMBERS)
            .collect();
        let rules = if numbers.len() == 1 { "Rule" } else { "Rules" };
        page.push_paragraph(&format!(
            "{rules} {}: {} {}",
            join_numbers(&numbers),
            error.kind.message(),
            error_remedy(error.kind)
        ));
        write_error_details(page, error);
    }
}

fn is_same_failure(error: &ServiceError, other: &ServiceError) -> bool {
    error.kind == other.kind && error.operation == other.operation
}

fn write_error_details(page: &mut PlainText, error: &ServiceError) {
    let message = sanitize_line(&error.message, 300);
    let details = format!("({}, {}: {message})", error.operation, error.kind.code());
    page.push_item("  ", &details);
}

/// The commands that remove what is still open; in monitor mode also those that add what the policy
/// allows.
fn write_manual_removal(page: &mut PlainText, summary: &AlertSummary<'_>, max_entries: usize) {
    let open: Vec<_> = summary.numbered_entries(RuleStatus::is_open).collect();
    if open.is_empty() || summary.report.group.id.is_empty() {
        return;
    }
    page.push_blank_line();
    write_partly_allowed(page, summary, &open);
    let additions = replacement_commands(summary);
    let adds_first = summary.report.order == ApplyOrder::AddFirst;
    if !additions.is_empty() && adds_first {
        page.push_paragraph("First add the access that the policy allows:");
        write_commands(page, max_entries, &additions);
    }
    let begin = if !additions.is_empty() && adds_first {
        "Then, to"
    } else {
        "To"
    };
    let (them, these) = if open.len() == 1 {
        ("it", "this command")
    } else {
        ("them", "these commands")
    };
    let account = if open.iter().any(|(_, outcome)| is_foreign_group(outcome)) {
        " with credentials of the account that owns the group"
    } else {
        ""
    };
    page.push_paragraph(&format!(
        "{begin} remove {them} manually, run {these}{account}:"
    ));
    let removals: Vec<_> = open
        .iter()
        .map(|(number, outcome)| {
            let comment = numbered_comment(*number, outcome);
            Command::revoke(summary, comment, &outcome.rule)
        })
        .collect();
    write_commands(page, max_entries, &removals);
    if !additions.is_empty() && !adds_first {
        page.push_paragraph(
            "Then add the access that the policy allows (the group cannot hold the old and the new \
             rules at the same time):",
        );
        write_commands(page, max_entries, &additions);
    }
}

/// Which of the open rules the policy allows in part.
fn write_partly_allowed(
    page: &mut PlainText,
    summary: &AlertSummary<'_>,
    open: &[(usize, &RuleOutcome)],
) {
    let is_lost =
        |outcome: &RuleOutcome| outcome.replacements.is_empty() && is_partly_allowed(outcome);
    let numbers: Vec<_> = open
        .iter()
        .filter(|(_, outcome)| is_lost(outcome))
        .map(|(number, _)| *number)
        .take(MAX_NUMBERS)
        .collect();
    if numbers.is_empty() || summary.report.mode == Mode::Monitor {
        return;
    }
    let rules = if numbers.len() == 1 { "rule" } else { "rules" };
    page.push_paragraph(&format!(
        "The policy allows part of {rules} {}, or allows the access from trusted sources. Add that \
         access as separate rules first.",
        join_numbers(&numbers)
    ));
}

/// In monitor mode, the commands that add what the policy allows.
fn replacement_commands(summary: &AlertSummary<'_>) -> Vec<Command> {
    if summary.report.mode == Mode::Enforce {
        return Vec::new();
    }
    summary
        .report
        .replacements()
        .map(|addition| {
            let comment = format!("allowed: {}", short_rule(&addition.ingress));
            Command::authorize(summary, comment, &addition.ingress)
        })
        .collect()
}

fn is_foreign_group(outcome: &RuleOutcome) -> bool {
    outcome.status.refusal() == Some(RefusalReason::ForeignGroup)
}

/// `Rules 1 and 3`, or `All removed rules`; `None` if there is none.
pub(super) fn rule_number_phrase(
    entries: &[(usize, &RuleOutcome)],
    is_all: bool,
) -> Option<String> {
    let numbers: Vec<_> = entries
        .iter()
        .map(|(number, _)| *number)
        .take(MAX_NUMBERS)
        .collect();
    match numbers.as_slice() {
        [] => None,
        [number] => Some(format!("Rule {number}")),
        _ if is_all => Some("All removed rules".to_owned()),
        numbers => Some(format!("Rules {}", join_numbers(numbers))),
    }
}

/// How to get an exception.
pub(super) fn write_exception_advice(page: &mut PlainText, summary: &AlertSummary<'_>) {
    if matches!(
        summary.headline,
        Headline::Reported | Headline::GroupDeleted | Headline::Clean
    ) {
        return;
    }
    page.push_heading("If this access is needed");
    page.push_paragraph(
        "First check whether narrower access is enough: a single port, your own addresses, a VPN, \
         or Session Manager instead of an open port. If not, propose an exception in the policy \
         file, with a reason, an owner and an expiry date. The security team reviews it.",
    );
}

/// Which prefix lists could not be evaluated.
pub(super) fn write_unresolved_prefix_lists(
    page: &mut PlainText,
    summary: &AlertSummary<'_>,
    max_entries: usize,
) {
    let lists = &summary.report.unresolved_prefix_lists;
    if lists.is_empty() {
        return;
    }
    let names: Vec<_> = lists
        .iter()
        .take(max_entries.max(1))
        .map(|id| sanitize_line(id, 64))
        .collect();
    let left_out = lists.len().saturating_sub(names.len());
    let more = if left_out > 0 {
        format!(" and {left_out} more")
    } else {
        String::new()
    };
    page.push_heading("What could not be evaluated");
    page.push_paragraph(&format!(
        "The entries of {}{more} could not be read, so Portcullis assumed that they are not open \
         to the world. Check them manually.",
        names.join(", ")
    ));
}
