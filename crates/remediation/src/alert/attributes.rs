//! Message attributes: what a subscription's filter policy can choose by.

use super::sanitize;
use crate::report::GroupReport;

/// Name and value, ascending, never empty: SNS refuses an empty value.
pub(super) fn compose_attributes(report: &GroupReport) -> Vec<(String, String)> {
    let (group, origin) = (&report.group, &report.origin);
    let worst = report
        .findings
        .iter()
        .filter(|finding| finding.exempted_by.is_none());
    // `max_by_key` takes the last of equals; the first is wanted, as in every other list.
    let worst = worst
        .rev()
        .max_by_key(|finding| finding.policy_rule.severity);
    let severity = report
        .max_severity()
        .map_or("none".to_owned(), |severity| severity.to_string());
    [
        ("account", attribute_value(origin.account.as_deref())),
        ("group", attribute_value(Some(group.id.as_str()))),
        ("mode", report.mode.as_str().to_owned()),
        ("outcome", report.outcome.as_str().to_owned()),
        ("region", attribute_value(origin.region.as_deref())),
        (
            "rule",
            worst.map_or("none".to_owned(), |finding| {
                attribute_value(Some(&finding.policy_rule.id))
            }),
        ),
        ("severity", severity),
        ("vpc", attribute_value(group.vpc_id.as_deref())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn attribute_value(text: Option<&str>) -> String {
    let text = sanitize::sanitize_line(text.unwrap_or_default(), 128);
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        text
    }
}
