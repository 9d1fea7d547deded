//! The whole e-mail, and the parts that list facts.

use portcullis_rules::Finding;

use super::commands::FULL_REPORT;
use super::connections::write_connections;
use super::headline::write_headline;
use super::lost_access::write_lost_access;
use super::next_steps::{write_exception_advice, write_next_steps, write_unresolved_prefix_lists};
use super::undo::write_undo;
use crate::alert::link;
use crate::alert::phrases::{
    capitalize_first, count_phrase, describe_rule, display_group_id, exceptions_phrase,
    format_time, group_name, is_every_address, is_open_to_world, principal_name,
};
use crate::alert::plain_text::PlainText;
use crate::alert::sanitize::{sanitize_line, truncate_with_ellipsis};
use crate::alert::summary::{AlertSummary, Headline, describe_outcome};
use crate::report::RuleOutcome;
use crate::services::Mode;

/// How many findings about one rule are listed.
const MAX_FINDINGS: usize = 6;

/// The whole text. Lists of rules have at most `max_entries` of them.
pub(in crate::alert) fn compose_email(summary: &AlertSummary<'_>, max_entries: usize) -> String {
    let mut page = PlainText::default();
    write_headline(&mut page, summary);
    write_next_steps(&mut page, summary, max_entries);
    write_lost_access(&mut page, summary, max_entries);
    write_rules(&mut page, summary, max_entries);
    write_exempt_rules(&mut page, summary, max_entries);
    write_expired_exceptions(&mut page, summary, max_entries);
    write_principal(&mut page, summary);
    write_location(&mut page, summary);
    write_connections(&mut page, summary);
    write_undo(&mut page, summary, max_entries);
    write_exception_advice(&mut page, summary);
    write_unresolved_prefix_lists(&mut page, summary, max_entries);
    write_footer(&mut page, summary);
    page.finish()
}

/// Each security group rule with its findings and its outcome.
fn write_rules(page: &mut PlainText, summary: &AlertSummary<'_>, max_entries: usize) {
    if summary.entries.is_empty() {
        return;
    }
    page.push_heading("What was found");
    for (number, outcome) in summary.numbered_entries(|_| true).take(max_entries) {
        if number > 1 {
            page.push_blank_line();
        }
        write_rule(page, number, outcome, summary.report.mode);
    }
    let left_out = summary.entries.len().saturating_sub(max_entries);
    if left_out > 0 {
        page.push_blank_line();
        let more = count_phrase(left_out, "more rule", "more rules");
        page.push_paragraph(&format!("And {more}. {FULL_REPORT} lists all of them."));
    }
}

fn write_rule(page: &mut PlainText, number: usize, outcome: &RuleOutcome, mode: Mode) {
    let rule = describe_rule(&outcome.rule);
    page.push_item(&format!("{number:>2}. "), &rule);
    let description = outcome.rule.description.as_deref().unwrap_or_default();
    match sanitize_line(description, 255) {
        empty if empty.is_empty() => page.push_line("    No description"),
        text => page.push_item("    ", &format!("Description: \"{text}\"")),
    }
    for finding in outcome.findings.iter().take(MAX_FINDINGS) {
        page.push_item("    - ", &describe_finding(outcome, finding));
    }
    if outcome.findings.is_empty() {
        let ids = sanitize_line(&outcome.policy_rules.join(", "), 200);
        let text = format!("{ids}, after the removal of the other rules");
        page.push_item("    - ", &text);
    }
    let left_out = outcome.findings.len().saturating_sub(MAX_FINDINGS);
    if left_out > 0 {
        let others = count_phrase(left_out, "more policy rule", "more policy rules");
        page.push_line(&format!("    - and {others}"));
    }
    let result = match describe_outcome(outcome, mode) {
        (head, Some(details)) => format!("{head}: {details}"),
        (head, None) => head,
    };
    let sentence = format!("{}.", capitalize_first(&result));
    page.push_item("    => ", &sentence);
}

/// `ssh-from-office (high, EC2-001): SSH open to the world. Here: 20-22.`
fn describe_finding(outcome: &RuleOutcome, finding: &Finding) -> String {
    let policy_rule = &finding.policy_rule;
    let id = sanitize_line(&policy_rule.id, 64);
    let severity = policy_rule.severity;
    let references = match sanitize_line(&policy_rule.references.join(", "), 100) {
        none if none.is_empty() => none,
        references => format!(", {references}"),
    };
    let forbids = sanitize_line(&policy_rule.forbids, 200);
    let ports = describe_offending_ports(outcome, finding);
    let shared = if is_shared_opening(outcome, finding) {
        SHARED
    } else {
        ""
    };
    let exempt = match &finding.exempted_by {
        Some(id) => format!(" Allowed by exception {}.", sanitize_line(id, 64)),
        None => String::new(),
    };
    format!("{id} ({severity}{references}): {forbids}.{ports}{shared}{exempt}")
}

/// ` Here: 20-22.`, unless the policy rule forbids all ports of the rule.
fn describe_offending_ports(outcome: &RuleOutcome, finding: &Finding) -> String {
    let ports = finding.offending.to_string();
    let range = outcome.rule.port_range();
    if range.is_none_or(|range| range.to_string() == ports) {
        String::new()
    } else {
        format!(" Here: {}.", truncate_with_ellipsis(&ports, 80))
    }
}

