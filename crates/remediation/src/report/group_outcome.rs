//! The outcome of the remediation of one security group.

use std::fmt;

use portcullis_rules::plan::RefusalReason;

use super::rule_outcome::{RuleOutcome, RuleStatus};

/// The outcome for one group, in ascending order of concern. An event or a sweep has the greatest
/// outcome of its groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupOutcome {
    /// Nothing was found.
    Clean,
    /// The group does not exist.
    GroupDeleted,
    /// There are findings, and the policy only reports them.
    Reported,
    /// Everything that the policy forbids was removed, and the group was read again to verify it.
    Closed,
    /// Nothing was changed; this is what would have been removed.
    WouldClose,
    /// The policy demands a removal that was refused.
    Refused,
    /// Something that the policy forbids is, or may be, still there.
    NotClosed,
}

impl GroupOutcome {
    /// Every outcome, in ascending order of concern.
    pub const ALL: [Self; 7] = [
        Self::Clean,
        Self::GroupDeleted,
        Self::Reported,
        Self::Closed,
        Self::WouldClose,
        Self::Refused,
        Self::NotClosed,
    ];

    /// Stable kebab-case name, also the message attribute for filter policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::GroupDeleted => "group-deleted",
            Self::Reported => "reported",
            Self::Closed => "closed",
            Self::WouldClose => "would-close",
            Self::Refused => "refused",
            Self::NotClosed => "not-closed",
        }
    }

    /// The outcome of a group whose rules have these outcomes. A group that could not be read again
    /// to verify the result is not closed.
    pub(crate) fn from_rules(rules: &[RuleOutcome], is_verified: bool) -> Self {
        if !is_verified {
            return Self::NotClosed;
        }
        let would_apply = rules
            .iter()
            .any(|outcome| outcome.status == RuleStatus::WouldApply);
        let worst = rules
            .iter()
            .map(Self::from_rule)
            .max()
            .unwrap_or(Self::Clean);
        // A group counts as refused only if everything that is left was refused.
        if worst == Self::Refused && would_apply {
            Self::WouldClose
        } else {
            worst
        }
    }

    fn from_rule(outcome: &RuleOutcome) -> Self {
        match outcome.status {
            RuleStatus::Failed(_) | RuleStatus::Reopened | RuleStatus::Unverified(_) => {
                Self::NotClosed
            }
            // A plan that fails verification is a bug in Portcullis, so the event has to fail and
            // be retried. It must not look like an intended refusal.
            RuleStatus::Refused(RefusalReason::FailedVerification) => Self::NotClosed,
            RuleStatus::Refused(_) => Self::Refused,
            RuleStatus::WouldApply => Self::WouldClose,
            RuleStatus::Applied => Self::Closed,
            RuleStatus::Gone | RuleStatus::Reported => Self::Reported,
            RuleStatus::Exempt => Self::Clean,
        }
    }
}

impl fmt::Display for GroupOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{failed_verification_report, removal_limit_report};

    #[test]
    fn a_failed_verification_is_never_a_success() {
        let mut rules = failed_verification_report().rules;
        assert_eq!(
            GroupOutcome::from_rules(&rules, true),
            GroupOutcome::NotClosed
        );
        rules[0].status = RuleStatus::Refused(RefusalReason::ForeignGroup);
        assert_eq!(
            GroupOutcome::from_rules(&rules, true),
            GroupOutcome::Refused
        );
        assert_eq!(
            GroupOutcome::from_rules(&rules, false),
            GroupOutcome::NotClosed
        );
    }

    #[test]
    fn a_group_is_refused_only_if_nothing_else_is_left() {
        let mut rules = removal_limit_report().rules;
        rules[0].status = RuleStatus::Applied;
        assert_eq!(
            GroupOutcome::from_rules(&rules, true),
            GroupOutcome::Refused
        );
        rules[0].status = RuleStatus::WouldApply;
        assert_eq!(
            GroupOutcome::from_rules(&rules, true),
            GroupOutcome::WouldClose
        );
    }

    #[test]
    fn one_open_rule_among_refused_ones_is_not_closed() {
        let mut rules = removal_limit_report().rules;
        assert!(rules.len() > 1);
        assert_eq!(
            GroupOutcome::from_rules(&rules, true),
            GroupOutcome::Refused
        );
        rules[0].status = RuleStatus::Reopened;
        assert_eq!(
            GroupOutcome::from_rules(&rules, true),
            GroupOutcome::NotClosed
        );
    }
}
