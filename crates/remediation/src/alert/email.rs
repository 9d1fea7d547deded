//! The e-mail: read at three in the morning, on a phone, by somebody who did not expect it.

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
