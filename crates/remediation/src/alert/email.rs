//! The e-mail about one security group. Its reader may be on call and on a phone, so the outcome
//! and the next steps come first.

mod commands;
mod compose;
mod connections;
mod details;
mod exception;
mod head;
mod lost_access;
mod next_steps;
mod policy_rules;
mod rules;
mod undo;
mod writer;

pub(super) use compose::compose_email;
