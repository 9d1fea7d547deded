//! The text for people: read at three in the morning, on a telephone, by somebody who did not expect it.

mod advice;
mod headline;
mod lost_access;

use portcullis_rules::Finding;

use super::plain_text::PlainText;
use super::summary::{AlertSummary, Headline, RuleEntry};
use super::{link, phrases, sanitize};
use crate::services::Mode;

/// How many findings of one rule are told.
const MAX_FINDINGS: usize = 6;

/// The whole text. Lists of rules hold at most `most` of them.
pub(super) fn compose_email(story: &AlertSummary<'_>, most: usize) -> String {
    let mut page = PlainText::default();
    headline::write_headline(&mut page, story);
    advice::write_next_steps(&mut page, story, most);
    lost_access::write_lost_access(&mut page, story, most);
    write_rules(&mut page, story, most);
    write_exceptions(&mut page, story, most);
    write_principal(&mut page, story);
    write_location(&mut page, story);
    advice::write_connections(&mut page, story);
    advice::write_undo(&mut page, story, most);
    advice::write_exception_advice(&mut page, story);
    advice::write_unresolved_prefix_lists(&mut page, story, most);
    write_footer(&mut page, story);
    page.finish()
}

/// Each ingress rule with what is wrong with it and what was done.
fn write_rules(page: &mut PlainText, story: &AlertSummary<'_>, most: usize) {
    if story.entries.is_empty() {
        return;
    }
    page.push_heading("What was found");
    for (number, case) in story.numbered_entries(|_| true).take(most) {
        if number > 1 {
            page.push_blank_line();
        }
        write_rule(page, number, case, story.report.mode);
    }
    let left_out = story.entries.len().saturating_sub(most);
    if left_out > 0 {
        page.push_blank_line();
        let more = phrases::count_phrase(left_out, "more rule", "more rules");
        page.push_paragraph(&format!("And {more}: all of them are in the report that queues and functions get from this topic."));
    }
}

fn write_rule(page: &mut PlainText, number: usize, case: &RuleEntry<'_>, mode: Mode) {
    page.push_item(
        &format!("{number:>2}. "),
        &phrases::describe_rule(case.ingress),
    );
    let description = case
        .ingress
        .description
        .as_deref()
        .map(|text| sanitize::sanitize_line(text, 255));
    match description.filter(|text| !text.is_empty()) {
        Some(text) => page.push_item("    ", &format!("Described as \"{text}\"")),
        None => page.push_line("    No description"),
    }
    for found in case.findings.iter().take(MAX_FINDINGS) {
        page.push_item("    - ", &describe_finding(case, found));
    }
    let left_out = case.findings.len().saturating_sub(MAX_FINDINGS);
    if left_out > 0 {
        page.push_line(&format!(
            "    - and {} of the policy",
            phrases::count_phrase(left_out, "more rule", "more rules")
        ));
    }
    let became = match case.describe_outcome(mode) {
        (head, Some(told)) => format!("{head}: {told}"),
        (head, None) => head,
    };
    page.push_item(
        "    => ",
        &format!("{}.", phrases::capitalize_first(&became)),
    );
}

/// `restricted-common-ports (high, HIPAA): TCP or UDP ports 20, ... open to the world. Here: 20-22.`
fn describe_finding(case: &RuleEntry<'_>, finding: &Finding) -> String {
    let rule = &finding.policy_rule;
    let (id, forbids) = (
        sanitize::sanitize_line(&rule.id, 64),
        sanitize::sanitize_line(&rule.forbids, 200),
    );
    let references = sanitize::sanitize_line(&rule.references.join(", "), 100);
    let references = if references.is_empty() {
        references
    } else {
        format!(", {references}")
    };
    let ports = finding.offending.to_string();
    let is_whole = case
        .ingress
        .port_range()
        .is_none_or(|span| span.to_string() == ports);
    let here = if is_whole {
        String::new()
    } else {
        format!(" Here: {}.", sanitize::truncate_with_ellipsis(&ports, 80))
    };
    let is_shared =
        phrases::is_open_to_world(finding) && !phrases::is_every_address(&case.ingress.source);
    let shared = if is_shared { SHARED } else { "" };
    let exempt = finding
        .exempted_by
        .as_ref()
        .map(|id| format!(" Allowed by exception {}.", sanitize::sanitize_line(id, 64)));
    format!(
        "{id} ({}{references}): {forbids}.{here}{shared}{}",
        rule.severity,
        exempt.unwrap_or_default()
    )
}

const SHARED: &str =
    " (Alone, or together with others of the group, this source is the whole internet.)";

