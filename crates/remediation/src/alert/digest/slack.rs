//! The digest as a custom notification of Amazon Q Developer in chat applications.

use serde_json::{Map, Value, json};

use super::wording::{group_status, sweep_advice, sweep_headline};
use crate::alert::link::groups_console_url;
use crate::alert::options::AlertLinks;
use crate::alert::phrases::{count_phrase, short_rule};
use crate::alert::sanitize::sanitize_chat;
use crate::alert::slack::{context_map, thread_id_part};
use crate::report::{GroupSummary, SweepReport};

/// How many security group rules of a group are shown.
const MAX_GROUP_RULES: usize = 3;

/// The notification, as JSON. At most `max_entries` groups are listed.
pub(super) fn compose_sweep_chat(
    sweep: &SweepReport,
    links: &AlertLinks,
    max_entries: usize,
) -> String {
    let title = sweep_headline(sweep);
    let mut keywords = vec!["portcullis".to_owned(), "sweep".to_owned()];
    if let Some(severity) = sweep.max_severity() {
        keywords.push(severity.to_string());
    }
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": sweep_description(sweep, links, max_entries),
            "nextSteps": [sweep_advice(sweep)],
            "keywords": keywords,
        },
        "metadata": {
            "threadId": format!("portcullis-sweep-{}", thread_id_part(&sweep.id)),
            "summary": title,
            "eventType": format!("portcullis-sweep-{}", sweep.outcome()),
            "additionalContext": sweep_context(sweep),
        },
    })
    .to_string()
}

fn sweep_description(sweep: &SweepReport, links: &AlertLinks, max_entries: usize) -> String {
    let mut text: Vec<String> = Vec::new();
    if let Some(unfinished) = &sweep.unfinished {
        let reason = sanitize_chat(&unfinished.reason.to_string(), 300);
        text.push(format!("Unfinished: {reason}"));
    }
    text.push(describe_counts(sweep));
    for group in sweep.worst_groups.iter().take(max_entries) {
        text.push(describe_sweep_group(group));
    }
    let shown = sweep.worst_groups.len().min(max_entries);
    let omitted = sweep.affected_groups().saturating_sub(shown);
    if omitted > 0 {
        let more = count_phrase(omitted, "more group", "more groups");
        text.push(format!("- and {more}"));
    }
    let link = sweep.region.as_deref().and_then(groups_console_url);
    text.extend(link);
    let runbook = links.runbook.as_ref();
    text.extend(runbook.map(|link| format!("Runbook: {link}")));
    let policy = links.policy.as_ref();
    text.extend(policy.map(|link| format!("Policy: {link}")));
    text.join("\n")
}

/// `12 groups evaluated. Findings: 2 high, 1 low`.
fn describe_counts(sweep: &SweepReport) -> String {
    let groups = count_phrase(sweep.group_count, "group", "groups");
    if sweep.by_severity.is_empty() {
        return format!("{groups} evaluated. Findings: none");
    }
    let counts: Vec<_> = sweep
        .by_severity
        .iter()
        .rev()
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    format!("{groups} evaluated. Findings: {}", counts.join(", "))
}

/// ``- sg-... (`web`) high, CLOSED: tcp 22 from 0.0.0.0/0 and 2 more``.
fn describe_sweep_group(group: &GroupSummary) -> String {
    let mut line = format!("- {}", sanitize_chat(&group.id, 64));
    let name = group.name.as_deref().unwrap_or_default();
    match sanitize_chat(name, 64) {
        empty if empty.is_empty() => {}
        name => line = format!("{line} (`{name}`)"),
    }
    if let Some(severity) = group.severity {
        line = format!("{line} {severity}");
    }
    let rules: Vec<_> = group
        .security_group_rules
        .iter()
        .take(MAX_GROUP_RULES)
        .map(|rule| sanitize_chat(&short_rule(rule), 100))
        .collect();
    let hidden = group
        .security_group_rules
        .len()
        .saturating_sub(MAX_GROUP_RULES);
    let left_out = hidden.saturating_add(group.more_security_group_rules);
    let more = if left_out > 0 {
        format!(" and {left_out} more")
    } else {
        String::new()
    };
    format!(
        "{line}, {}: {}{more}",
        group_status(group),
        rules.join(", ")
    )
}

fn sweep_context(sweep: &SweepReport) -> Map<String, Value> {
    context_map([
        ("account", sweep.account.clone()),
        ("action", Some(sweep.action_name().to_owned())),
        ("policy", Some(sweep.policy.name.clone())),
        ("region", sweep.region.clone()),
    ])
}