/// Whether the rule is open to the world although its source is not every address.
fn is_shared_opening(outcome: &RuleOutcome, finding: &Finding) -> bool {
    is_open_to_world(finding) && !is_every_address(&outcome.rule.source)
}

const SHARED: &str =
    " (Alone or combined with other sources in the group, this source covers the whole internet.)";

/// The rules that exceptions allow.
fn write_exempt_rules(page: &mut PlainText, summary: &AlertSummary<'_>, max_entries: usize) {
    if summary.exempt_rules.is_empty() {
        return;
    }
    page.push_heading("Allowed by exceptions");
    for outcome in summary.exempt_rules.iter().take(max_entries) {
        let exceptions: Vec<_> = outcome
            .exceptions()
            .into_iter()
            .take(MAX_FINDINGS)
            .map(quote_id)
            .collect();
        let rule = describe_rule(&outcome.rule);
        let exceptions = exceptions_phrase(&exceptions);
        page.push_item("  - ", &format!("{rule}: allowed by {exceptions}."));
    }
    let left_out = summary.exempt_rules.len().saturating_sub(max_entries);
    if left_out > 0 {
        let more = count_phrase(left_out, "more rule", "more rules");
        page.push_line(&format!("  - and {more}"));
    }
}

/// The exceptions that have expired.
fn write_expired_exceptions(page: &mut PlainText, summary: &AlertSummary<'_>, max_entries: usize) {
    let expired = &summary.report.expired_exceptions;
    if expired.is_empty() {
        return;
    }
    let shown = max_entries.max(1);
    page.push_heading("Expired exceptions");
    for id in expired.iter().take(shown) {
        let id = quote_id(id);
        let text = format!("The exception {id} has expired.");
        page.push_item("  - ", &text);
    }
    let left_out = expired.len().saturating_sub(shown);
    if left_out > 0 {
        page.push_line(&format!("  - and {left_out} more"));
    }
    page.push_paragraph(
        "If an exception is still needed, extend its expiry date in the policy; otherwise, delete \
         it.",
    );
}

fn quote_id(id: &str) -> String {
    format!("`{}`", sanitize_line(id, 64))
}

fn write_principal(page: &mut PlainText, summary: &AlertSummary<'_>) {
    let origin = &summary.report.origin;
    let who = principal_name(summary.report);
    let is_other = |name: &&String| name.as_str() != who;
    let arn = origin.actor.arn.as_ref().filter(is_other);
    let through = origin.actor.invoked_by.as_ref().filter(is_other);
    let source_ip = sanitize_optional(origin.source_ip.as_ref(), 100);
    let time = origin.time.map(format_time);
    let unknown = "unknown";
    page.push_heading("Who made the change");
    page.push_row("Who", Some(&sanitize_line(who, 200)));
    page.push_row("ARN", sanitize_optional(arn, 300).as_deref());
    page.push_row("Through", sanitize_optional(through, 100).as_deref());
    page.push_row("From", source_ip.as_deref().or(Some(unknown)));
    let user_agent = sanitize_optional(origin.user_agent.as_ref(), 160);
    page.push_row("Using", user_agent.as_deref());
    page.push_row("When", time.as_deref().or(Some(unknown)));
    let call = sanitize_line(&origin.event_name, 80);
    page.push_row("Call", Some(&call));
    if summary.entries.len() > 1 {
        page.push_paragraph(
            "This change triggered Portcullis, which checked the whole group; some of the rules \
             above may be older and someone else's.",
        );
    }
}

fn write_location(page: &mut PlainText, summary: &AlertSummary<'_>) {
    let group = &summary.report.group;
    let origin = &summary.report.origin;
    let name = group_name(summary.report).map(|name| sanitize_line(name, 255));
    let is_other = |owner: &&String| origin.account.as_ref() != Some(*owner);
    let other_owner = group.owner_id.as_ref().filter(is_other);
    let owner = sanitize_optional(other_owner, 64).map(|owner| format!("account {owner}"));
    page.push_heading("Where");
    page.push_row("Group", Some(&display_group_id(summary.report)));
    page.push_row("Name", name.as_deref());
    let vpc_id = sanitize_optional(group.vpc_id.as_ref(), 64);
    page.push_row("VPC", vpc_id.as_deref());
    let account = sanitize_optional(origin.account.as_ref(), 64);
    page.push_row("Account", account.as_deref());
    page.push_row("Owner", owner.as_deref());
    let region = sanitize_optional(origin.region.as_ref(), 64);
    page.push_row("Region", region.as_deref());
    if let Some(link) = link::console_url(summary.report) {
        page.push_line(&format!("  {link}"));
    }
}

fn sanitize_optional(text: Option<&String>, max_chars: usize) -> Option<String> {
    text.map(|text| sanitize_line(text, max_chars))
}

fn write_footer(page: &mut PlainText, summary: &AlertSummary<'_>) {
    let report = summary.report;
    let policy = sanitize_line(&report.policy, 64);
    let rounds = match (report.rounds, summary.headline) {
        (0 | 1, _) | (_, Headline::WouldClose) => String::new(),
        (rounds, _) => format!(", {rounds} rounds"),
    };
    let event = sanitize_optional(report.origin.event_id.as_ref(), 64);
    page.push_blank_line();
    page.push_line(&format!(
        "Portcullis, policy {policy}, mode {}{rounds}",
        report.mode
    ));
    page.push_line(&format!("Event {}", event.as_deref().unwrap_or("unknown")));
}
