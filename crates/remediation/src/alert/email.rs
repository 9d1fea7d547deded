//! The e-mail about one security group. Its reader may be on call and on a phone, so the outcome
//! and the next steps come first.

mod body;
mod commands;
mod connections;
mod headline;
mod lost_access;
mod next_steps;
mod undo;

pub(super) use body::compose_email;
