//! Texts in JSON.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

/// The longest text from an event, a group or a service, in characters. Descriptions and tags of
/// rules are never shortened, because they are needed to restore the rule.
const MAX_TEXT_CHARS: usize = 1024;

/// A value that is written as its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisplayString<T>(pub T);

impl<T: fmt::Display> Serialize for DisplayString<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The value as JSON text.
pub(crate) fn serialize_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        // This cannot happen, because every key is a string. If it did, the error would be
        // reported.
        serde_json::json!({"version": 1, "error": error.to_string()}).to_string()
    })
}

/// How many bytes a text takes as a string inside JSON, quotes included.
pub(crate) fn escaped_len(text: &str) -> usize {
    let extra: usize = text.bytes().map(extra_bytes).fold(2, usize::saturating_add);
    text.len().saturating_add(extra)
}

/// How many bytes escaping adds to a byte: `\"`, `\n`, `\u001b`.
const fn extra_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..=0x1f => 5,
        _ => 0,
    }
}

pub(super) fn truncate_optional(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| truncate_text(text))
}

/// The beginning of a text, marked where it was shortened.
pub(super) fn truncate_text(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}
