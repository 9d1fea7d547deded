//! What to do, what happens to open connections, how to undo, how to be allowed.

use std::collections::BTreeSet;

use portcullis_rules::IngressRule;
use portcullis_rules::plan::{Addition, ApplyOrder, RefusalReason};

use super::super::plain_text::PlainText;
use super::super::summary::{AlertSummary, Headline, RuleEntry, RuleStatus};
use super::super::{phrases, sanitize};
use crate::report::{GroupReport, json};
use crate::services::{Mode, ServiceError};

/// How many commands are spelled out.
const MAX_COMMANDS: usize = 10;
/// How many different errors are told.
const MAX_ERRORS: usize = 5;

/// What the reader has to do, when there is something.
pub(super) fn write_next_steps(page: &mut PlainText, story: &AlertSummary<'_>, most: usize) {
    match story.headline {
        Headline::NotVerified | Headline::NotClosed => page.push_heading("What you have to do"),
        Headline::Refused => page.push_heading("Why it was left, and what to do"),
        Headline::WouldClose => page.push_heading("What you can do"),
        Headline::Closed
        | Headline::AlreadyGone
        | Headline::Reported
        | Headline::GroupDeleted
        | Headline::Clean => return,
    }
    if let Some(error) = &story.report.unverified {
        page.push_paragraph(&format!(
            "Look at the group in the console (the link is below). {} Portcullis tries again by itself within minutes.",
            phrases::error_explanation(error.kind)
        ));
        write_error_details(page, error);
    }
    write_errors(page, story);
    let back: Vec<_> = story
        .numbered_entries(|fate| matches!(fate, RuleStatus::Readded | RuleStatus::StillOpen))
        .collect();
    if let Some(rules) = rule_number_phrase(&back, false) {
        page.push_paragraph(&format!(
            "{rules}: added again, or added anew, faster than Portcullis removed it. Look for an automation \
             (CloudFormation, Terraform, a controller) that keeps adding it, and stop that. Portcullis tries again by \
             itself within minutes."
        ));
    }
    let reasons: BTreeSet<_> = story.entries.iter().filter_map(refusal_message).collect();
    for reason in reasons {
        page.push_paragraph(reason);
    }
    write_manual_removal(page, story, most);
}

fn refusal_message(case: &RuleEntry<'_>) -> Option<&'static str> {
    if let RuleStatus::Refused(refusal) = case.status {
        Some(refusal.reason.message())
    } else {
        None
    }
}

/// Each kind of failure once, with the rules that it left open.
fn write_errors(page: &mut PlainText, story: &AlertSummary<'_>) {
    let mut told: Vec<&ServiceError> = Vec::new();
    for error in story.entries.iter().filter_map(removal_error) {
        let is_new = !told
            .iter()
            .any(|known| known.kind == error.kind && known.operation == error.operation);
        if !is_new || told.len() >= MAX_ERRORS {
            continue;
        }
        told.push(error);
        let same = |fate: &RuleStatus<'_>| matches!(fate, RuleStatus::RemovalFailed(other) | RuleStatus::RemovalUnconfirmed(other) if other.kind == error.kind && other.operation == error.operation);
        let numbers: Vec<_> = story
            .numbered_entries(same)
            .map(|(number, _)| number)
            .take(30)
            .collect();
        let rules = if numbers.len() == 1 { "Rule" } else { "Rules" };
        let (numbers, meaning) = (
            phrases::join_numbers(&numbers),
            phrases::error_explanation(error.kind),
        );
        page.push_paragraph(&format!(
            "{rules} {numbers}: {meaning} {}",
            phrases::error_remedy(error.kind)
        ));
        write_error_details(page, error);
    }
}

const fn removal_error<'a>(case: &RuleEntry<'a>) -> Option<&'a ServiceError> {
    if let RuleStatus::RemovalFailed(error) | RuleStatus::RemovalUnconfirmed(error) = case.status {
        Some(error)
    } else {
        None
    }
}

