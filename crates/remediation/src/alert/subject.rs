//! The subject: at most 99 printable ASCII characters, the outcome first.

use super::story::{Deed, Fate, Story, Verdict, what_is_wrong};
use super::{clean, kept, words};

/// The longest subject that SNS takes.
const MAX: usize = 99;

/// `CLOSED: 3 rules open to the world in sg-... (web), eu-west-1, 111122223333`.
pub(super) fn compose(story: &Story<'_>) -> String {
    let group = clean::ascii(&words::group_id(story.report), 40);
    let head = format!("{}: {} in {group}", word(story), clean::ascii(&what(story), 60));
    let region = story.report.origin.region.as_deref().map(|region| format!(", {}", clean::ascii(region, 20)));
    let account = story.report.origin.account.as_deref().map(|account| format!(", {}", clean::ascii(account, 12)));
    let (region, account) = (region.unwrap_or_default(), account.unwrap_or_default());
    let tail = if head.len().saturating_add(region.len()) <= MAX { region } else { String::new() };
    let room = MAX.saturating_sub(head.len()).saturating_sub(tail.len());
    let name = words::group_name(story.report).map(|name| name_within(name, room)).unwrap_or_default();
    let account = if account.len().saturating_add(name.len()) <= room { account } else { String::new() };
    clean::ascii(&format!("{head}{name}{tail}{account}"), MAX)
}

/// ` (name)`, shortened, or nothing where too little of it would be seen.
fn name_within(name: &str, room: usize) -> String {
    let name = clean::ascii(name, room.saturating_sub(3).min(32));
    let spoiled = name.is_empty() || (name.len() < 6 && name.ends_with(".."));
    if spoiled { String::new() } else { format!(" ({name})") }
}

/// The first word, which says it all.
pub(super) fn word(story: &Story<'_>) -> &'static str {
    let all = |deed: Deed| story.subject().iter().all(|case| case.deed() == deed);
    match story.verdict {
        Verdict::NotVerified => "NOT VERIFIED",
        Verdict::NotClosed => "NOT CLOSED",
        Verdict::Refused => "REFUSED, STILL OPEN",
        Verdict::WouldClose => "WOULD CLOSE (monitor mode)",
        Verdict::Closed if kept::is_cut(story.report) => "CLOSED, NOT ALL KEPT",
        Verdict::Closed if all(Deed::Narrowed) => "CLOSED (narrowed)",
        Verdict::Closed if all(Deed::Restricted) => "CLOSED (restricted)",
        Verdict::Closed => "CLOSED",
        Verdict::AlreadyGone => "ALREADY GONE",
        Verdict::Noticed => "NOTICED",
        Verdict::Vanished => "GROUP DELETED",
        Verdict::Clean => "CLEAN",
    }
}

/// What it is about: the rule, if there is one only.
pub(super) fn what(story: &Story<'_>) -> String {
    let cases = story.subject();
    let wrong = what_is_wrong(&cases);
    let all = story.cases.iter().filter(|case| case.fate != Fate::Noticed).count();
    match (story.verdict, cases.as_slice()) {
        (Verdict::Vanished | Verdict::Clean, _) => "nothing is open".to_owned(),
        (Verdict::NotVerified, removed) => {
            let unsure = story.those(|fate| fate.is_open()).len();
            format!("{} removed, {unsure} perhaps still open", words::count(removed.len(), "rule", "rules"))
        }
        (Verdict::NotClosed, cases) if all > 1 => format!("{} of {all} rules still {wrong}", cases.len()),
        (_, [case]) => words::short_rule(case.ingress),
        (_, cases) => format!("{} rules {wrong}", cases.len()),
    }
}
