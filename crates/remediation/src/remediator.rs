//! Remediation of the groups that one event is about: read, evaluate, plan, apply, and read again
//! until nothing is left or it is clear that something will remain.

mod access;
mod apply;
mod audit_log;
mod decision;
mod enforce;
mod error;
mod guard;
mod identity;
mod limits;
mod outbox;
mod progress;
mod reads;
mod remediate;
mod services;

pub(crate) use decision::decide_group;
pub use error::{EventOutcome, RemediationError};
pub use limits::Limits;
pub use remediate::{AlertFilter, Remediator};
pub use services::Services;