fn write_error_details(page: &mut PlainText, error: &ServiceError) {
    let message = sanitize::sanitize_line(&error.message, 300);
    page.push_item(
        "  ",
        &format!("({}, {}: {message})", error.operation, error.kind.code()),
    );
}

/// The commands that remove what is left, in monitor mode with those that keep what may stay.
fn write_manual_removal(page: &mut PlainText, story: &AlertSummary<'_>, most: usize) {
    let open: Vec<_> = story.numbered_entries(|fate| fate.is_open()).collect();
    if open.is_empty() || story.report.group.id.is_empty() {
        return;
    }
    let is_foreign = open.iter().any(|(_, case)| is_foreign_group(case));
    let account = if is_foreign {
        " with credentials of the account that owns the group"
    } else {
        ""
    };
    let (them, these) = if open.len() == 1 {
        ("it", "this")
    } else {
        ("them", "these")
    };
    let would: Vec<_> = story
        .report
        .added
        .iter()
        .filter(|_| story.report.mode == Mode::Monitor)
        .collect();
    page.push_blank_line();
    let in_part = |case: &RuleEntry<'_>| case.replacements.is_empty() && case.is_partly_allowed();
    let parts: Vec<_> = open
        .iter()
        .filter(|(_, case)| in_part(case))
        .map(|(number, _)| *number)
        .take(30)
        .collect();
    if !parts.is_empty() && story.report.mode == Mode::Enforce {
        let rules = if parts.len() == 1 { "rule" } else { "rules" };
        page.push_paragraph(&format!(
            "Of {rules} {} the policy would keep a part, or open it to trusted sources: add that as rules of their own first.",
            phrases::join_numbers(&parts)
        ));
    }
    let added = would.iter().map(|addition| {
        let comment = format!("allowed: {}", phrases::short_rule(&addition.ingress));
        (comment, *addition)
    });
    let first = story.report.order == ApplyOrder::AddFirst;
    if !would.is_empty() && first {
        page.push_paragraph("First add what the policy allows:");
        let added = added
            .clone()
            .map(|(comment, addition)| (comment, reopen_command(story, &addition.ingress)));
        write_commands(page, most, would.len(), added);
    }
    let begin = if !would.is_empty() && first {
        "Then, to"
    } else {
        "To"
    };
    page.push_paragraph(&format!(
        "{begin} remove {them} by hand, run {these}{account}:"
    ));
    write_commands(
        page,
        most,
        open.len(),
        open.iter()
            .map(|(number, case)| numbered_command(story, *number, case, json::revoke_command)),
    );
    if !would.is_empty() && !first {
        page.push_paragraph(
            "Then add what the policy allows (the group has no room for both at once):",
        );
        write_commands(
            page,
            most,
            would.len(),
            added.map(|(comment, addition)| (comment, reopen_command(story, &addition.ingress))),
        );
    }
}

fn is_foreign_group(case: &RuleEntry<'_>) -> bool {
    matches!(case.status, RuleStatus::Refused(refusal) if refusal.reason == RefusalReason::ForeignGroup)
}

/// A command about a rule that was found.
fn numbered_command(
    story: &AlertSummary<'_>,
    number: usize,
    case: &RuleEntry<'_>,
    command: fn(&str, Option<&str>, &IngressRule) -> Vec<String>,
) -> (String, Vec<String>) {
    let (group, region) = (
        &story.report.group.id,
        story.report.origin.region.as_deref(),
    );
    (
        format!("rule {number}: {}", phrases::short_rule(case.ingress)),
        command(group, region, case.ingress),
    )
}

/// The command that adds a rule.
pub(super) fn reopen_command(story: &AlertSummary<'_>, ingress: &IngressRule) -> Vec<String> {
    json::authorize_command(
        &story.report.group.id,
        story.report.origin.region.as_deref(),
        ingress,
    )
}

