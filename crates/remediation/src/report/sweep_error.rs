//! Why a sweep failed.

use super::group_outcome::GroupOutcome;
use super::sweep_report::{StopReason, SweepReport};
use crate::services::ServiceError;

/// Why a sweep failed. It has to be retried or continued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// It stopped before the last page.
    #[error(
        "the sweep is unfinished after {groups} groups: {reason}; \
         to continue, invoke the function with {payload}"
    )]
    Unfinished {
        /// How many groups it evaluated.
        groups: usize,
        /// Why it stopped.
        reason: StopReason,
        /// The event that continues it.
        payload: String,
    },
    /// Groups are still open, could not be read, or have an alert that was not published.
    #[error("{count} of the groups failed, the first: {first_error}")]
    GroupsNotClosed {
        /// How many.
        count: usize,
        /// The error of one of them.
        first_error: String,
    },
    /// The digest was not published.
    #[error("the digest was not published: {0}")]
    AlertNotSent(ServiceError),
}

impl SweepError {
    /// Stable kebab-case code, for alarms.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unfinished { .. } => "sweep-unfinished",
            Self::GroupsNotClosed { .. } => "group-not-closed",
            Self::AlertNotSent(_) => "alert-not-published",
        }
    }
}

impl SweepReport {
    /// Everything that failed. Empty if the whole sweep succeeded.
    pub fn errors(&self) -> Vec<SweepError> {
        let errors = [
            self.unfinished_error(),
            self.group_error(),
            self.digest_error.clone().map(SweepError::AlertNotSent),
        ];
        errors.into_iter().flatten().collect()
    }

    fn unfinished_error(&self) -> Option<SweepError> {
        let unfinished = self.unfinished.as_ref()?;
        Some(SweepError::Unfinished {
            groups: self.group_count,
            reason: unfinished.reason.clone(),
            payload: self.resume_payload().unwrap_or_default(),
        })
    }

    fn group_error(&self) -> Option<SweepError> {
        let count = self.groups_with_outcome(GroupOutcome::NotClosed);
        let mut errors = self
            .worst_groups
            .iter()
            .filter_map(|group| group.error.as_ref());
        let first_error = errors.next().cloned().unwrap_or_default();
        (count > 0).then_some(SweepError::GroupsNotClosed { count, first_error })
    }
}
