//! A report with texts of an attacker.

use std::collections::BTreeSet;

use super::single_rule_report;
use crate::report::GroupReport;

/// Texts that try to mislead the readers of an alert.
pub(crate) fn hostile_text_report() -> GroupReport {
    let mut report = single_rule_report();
    report.group.name = Some("web\r\nBcc: all@example.com\u{202e}<!channel> `x` *y*".to_owned());
    report.group.open_egress = None;
    let description = "\"} <https://evil.example|click> www.evil.example 'q' \u{1b}[31mRED\u{200b}";
    let outcome = &mut report.rules[0];
    outcome.rule.description = Some(description.to_owned());
    for finding in &mut outcome.findings {
        finding.ingress = outcome.rule.clone();
    }
    report.origin.actor.who = Some("<@U0123> @here &lt;b&gt;".to_owned());
    report.origin.user_agent = Some("curl\u{0}/\n8 `rm`".to_owned());
    report.origin.event_id = Some("e-1\n<!here>".to_owned());
    report.unresolved_prefix_lists = BTreeSet::from(["pl-<!here>".to_owned()]);
    report
}