/// So many commands, each with a comment, as far as there is room.
pub(super) fn write_commands(
    page: &mut PlainText,
    most: usize,
    all: usize,
    list: impl Iterator<Item = (String, Vec<String>)>,
) {
    let shown = most.min(MAX_COMMANDS);
    for (comment, words) in list.take(shown) {
        page.push_line(&format!("  # {comment}"));
        page.push_command(&words);
    }
    let left_out = all.saturating_sub(shown);
    if left_out > 0 {
        let more = phrases::count_phrase(left_out, "more rule", "more rules");
        page.push_paragraph(&format!(
            "And {more}: see the report that queues and functions get from this topic."
        ));
    }
}

/// What happens to connections that a removed rule let in.
pub(super) fn write_connections(page: &mut PlainText, story: &AlertSummary<'_>) {
    let removed: Vec<_> = story
        .numbered_entries(|fate| matches!(fate, RuleStatus::Removed | RuleStatus::Readded))
        .collect();
    if removed.is_empty() || story.report.mode == Mode::Monitor {
        return;
    }
    let (untracked, tracked): (Vec<_>, Vec<_>) = match story.report.group.open_egress {
        Some(false) => (Vec::new(), removed),
        _ => removed
            .into_iter()
            .partition(|(_, case)| phrases::may_be_untracked(case.ingress)),
    };
    let is_all = untracked.is_empty() || tracked.is_empty();
    let replaced = story
        .entries
        .iter()
        .any(|case| !case.replacements.is_empty());
    page.push_heading("Connections that were already open");
    if replaced {
        page.push_paragraph(&describe_interruption(story.report));
    }
    if let Some(rules) = rule_number_phrase(&untracked, is_all) {
        match story.report.group.open_egress {
            Some(_) => page.push_paragraph(&format!("{rules}: cut at once. {UNTRACKED}")),
            None => page.push_paragraph(&format!(
                "{rules}: it depends on the group's outgoing rules, which Portcullis did not see. {EITHER}"
            )),
        }
    }
    if let Some(rules) = rule_number_phrase(&tracked, is_all) {
        page.push_paragraph(&format!("{rules}: NOT cut. {TRACKED}"));
    }
}

/// What happens to connections that the new rules allow.
fn describe_interruption(report: &GroupReport) -> String {
    if report.order == ApplyOrder::AddFirst {
        return "What the new rules allow goes on, for they came before the old ones went. The rest:".to_owned();
    }
    let is_twin = |addition: &Addition| {
        report
            .removed
            .iter()
            .any(|removal| removal.ingress.same_content(&addition.ingress))
    };
    let why = if report.added.iter().any(is_twin) {
        "AWS takes no second rule for the same traffic"
    } else {
        "the rules quota of the group had no room for both"
    };
    format!(
        "The old rules went before the new ones came, because {why}: what the new rules allow may have paused for a moment. \
         The rest:"
    )
}

const UNTRACKED: &str = "All outgoing traffic is allowed, so AWS did not track these connections, and they end with the \
    rule. Connections through a Network Load Balancer, a NAT gateway or a transit gateway are always tracked: those live on until they are closed.";
const TRACKED: &str = "AWS tracks these connections and lets them live until one side closes them or they are idle for \
    too long (TCP: up to 5 days). Whoever came in may still be in. To cut them, block the address with a network ACL, or \
    stop the instance.";
const EITHER: &str = "If all outgoing traffic is allowed, open connections were cut at once. If not, AWS tracks them and \
    they live until one side closes them or they are idle for too long (TCP: up to 5 days); to cut them, block the address \
    with a network ACL, or stop the instance.";

