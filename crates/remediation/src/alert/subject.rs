//! The subject: at most 99 printable ASCII characters, the outcome first.

use super::summary::{AlertSummary, Headline, Remedy, problem_phrase};
use crate::alert::head::closed_label;
use crate::alert::phrases::{display_group_id, group_name, short_rule, short_traffic};
use crate::alert::sanitize::sanitize_ascii;
use crate::report::RuleStatus;

/// The longest subject that SNS takes (Amazon SNS API Reference, `Publish`: fewer than 100).
pub(super) const MAX_SUBJECT: usize = 99;
/// The most characters of a group name.
const MAX_NAME: usize = 32;
/// The fewest characters of a shortened group name.
const MIN_NAME: usize = 8;

/// `CLOSED, high: tcp 22 from 0.0.0.0/0 on web (sg-...), 111122223333, eu-west-1`.
pub(super) fn compose_subject(summary: &AlertSummary<'_>) -> String {
    compose_line(summary, MAX_SUBJECT)
}

/// The subject with another maximum length. What does not fit is shortened: first what was open,
/// then the name of the group.
pub(super) fn compose_line(summary: &AlertSummary<'_>, max_chars: usize) -> String {
    let report = summary.report;
    let place = describe_place(summary);
    let name = sanitize_ascii(group_name(report).unwrap_or_default(), MAX_NAME);
    let id = sanitize_ascii(&display_group_id(report), 40);
    let label = label_with_severity(summary);
    let [phrase, short_phrase] = [subject_phrase(summary), short_subject_phrase(summary)]
        .map(|phrase| sanitize_ascii(&phrase, 60));
    let whole = join_line(&label, &phrase, &name_with_id(&name, &id), &place);
    if whole.len() <= max_chars {
        return whole;
    }
    let without_name = join_line(&label, &short_phrase, &id, &place);
    let space = max_chars
        .saturating_sub(without_name.len())
        .saturating_sub(3);
    let short_name = if space >= name.len().min(MIN_NAME) {
        sanitize_ascii(&name, space)
    } else {
        String::new()
    };
    let group = name_with_id(&short_name, &id);
    sanitize_ascii(&join_line(&label, &short_phrase, &group, &place), max_chars)
}

fn join_line(label: &str, phrase: &str, group: &str, place: &str) -> String {
    format!("{label}: {phrase} on {group}{place}")
}

/// `web (sg-...)`.
fn name_with_id(name: &str, id: &str) -> String {
    if name.is_empty() {
        id.to_owned()
    } else {
        format!("{name} ({id})")
    }
}

/// `, 111122223333, eu-west-1`.
fn describe_place(summary: &AlertSummary<'_>) -> String {
    let origin = &summary.report.origin;
    let mut place = String::new();
    for (text, max_chars) in [(&origin.account, 12), (&origin.region, 20)] {
        if let Some(text) = text {
            place.push_str(", ");
            place.push_str(&sanitize_ascii(text, max_chars));
        }
    }
    place
}

/// `CLOSED, high`.
pub(super) fn label_with_severity(summary: &AlertSummary<'_>) -> String {
    let label = headline_label(summary);
    match summary.report.max_severity() {
        Some(severity) => format!("{label}, {severity}"),
        None => label.to_owned(),
    }
}

/// The first words: the outcome.
fn headline_label(summary: &AlertSummary<'_>) -> &'static str {
    match summary.headline {
        Headline::NotVerified => "NOT VERIFIED",
        Headline::NotClosed => "NOT CLOSED",
        Headline::Refused => "REFUSED, OPEN",
        Headline::WouldClose => "WOULD CLOSE",
        Headline::Closed if has_only_remedy(summary, Remedy::Narrowed) => "CLOSED (narrowed)",
        Headline::Closed if has_only_remedy(summary, Remedy::Restricted) => "CLOSED (restricted)",
        Headline::Closed => closed_label(summary.report),
        Headline::AlreadyGone => "ALREADY GONE",
        Headline::Reported => "REPORTED",
        Headline::GroupDeleted => "GROUP DELETED",
        Headline::Clean => "CLEAN",
    }
}

fn has_only_remedy(summary: &AlertSummary<'_>, remedy: Remedy) -> bool {
    closed_label(summary.report) == "CLOSED"
        && summary
            .headline_entries()
            .into_iter()
            .all(|entry| Remedy::of_rule(entry) == remedy)
}

/// The rules that the headline is about: the rule itself if there is only one.
pub(super) fn subject_phrase(summary: &AlertSummary<'_>) -> String {
    let entries = summary.headline_entries();
    let wrong = problem_phrase(&entries);
    let enforced = count_enforced(summary);
    match (summary.headline, entries.as_slice()) {
        (Headline::GroupDeleted | Headline::Clean, _) => "nothing is open".to_owned(),
        (Headline::NotVerified, removed) => {
            let open = summary.entries_with_status(RuleStatus::is_open).len();
            format!("{} removed, {open} may be open", removed.len())
        }
        (Headline::NotClosed, open) if enforced > 1 => {
            format!("{} of {enforced} rules {wrong}", open.len())
        }
        (_, [entry]) => short_rule(&entry.rule),
        (_, entries) => format!("{} rules {wrong}", entries.len()),
    }
}

/// How many rules the policy demands to change.
fn count_enforced(summary: &AlertSummary<'_>) -> usize {
    summary
        .entries_with_status(|status| *status != RuleStatus::Reported)
        .len()
}

/// The same in fewer characters.
fn short_subject_phrase(summary: &AlertSummary<'_>) -> String {
    let enforced = count_enforced(summary);
    match (summary.headline, summary.headline_entries().as_slice()) {
        (Headline::NotVerified, _) => subject_phrase(summary),
        (_, []) => "nothing is open".to_owned(),
        (Headline::NotClosed, open) if enforced > 1 => {
            format!("{} of {enforced} rules", open.len())
        }
        (_, [entry]) => short_traffic(&entry.rule),
        (_, entries) => format!("{} rules", entries.len()),
    }
}
