//! The text for people: read at three in the morning, on a telephone, by somebody who did not expect it.

mod advice;
mod cut;
mod verdict;

use portcullis_rules::Finding;

use super::page::Page;
use super::story::{Case, Story, Verdict};
use super::{clean, link, words};
use crate::ports::Mode;

/// How many findings of one rule are told.
const MOST_FINDINGS: usize = 6;

/// The whole text. Lists of rules hold at most `most` of them.
pub(super) fn compose(story: &Story<'_>, most: usize) -> String {
    let mut page = Page::default();
    verdict::write(&mut page, story);
    advice::what_to_do(&mut page, story, most);
    cut::not_kept(&mut page, story, most);
    rules(&mut page, story, most);
    exceptions(&mut page, story, most);
    who(&mut page, story);
    place(&mut page, story);
    advice::connections(&mut page, story);
    advice::undo(&mut page, story, most);
    advice::exception(&mut page, story);
    advice::blind_spots(&mut page, story, most);
    footer(&mut page, story);
    page.finish()
}

/// Each ingress rule with what is wrong with it and what was done.
fn rules(page: &mut Page, story: &Story<'_>, most: usize) {
    if story.cases.is_empty() {
        return;
    }
    page.heading("What was found");
    for (number, case) in story.numbered(|_| true).take(most) {
        if number > 1 {
            page.blank();
        }
        rule(page, number, case, story.report.mode);
    }
    let left_out = story.cases.len().saturating_sub(most);
    if left_out > 0 {
        page.blank();
        let more = words::count(left_out, "more rule", "more rules");
        page.text(&format!("And {more}: all of them are in the report that queues and functions get from this topic."));
    }
}

fn rule(page: &mut Page, number: usize, case: &Case<'_>, mode: Mode) {
    page.item(&format!("{number:>2}. "), &words::rule(case.ingress));
    let description = case.ingress.description.as_deref().map(|text| clean::line(text, 255));
    match description.filter(|text| !text.is_empty()) {
        Some(text) => page.item("    ", &format!("Described as \"{text}\"")),
        None => page.line("    No description"),
    }
    for found in case.findings.iter().take(MOST_FINDINGS) {
        page.item("    - ", &finding(case, found));
    }
    let left_out = case.findings.len().saturating_sub(MOST_FINDINGS);
    if left_out > 0 {
        page.line(&format!("    - and {} of the policy", words::count(left_out, "more rule", "more rules")));
    }
    let became = match case.words(mode) {
        (head, Some(told)) => format!("{head}: {told}"),
        (head, None) => head,
    };
    page.item("    => ", &format!("{}.", words::capital(&became)));
}

/// `restricted-common-ports (high, HIPAA): TCP or UDP ports 20, ... open to the world. Here: 20-22.`
fn finding(case: &Case<'_>, finding: &Finding) -> String {
    let rule = &finding.rule;
    let (id, forbids) = (clean::line(&rule.id, 64), clean::line(&rule.forbids, 200));
    let references = clean::line(&rule.references.join(", "), 100);
    let references = if references.is_empty() { references } else { format!(", {references}") };
    let ports = finding.offending.to_string();
    let is_whole = case.ingress.span().is_none_or(|span| span.to_string() == ports);
    let here = if is_whole { String::new() } else { format!(" Here: {}.", clean::shortened(&ports, 80)) };
    let is_shared = words::is_about_the_world(finding) && !words::is_everywhere(&case.ingress.source);
    let shared = if is_shared { SHARED } else { "" };
    let exempt = finding.exempt.as_ref().map(|id| format!(" Allowed by exception {}.", clean::line(id, 64)));
    format!("{id} ({}{references}): {forbids}.{here}{shared}{}", rule.severity, exempt.unwrap_or_default())
}

const SHARED: &str = " (Alone, or together with others of the group, this source is the whole internet.)";

