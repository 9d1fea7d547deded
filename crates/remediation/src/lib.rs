//! The use case of Portcullis: from the bytes of an event to a closed group and a team that knows.
//!
//! [`mod@intake`] finds out which group an event is about and who did it; [`remediate`] reads the group, judges it, plans,
//! acts, and reads again until nothing is left; [`report`] says what happened and [`alert`] puts it into words.
//! [`mod@sweep`] does the same for every group of a region. The outside is reached through the traits of [`ports`] alone.

pub mod alert;
pub mod intake;
pub mod ports;
pub mod remediate;
pub mod report;
pub mod sweep;

#[cfg(test)]
mod schema;

pub use alert::Alert;
pub use intake::{Change, Intake, IntakeError, Origin, Target, intake};
pub use ports::{
    AuthorizeIngress, ChangeIngress, Clock, ErrorKind, GroupPage, GroupRef, ListGroups, Mode, PortError, ReadGroups,
    RevokeIngress, Revoked, Snapshot, Tell, turn,
};
pub use remediate::{Handled, Hands, Limits, RemediationError, Remediator};
pub use report::{Outcome, Report};
pub use sweep::{Errand, SweepError, Sweeper, Swept};
