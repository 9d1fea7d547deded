//! The digest as a custom notification of Amazon Q Developer in chat applications.

use serde_json::{Map, Value, json};

use super::super::{link, phrases, sanitize};
use super::{group_status, sweep_advice, sweep_headline};
use crate::sweeper::{GroupSummary, SweepReport};

/// How many boxes of a group are shown.
const MAX_GROUP_RULES: usize = 3;

/// The notification, as JSON. At most `most` groups are shown one by one.
pub(super) fn compose_sweep_chat(swept: &SweepReport, most: usize) -> String {
    let title = sweep_headline(swept);
    let severity = swept.max_severity().map(|severity| severity.to_string());
    let words = [
        Some("portcullis".to_owned()),
        Some("sweep".to_owned()),
        severity,
    ];
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": sweep_description(swept, most),
            "nextSteps": [sweep_advice(swept)],
            "keywords": words.into_iter().flatten().collect::<Vec<_>>(),
        },
        "metadata": {
            "threadId": sweep_thread_id(swept),
            "summary": title,
            "eventType": format!("portcullis-sweep-{}", swept.outcome()),
            "additionalContext": sweep_context(swept),
        },
    })
    .to_string()
}

fn sweep_description(swept: &SweepReport, most: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let Some(unfinished) = &swept.unfinished {
        lines.push(format!(
            "Unfinished: {}",
            sanitize::sanitize_chat(&unfinished.reason.to_string(), 300)
        ));
    }
    let counts = swept
        .by_severity
        .iter()
        .rev()
        .map(|(severity, count)| format!("{count} {severity}"));
    lines.push(format!(
        "{} judged. Findings: {}",
        phrases::count_phrase(swept.group_count, "group", "groups"),
        match counts.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        }
    ));
    lines.extend(
        swept
            .worst_groups
            .iter()
            .take(most)
            .map(describe_sweep_group),
    );
    let left_out = swept
        .affected_groups()
        .saturating_sub(swept.worst_groups.len().min(most));
    if left_out > 0 {
        lines.push(format!(
            "- and {}",
            phrases::count_phrase(left_out, "more group", "more groups")
        ));
    }
    lines.extend(swept.region.as_deref().and_then(link::groups_console_url));
    lines.join("\n")
}

fn describe_sweep_group(note: &GroupSummary) -> String {
    let name = note
        .name
        .as_deref()
        .map(|name| sanitize::sanitize_chat(name, 64))
        .filter(|name| !name.is_empty());
    let name = name.map(|name| format!(" (`{name}`)")).unwrap_or_default();
    let severity = note
        .severity
        .map(|severity| format!(" {severity}"))
        .unwrap_or_default();
    let boxes = note
        .security_group_rules
        .iter()
        .take(MAX_GROUP_RULES)
        .map(|ingress| sanitize::sanitize_chat(&phrases::short_rule(ingress), 100));
    let boxes = boxes.collect::<Vec<_>>().join(", ");
    let left_out = note
        .security_group_rules
        .len()
        .saturating_sub(MAX_GROUP_RULES)
        .saturating_add(note.more_security_group_rules);
    let more = if left_out > 0 {
        format!(" and {left_out} more")
    } else {
        String::new()
    };
    format!(
        "- {}{name}{severity}, {}: {boxes}{more}",
        sanitize::sanitize_chat(&note.id, 64),
        group_status(note)
    )
}

/// The same for a sweep and its retry.
fn sweep_thread_id(swept: &SweepReport) -> String {
    let id: String = swept
        .id
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(64)
        .collect();
    format!("portcullis-sweep-{id}")
}

fn sweep_context(swept: &SweepReport) -> Map<String, Value> {
    let action = if swept.remediates {
        "remediate"
    } else {
        "report"
    };
    let pairs = [
        ("account", swept.account.as_deref()),
        ("action", Some(action)),
        ("policy", Some(swept.policy.as_str())),
        ("region", swept.region.as_deref()),
    ];
    let known = pairs.into_iter().filter_map(|(key, value)| {
        let value = sanitize::sanitize_chat(value.unwrap_or_default(), 128);
        (!value.is_empty()).then(|| (key.to_owned(), Value::from(value)))
    });
    known.collect()
}