/// `Rules 1 and 3`, or `All of them`; `None` when there is none.
fn rule_number_phrase(cases: &[(usize, &RuleEntry<'_>)], is_all: bool) -> Option<String> {
    let numbers: Vec<_> = cases.iter().map(|(number, _)| *number).take(30).collect();
    match numbers.as_slice() {
        [] => None,
        [number] => Some(format!("Rule {number}")),
        _ if is_all => Some("All removed rules".to_owned()),
        numbers => Some(format!("Rules {}", phrases::join_numbers(numbers))),
    }
}

/// The commands that put back what was removed, and take away what was put in its place.
pub(super) fn write_undo(page: &mut PlainText, story: &AlertSummary<'_>, most: usize) {
    let there: Vec<&IngressRule> = story
        .report
        .removals_to_restore()
        .map(|removal| &removal.ingress)
        .collect();
    let back = story.numbered_entries(|fate| matches!(fate, RuleStatus::Removed));
    let back: Vec<_> = back
        .filter(|(_, case)| there.contains(&case.ingress))
        .collect();
    let added: Vec<_> = story.report.additions_to_remove().collect();
    if back.is_empty() && added.is_empty() {
        return;
    }
    page.push_heading("How to undo it");
    if matches!(story.headline, Headline::NotClosed | Headline::NotVerified) {
        // Commands that open, beside those that close, are a trap for somebody in a hurry.
        page.push_paragraph(
            "Close it first. The commands that put removed rules back, and take away added ones, are in the report \
             (`restore`, `retract`).",
        );
        return;
    }
    let restore = |page: &mut PlainText| {
        write_commands(
            page,
            most,
            back.len(),
            back.iter().map(|(number, case)| {
                numbered_command(story, *number, case, json::authorize_command)
            }),
        );
    };
    let retract = |page: &mut PlainText| {
        let (group, region) = (
            &story.report.group.id,
            story.report.origin.region.as_deref(),
        );
        let command = |addition: &&Addition| {
            let comment = format!("new: {}", phrases::short_rule(&addition.ingress));
            (
                comment,
                json::revoke_command(group, region, &addition.ingress),
            )
        };
        write_commands(page, most, added.len(), added.iter().map(command));
    };
    let puts = "puts one rule back exactly as it was";
    let takes = if added.len() == 1 {
        "this takes away the new rule"
    } else {
        "these take away the new rules"
    };
    let exception =
        "Get an exception first (see below), or Portcullis will close it again within seconds.";
    if back.is_empty() {
        page.push_paragraph(&format!("What Portcullis added is in the group: {takes}:"));
        retract(page);
    } else if added.is_empty() {
        page.push_paragraph(&format!("{exception} Then each of these {puts}:"));
        restore(page);
    } else if story.report.order == ApplyOrder::AddFirst {
        page.push_paragraph(&format!("{exception} Then each of these {puts}:"));
        restore(page);
        page.push_paragraph(&format!(
            "After that, {takes} that Portcullis put in their place:"
        ));
        retract(page);
    } else {
        page.push_paragraph(&format!("{exception} Then {takes}:"));
        retract(page);
        page.push_paragraph(&format!("After that, each of these {puts}:"));
        restore(page);
    }
}

/// How to be allowed.
pub(super) fn write_exception_advice(page: &mut PlainText, story: &AlertSummary<'_>) {
    if matches!(
        story.headline,
        Headline::Reported | Headline::GroupDeleted | Headline::Clean
    ) {
        return;
    }
    page.push_heading("If this access is needed");
    page.push_paragraph(
        "First see whether less will do: one port, your own addresses, a VPN, or Session Manager instead of an open port. \
         If not, propose an exception in the policy file, with a reason, an owner and a date on which it expires. The \
         security team reviews it.",
    );
}

/// What could not be judged.
pub(super) fn write_unresolved_prefix_lists(
    page: &mut PlainText,
    story: &AlertSummary<'_>,
    most: usize,
) {
    let lists = &story.report.unresolved_prefix_lists;
    if lists.is_empty() {
        return;
    }
    let names: Vec<_> = lists
        .iter()
        .take(most.max(1))
        .map(|id| sanitize::sanitize_line(id, 64))
        .collect();
    let more = lists.len().saturating_sub(names.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    page.push_heading("What could not be judged");
    page.push_paragraph(&format!(
        "Portcullis could not see what is in {}{more}, and took it for not open to the world. Make sure yourself.",
        names.join(", ")
    ));
}
