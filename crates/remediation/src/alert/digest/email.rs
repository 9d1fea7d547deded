//! The digest for mail.

use super::super::plain_text::PlainText;
use super::super::{link, phrases, sanitize};
use super::{group_status, sweep_advice, sweep_headline};
use crate::sweeper::{GroupSummary, SweepReport};

/// How many rules of the policy are counted one by one.
const MAX_RULES: usize = 20;

/// The text. At most `most` groups are shown one by one.
pub(super) fn compose_sweep_email(swept: &SweepReport, most: usize) -> String {
    let mut page = PlainText::default();
    page.push_paragraph(&sweep_headline(swept));
    page.push_blank_line();
    let (groups, rules) = (
        phrases::count_phrase(swept.group_count, "group", "groups"),
        phrases::count_phrase(swept.security_group_rule_count, "rule", "rules"),
    );
    page.push_paragraph(&format!(
        "Portcullis judged {groups} with {rules}. {}",
        sweep_advice(swept)
    ));
    write_unfinished(&mut page, swept);
    write_counts(&mut page, swept);
    write_worst_groups(&mut page, swept, most);
    write_stale_references(&mut page, swept, most);
    write_sweep_location(&mut page, swept);
    page.finish()
}

fn write_unfinished(page: &mut PlainText, swept: &SweepReport) {
    let Some(unfinished) = &swept.unfinished else {
        return;
    };
    page.push_heading("Unfinished");
    page.push_row(
        "Why",
        Some(&sanitize::sanitize_line(
            &unfinished.reason.to_string(),
            400,
        )),
    );
    if let Some(payload) = swept.resume_payload() {
        page.push_paragraph(
            "The next sweep begins anew. To go on where this one ended, invoke the function with:",
        );
        page.push_line(&format!("  {}", sanitize::sanitize_line(&payload, 2048)));
    }
}

fn write_counts(page: &mut PlainText, swept: &SweepReport) {
    if swept.by_severity.is_empty() {
        return;
    }
    page.push_heading("What it found");
    for (severity, count) in swept.by_severity.iter().rev() {
        page.push_row(
            &severity.to_string(),
            Some(&phrases::count_phrase(*count, "finding", "findings")),
        );
    }
    page.push_blank_line();
    let mut rules: Vec<_> = swept.by_policy_rule.iter().collect();
    rules.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.severity, tally.findings)));
    for (rule, tally) in rules.iter().take(MAX_RULES) {
        page.push_item(
            "  - ",
            &format!(
                "{} ({}): {}",
                sanitize::sanitize_line(rule, 64),
                tally.severity,
                tally.findings
            ),
        );
    }
    write_omitted_count(page, rules.len(), MAX_RULES, "rule", "rules");
    if swept.exempt > 0 {
        page.push_line(&format!("  - allowed by exceptions: {}", swept.exempt));
    }
}

fn write_worst_groups(page: &mut PlainText, swept: &SweepReport, most: usize) {
    if swept.affected_groups() == 0 {
        return;
    }
    page.push_heading("Groups, worst first");
    for note in swept.worst_groups.iter().take(most) {
        write_group(page, swept, note);
    }
    write_omitted_count(
        page,
        swept.affected_groups(),
        swept.worst_groups.len().min(most),
        "group",
        "groups",
    );
}

fn write_group(page: &mut PlainText, swept: &SweepReport, note: &GroupSummary) {
    let name = note
        .name
        .as_deref()
        .map(|name| sanitize::sanitize_line(name, 64))
        .filter(|name| !name.is_empty());
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let vpc = note
        .vpc_id
        .as_deref()
        .map(|vpc| format!(", {}", sanitize::sanitize_line(vpc, 64)))
        .unwrap_or_default();
    let severity = note
        .severity
        .map(|severity| format!(" [{severity}]"))
        .unwrap_or_default();
    page.push_item(
        "  - ",
        &format!(
            "{}{name}{vpc}{severity}: {}",
            sanitize::sanitize_line(&note.id, 64),
            group_status(note)
        ),
    );
    for ingress in &note.security_group_rules {
        page.push_item("      ", &phrases::describe_rule(ingress));
    }
    if note.more_security_group_rules > 0 {
        page.push_line(&format!(
            "      and {}",
            phrases::count_phrase(note.more_security_group_rules, "more rule", "more rules")
        ));
    }
    if let Some(error) = &note.error {
        page.push_item("      ", &sanitize::sanitize_line(error, 300));
    }
    if let Some(link) = swept
        .region
        .as_deref()
        .and_then(|region| link::group_console_url(region, &note.id))
    {
        page.push_line(&format!("      {link}"));
    }
}

fn write_stale_references(page: &mut PlainText, swept: &SweepReport, most: usize) {
    for (heading, ids) in [
        (
            "Prefix lists that do not exist",
            &swept.unresolved_prefix_lists,
        ),
        ("Exceptions that have ended", &swept.expired_exceptions),
    ] {
        if ids.is_empty() {
            continue;
        }
        page.push_heading(heading);
        for id in ids.iter().take(most) {
            page.push_item("  - ", &sanitize::sanitize_line(id, 64));
        }
        write_omitted_count(page, ids.len(), most, "other", "others");
    }
}

fn write_omitted_count(page: &mut PlainText, all: usize, shown: usize, one: &str, many: &str) {
    let left_out = all.saturating_sub(shown);
    if left_out > 0 {
        page.push_line(&format!(
            "  - and {}",
            phrases::count_phrase(left_out, &format!("more {one}"), &format!("more {many}"))
        ));
    }
}

fn write_sweep_location(page: &mut PlainText, swept: &SweepReport) {
    page.push_heading("Where");
    let text = |text: Option<&String>| text.map(|text| sanitize::sanitize_line(text, 64));
    page.push_row("Account", text(swept.account.as_ref()).as_deref());
    page.push_row("Region", text(swept.region.as_ref()).as_deref());
    page.push_row(
        "When",
        Some(&format!(
            "{} to {}",
            phrases::format_time(swept.started),
            phrases::format_time(swept.ended)
        )),
    );
    if let Some(link) = swept.region.as_deref().and_then(link::groups_console_url) {
        page.push_line(&format!("  {link}"));
    }
    page.push_blank_line();
    let action = if swept.remediates {
        "remediate"
    } else {
        "report"
    };
    page.push_line(&format!(
        "Portcullis sweep, policy {}, action {action}",
        sanitize::sanitize_line(&swept.policy, 64)
    ));
    page.push_line(&format!("Sweep {}", sanitize::sanitize_line(&swept.id, 64)));
}
