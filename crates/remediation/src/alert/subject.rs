//! The subject: at most 99 printable ASCII characters, the outcome first.

use super::summary::{AlertSummary, Headline, Remedy, RuleStatus, problem_phrase};
use super::{phrases, replacements, sanitize};

/// The longest subject that SNS takes.
const MAX_SUBJECT: usize = 99;

/// `CLOSED: 3 rules open to the world in sg-... (web), eu-west-1, 111122223333`.
pub(super) fn compose_subject(story: &AlertSummary<'_>) -> String {
    let group = sanitize::sanitize_ascii(&phrases::display_group_id(story.report), 40);
    let head = format!(
        "{}: {} in {group}",
        headline_label(story),
        sanitize::sanitize_ascii(&subject_phrase(story), 60)
    );
    let region = story
        .report
        .origin
        .region
        .as_deref()
        .map(|region| format!(", {}", sanitize::sanitize_ascii(region, 20)));
    let account = story
        .report
        .origin
        .account
        .as_deref()
        .map(|account| format!(", {}", sanitize::sanitize_ascii(account, 12)));
    let (region, account) = (region.unwrap_or_default(), account.unwrap_or_default());
    let tail = if head.len().saturating_add(region.len()) <= MAX_SUBJECT {
        region
    } else {
        String::new()
    };
    let room = MAX_SUBJECT
        .saturating_sub(head.len())
        .saturating_sub(tail.len());
    let name = phrases::group_name(story.report)
        .map(|name| group_name_suffix(name, room))
        .unwrap_or_default();
    let account = if account.len().saturating_add(name.len()) <= room {
        account
    } else {
        String::new()
    };
    sanitize::sanitize_ascii(&format!("{head}{name}{tail}{account}"), MAX_SUBJECT)
}

/// ` (name)`, shortened, or nothing where too little of it would be seen.
fn group_name_suffix(name: &str, room: usize) -> String {
    let name = sanitize::sanitize_ascii(name, room.saturating_sub(3).min(32));
    let spoiled = name.is_empty() || (name.len() < 6 && name.ends_with(".."));
    if spoiled {
        String::new()
    } else {
        format!(" ({name})")
    }
}

/// The first word, which says it all.
pub(super) fn headline_label(story: &AlertSummary<'_>) -> &'static str {
    let all = |deed: Remedy| {
        story
            .headline_entries()
            .iter()
            .all(|case| case.remedy() == deed)
    };
    match story.headline {
        Headline::NotVerified => "NOT VERIFIED",
        Headline::NotClosed => "NOT CLOSED",
        Headline::Refused => "REFUSED, STILL OPEN",
        Headline::WouldClose => "WOULD CLOSE (monitor mode)",
        Headline::Closed if replacements::lost_allowed_access(story.report) => {
            "CLOSED, NOT ALL KEPT"
        }
        Headline::Closed if all(Remedy::Narrowed) => "CLOSED (narrowed)",
        Headline::Closed if all(Remedy::Restricted) => "CLOSED (restricted)",
        Headline::Closed => "CLOSED",
        Headline::AlreadyGone => "ALREADY GONE",
        Headline::Reported => "NOTICED",
        Headline::GroupDeleted => "GROUP DELETED",
        Headline::Clean => "CLEAN",
    }
}

/// What it is about: the rule, if there is one only.
pub(super) fn subject_phrase(story: &AlertSummary<'_>) -> String {
    let cases = story.headline_entries();
    let wrong = problem_phrase(&cases);
    let all = story
        .entries
        .iter()
        .filter(|case| case.status != RuleStatus::Reported)
        .count();
    match (story.headline, cases.as_slice()) {
        (Headline::GroupDeleted | Headline::Clean, _) => "nothing is open".to_owned(),
        (Headline::NotVerified, removed) => {
            let unsure = story.entries_with_status(|fate| fate.is_open()).len();
            format!(
                "{} removed, {unsure} perhaps still open",
                phrases::count_phrase(removed.len(), "rule", "rules")
            )
        }
        (Headline::NotClosed, cases) if all > 1 => {
            format!("{} of {all} rules still {wrong}", cases.len())
        }
        (_, [case]) => phrases::short_rule(case.ingress),
        (_, cases) => format!("{} rules {wrong}", cases.len()),
    }
}
