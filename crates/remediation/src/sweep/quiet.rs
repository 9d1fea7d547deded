//! Which alerts about single groups a sweep sends: those about deeds. What was refused on purpose is refused again in
//! every sweep, and stands in the digest.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::alert::Alert;
use crate::ports::{PortError, Tell};
use crate::report::Outcome;

/// Passes on what was closed, or should have been.
pub(super) struct Deeds(pub(super) Arc<dyn Tell>);

impl fmt::Debug for Deeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deeds")
    }
}

#[async_trait]
impl Tell for Deeds {
    async fn tell(&self, alert: &Alert) -> Result<(), PortError> {
        let quiet = [Outcome::Refused, Outcome::Noticed].map(Outcome::as_str);
        let outcome = alert.attributes.iter().find(|(name, _)| name == "outcome");
        match outcome {
            Some((_, outcome)) if quiet.contains(&outcome.as_str()) => Ok(()),
            Some(_) | None => self.0.tell(alert).await,
        }
    }
}
