//! The alerts: e-mail, chat notification and JSON for a report.
//!
//! Untrusted text always passes through [`sanitize`]. Every text is bounded, because an SNS message
//! has at most 256 KiB.

mod attributes;
mod budget;
mod chat_undo;
mod compose;
mod connection_state;
mod digest;
mod email;
mod exception;
mod head;
mod link;
mod options;
mod phrases;
mod plain_text;
mod replacements;
pub mod sanitize;
mod slack;
mod sms;
mod subject;
mod summary;
#[cfg(test)]
mod tests;

pub use compose::{compose_alert, compose_alert_with};
pub use digest::compose_digest;
pub use options::{AlertLink, AlertLinks, AlertOptions, InvalidLink};
