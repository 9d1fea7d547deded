//! Message attributes, for the filter policies of subscriptions.

use portcullis_rules::Severity;

use super::sanitize::sanitize_line;
use crate::report::{GroupOutcome, GroupReport, SweepReport};
use crate::services::Mode;

/// The attributes of an alert. Unknown texts are `None`.
struct AlertAttributes<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    vpc: Option<&'a str>,
    group: &'a str,
    mode: Mode,
    outcome: GroupOutcome,
    /// The policy rule of the worst finding.
    rule: Option<&'a str>,
    severity: Option<Severity>,
}

impl AlertAttributes<'_> {
    /// Name and value, sorted by name. No value is empty, because SNS refuses empty values.
    fn to_list(&self) -> Vec<(String, String)> {
        let rule = match self.rule {
            Some(id) => text_value(Some(id)),
            None => "none".to_owned(),
        };
        let severity = match self.severity {
            Some(severity) => severity.to_string(),
            None => "none".to_owned(),
        };
        [
            ("account", text_value(self.account)),
            ("group", text_value(Some(self.group))),
            ("mode", self.mode.to_string()),
            ("outcome", self.outcome.to_string()),
            ("region", text_value(self.region)),
            ("rule", rule),
            ("severity", severity),
            ("vpc", text_value(self.vpc)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// The attributes of the alert about a group.
pub(super) fn compose_attributes(report: &GroupReport) -> Vec<(String, String)> {
    let severity = report.max_severity();
    let worst_rule = report
        .active_findings()
        .map(|finding| &finding.policy_rule)
        .find(|rule| Some(rule.severity) == severity);
    AlertAttributes {
        account: report.origin.account.as_deref(),
        region: report.origin.region.as_deref(),
        vpc: report.group.vpc_id.as_deref(),
        group: &report.group.id,
        mode: report.mode,
        outcome: report.outcome,
        rule: worst_rule.map(|rule| rule.id.as_str()),
        severity,
    }
    .to_list()
}

/// The attributes of the digest of a sweep.
pub(super) fn compose_sweep_attributes(sweep: &SweepReport) -> Vec<(String, String)> {
    let severity = sweep.max_severity();
    let worst_rule = sweep
        .by_policy_rule
        .iter()
        .find(|(_, count)| Some(count.severity) == severity);
    AlertAttributes {
        account: sweep.account.as_deref(),
        region: sweep.region.as_deref(),
        vpc: Some("all"),
        group: "all",
        mode: sweep.mode(),
        outcome: sweep.outcome(),
        rule: worst_rule.map(|(id, _)| id.as_str()),
        severity,
    }
    .to_list()
}

/// An untrusted value, sanitized, or `unknown`.
fn text_value(text: Option<&str>) -> String {
    match sanitize_line(text.unwrap_or_default(), 128) {
        empty if empty.is_empty() => "unknown".to_owned(),
        value => value,
    }
}
