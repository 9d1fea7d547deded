//! The e-mail about one security group. Its reader may be on call and on a phone, so the outcome
//! and the next steps come first.

mod commands;
mod compose;
mod connections;
mod facts;
mod headline;
mod lost_access;
mod next_steps;
mod rules;
mod undo;
mod writer;

pub(super) use compose::compose_email;
