//! Whether the story ended well.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_e2e::Message;
use serde_json::Value;

use super::Ending;
use super::story::{Entry, Row};

/// Everything that is not as it should be.
pub(super) fn problems(ending: &Ending) -> Vec<String> {
    let mut problems = Vec::new();
    let after: Vec<Row> = ending.after.iter().map(Row::of).collect();
    for Entry { row, offends, .. } in &ending.story.opened {
        let name = format!("{} {} from {}", row.protocol, row.ports, row.source);
        match (offends, after.contains(row)) {
            (true, true) => problems.push(format!("{name} is still open")),
            (false, false) => problems.push(format!("{name} was innocent and is gone")),
            (true, false) | (false, true) => {}
        }
    }
    let known: BTreeSet<&str> = ending
        .story
        .opened
        .iter()
        .map(|entry| entry.row.id.as_str())
        .collect();
    for row in after.iter().filter(|row| !known.contains(row.id.as_str())) {
        problems.push(format!("{} is a rule that nobody asked for", row.id));
    }
    problems.extend(
        ["email", "https", "sqs"]
            .into_iter()
            .filter_map(|protocol| alert_problem(ending, protocol)),
    );
    problems
}

fn alert_problem(ending: &Ending, protocol: &str) -> Option<String> {
    match ending
        .alerts
        .iter()
        .filter(|alert| alert.protocol == protocol)
        .count()
    {
        1 if protocol == "https" => find(ending, protocol).and_then(chat_problem),
        1 => None,
        0 => Some(format!("no {protocol} alert came")),
        count => Some(format!("{count} {protocol} alerts came, not one")),
    }
}

/// Amazon Q Developer drops what is not its schema without a word.
fn chat_problem(alert: &Message) -> Option<String> {
    let Ok(message) = alert.json() else {
        return Some("the Slack message is not JSON".to_owned());
    };
    let text = |pointer| message.pointer(pointer).and_then(Value::as_str);
    let right = text("/version") == Some("1.0")
        && text("/source") == Some("custom")
        && text("/content/description").is_some_and(|text| !text.is_empty());
    (!right)
        .then(|| "the Slack message is not a custom notification: it would be dropped".to_owned())
}

/// The alert of a protocol.
pub(super) fn find<'a>(ending: &'a Ending, protocol: &str) -> Option<&'a Message> {
    ending
        .alerts
        .iter()
        .find(|alert| alert.protocol == protocol)
}

/// What the report says about each rule: the ids of the policy's rules by the id of EC2's.
pub(super) fn reasons(ending: &Ending) -> BTreeMap<String, BTreeSet<String>> {
    let mut reasons = BTreeMap::new();
    if let Some(report) = find(ending, "sqs").and_then(|alert| alert.json().ok()) {
        collect(&report, &mut reasons);
    }
    reasons
}

/// Findings are where both ids are, wherever in the report that is.
fn collect(value: &Value, reasons: &mut BTreeMap<String, BTreeSet<String>>) {
    let text = |field| value.get(field).and_then(Value::as_str);
    if let (Some(id), Some(rule)) = (text("security_group_rule_id"), text("rule")) {
        reasons
            .entry(id.to_owned())
            .or_default()
            .insert(rule.to_owned());
    }
    let fields = value
        .as_object()
        .into_iter()
        .flat_map(|object| object.values());
    for inner in fields.chain(value.as_array().into_iter().flatten()) {
        collect(inner, reasons);
    }
}
