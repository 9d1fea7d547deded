//! Renders policies as YAML: the effective policy, without names and without `extends`, and entries
//! for policy files.

mod exception;
mod policy;
mod writer;

pub use exception::{CommentedException, render_exceptions};
pub use policy::{render_expiry, render_match, render_policy, render_scope};
