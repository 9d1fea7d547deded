//! Decodes the kinds of values that test files consist of.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::code::Code;
use crate::yaml::{
    Content, Diagnostic, Node, Span, Spanned, missing_key, quote_list, unknown_key, unknown_value,
    wrong_type,
};

/// Decodes values and collects diagnostics.
#[derive(Debug, Default)]
pub(super) struct TestFileDecoder {
    pub(super) found: Vec<Diagnostic>,
}

/// The values of a mapping with known keys.
#[derive(Debug)]
pub(super) struct Fields<'n, 'a> {
    /// The name of the mapping in messages.
    name: &'static str,
    span: Span,
    values: BTreeMap<&'n str, &'n Node<'a>>,
}

impl<'n, 'a> Fields<'n, 'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node<'a>> {
        self.values.get(key).copied()
    }
}

impl TestFileDecoder {
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// A mapping with known keys, which is called `name` in messages.
    pub(super) fn decode_fields<'n, 'a>(
        &mut self,
        node: &'n Node<'a>,
        name: &'static str,
        known: &[&str],
    ) -> Option<Fields<'n, 'a>> {
        let Content::Map(entries) = &node.content else {
            let expected = format!("{name} must be a mapping");
            self.report(wrong_type(node, expected));
            return None;
        };
        let mut values = BTreeMap::new();
        for (key, value) in entries {
            let text: &str = &key.value;
            if !known.contains(&text) {
                let diagnostic = unknown_key(text, key.span, name, known.iter().copied());
                self.report(diagnostic);
            }
            values.insert(text, value);
        }
        Some(Fields {
            name,
            span: node.span,
            values,
        })
    }

    /// The value of a required key.
    pub(super) fn required_field<'n, 'a>(
        &mut self,
        fields: &Fields<'n, 'a>,
        key: &str,
    ) -> Option<&'n Node<'a>> {
        let value = fields.get(key);
        if value.is_none() {
            let diagnostic = missing_key(Code::MissingKey, key, fields.name, fields.span);
            self.report(diagnostic);
        }
        value
    }

    pub(super) fn decode_text(&mut self, node: &Node<'_>, expected: &str) -> Option<String> {
        match &node.content {
            Content::Text(text) if !text.trim().is_empty() => Some(text.clone().into_owned()),
            Content::Text(_) | Content::Null | Content::List(_) | Content::Map(_) => {
                self.report(wrong_type(node, expected));
                None
            }
        }
    }

    pub(super) fn optional_text(&mut self, fields: &Fields<'_, '_>, key: &str) -> Option<String> {
        let node = fields.get(key)?;
        self.decode_text(node, "expected text")
    }

    /// The items of a list. A null is an empty list.
    pub(super) fn decode_list<'n, 'a>(
        &mut self,
        node: &'n Node<'a>,
        expected: &str,
    ) -> &'n [Node<'a>] {
        match &node.content {
            Content::List(items) => items,
            Content::Null => &[],
            Content::Text(_) | Content::Map(_) => {
                self.report(wrong_type(node, expected));
                &[]
            }
        }
    }

    /// The texts of a list. A single text is a list of one.
    pub(super) fn decode_texts(&mut self, node: &Node<'_>, expected: &str) -> Vec<Spanned<String>> {
        let items = match &node.content {
            Content::Text(_) => std::slice::from_ref(node),
            Content::Null | Content::List(_) | Content::Map(_) => self.decode_list(node, expected),
        };
        let mut texts = Vec::new();
        for item in items {
            if let Some(text) = self.decode_text(item, "expected text") {
                texts.push(Spanned::new(text, item.span));
            }
        }
        texts
    }

    /// A list of known words; each of them is called `what` in messages.
    pub(super) fn decode_known_words(
        &mut self,
        node: &Node<'_>,
        what: &str,
        known: &[&str],
    ) -> BTreeSet<String> {
        let expected = format!(
            "expected a list of {}",
            quote_list(known.iter().copied(), "or")
        );
        let mut words = BTreeSet::new();
        for word in self.decode_texts(node, &expected) {
            if !known.contains(&word.value.as_str()) {
                let diagnostic = unknown_value(&word.value, word.span, what, known.iter().copied());
                self.report(diagnostic);
            }
            words.insert(word.value);
        }
        words
    }

    /// The entries of a mapping with any keys. A null is an empty mapping.
    pub(super) fn decode_entries<'n, 'a>(
        &mut self,
        node: &'n Node<'a>,
        expected: &str,
    ) -> &'n [(Spanned<Cow<'a, str>>, Node<'a>)] {
        match &node.content {
            Content::Map(entries) => entries,
            Content::Null => &[],
            Content::Text(_) | Content::List(_) => {
                self.report(wrong_type(node, expected));
                &[]
            }
        }
    }

    /// Tags. Values may be empty.
    pub(super) fn decode_tags(&mut self, node: &Node<'_>) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for (key, node) in self.decode_entries(node, "expected a mapping of tag keys to values") {
            let value = match &node.content {
                Content::Text(text) => text.clone().into_owned(),
                Content::Null => String::new(),
                Content::List(_) | Content::Map(_) => {
                    self.report(wrong_type(node, "expected text"));
                    continue;
                }
            };
            tags.insert(key.value.clone().into_owned(), value);
        }
        tags
    }
}
