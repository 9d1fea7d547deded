//! The subject: at most 99 printable ASCII characters, the outcome first.

use super::phrases::{count_phrase, display_group_id, group_name, short_rule};
use super::replacements::lost_allowed_access;
use super::sanitize::sanitize_ascii;
use super::summary::{AlertSummary, Headline, Remedy, problem_phrase};
use crate::report::RuleStatus;

/// The longest subject that SNS takes (Amazon SNS API Reference, `Publish`: fewer than 100).
pub(super) const MAX_SUBJECT: usize = 99;

/// `CLOSED: 3 rules open to the world in sg-... (web), eu-west-1, 111122223333`.
pub(super) fn compose_subject(summary: &AlertSummary<'_>) -> String {
    let report = summary.report;
    let group = sanitize_ascii(&display_group_id(report), 40);
    let phrase = sanitize_ascii(&subject_phrase(summary), 60);
    let head = format!("{}: {phrase} in {group}", headline_label(summary));
    let mut space = MAX_SUBJECT.saturating_sub(head.len());
    let region = suffix_if_fits(report.origin.region.as_deref(), 20, &mut space);
    let name = group_name(report)
        .map(|name| group_name_suffix(name, space))
        .unwrap_or_default();
    space = space.saturating_sub(name.len());
    let account = suffix_if_fits(report.origin.account.as_deref(), 12, &mut space);
    sanitize_ascii(&format!("{head}{name}{region}{account}"), MAX_SUBJECT)
}

/// `, eu-west-1`, if there is space for it.
fn suffix_if_fits(text: Option<&str>, max_chars: usize, space: &mut usize) -> String {
    let suffix = text
        .map(|text| sanitize_ascii(text, max_chars))
        .map(|text| format!(", {text}"))
        .unwrap_or_default();
    match space.checked_sub(suffix.len()) {
        Some(left) => {
            *space = left;
            suffix
        }
        None => String::new(),
    }
}

/// ` (name)`, shortened, or nothing if there is too little space for it.
fn group_name_suffix(name: &str, space: usize) -> String {
    let name = sanitize_ascii(name, space.saturating_sub(3).min(32));
    let is_unreadable = name.is_empty() || (name.len() < 6 && name.ends_with(".."));
    if is_unreadable {
        String::new()
    } else {
        format!(" ({name})")
    }
}

/// The first words: the outcome.
pub(super) fn headline_label(summary: &AlertSummary<'_>) -> &'static str {
    match summary.headline {
        Headline::NotVerified => "NOT VERIFIED",
        Headline::NotClosed => "NOT CLOSED",
        Headline::Refused => "REFUSED, STILL OPEN",
        Headline::WouldClose => "WOULD CLOSE (monitor mode)",
        Headline::Closed if lost_allowed_access(summary.report) => {
            "CLOSED, SOME ALLOWED ACCESS LOST"
        }
        Headline::Closed => match common_remedy(summary) {
            Some(Remedy::Narrowed) => "CLOSED (narrowed)",
            Some(Remedy::Restricted) => "CLOSED (restricted)",
            Some(Remedy::Removed) | None => "CLOSED",
        },
        Headline::AlreadyGone => "ALREADY GONE",
        Headline::Reported => "REPORTED",
        Headline::GroupDeleted => "GROUP DELETED",
        Headline::Clean => "CLEAN",
    }
}

/// The remedy of all rules that the headline is about; `None` if it differs.
fn common_remedy(summary: &AlertSummary<'_>) -> Option<Remedy> {
    let entries = summary.headline_entries();
    let mut remedies = entries.iter().map(|entry| Remedy::of_rule(entry));
    let first = remedies.next()?;
    remedies.all(|remedy| remedy == first).then_some(first)
}

/// The rules that the headline is about: the rule itself if there is only one.
pub(super) fn subject_phrase(summary: &AlertSummary<'_>) -> String {
    let entries = summary.headline_entries();
    let wrong = problem_phrase(&entries);
    let enforced = summary.entries_with_status(|status| *status != RuleStatus::Reported);
    match (summary.headline, entries.as_slice()) {
        (Headline::GroupDeleted | Headline::Clean, _) => "nothing is open".to_owned(),
        (Headline::NotVerified, removed) => {
            let removed = count_phrase(removed.len(), "rule", "rules");
            let open = summary.entries_with_status(RuleStatus::is_open).len();
            format!("{removed} removed, {open} may still be open")
        }
        (Headline::NotClosed, open) if enforced.len() > 1 => {
            format!("{} of {} rules still {wrong}", open.len(), enforced.len())
        }
        (_, [entry]) => short_rule(&entry.rule),
        (_, entries) => format!("{} rules {wrong}", entries.len()),
    }
}
