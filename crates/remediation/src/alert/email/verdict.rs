//! The first paragraph: what happened, and whether the reader may go back to bed.

use super::super::page::Page;
use super::super::story::{Case, Deed, Fate, Story, Verdict, what_is_wrong};
use super::super::{clean, kept, words};

pub(super) fn write(page: &mut Page, story: &Story<'_>) {
    let group = group(story);
    let group_first = words::capital(&group);
    let cases = story.subject();
    let (rules, wrong, them) = (rules(&cases), what_is_wrong(&cases), them(&cases));
    let text = match story.verdict {
        Verdict::NotVerified => not_verified(story, &group),
        Verdict::NotClosed => not_closed(story, &group),
        Verdict::Refused => format!(
            "REFUSED, STILL OPEN. {group_first} has {rules} {wrong}. The policy wants {them} gone, but Portcullis left {them} \
             alone on purpose."
        ),
        Verdict::WouldClose => format!(
            "WOULD CLOSE (monitor mode), STILL OPEN. {group_first} has {rules} {wrong}. In enforce mode Portcullis would \
             have {} {them}{}; in monitor mode it changes nothing.",
            done(&cases).0,
            if done(&cases).1.is_empty() { String::new() } else { format!(" ({})", done(&cases).1) }
        ),
        Verdict::Closed => closed(story, &group),
        Verdict::AlreadyGone => format!(
            "ALREADY GONE. {group_first} had {rules} {wrong}. Before Portcullis could remove {them}, somebody else did, or \
             deleted the group."
        ),
        Verdict::Noticed => format!(
            "NOTICED. {group_first} has {rules} that the policy wants people to know about. Nothing was changed, and \
             nothing will be."
        ),
        Verdict::Vanished => format!("GROUP DELETED. {group_first} does not exist any more, so nothing of it is open."),
        Verdict::Clean => format!("CLEAN. Nothing in {group} is against the policy."),
    };
    page.text(&text);
}

fn closed(story: &Story<'_>, group: &str) -> String {
    let cases = story.subject();
    let look = match story.report.exposure_seconds() {
        Some(seconds) => format!("A second look, {} after the change, found", words::duration(seconds)),
        None => "A second look found".to_owned(),
    };
    let rest = if kept::is_cut(story.report) {
        "But some of what may stay open could NOT be kept and is cut now: see below."
    } else if may_live_on(story) {
        "Connections that were already open may live on: see below."
    } else {
        "Nothing more has to be done."
    };
    let (rules, wrong) = (rules(&cases), what_is_wrong(&cases));
    let head = if kept::is_cut(story.report) { "CLOSED, NOT ALL KEPT" } else { "CLOSED" };
    let (verb, each) = done(&cases);
    let each = if each.is_empty() { each } else { format!(": {each}") };
    let place = if verb == "removed" { "from" } else { "in" };
    let stays = match cases.as_slice() {
        _ if kept::is_cut(story.report) => "",
        [case] if !case.instead.is_empty() => " What the policy allows of it is open as new rules.",
        cases if cases.iter().any(|case| !case.instead.is_empty()) => {
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
fn done(cases: &[&Case<'_>]) -> (&'static str, String) {
    let deeds = [(Deed::Removed, "removed"), (Deed::Narrowed, "narrowed"), (Deed::Restricted, "restricted")];
    let counts = deeds.map(|(deed, word)| (cases.iter().filter(|case| case.deed() == deed).count(), word));
    let done: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).collect();
    match done.as_slice() {
        [] => ("removed", String::new()),
        [(_, word)] => (word, String::new()),
        several => {
            let each: Vec<_> = several.iter().map(|(count, word)| format!("{count} {word}")).collect();
            ("closed", each.join(", "))
        }
    }
}

/// Whether AWS may have left connections open that a removed rule let in.
fn may_live_on(story: &Story<'_>) -> bool {
    let is_open = story.report.group.open_egress == Some(true);
    !is_open || !story.subject().iter().all(|case| words::may_be_untracked(case.ingress))
}

fn not_closed(story: &Story<'_>, group: &str) -> String {
    let open = story.subject();
    let removed = story.those(|fate| matches!(fate, Fate::Removed)).len();
    let removed = match removed {
        0 => "None was removed.".to_owned(),
        removed => format!("{} removed.", words::count(removed, "other was", "others were")),
    };
    let wrong = what_is_wrong(&open);
    format!("NOT CLOSED, ACT NOW. {} of {group} {} still {wrong}. {removed}", words::capital(&rules(&open)), is(&open))
}

fn not_verified(story: &Story<'_>, group: &str) -> String {
    let removed = story.subject();
    let unsure = story.those(|fate| fate.is_open());
    let unsure = match unsure.len() {
        0 => String::new(),
        _ => format!(" {} may still be there.", words::capital(&rules(&unsure))),
    };
    format!(
        "NOT VERIFIED, PLEASE LOOK. Portcullis removed {} from {group}, and could then not read the group again to make \
         sure that nothing is left.{unsure}",
        rules(&removed),
    )
}

/// `security group sg-... (web)`.
fn group(story: &Story<'_>) -> String {
    let name = words::group_name(story.report).map(|name| format!(" ({})", clean::line(name, 255)));
    let id = words::group_id(story.report);
    let known = !story.report.group.id.is_empty();
    format!("{}{id}{}", if known { "security group " } else { "" }, name.unwrap_or_default())
}

/// `1 rule`, `3 rules`, `no rule`.
fn rules(cases: &[&Case<'_>]) -> String {
    if cases.is_empty() { "no rule".to_owned() } else { words::count(cases.len(), "rule", "rules") }
}

const fn is(cases: &[&Case<'_>]) -> &'static str {
    if cases.len() == 1 { "is" } else { "are" }
}

const fn them(cases: &[&Case<'_>]) -> &'static str {
    if cases.len() == 1 { "it" } else { "them" }
}
