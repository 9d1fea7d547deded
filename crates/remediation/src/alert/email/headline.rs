//! The first paragraph: what happened, and whether the reader may go back to bed.

use super::super::plain_text::PlainText;
use super::super::summary::{
    AlertSummary, Headline, Remedy, RuleEntry, RuleStatus, problem_phrase,
};
use super::super::{phrases, replacements, sanitize};

pub(super) fn write_headline(page: &mut PlainText, story: &AlertSummary<'_>) {
    let group = describe_group(story);
    let group_first = phrases::capitalize_first(&group);
    let cases = story.headline_entries();
    let (rules, wrong, them) = (
        count_rules(&cases),
        problem_phrase(&cases),
        it_or_them(&cases),
    );
    let text = match story.headline {
        Headline::NotVerified => describe_not_verified(story, &group),
        Headline::NotClosed => describe_not_closed(story, &group),
        Headline::Refused => format!(
            "REFUSED, STILL OPEN. {group_first} has {rules} {wrong}. The policy wants {them} gone, but Portcullis left {them} \
             alone on purpose."
        ),
        Headline::WouldClose => format!(
            "WOULD CLOSE (monitor mode), STILL OPEN. {group_first} has {rules} {wrong}. In enforce mode Portcullis would \
             have {} {them}{}; in monitor mode it changes nothing.",
            summarize_remedies(&cases).0,
            if summarize_remedies(&cases).1.is_empty() {
                String::new()
            } else {
                format!(" ({})", summarize_remedies(&cases).1)
            }
        ),
        Headline::Closed => describe_closed(story, &group),
        Headline::AlreadyGone => format!(
            "ALREADY GONE. {group_first} had {rules} {wrong}. Before Portcullis could remove {them}, somebody else did, or \
             deleted the group."
        ),
        Headline::Reported => format!(
            "NOTICED. {group_first} has {rules} that the policy wants people to know about. Nothing was changed, and \
             nothing will be."
        ),
        Headline::GroupDeleted => format!(
            "GROUP DELETED. {group_first} does not exist any more, so nothing of it is open."
        ),
        Headline::Clean => format!("CLEAN. Nothing in {group} is against the policy."),
    };
    page.push_paragraph(&text);
}

fn describe_closed(story: &AlertSummary<'_>, group: &str) -> String {
    let cases = story.headline_entries();
    let look = match story.report.exposure_seconds() {
        Some(seconds) => format!(
            "A second look, {} after the change, found",
            phrases::format_duration(seconds)
        ),
        None => "A second look found".to_owned(),
    };
    let rest = if replacements::lost_allowed_access(story.report) {
        "But some of what may stay open could NOT be kept and is cut now: see below."
    } else if connections_may_persist(story) {
        "Connections that were already open may live on: see below."
    } else {
        "Nothing more has to be done."
    };
    let (rules, wrong) = (count_rules(&cases), problem_phrase(&cases));
    let head = if replacements::lost_allowed_access(story.report) {
        "CLOSED, NOT ALL KEPT"
    } else {
        "CLOSED"
    };
    let (verb, each) = summarize_remedies(&cases);
    let each = if each.is_empty() {
        each
    } else {
        format!(": {each}")
    };
    let place = if verb == "removed" { "from" } else { "in" };
    let stays = match cases.as_slice() {
        _ if replacements::lost_allowed_access(story.report) => "",
        [case] if !case.replacements.is_empty() => {
            " What the policy allows of it is open as new rules."
        }
        cases if cases.iter().any(|case| !case.replacements.is_empty()) => {
            " What the policy allows of them is open as new rules."
        }
        _ => "",
    };
    format!(
        "{head}. Portcullis {verb} {rules} {wrong} {place} {group}{each}.{stays} {look} nothing left that the policy wants \
         gone. {rest}"
    )
}

/// `narrowed`; where it differs from rule to rule `closed`, and `1 removed, 2 narrowed`.
fn summarize_remedies(cases: &[&RuleEntry<'_>]) -> (&'static str, String) {
    let deeds = [
        (Remedy::Removed, "removed"),
        (Remedy::Narrowed, "narrowed"),
        (Remedy::Restricted, "restricted"),
    ];
    let counts = deeds.map(|(deed, word)| {
        (
            cases.iter().filter(|case| case.remedy() == deed).count(),
            word,
        )
    });
    let done: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).collect();
    match done.as_slice() {
        [] => ("removed", String::new()),
        [(_, word)] => (word, String::new()),
        several => {
            let each: Vec<_> = several
                .iter()
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            ("closed", each.join(", "))
        }
    }
}

/// Whether AWS may have left connections open that a removed rule let in.
fn connections_may_persist(story: &AlertSummary<'_>) -> bool {
    let is_open = story.report.group.open_egress == Some(true);
    !is_open
        || !story
            .headline_entries()
            .iter()
            .all(|case| phrases::may_be_untracked(case.ingress))
}

fn describe_not_closed(story: &AlertSummary<'_>, group: &str) -> String {
    let open = story.headline_entries();
    let removed = story
        .entries_with_status(|fate| matches!(fate, RuleStatus::Removed))
        .len();
    let removed = match removed {
        0 => "None was removed.".to_owned(),
        removed => format!(
            "{} removed.",
            phrases::count_phrase(removed, "other was", "others were")
        ),
    };
    let wrong = problem_phrase(&open);
    format!(
        "NOT CLOSED, ACT NOW. {} of {group} {} still {wrong}. {removed}",
        phrases::capitalize_first(&count_rules(&open)),
        is_or_are(&open)
    )
}

fn describe_not_verified(story: &AlertSummary<'_>, group: &str) -> String {
    let removed = story.headline_entries();
    let unsure = story.entries_with_status(|fate| fate.is_open());
    let unsure = match unsure.len() {
        0 => String::new(),
        _ => format!(
            " {} may still be there.",
            phrases::capitalize_first(&count_rules(&unsure))
        ),
    };
    format!(
        "NOT VERIFIED, PLEASE LOOK. Portcullis removed {} from {group}, and could then not read the group again to make \
         sure that nothing is left.{unsure}",
        count_rules(&removed),
    )
}

/// `security group sg-... (web)`.
fn describe_group(story: &AlertSummary<'_>) -> String {
    let name = phrases::group_name(story.report)
        .map(|name| format!(" ({})", sanitize::sanitize_line(name, 255)));
    let id = phrases::display_group_id(story.report);
    let known = !story.report.group.id.is_empty();
    format!(
        "{}{id}{}",
        if known { "security group " } else { "" },
        name.unwrap_or_default()
    )
}

/// `1 rule`, `3 rules`, `no rule`.
fn count_rules(cases: &[&RuleEntry<'_>]) -> String {
    if cases.is_empty() {
        "no rule".to_owned()
    } else {
        phrases::count_phrase(cases.len(), "rule", "rules")
    }
}

const fn is_or_are(cases: &[&RuleEntry<'_>]) -> &'static str {
    if cases.len() == 1 { "is" } else { "are" }
}

const fn it_or_them(cases: &[&RuleEntry<'_>]) -> &'static str {
    if cases.len() == 1 { "it" } else { "them" }
}
