//! The check at the end of the demo: the group is closed, the allowed rules remain, the alerts
//! arrived.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_e2e::Message;
use serde_json::Value;

use super::outcome::DemoOutcome;
use super::scenario::{DemoRule, RuleRow};

/// Everything that is not as expected.
pub(super) fn find_problems(outcome: &DemoOutcome) -> Vec<String> {
    let mut problems = Vec::new();
    let remaining: Vec<RuleRow> = outcome.rules.iter().map(RuleRow::from_rule).collect();
    let created = &outcome.scenario.rules;
    for DemoRule { row, forbidden, .. } in created {
        let rule = format!("{} {} from {}", row.protocol, row.ports, row.source);
        match (forbidden, remaining.contains(row)) {
            (true, true) => problems.push(format!("{rule} is still open")),
            (false, false) => problems.push(format!("{rule} is allowed and was removed")),
            (true, false) | (false, true) => {}
        }
    }
    let known: BTreeSet<&str> = created.iter().map(|rule| rule.row.id.as_str()).collect();
    for row in remaining {
        if !known.contains(row.id.as_str()) {
            problems.push(format!("{} is an unexpected rule", row.id));
        }
    }
    for protocol in ["email", "https", "sqs"] {
        problems.extend(alert_problem(outcome, protocol));
    }
    problems
}

fn alert_problem(outcome: &DemoOutcome, protocol: &str) -> Option<String> {
    let alerts = outcome.alerts.iter();
    match alerts.filter(|alert| alert.protocol == protocol).count() {
        1 if protocol == "https" => outcome.alert(protocol).and_then(slack_problem),
        1 => None,
        0 => Some(format!("no {protocol} alert arrived")),
        count => Some(format!("{count} {protocol} alerts arrived instead of one")),
    }
}

/// Amazon Q Developer silently drops messages that do not match its schema.
fn slack_problem(alert: &Message) -> Option<String> {
    let Ok(message) = alert.json() else {
        return Some("the Slack message is not JSON".to_owned());
    };
    let text = |pointer| message.pointer(pointer).and_then(Value::as_str);
    let is_valid = text("/version") == Some("1.0")
        && text("/source") == Some("custom")
        && text("/content/description").is_some_and(|text| !text.is_empty());
    (!is_valid).then(|| {
        "the Slack message is not a custom notification, so Amazon Q would drop it".to_owned()
    })
}

/// The policy rules that each security group rule violates, by its id, as the report says.
pub(super) fn violated_policy_rules(outcome: &DemoOutcome) -> BTreeMap<String, Vec<String>> {
    let report = outcome.alert("sqs").and_then(|alert| alert.json().ok());
    let rules = report
        .as_ref()
        .and_then(|report| report.pointer("/rules")?.as_array());
    let mut violated = BTreeMap::new();
    for rule in rules.into_iter().flatten() {
        let id = rule.get("security_group_rule_id").and_then(Value::as_str);
        let policy_rules = rule.get("policy_rules").and_then(Value::as_array);
        if let (Some(id), Some(policy_rules)) = (id, policy_rules) {
            let names = policy_rules.iter().filter_map(Value::as_str);
            violated.insert(id.to_owned(), names.map(str::to_owned).collect());
        }
    }
    violated
}
