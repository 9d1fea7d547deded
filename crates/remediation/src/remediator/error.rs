//! The result of handling one event.

use crate::report::{GroupOutcome, GroupReport};
use crate::services::{GroupRef, ServiceError};

/// Why an event failed. It has to be retried.
#[derive(Debug, thiserror::Error)]
pub enum RemediationError {
    /// A group could not be read, so nothing is known about it.
    #[error("{group} could not be read: {error}")]
    GroupUnreadable {
        /// The group.
        group: String,
        /// Why the call failed.
        error: ServiceError,
    },
    /// Something that the policy forbids is, or may be, still there.
    #[error(
        "{group} is not closed: {remaining_rules} of the rules that have to be removed are still \
         there, or the group could not be read again"
    )]
    GroupNotClosed {
        /// The group.
        group: String,
        /// How many security group rules are, or may be, still there.
        remaining_rules: usize,
    },
    /// The deadline passed before every group was evaluated.
    #[error("{count} groups were not evaluated before the deadline")]
    GroupsNotEvaluated {
        /// How many groups of the event were not evaluated.
        count: usize,
    },
    /// An alert was not published. It is kept, and published when the event is retried.
    #[error("the alert about {group} was not published: {error}")]
    AlertNotSent {
        /// The group.
        group: String,
        /// Why the call failed.
        error: ServiceError,
    },
}

impl RemediationError {
    /// Stable kebab-case code, for alarms.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GroupUnreadable { .. } => "group-unreadable",
            Self::GroupNotClosed { .. } => "group-not-closed",
            Self::GroupsNotEvaluated { .. } => "event-unfinished",
            Self::AlertNotSent { .. } => "alert-not-published",
        }
    }

    pub(super) fn group_unreadable(group: &GroupRef, error: ServiceError) -> Self {
        Self::GroupUnreadable {
            group: group.to_string(),
            error,
        }
    }

    /// The error of a report about a group that is not closed.
    pub(crate) fn from_report(report: &GroupReport) -> Option<Self> {
        let is_closed = report.outcome != GroupOutcome::NotClosed;
        (!is_closed).then(|| Self::GroupNotClosed {
            group: report.group_ref.to_string(),
            remaining_rules: report.open_rules().count(),
        })
    }
}

/// The result of an event: a report for each group that could be read, and everything that failed.
#[derive(Debug, Default)]
pub struct EventOutcome {
    /// One for each group.
    pub reports: Vec<GroupReport>,
    /// Empty if everything succeeded.
    pub errors: Vec<RemediationError>,
}
