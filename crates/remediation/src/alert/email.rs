//! The e-mail: read at three in the morning, on a phone, by somebody who did not expect it.

mod body;
mod commands;
mod connections;
mod headline;
mod lost_access;
mod next_steps;
mod undo;

pub(super) use body::compose_email;
