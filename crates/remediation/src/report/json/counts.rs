//! How much a report is about.

use serde::Serialize;

use crate::report::GroupReport;

/// How long the lists of a report are before any of them is shortened, and how many of the rules
/// have an outcome.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CountsV1 {
    rules: usize,
    findings: usize,
    removed: usize,
    added: usize,
    skipped_additions: usize,
    failed_additions: usize,
    withdrawals: usize,
    failures: usize,
    refusals: usize,
    remaining: usize,
    unresolved_prefix_lists: usize,
    expired_exceptions: usize,
}

impl CountsV1 {
    /// The counts of a report.
    pub fn new(report: &GroupReport) -> Self {
        let errors = report.rules.iter().filter_map(|rule| rule.status.error());
        let withdrawals = report.rules.iter().flat_map(|rule| &rule.withdrawals);
        Self {
            rules: report.rules.len(),
            findings: report.findings().count(),
            removed: report.removed_rules().count(),
            added: report.replacements().count(),
            skipped_additions: report.skipped_additions.len(),
            failed_additions: report.failed_additions().count(),
            withdrawals: withdrawals.count(),
            failures: errors.count(),
            refusals: report.refused_rules().count(),
            remaining: report.open_rules().count(),
            unresolved_prefix_lists: report.unresolved_prefix_lists.len(),
            expired_exceptions: report.expired_exceptions.len(),
        }
    }

    /// No list of the report is longer than this, including the lists of each rule.
    pub(super) fn longest_list(&self) -> usize {
        [
            self.rules,
            self.findings,
            self.added,
            self.skipped_additions,
            self.failed_additions,
            self.withdrawals,
            self.unresolved_prefix_lists,
            self.expired_exceptions,
        ]
        .into_iter()
        .max()
        .unwrap_or_default()
    }
}
