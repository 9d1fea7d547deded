//! Allowed access that was lost: why, and how to restore it.

use std::collections::BTreeMap;

use portcullis_rules::IngressRule;
use portcullis_rules::plan::SkipReason;

use super::commands::Command;
use super::writer::EmailWriter;
use crate::alert::phrases::addition_error_cause;
use crate::alert::replacements::describe_combined_rules;
use crate::alert::sanitize::sanitize_line;
use crate::report::{FailedAddition, GroupReport};
use crate::services::{ErrorKind, Mode};

impl EmailWriter<'_> {
    /// Each reason once with its rules, and the commands that add these rules.
    pub(super) fn write_lost_access(&mut self) {
        let report = self.report;
        let has_failed = report.failed_additions().next().is_some();
        if !has_failed && report.skipped_additions.is_empty() {
            return;
        }
        self.page.push_heading(match report.mode {
            Mode::Monitor => "Allowed access that enforce mode would lose",
            Mode::Enforce => "Allowed access that was lost",
        });
        self.write_failed_additions();
        self.write_skipped_additions();
        if report.mode == Mode::Enforce && !report.group.id.is_empty() {
            self.write_reopen_commands();
        }
    }

    fn write_failed_additions(&mut self) {
        let mut by_kind: BTreeMap<ErrorKind, Vec<&FailedAddition>> = BTreeMap::new();
        for failed in self.report.failed_additions() {
            by_kind.entry(failed.error.kind).or_default().push(failed);
        }
        for (kind, failed) in by_kind {
            let rules =
                describe_combined_rules(failed.iter().map(|failed| &failed.addition.ingress));
            let cause = addition_error_cause(kind);
            self.page.push_item(
                "  - ",
                &format!("{rules}: allowed by policy but currently blocked. {cause}"),
            );
            if let Some(FailedAddition { error, .. }) = failed.first() {
                let details = format!(
                    "({}, {}: {})",
                    error.operation,
                    kind.code(),
                    sanitize_line(&error.message, 300)
                );
                self.page.push_item("    ", &details);
            }
        }
    }

    fn write_skipped_additions(&mut self) {
        for reason in SkipReason::ALL {
            let skipped = skipped_rules(self.report, reason);
            if skipped.is_empty() {
                continue;
            }
            let rules = describe_combined_rules(skipped.into_iter());
            self.page.push_item(
                "  - ",
                &format!(
                    "{rules}: {}{}",
                    reason.message(),
                    skip_reason_advice(reason)
                ),
            );
        }
    }

    fn write_reopen_commands(&mut self) {
        let over_quota = skipped_rules(self.report, SkipReason::RulesQuota);
        let quota_advice = if over_quota.is_empty() {
            ""
        } else {
            " (after removing other rules from the group)"
        };
        let commands: Vec<_> = self
            .report
            .failed_additions()
            .map(|failed| &failed.addition.ingress)
            .chain(over_quota)
            .map(|rule| Command::authorize(self.report, rule))
            .collect();
        let (it, these) = match commands.len() {
            0 => return,
            1 => ("it", "this command"),
            _ => ("them", "these commands"),
        };
        self.write_command_list(
            &format!("To add {it} manually{quota_advice}, run {these}:"),
            &commands,
        );
    }
}

fn skipped_rules(report: &GroupReport, reason: SkipReason) -> Vec<&IngressRule> {
    report
        .skipped_additions
        .iter()
        .filter(|skipped| skipped.reason == reason)
        .map(|skipped| &skipped.ingress)
        .collect()
}

const fn skip_reason_advice(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::RulesQuota => {
            " Merge rules of the group, or request a higher quota of rules per security group."
        }
        SkipReason::TrustedSourceOutside => " If the source needs access, add a rule manually.",
        SkipReason::TrustedSourceForbidden => " These settings conflict: fix the policy.",
        SkipReason::TrustedListUnresolved => " Check whether the list exists, and fix the policy.",
    }
}
