//! YAML with source positions, and diagnostics that show them. Policies and test files share it.

mod accept;
mod diagnostic;
mod problems;
mod slips;
mod suggest;
mod syntax;
mod text;
mod tree;

pub(crate) use accept::remove_accepted;
pub use diagnostic::{Diagnostic, Diagnostics};
pub(crate) use problems::{missing_key, unknown_key, unknown_value, wrong_type};
#[cfg(test)]
pub(crate) use slips::KNOWN_KEYS;
pub(crate) use suggest::did_you_mean;
pub use suggest::nearest_word;
pub(crate) use text::{Span, Spanned, quote_list, quote_text, sanitize_text};
pub(crate) use tree::{Content, Mapping, Node, parse_yaml};
