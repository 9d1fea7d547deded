//! Filters for the findings that an audit shows.

use std::collections::BTreeSet;

use portcullis_rules::{Finding, Severity};

/// Which findings to show. The default shows all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingFilter {
    /// Only findings of at least this severity.
    pub severity: Option<Severity>,
    /// Only findings of these policy rules, unless it is empty.
    pub policy_rules: BTreeSet<String>,
    /// Only findings that require a change of the group.
    pub enforced: bool,
}

impl FindingFilter {
    /// Whether it shows all findings.
    pub fn shows_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it shows a finding.
    pub fn shows(&self, finding: &Finding) -> bool {
        let policy_rule = &finding.policy_rule;
        let is_listed = self.policy_rules.contains(&policy_rule.id);
        self.severity
            .is_none_or(|least| policy_rule.severity >= least)
            && (self.policy_rules.is_empty() || is_listed)
            && (!self.enforced || finding.enforces())
    }
}
