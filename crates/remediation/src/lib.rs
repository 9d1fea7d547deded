//! The use cases of Portcullis: remediating a security group after an event, and sweeping all
//! groups of a region.
//!
//! [`event`] decodes which groups an event affects and who made the call. [`Remediator`] reads such
//! a group, evaluates it, plans, applies the plan, and reads it again until nothing forbidden is
//! left. [`report`] contains what happened, and [`alert`] presents it. [`Sweeper`] does the same
//! for every group of a region. Services are called only through the traits of [`services`].

pub mod alert;
pub mod event;
pub mod partition;
pub mod remediator;
pub mod report;
pub mod services;
pub mod sweeper;

pub use alert::{AlertLink, AlertLinks, AlertOptions, InvalidLink};
pub use event::{
    DecodeError, DecodedEvent, GroupChange, Origin, SweepRequest, Target, decode_event,
};
pub use partition::Partition;
pub use remediator::{EventOutcome, Limits, RemediationError, Remediator, Services};
pub use report::{GroupOutcome, GroupReport, SweepError, SweepReport};
pub use services::{
    Alert, AlertPublisher, AuthorizeIngress, Clock, ErrorKind, GroupLister, GroupPage, GroupReader,
    GroupRef, IngressEditor, Mode, RevokeIngress, RevokeResults, ServiceError, Snapshot,
    next_page_checked,
};
pub use sweeper::Sweeper;
