//! The counts of a report.

use serde::Serialize;

use crate::report::GroupReport;

/// The lengths of the lists of a report before they are shortened, and the number of rules by
/// outcome.
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
        Self {
            rules: report.rules.len(),
            findings: report.findings().count(),
            removed: report.removed_rules().count(),
            added: report.replacements().count(),
            skipped_additions: report.skipped_additions.len(),
            failed_additions: report.failed_additions().count(),
            withdrawals: report.rules.iter().map(|rule| rule.withdrawals.len()).sum(),
            failures: report
                .rules
                .iter()
                .filter_map(|rule| rule.status.error())
                .count(),
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
