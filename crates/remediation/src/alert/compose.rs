//! The alert about one security group.

use super::attributes::compose_attributes;
use super::budget::{CHAT_BUDGET, EMAIL_BUDGET, REPORT_BUDGET, fit_to_budget};
use super::email::compose_email;
use super::options::AlertOptions;
use super::slack::compose_chat;
use super::sms::compose_sms;
use super::subject::compose_subject;
use super::summary::AlertSummary;
use crate::report::{GroupReport, json};
use crate::services::Alert;

/// Composes the alert about a report with the default options.
pub fn compose_alert(report: &GroupReport) -> Alert {
    compose_alert_with(report, &AlertOptions::default())
}

/// Composes the alert about a report.
pub fn compose_alert_with(report: &GroupReport, options: &AlertOptions) -> Alert {
    let summary = AlertSummary::from_report(report, options.min_severity);
    let links = &options.links;
    Alert {
        subject: compose_subject(&summary),
        email: fit_to_budget(EMAIL_BUDGET, &[30, 20, 10, 5, 1, 0], |max_entries| {
            compose_email(&summary, links, max_entries)
        }),
        chat: fit_to_budget(CHAT_BUDGET, &[10, 5, 1, 0], |max_entries| {
            compose_chat(&summary, links, max_entries)
        }),
        sms: compose_sms(&summary),
        report: json::to_json_within(report, REPORT_BUDGET),
        attributes: compose_attributes(report),
    }
}
