//! What to do, what happens to open connections, how to undo, how to be allowed.

use std::collections::BTreeSet;

use portcullis_rules::IngressRule;
use portcullis_rules::plan::{Addition, Order, RefusalReason};

use super::super::page::Page;
use super::super::story::{Case, Fate, Story, Verdict};
use super::super::{clean, words};
use crate::ports::{Mode, PortError};
use crate::report::{Report, wire};

/// How many commands are spelled out.
const MOST_COMMANDS: usize = 10;
/// How many different errors are told.
const MOST_ERRORS: usize = 5;

/// What the reader has to do, when there is something.
pub(super) fn what_to_do(page: &mut Page, story: &Story<'_>, most: usize) {
    match story.verdict {
        Verdict::NotVerified | Verdict::NotClosed => page.heading("What you have to do"),
        Verdict::Refused => page.heading("Why it was left, and what to do"),
        Verdict::WouldClose => page.heading("What you can do"),
        Verdict::Closed | Verdict::AlreadyGone | Verdict::Noticed | Verdict::Vanished | Verdict::Clean => return,
    }
    if let Some(error) = &story.report.unverified {
        page.text(&format!(
            "Look at the group in the console (the link is below). {} Portcullis tries again by itself within minutes.",
            words::meaning(error.kind)
        ));
        said(page, error);
    }
    errors(page, story);
    let back: Vec<_> = story.numbered(|fate| matches!(fate, Fate::CameBack | Fate::Left)).collect();
    if let Some(rules) = those(&back, false) {
        page.text(&format!(
            "{rules}: added again, or added anew, faster than Portcullis removed it. Look for an automation \
             (CloudFormation, Terraform, a controller) that keeps adding it, and stop that. Portcullis tries again by \
             itself within minutes."
        ));
    }
    let reasons: BTreeSet<_> = story.cases.iter().filter_map(refusal).collect();
    for reason in reasons {
        page.text(reason);
    }
    by_hand(page, story, most);
}

fn refusal(case: &Case<'_>) -> Option<&'static str> {
    if let Fate::Refused(refusal) = case.fate { Some(refusal.reason.sentence()) } else { None }
}

/// Each kind of failure once, with the rules that it left open.
fn errors(page: &mut Page, story: &Story<'_>) {
    let mut told: Vec<&PortError> = Vec::new();
    for error in story.cases.iter().filter_map(failure) {
        let is_new = !told.iter().any(|known| known.kind == error.kind && known.operation == error.operation);
        if !is_new || told.len() >= MOST_ERRORS {
            continue;
        }
        told.push(error);
        let same = |fate: &Fate<'_>| matches!(fate, Fate::Failed(other) | Fate::Uncertain(other) if other.kind == error.kind && other.operation == error.operation);
        let numbers: Vec<_> = story.numbered(same).map(|(number, _)| number).take(30).collect();
        let rules = if numbers.len() == 1 { "Rule" } else { "Rules" };
        let (numbers, meaning) = (words::numbers(&numbers), words::meaning(error.kind));
        page.text(&format!("{rules} {numbers}: {meaning} {}", words::remedy(error.kind)));
        said(page, error);
    }
}

const fn failure<'a>(case: &Case<'a>) -> Option<&'a PortError> {
    if let Fate::Failed(error) | Fate::Uncertain(error) = case.fate { Some(error) } else { None }
}

fn said(page: &mut Page, error: &PortError) {
    let message = clean::line(&error.message, 300);
    page.item("  ", &format!("({}, {}: {message})", error.operation, error.kind.code()));
}

