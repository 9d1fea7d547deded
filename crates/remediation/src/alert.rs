//! The alerts: e-mail, chat notification and JSON for a report.
//!
//! Untrusted text always passes through [`sanitize`]. Every text is bounded, because an SNS message
//! has at most 256 KiB.

mod attributes;
mod budget;
mod compose;
mod digest;
mod email;
mod link;
mod phrases;
mod plain_text;
mod replacements;
pub mod sanitize;
mod slack;
mod subject;
mod summary;
#[cfg(test)]
mod tests;

pub use compose::compose_alert;
pub use digest::compose_digest;
