//! Which alerts about single groups a sweep sends: those about deeds. What was refused on purpose is refused again in
//! every sweep, and stands in the digest.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::alert::Alert;
use crate::report::GroupOutcome;
use crate::services::{AlertPublisher, ServiceError};

/// Passes on what was closed, or should have been.
pub(super) struct ChangesOnly(pub(super) Arc<dyn AlertPublisher>);

impl fmt::Debug for ChangesOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deeds")
    }
}

#[async_trait]
impl AlertPublisher for ChangesOnly {
    async fn publish(&self, alert: &Alert) -> Result<(), ServiceError> {
        let quiet = [GroupOutcome::Refused, GroupOutcome::Reported].map(GroupOutcome::as_str);
        let outcome = alert.attributes.iter().find(|(name, _)| name == "outcome");
        match outcome {
            Some((_, outcome)) if quiet.contains(&outcome.as_str()) => Ok(()),
            Some(_) | None => self.0.publish(alert).await,
        }
    }
}