/// The commands that remove what is left, in monitor mode with those that keep what may stay.
fn by_hand(page: &mut Page, story: &Story<'_>, most: usize) {
    let open: Vec<_> = story.numbered(|fate| fate.is_open()).collect();
    if open.is_empty() || story.report.group.id.is_empty() {
        return;
    }
    let is_foreign = open.iter().any(|(_, case)| is_foreign(case));
    let account = if is_foreign { " with credentials of the account that owns the group" } else { "" };
    let (them, these) = if open.len() == 1 { ("it", "this") } else { ("them", "these") };
    let would: Vec<_> = story.report.added.iter().filter(|_| story.report.mode == Mode::Monitor).collect();
    page.blank();
    let in_part = |case: &Case<'_>| case.instead.is_empty() && case.may_stay_in_part();
    let parts: Vec<_> = open.iter().filter(|(_, case)| in_part(case)).map(|(number, _)| *number).take(30).collect();
    if !parts.is_empty() && story.report.mode == Mode::Enforce {
        let rules = if parts.len() == 1 { "rule" } else { "rules" };
        page.text(&format!(
            "Of {rules} {} the policy would keep a part, or open it to trusted sources: add that as rules of their own first.",
            words::numbers(&parts)
        ));
    }
    let added = would.iter().map(|addition| {
        let comment = format!("allowed: {}", words::short_rule(&addition.ingress));
        (comment, *addition)
    });
    let first = story.report.order == Order::AddFirst;
    if !would.is_empty() && first {
        page.text("First add what the policy allows:");
        let added = added.clone().map(|(comment, addition)| (comment, opening(story, &addition.ingress)));
        commands(page, most, would.len(), added);
    }
    let begin = if !would.is_empty() && first { "Then, to" } else { "To" };
    page.text(&format!("{begin} remove {them} by hand, run {these}{account}:"));
    commands(page, most, open.len(), open.iter().map(|(number, case)| numbered(story, *number, case, wire::revoke)));
    if !would.is_empty() && !first {
        page.text("Then add what the policy allows (the group has no room for both at once):");
        commands(
            page,
            most,
            would.len(),
            added.map(|(comment, addition)| (comment, opening(story, &addition.ingress))),
        );
    }
}

fn is_foreign(case: &Case<'_>) -> bool {
    matches!(case.fate, Fate::Refused(refusal) if refusal.reason == RefusalReason::ForeignGroup)
}

/// A command about a rule that was found.
fn numbered(
    story: &Story<'_>,
    number: usize,
    case: &Case<'_>,
    command: fn(&str, Option<&str>, &IngressRule) -> Vec<String>,
) -> (String, Vec<String>) {
    let (group, region) = (&story.report.group.id, story.report.origin.region.as_deref());
    (format!("rule {number}: {}", words::short_rule(case.ingress)), command(group, region, case.ingress))
}

/// The command that adds a rule.
pub(super) fn opening(story: &Story<'_>, ingress: &IngressRule) -> Vec<String> {
    wire::authorize(&story.report.group.id, story.report.origin.region.as_deref(), ingress)
}

/// So many commands, each with a comment, as far as there is room.
pub(super) fn commands(page: &mut Page, most: usize, all: usize, list: impl Iterator<Item = (String, Vec<String>)>) {
    let shown = most.min(MOST_COMMANDS);
    for (comment, words) in list.take(shown) {
        page.line(&format!("  # {comment}"));
        page.command(&words);
    }
    let left_out = all.saturating_sub(shown);
    if left_out > 0 {
        let more = words::count(left_out, "more rule", "more rules");
        page.text(&format!("And {more}: see the report that queues and functions get from this topic."));
    }
}

/// What happens to connections that a removed rule let in.
pub(super) fn connections(page: &mut Page, story: &Story<'_>) {
    let removed: Vec<_> = story.numbered(|fate| matches!(fate, Fate::Removed | Fate::CameBack)).collect();
    if removed.is_empty() || story.report.mode == Mode::Monitor {
        return;
    }
    let (untracked, tracked): (Vec<_>, Vec<_>) = match story.report.group.open_egress {
        Some(false) => (Vec::new(), removed),
        _ => removed.into_iter().partition(|(_, case)| words::may_be_untracked(case.ingress)),
    };
    let is_all = untracked.is_empty() || tracked.is_empty();
    let replaced = story.cases.iter().any(|case| !case.instead.is_empty());
    page.heading("Connections that were already open");
    if replaced {
        page.text(&pause(story.report));
    }
    if let Some(rules) = those(&untracked, is_all) {
        match story.report.group.open_egress {
            Some(_) => page.text(&format!("{rules}: cut at once. {UNTRACKED}")),
            None => page.text(&format!(
                "{rules}: it depends on the group's outgoing rules, which Portcullis did not see. {EITHER}"
            )),
        }
    }
    if let Some(rules) = those(&tracked, is_all) {
        page.text(&format!("{rules}: NOT cut. {TRACKED}"));
    }
}

