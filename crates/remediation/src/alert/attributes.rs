//! Message attributes: what a subscription's filter policy can choose by.

use super::clean;
use crate::report::Report;

/// Name and value, ascending, never empty: SNS refuses an empty value.
pub(super) fn compose(report: &Report) -> Vec<(String, String)> {
    let (group, origin) = (&report.group, &report.origin);
    let worst = report.findings.iter().filter(|finding| finding.exempt.is_none());
    // `max_by_key` takes the last of equals; the first is wanted, as in every other list.
    let worst = worst.rev().max_by_key(|finding| finding.rule.severity);
    let severity = report.severity().map_or("none".to_owned(), |severity| severity.to_string());
    [
        ("account", known(origin.account.as_deref())),
        ("group", known(Some(group.id.as_str()))),
        ("mode", report.mode.as_str().to_owned()),
        ("outcome", report.outcome.as_str().to_owned()),
        ("region", known(origin.region.as_deref())),
        ("rule", worst.map_or("none".to_owned(), |finding| known(Some(&finding.rule.id)))),
        ("severity", severity),
        ("vpc", known(group.vpc_id.as_deref())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn known(text: Option<&str>) -> String {
    let text = clean::line(text.unwrap_or_default(), 128);
    if text.is_empty() { "unknown".to_owned() } else { text }
}
