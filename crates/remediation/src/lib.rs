//! The use case of Portcullis: from the bytes of an event to a closed group and a team that knows.
//!
//! [`mod@intake`] finds out which group an event is about and who did it; [`remediate`] reads the group, judges it, plans,
//! acts, and reads again until nothing is left; [`report`] says what happened and [`alert`] puts it into words.
//! [`mod@sweep`] does the same for every group of a region. The outside is reached through the traits of [`ports`] alone.

pub mod alert;
pub mod event;
pub mod partition;
pub mod remediator;
pub mod report;
pub mod services;
pub mod sweeper;

#[cfg(test)]
mod schema;

pub use alert::Alert;
pub use event::{DecodeError, DecodedEvent, GroupChange, Origin, Target, decode_event};
pub use partition::Partition;
pub use remediator::{EventOutcome, Limits, RemediationError, Remediator, Services};
pub use report::{GroupOutcome, GroupReport};
pub use services::{
    AlertPublisher, AuthorizeIngress, Clock, ErrorKind, GroupLister, GroupPage, GroupReader,
    GroupRef, IngressEditor, Mode, RevokeIngress, RevokeResults, ServiceError, Snapshot,
    next_page_checked,
};
pub use sweeper::{SweepError, SweepReport, SweepRequest, Sweeper};
