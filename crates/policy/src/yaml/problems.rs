//! Diagnostics that every decoder of a YAML tree needs.

use super::diagnostic::Diagnostic;
use super::suggest::did_you_mean;
use super::text::{Span, quote_list, quote_text};
use super::tree::{Content, Node};
use crate::code::Code;

/// The value has another type than expected.
pub(crate) fn wrong_type(node: &Node<'_>, expected: impl Into<String>) -> Diagnostic {
    let message = match &node.content {
        Content::Text(text) => format!("unexpected text {}", quote_text(text)),
        Content::Null => "missing value".to_owned(),
        Content::List(_) => "unexpected list".to_owned(),
        Content::Map(_) => "unexpected mapping".to_owned(),
    };
    Diagnostic::new(Code::WrongType, node.span, message).with_label(expected)
}

/// The mapping, called `mapping` in the message, lacks a required key.
pub(crate) fn missing_key(code: Code, key: &str, mapping: &str, span: Span) -> Diagnostic {
    let quoted = quote_text(key);
    let message = format!("missing key {quoted} in {mapping}");
    Diagnostic::new(code, span, message).with_label(format!("{quoted} is required here"))
}

/// The mapping, called `mapping` in the message, does not have this key.
pub(crate) fn unknown_key<'a>(
    key: &str,
    span: Span,
    mapping: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let message = format!("unknown key {} in {mapping}", quote_text(key));
    unknown_word(Code::UnknownKey, key, span, message, known)
}

/// The value, called `what` in the message, is not one of the known words.
pub(crate) fn unknown_value<'a>(
    value: &str,
    span: Span,
    what: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let message = format!("unknown {what} {}", quote_text(value));
    unknown_word(Code::UnknownValue, value, span, message, known)
}

fn unknown_word<'a>(
    code: Code,
    word: &str,
    span: Span,
    message: String,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let expected = format!("expected {}", quote_list(known.clone(), "or"));
    Diagnostic::new(code, span, message)
        .with_label(expected)
        .with_help(did_you_mean(word, known))
}
