//! The subject: at most 99 printable ASCII characters, the outcome first.

use super::summary::{AlertSummary, Headline, Remedy, problem_phrase};
use crate::alert::phrases::{count_phrase, display_group_id, group_name, short_rule};
use crate::alert::replacements::lost_allowed_access;
use crate::alert::sanitize::sanitize_ascii;
use crate::report::RuleStatus;

/// The longest subject that SNS takes (Amazon SNS API Reference, `Publish`: fewer than 100).
pub(super) const MAX_SUBJECT: usize = 99;

/// `CLOSED: 3 rules open to the world in sg-... (web), eu-west-1, 111122223333`.
pub(super) fn compose_subject(summary: &AlertSummary<'_>) -> String {
    let report = summary.report;
    let origin = &report.origin;
    let head = format!(
        "{}: {} in {}",
        headline_label(summary),
        sanitize_ascii(&subject_phrase(summary), 60),
        sanitize_ascii(&display_group_id(report), 40)
    );
    let mut space = MAX_SUBJECT.saturating_sub(head.len());
    let region = suffix_if_fits(origin.region.as_ref(), 20, &mut space);
    let name = match group_name(report) {
        Some(name) => group_name_suffix(name, space),
        None => String::new(),
    };
    space = space.saturating_sub(name.len());
    let account = suffix_if_fits(origin.account.as_ref(), 12, &mut space);
    let subject = format!("{head}{name}{region}{account}");
    sanitize_ascii(&subject, MAX_SUBJECT)
}

/// `, eu-west-1`, if there is space for it.
fn suffix_if_fits(text: Option<&String>, max_chars: usize, space: &mut usize) -> String {
    let Some(text) = text else {
        return String::new();
    };
    let suffix = format!(", {}", sanitize_ascii(text, max_chars));
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
    let max_chars = space.saturating_sub(3).min(32);
    let name = sanitize_ascii(name, max_chars);
    let is_cut_short = name.len() < 6 && name.ends_with("..");
    if name.is_empty() || is_cut_short {
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
        Headline::Closed if has_only_remedy(summary, Remedy::Narrowed) => "CLOSED (narrowed)",
        Headline::Closed if has_only_remedy(summary, Remedy::Restricted) => "CLOSED (restricted)",
        Headline::Closed => "CLOSED",
        Headline::AlreadyGone => "ALREADY GONE",
        Headline::Reported => "REPORTED",
        Headline::GroupDeleted => "GROUP DELETED",
        Headline::Clean => "CLEAN",
    }
}

fn has_only_remedy(summary: &AlertSummary<'_>, remedy: Remedy) -> bool {
    summary
        .headline_entries()
        .into_iter()
        .all(|entry| Remedy::of_rule(entry) == remedy)
}

/// The rules that the headline is about: the rule itself if there is only one.
pub(super) fn subject_phrase(summary: &AlertSummary<'_>) -> String {
    let entries = summary.headline_entries();
    let wrong = problem_phrase(&entries);
    let enforced = summary
        .entries_with_status(|status| *status != RuleStatus::Reported)
        .len();
    match (summary.headline, entries.as_slice()) {
        (Headline::GroupDeleted | Headline::Clean, _) => "nothing is open".to_owned(),
        (Headline::NotVerified, removed) => {
            let removed = count_phrase(removed.len(), "rule", "rules");
            let open = summary.entries_with_status(RuleStatus::is_open).len();
            format!("{removed} removed, {open} may still be open")
        }
        (Headline::NotClosed, open) if enforced > 1 => {
            format!("{} of {enforced} rules still {wrong}", open.len())
        }
        (_, [entry]) => short_rule(&entry.rule),
        (_, entries) => format!("{} rules {wrong}", entries.len()),
    }
}
