//! Allowed access that was lost: why, and how to restore it.

use std::collections::BTreeMap;

use portcullis_rules::IngressRule;
use portcullis_rules::plan::SkipReason;

use super::commands::{Command, write_commands};
use crate::alert::phrases::{addition_error_cause, short_rule};
use crate::alert::plain_text::PlainText;
use crate::alert::replacements::describe_combined_rules;
use crate::alert::sanitize::sanitize_line;
use crate::alert::summary::AlertSummary;
use crate::report::{FailedAddition, GroupReport};
use crate::services::{ErrorKind, Mode};

/// Each reason once with its rules, and the commands that add these rules.
pub(super) fn write_lost_access(
    page: &mut PlainText,
    summary: &AlertSummary<'_>,
    max_entries: usize,
) {
    let report = summary.report;
    let has_failed = report.failed_additions().next().is_some();
    if !has_failed && report.skipped_additions.is_empty() {
        return;
    }
    page.push_heading(match report.mode {
        Mode::Monitor => "Allowed access that enforce mode would lose",
        Mode::Enforce => "Allowed access that was lost",
    });
    write_failed_additions(page, report);
    write_skipped_additions(page, report);
    if report.mode == Mode::Enforce && !report.group.id.is_empty() {
        write_reopen_commands(page, summary, max_entries);
    }
}

fn write_failed_additions(page: &mut PlainText, report: &GroupReport) {
    let mut by_kind: BTreeMap<ErrorKind, Vec<&FailedAddition>> = BTreeMap::new();
    for failed in report.failed_additions() {
        by_kind.entry(failed.error.kind).or_default().push(failed);
    }
    for (kind, failed) in by_kind {
        let ingress_rules = failed.iter().map(|failed| &failed.addition.ingress);
        let rules = describe_combined_rules(ingress_rules);
        let cause = addition_error_cause(kind);
        let text = format!("{rules}: allowed by policy but currently blocked. {cause}");
        page.push_item("  - ", &text);
        if let Some(FailedAddition { error, .. }) = failed.first() {
            let message = sanitize_line(&error.message, 300);
            let code = kind.code();
            page.push_item("    ", &format!("({}, {code}: {message})", error.operation));
        }
    }
}

fn write_skipped_additions(page: &mut PlainText, report: &GroupReport) {
    for reason in SkipReason::ALL {
        let skipped = skipped_rules(report, reason);
        if !skipped.is_empty() {
            let rules = describe_combined_rules(skipped.into_iter());
            let text = format!(
                "{rules}: {}{}",
                reason.message(),
                skip_reason_advice(reason)
            );
            page.push_item("  - ", &text);
        }
    }
}

fn skipped_rules(report: &GroupReport, reason: SkipReason) -> Vec<&IngressRule> {
    let skipped = report.skipped_additions.iter();
    skipped
        .filter(|skipped| skipped.reason == reason)
        .map(|skipped| &skipped.ingress)
        .collect()
}

fn write_reopen_commands(page: &mut PlainText, summary: &AlertSummary<'_>, max_entries: usize) {
    let over_quota = skipped_rules(summary.report, SkipReason::RulesQuota);
    let quota_advice = if over_quota.is_empty() {
        ""
    } else {
        " (after removing other rules from the group)"
    };
    let failed = summary.report.failed_additions();
    let commands: Vec<_> = failed
        .map(|failed| &failed.addition.ingress)
        .chain(over_quota)
        .map(|rule| Command::authorize(summary, short_rule(rule), rule))
        .collect();
    let (it, these) = match commands.len() {
        0 => return,
        1 => ("it", "this command"),
        _ => ("them", "these commands"),
    };
    page.push_paragraph(&format!("To add {it} manually{quota_advice}, run {these}:"));
    write_commands(page, max_entries, &commands);
}

const fn skip_reason_advice(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::RulesQuota => {
            " Merge rules of the group, or request a higher quota of rules per security group."
        }
        SkipReason::TrustedSourceOutside => " If the source needs access, add a rule manually.",
        SkipReason::TrustedSourceForbidden => " These settings conflict: fix the policy.",
    }
}