/// What exceptions allow, and which of them have ended.
fn write_exceptions(page: &mut PlainText, story: &AlertSummary<'_>, most: usize) {
    let quoted = |id: &str| format!("`{}`", sanitize::sanitize_line(id, 64));
    if !story.exempt_rules.is_empty() {
        page.push_heading("Allowed by exceptions");
        for (ingress, ids) in story.exempt_rules.iter().take(most) {
            let ids: Vec<_> = ids.iter().take(MAX_FINDINGS).map(|id| quoted(id)).collect();
            page.push_item(
                "  - ",
                &format!(
                    "{}: allowed by exception {}.",
                    phrases::describe_rule(ingress),
                    ids.join(", ")
                ),
            );
        }
        let left_out = story.exempt_rules.len().saturating_sub(most);
        if left_out > 0 {
            page.push_line(&format!(
                "  - and {}",
                phrases::count_phrase(left_out, "more rule", "more rules")
            ));
        }
    }
    let ended = &story.report.expired_exceptions;
    if !ended.is_empty() {
        page.push_heading("Exceptions that have ended");
        for id in ended.iter().take(most.max(1)) {
            page.push_item(
                "  - ",
                &format!(
                    "The exception {} has ended: it allows nothing any more.",
                    quoted(id)
                ),
            );
        }
        let left_out = ended.len().saturating_sub(most.max(1));
        if left_out > 0 {
            page.push_line(&format!("  - and {left_out} more"));
        }
        page.push_paragraph("If one is still needed, have its date in the policy moved; if not, have it deleted there.");
    }
}

fn write_principal(page: &mut PlainText, story: &AlertSummary<'_>) {
    let origin = &story.report.origin;
    let text = |text: Option<&String>, max| text.map(|text| sanitize::sanitize_line(text, max));
    page.push_heading("Who made the change");
    page.push_row(
        "Who",
        Some(&sanitize::sanitize_line(
            phrases::principal_name(story.report),
            200,
        )),
    );
    let arn = origin
        .actor
        .arn
        .as_ref()
        .filter(|arn| arn.as_str() != phrases::principal_name(story.report));
    page.push_row("ARN", text(arn, 300).as_deref());
    let through = origin
        .actor
        .invoked_by
        .as_ref()
        .filter(|by| by.as_str() != phrases::principal_name(story.report));
    page.push_row("Through", text(through, 100).as_deref());
    page.push_row(
        "From",
        Some(&text(origin.source_ip.as_ref(), 100).unwrap_or_else(|| "not known".to_owned())),
    );
    page.push_row("Using", text(origin.user_agent.as_ref(), 160).as_deref());
    page.push_row(
        "When",
        Some(
            &origin
                .time
                .map_or_else(|| "not known".to_owned(), phrases::format_time),
        ),
    );
    page.push_row(
        "Call",
        Some(&sanitize::sanitize_line(&origin.event_name, 80)),
    );
    if story.entries.len() > 1 {
        page.push_paragraph(
            "This change called Portcullis, which then judged the whole group: some of the rules above may be older, and \
             somebody else's.",
        );
    }
}

fn write_location(page: &mut PlainText, story: &AlertSummary<'_>) {
    let (group, origin) = (&story.report.group, &story.report.origin);
    let text = |text: Option<&String>| text.map(|text| sanitize::sanitize_line(text, 64));
    page.push_heading("Where");
    page.push_row("Group", Some(&phrases::display_group_id(story.report)));
    page.push_row(
        "Name",
        phrases::group_name(story.report)
            .map(|name| sanitize::sanitize_line(name, 255))
            .as_deref(),
    );
    page.push_row("VPC", text(group.vpc_id.as_ref()).as_deref());
    page.push_row("Account", text(origin.account.as_ref()).as_deref());
    let owner = group
        .owner_id
        .as_ref()
        .filter(|owner| origin.account.as_ref() != Some(*owner));
    page.push_row(
        "Owner",
        text(owner)
            .map(|owner| format!("account {owner}"))
            .as_deref(),
    );
    page.push_row("Region", text(origin.region.as_ref()).as_deref());
    if let Some(link) = link::console_url(story.report) {
        page.push_line(&format!("  {link}"));
    }
}

fn write_footer(page: &mut PlainText, story: &AlertSummary<'_>) {
    let report = story.report;
    page.push_blank_line();
    let policy = sanitize::sanitize_line(&report.policy, 64);
    let rounds = match (report.rounds, story.headline) {
        (0 | 1, _) | (_, Headline::WouldClose) => String::new(),
        (rounds, _) => format!(", {rounds} rounds"),
    };
    page.push_line(&format!(
        "Portcullis, policy {policy}, mode {}{rounds}",
        report.mode
    ));
    let event = report
        .origin
        .event_id
        .as_ref()
        .map_or("not known".to_owned(), |id| sanitize::sanitize_line(id, 64));
    page.push_line(&format!("Event {event}"));
}
