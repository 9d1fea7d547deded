//! Remediation of the groups that one event affects: read, evaluate, plan, apply, and read again
//! until nothing forbidden is left or another round cannot help.

mod access;
mod apply;
mod audit_log;
mod decision;
mod enforce;
mod error;
mod identity;
mod limits;
mod outbox;
mod progress;
mod reads;
mod remediate;
mod replacements;
mod services;

pub(crate) use decision::{PlanDetails, decide_group};
pub use error::{EventOutcome, RemediationError};
pub use limits::Limits;
pub use remediate::{AlertFilter, Remediator};
pub use services::Services;