/// What happens to connections that the new rules allow.
fn pause(report: &Report) -> String {
    if report.order == Order::AddFirst {
        return "What the new rules allow goes on, for they came before the old ones went. The rest:".to_owned();
    }
    let is_twin =
        |addition: &Addition| report.removed.iter().any(|removal| removal.ingress.same_content(&addition.ingress));
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
fn those(cases: &[(usize, &Case<'_>)], is_all: bool) -> Option<String> {
    let numbers: Vec<_> = cases.iter().map(|(number, _)| *number).take(30).collect();
    match numbers.as_slice() {
        [] => None,
        [number] => Some(format!("Rule {number}")),
        _ if is_all => Some("All removed rules".to_owned()),
        numbers => Some(format!("Rules {}", words::numbers(numbers))),
    }
}

/// The commands that put back what was removed, and take away what was put in its place.
pub(super) fn undo(page: &mut Page, story: &Story<'_>, most: usize) {
    let there: Vec<&IngressRule> = story.report.to_restore().map(|removal| &removal.ingress).collect();
    let back = story.numbered(|fate| matches!(fate, Fate::Removed));
    let back: Vec<_> = back.filter(|(_, case)| there.contains(&case.ingress)).collect();
    let added: Vec<_> = story.report.to_retract().collect();
    if back.is_empty() && added.is_empty() {
        return;
    }
    page.heading("How to undo it");
    if matches!(story.verdict, Verdict::NotClosed | Verdict::NotVerified) {
        // Commands that open, beside those that close, are a trap for somebody in a hurry.
        page.text(
            "Close it first. The commands that put removed rules back, and take away added ones, are in the report \
             (`restore`, `retract`).",
        );
        return;
    }
    let restore = |page: &mut Page| {
        commands(
            page,
            most,
            back.len(),
            back.iter().map(|(number, case)| numbered(story, *number, case, wire::authorize)),
        );
    };
    let retract = |page: &mut Page| {
        let (group, region) = (&story.report.group.id, story.report.origin.region.as_deref());
        let command = |addition: &&Addition| {
            let comment = format!("new: {}", words::short_rule(&addition.ingress));
            (comment, wire::revoke(group, region, &addition.ingress))
        };
        commands(page, most, added.len(), added.iter().map(command));
    };
    let puts = "puts one rule back exactly as it was";
    let takes = if added.len() == 1 { "this takes away the new rule" } else { "these take away the new rules" };
    let exception = "Get an exception first (see below), or Portcullis will close it again within seconds.";
    if back.is_empty() {
        page.text(&format!("What Portcullis added is in the group: {takes}:"));
        retract(page);
    } else if added.is_empty() {
        page.text(&format!("{exception} Then each of these {puts}:"));
        restore(page);
    } else if story.report.order == Order::AddFirst {
        page.text(&format!("{exception} Then each of these {puts}:"));
        restore(page);
        page.text(&format!("After that, {takes} that Portcullis put in their place:"));
        retract(page);
    } else {
        page.text(&format!("{exception} Then {takes}:"));
        retract(page);
        page.text(&format!("After that, each of these {puts}:"));
        restore(page);
    }
}

/// How to be allowed.
pub(super) fn exception(page: &mut Page, story: &Story<'_>) {
    if matches!(story.verdict, Verdict::Noticed | Verdict::Vanished | Verdict::Clean) {
        return;
    }
    page.heading("If this access is needed");
    page.text(
        "First see whether less will do: one port, your own addresses, a VPN, or Session Manager instead of an open port. \
         If not, propose an exception in the policy file, with a reason, an owner and a date on which it expires. The \
         security team reviews it.",
    );
}

/// What could not be judged.
pub(super) fn blind_spots(page: &mut Page, story: &Story<'_>, most: usize) {
    let lists = &story.report.unresolved_prefix_lists;
    if lists.is_empty() {
        return;
    }
    let names: Vec<_> = lists.iter().take(most.max(1)).map(|id| clean::line(id, 64)).collect();
    let more = lists.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    page.heading("What could not be judged");
    page.text(&format!(
        "Portcullis could not see what is in {}{more}, and took it for not open to the world. Make sure yourself.",
        names.join(", ")
    ));
}
