//! The e-mail of a digest.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::wording::{group_status, sweep_advice, sweep_headline};
use crate::alert::link;
use crate::alert::phrases::{count_phrase, describe_rule, format_time};
use crate::alert::plain_text::PlainText;
use crate::alert::sanitize::sanitize_line;
use crate::report::{GroupSummary, SweepReport};

/// How many policy rules are listed.
const MAX_RULES: usize = 20;

/// The text. At most `max_entries` groups are listed.
pub(super) fn compose_sweep_email(sweep: &SweepReport, max_entries: usize) -> String {
    let groups = count_phrase(sweep.group_count, "group", "groups");
    let rules = count_phrase(sweep.security_group_rule_count, "rule", "rules");
    let advice = sweep_advice(sweep);
    let mut page = PlainText::default();
    page.push_paragraph(&sweep_headline(sweep));
    page.push_blank_line();
    page.push_paragraph(&format!(
        "Portcullis evaluated {groups} with {rules}. {advice}"
    ));
    write_unfinished(&mut page, sweep);
    write_counts(&mut page, sweep);
    write_worst_groups(&mut page, sweep, max_entries);
    write_prefix_lists(&mut page, sweep, max_entries);
    write_exceptions(&mut page, sweep, max_entries);
    write_sweep_location(&mut page, sweep);
    page.finish()
}

fn write_unfinished(page: &mut PlainText, sweep: &SweepReport) {
    let Some(unfinished) = &sweep.unfinished else {
        return;
    };
    let reason = sanitize_line(&unfinished.reason.to_string(), 400);
    page.push_heading("Unfinished");
    page.push_row("Reason", Some(&reason));
    if let Some(payload) = sweep.resume_payload() {
        page.push_paragraph(
            "The next scheduled sweep starts over. To continue where this one stopped, invoke the \
             function with:",
        );
        page.push_line(&format!("  {}", sanitize_line(&payload, 2048)));
    }
}

fn write_counts(page: &mut PlainText, sweep: &SweepReport) {
    if sweep.by_severity.is_empty() {
        return;
    }
    page.push_heading("Findings");
    for (severity, count) in sweep.by_severity.iter().rev() {
        let findings = count_phrase(*count, "finding", "findings");
        page.push_row(&severity.to_string(), Some(&findings));
    }
    page.push_blank_line();
    let mut rules: Vec<_> = sweep.by_policy_rule.iter().collect();
    rules.sort_by_key(|(_, count)| Reverse((count.severity, count.findings)));
    for (id, count) in rules.iter().take(MAX_RULES) {
        let id = sanitize_line(id, 64);
        let text = format!("{id} ({}): {}", count.severity, count.findings);
        page.push_item("  - ", &text);
    }
    write_omitted_count(
        page,
        rules.len(),
        MAX_RULES,
        ("policy rule", "policy rules"),
    );
    if sweep.exempt > 0 {
        page.push_line(&format!("  - allowed by exceptions: {}", sweep.exempt));
    }
}

fn write_worst_groups(page: &mut PlainText, sweep: &SweepReport, max_entries: usize) {
    if sweep.affected_groups() == 0 {
        return;
    }
    page.push_heading("Groups, worst first");
    for group in sweep.worst_groups.iter().take(max_entries) {
        write_group(page, sweep, group);
    }
    let shown = sweep.worst_groups.len().min(max_entries);
    write_omitted_count(page, sweep.affected_groups(), shown, ("group", "groups"));
}

fn write_group(page: &mut PlainText, sweep: &SweepReport, group: &GroupSummary) {
    page.push_item("  - ", &describe_group_line(group));
    for rule in &group.security_group_rules {
        page.push_item("      ", &describe_rule(rule));
    }
    if group.more_security_group_rules > 0 {
        let count = group.more_security_group_rules;
        let more = count_phrase(count, "more rule", "more rules");
        page.push_line(&format!("      and {more}"));
    }
    if let Some(error) = &group.error {
        page.push_item("      ", &sanitize_line(error, 300));
    }
    let link = sweep
        .region
        .as_deref()
        .and_then(|region| link::group_console_url(region, &group.id));
    if let Some(link) = link {
        page.push_line(&format!("      {link}"));
    }
}

/// `sg-... (web), vpc-... [high]: CLOSED`.
fn describe_group_line(group: &GroupSummary) -> String {
    let name = match sanitize_line(group.name.as_deref().unwrap_or_default(), 64) {
        empty if empty.is_empty() => empty,
        name => format!(" ({name})"),
    };
    let vpc_id = group
        .vpc_id
        .as_deref()
        .map(|vpc_id| format!(", {}", sanitize_line(vpc_id, 64)))
        .unwrap_or_default();
    let severity = group
        .severity
        .map(|severity| format!(" [{severity}]"))
        .unwrap_or_default();
    let id = sanitize_line(&group.id, 64);
    let status = group_status(group);
    format!("{id}{name}{vpc_id}{severity}: {status}")
}

fn write_prefix_lists(page: &mut PlainText, sweep: &SweepReport, max_entries: usize) {
    let ids = &sweep.unresolved_prefix_lists;
    if ids.is_empty() {
        return;
    }
    page.push_heading("Prefix lists that do not exist");
    write_ids(page, ids, max_entries);
    write_omitted_count(page, ids.len(), max_entries, ("list", "lists"));
}

fn write_exceptions(page: &mut PlainText, sweep: &SweepReport, max_entries: usize) {
    let ids = &sweep.expired_exceptions;
    if ids.is_empty() {
        return;
    }
    page.push_heading("Expired exceptions");
    write_ids(page, ids, max_entries);
    let nouns = ("exception", "exceptions");
    write_omitted_count(page, ids.len(), max_entries, nouns);
}

fn write_ids(page: &mut PlainText, ids: &BTreeSet<String>, max_entries: usize) {
    for id in ids.iter().take(max_entries) {
        page.push_item("  - ", &sanitize_line(id, 64));
    }
}

fn write_omitted_count(
    page: &mut PlainText,
    count: usize,
    shown: usize,
    (one, many): (&str, &str),
) {
    let left_out = count.saturating_sub(shown);
    if left_out > 0 {
        let (one, many) = (format!("more {one}"), format!("more {many}"));
        let more = count_phrase(left_out, &one, &many);
        page.push_line(&format!("  - and {more}"));
    }
}

fn write_sweep_location(page: &mut PlainText, sweep: &SweepReport) {
    let account = sweep
        .account
        .as_deref()
        .map(|account| sanitize_line(account, 64));
    let region = sweep.region.as_deref();
    let region_name = region.map(|region| sanitize_line(region, 64));
    let started = format_time(sweep.started);
    let ended = format_time(sweep.ended);
    page.push_heading("Where");
    page.push_row("Account", account.as_deref());
    page.push_row("Region", region_name.as_deref());
    page.push_row("When", Some(&format!("{started} to {ended}")));
    if let Some(link) = region.and_then(link::groups_console_url) {
        page.push_line(&format!("  {link}"));
    }
    page.push_blank_line();
    let policy = sanitize_line(&sweep.policy, 64);
    let action = sweep.action_name();
    page.push_line(&format!(
        "Portcullis sweep, policy {policy}, action {action}"
    ));
    page.push_line(&format!("Sweep {}", sanitize_line(&sweep.id, 64)));
}
