//! What to do, what happens to open connections, how to undo, how to be allowed.

use std::collections::BTreeSet;

use portcullis_rules::IngressRule;

use super::super::page::Page;
use super::super::story::{Case, Fate, Story, Verdict};
use super::super::{clean, words};
use crate::ports::{Mode, PortError};
use crate::report::wire;

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

/// The commands that remove what is left.
fn by_hand(page: &mut Page, story: &Story<'_>, most: usize) {
    let open: Vec<_> = story.numbered(|fate| fate.is_open()).collect();
    if open.is_empty() || story.report.group.id.is_empty() {
        return;
    }
    let is_foreign = story.verdict == Verdict::Refused;
    let account = if is_foreign { " with credentials of the account that owns the group" } else { "" };
    let (them, these) = if open.len() == 1 { ("it", "this") } else { ("them", "these") };
    page.blank();
    page.text(&format!("To remove {them} by hand, run {these}{account}:"));
    commands(page, story, &open, most, wire::revoke);
}

/// A command for each rule, as far as there is room.
fn commands(
    page: &mut Page,
    story: &Story<'_>,
    cases: &[(usize, &Case<'_>)],
    most: usize,
    command: fn(&str, Option<&str>, &IngressRule) -> Vec<String>,
) {
    let (group, region) = (&story.report.group.id, story.report.origin.region.as_deref());
    let shown = most.min(MOST_COMMANDS);
    for (number, case) in cases.iter().take(shown) {
        page.line(&format!("  # rule {number}: {}", words::short_rule(case.ingress)));
        page.command(&command(group, region, case.ingress));
    }
    let left_out = cases.len().saturating_sub(shown);
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
    page.heading("Connections that were already open");
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

/// The commands that put back what was removed.
pub(super) fn undo(page: &mut Page, story: &Story<'_>, most: usize) {
    let removed: Vec<_> = story.numbered(|fate| matches!(fate, Fate::Removed)).collect();
    if removed.is_empty() || story.report.mode == Mode::Monitor {
        return;
    }
    page.heading("How to undo it");
    if matches!(story.verdict, Verdict::NotClosed | Verdict::NotVerified) {
        // Commands that open, beside those that close, are a trap for somebody in a hurry.
        page.text("Close it first. The commands that put removed rules back are in the report (`restore`).");
        return;
    }
    page.text(
        "Get an exception first (see below), or Portcullis will close it again within seconds. Then each of these puts \
         one rule back exactly as it was:",
    );
    commands(page, story, &removed, most, wire::authorize);
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
