//! The digest as a custom notification of Amazon Q Developer in chat applications.

use serde_json::{Map, Value, json};

use super::super::{clean, link, words};
use super::{advice, fate, headline};
use crate::sweep::{GroupNote, Swept};

/// How many boxes of a group are shown.
const MOST_BOXES: usize = 3;

/// The notification, as JSON. At most `most` groups are shown one by one.
pub(super) fn compose(swept: &Swept, most: usize) -> String {
    let title = headline(swept);
    let severity = swept.severity().map(|severity| severity.to_string());
    let words = [Some("portcullis".to_owned()), Some("sweep".to_owned()), severity];
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": description(swept, most),
            "nextSteps": [advice(swept)],
            "keywords": words.into_iter().flatten().collect::<Vec<_>>(),
        },
        "metadata": {
            "threadId": thread(swept),
            "summary": title,
            "eventType": format!("portcullis-sweep-{}", swept.outcome()),
            "additionalContext": context(swept),
        },
    })
    .to_string()
}

fn description(swept: &Swept, most: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let Some(unfinished) = &swept.unfinished {
        lines.push(format!("Unfinished: {}", clean::chat(&unfinished.why.to_string(), 300)));
    }
    let counts = swept.by_severity.iter().rev().map(|(severity, count)| format!("{count} {severity}"));
    lines.push(format!(
        "{} judged. Findings: {}",
        words::count(swept.groups, "group", "groups"),
        match counts.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        }
    ));
    lines.extend(swept.worst.iter().take(most).map(group));
    let left_out = swept.affected().saturating_sub(swept.worst.len().min(most));
    if left_out > 0 {
        lines.push(format!("- and {}", words::count(left_out, "more group", "more groups")));
    }
    lines.extend(swept.region.as_deref().and_then(link::groups));
    lines.join("\n")
}

fn group(note: &GroupNote) -> String {
    let name = note.name.as_deref().map(|name| clean::chat(name, 64)).filter(|name| !name.is_empty());
    let name = name.map(|name| format!(" (`{name}`)")).unwrap_or_default();
    let severity = note.severity.map(|severity| format!(" {severity}")).unwrap_or_default();
    let boxes = note.boxes.iter().take(MOST_BOXES).map(|ingress| clean::chat(&words::short_rule(ingress), 100));
    let boxes = boxes.collect::<Vec<_>>().join(", ");
    let left_out = note.boxes.len().saturating_sub(MOST_BOXES).saturating_add(note.more_boxes);
    let more = if left_out > 0 { format!(" and {left_out} more") } else { String::new() };
    format!("- {}{name}{severity}, {}: {boxes}{more}", clean::chat(&note.id, 64), fate(note))
}

/// The same for a sweep and its retry.
fn thread(swept: &Swept) -> String {
    let id: String = swept.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
    format!("portcullis-sweep-{id}")
}

fn context(swept: &Swept) -> Map<String, Value> {
    let action = if swept.remediates { "remediate" } else { "report" };
    let pairs = [
        ("account", swept.account.as_deref()),
        ("action", Some(action)),
        ("policy", Some(swept.policy.as_str())),
        ("region", swept.region.as_deref()),
    ];
    let known = pairs.into_iter().filter_map(|(key, value)| {
        let value = clean::chat(value.unwrap_or_default(), 128);
        (!value.is_empty()).then(|| (key.to_owned(), Value::from(value)))
    });
    known.collect()
}
