//! Message attributes, for the filter policies of subscriptions.

use super::sanitize::sanitize_line;
use crate::report::GroupReport;

/// Name and value, sorted by name. No value is empty, because SNS refuses empty values.
pub(super) fn compose_attributes(report: &GroupReport) -> Vec<(String, String)> {
    let origin = &report.origin;
    let severity = report.max_severity();
    let worst_rule = report
        .active_findings()
        .find(|finding| Some(finding.policy_rule.severity) == severity)
        .map(|finding| finding.policy_rule.id.as_str());
    let none = || "none".to_owned();
    [
        ("account", attribute_value(origin.account.as_deref())),
        ("group", attribute_value(Some(&report.group.id))),
        ("mode", report.mode.to_string()),
        ("outcome", report.outcome.to_string()),
        ("region", attribute_value(origin.region.as_deref())),
        (
            "rule",
            worst_rule.map_or_else(none, |id| attribute_value(Some(id))),
        ),
        (
            "severity",
            severity.map_or_else(none, |severity| severity.to_string()),
        ),
        ("vpc", attribute_value(report.group.vpc_id.as_deref())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// An untrusted value, sanitized, or `unknown`.
pub(super) fn attribute_value(text: Option<&str>) -> String {
    match sanitize_line(text.unwrap_or_default(), 128) {
        empty if empty.is_empty() => "unknown".to_owned(),
        value => value,
    }
}