/// What exceptions allow, and which of them have ended.
fn exceptions(page: &mut Page, story: &Story<'_>, most: usize) {
    let quoted = |id: &str| format!("`{}`", clean::line(id, 64));
    if !story.exempt.is_empty() {
        page.heading("Allowed by exceptions");
        for (ingress, ids) in story.exempt.iter().take(most) {
            let ids: Vec<_> = ids.iter().take(MOST_FINDINGS).map(|id| quoted(id)).collect();
            page.item("  - ", &format!("{}: allowed by exception {}.", words::rule(ingress), ids.join(", ")));
        }
        let left_out = story.exempt.len().saturating_sub(most);
        if left_out > 0 {
            page.line(&format!("  - and {}", words::count(left_out, "more rule", "more rules")));
        }
    }
    let ended = &story.report.expired_exceptions;
    if !ended.is_empty() {
        page.heading("Exceptions that have ended");
        for id in ended.iter().take(most.max(1)) {
            page.item("  - ", &format!("The exception {} has ended: it allows nothing any more.", quoted(id)));
        }
        let left_out = ended.len().saturating_sub(most.max(1));
        if left_out > 0 {
            page.line(&format!("  - and {left_out} more"));
        }
        page.text("If one is still needed, have its date in the policy moved; if not, have it deleted there.");
    }
}

fn who(page: &mut Page, story: &Story<'_>) {
    let origin = &story.report.origin;
    let text = |text: Option<&String>, max| text.map(|text| clean::line(text, max));
    page.heading("Who made the change");
    page.row("Who", Some(&clean::line(words::who(story.report), 200)));
    let arn = origin.actor.arn.as_ref().filter(|arn| arn.as_str() != words::who(story.report));
    page.row("ARN", text(arn, 300).as_deref());
    let through = origin.actor.invoked_by.as_ref().filter(|by| by.as_str() != words::who(story.report));
    page.row("Through", text(through, 100).as_deref());
    page.row("From", Some(&text(origin.source_ip.as_ref(), 100).unwrap_or_else(|| "not known".to_owned())));
    page.row("Using", text(origin.user_agent.as_ref(), 160).as_deref());
    page.row("When", Some(&origin.time.map_or_else(|| "not known".to_owned(), words::time)));
    page.row("Call", Some(&clean::line(&origin.event_name, 80)));
    if story.cases.len() > 1 {
        page.text(
            "This change called Portcullis, which then judged the whole group: some of the rules above may be older, and \
             somebody else's.",
        );
    }
}

fn place(page: &mut Page, story: &Story<'_>) {
    let (group, origin) = (&story.report.group, &story.report.origin);
    let text = |text: Option<&String>| text.map(|text| clean::line(text, 64));
    page.heading("Where");
    page.row("Group", Some(&words::group_id(story.report)));
    page.row("Name", words::group_name(story.report).map(|name| clean::line(name, 255)).as_deref());
    page.row("VPC", text(group.vpc_id.as_ref()).as_deref());
    page.row("Account", text(origin.account.as_ref()).as_deref());
    let owner = group.owner_id.as_ref().filter(|owner| origin.account.as_ref() != Some(*owner));
    page.row("Owner", text(owner).map(|owner| format!("account {owner}")).as_deref());
    page.row("Region", text(origin.region.as_ref()).as_deref());
    if let Some(link) = link::console(story.report) {
        page.line(&format!("  {link}"));
    }
}

fn footer(page: &mut Page, story: &Story<'_>) {
    let report = story.report;
    page.blank();
    let policy = clean::line(&report.policy, 64);
    let rounds = match (report.rounds, story.verdict) {
        (0 | 1, _) | (_, Verdict::WouldClose) => String::new(),
        (rounds, _) => format!(", {rounds} rounds"),
    };
    page.line(&format!("Portcullis, policy {policy}, mode {}{rounds}", report.mode));
    let event = report.origin.event_id.as_ref().map_or("not known".to_owned(), |id| clean::line(id, 64));
    page.line(&format!("Event {event}"));
}
