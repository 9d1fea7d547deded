//! The alerts that people get: a report worded for each kind of subscriber.
//!
//! An alert has our own text and text from outside, which always passes through [`sanitize`]. All
//! of it is bounded, because SNS takes 256 KiB.

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
