//! Decoded values with their positions.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_rules::{PortRange, Protocol, Source};

use crate::yaml::{Span, Spanned};

/// A value of a kind that the schema table allows.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A text, id, pattern or published control.
    Text(String),
    /// One of the words that the schema table lists.
    Choice(&'static str),
    Flag(bool),
    Count(usize),
    Timestamp(Timestamp),
    Ports(PortRange),
    Source(Source),
    Protocol(Protocol),
    /// The name of a port set or of a list of trusted sources.
    Name(String),
    List(Vec<Spanned<Value>>),
    Record(Record),
    Map(Vec<(Spanned<String>, Spanned<Value>)>),
}

/// A key with its value, if the value is valid. Shared, because merging policies copies fields.
#[derive(Debug, Clone)]
struct Field {
    key_span: Span,
    value: Option<Arc<Spanned<Value>>>,
}

/// A decoded mapping with known keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    fields: BTreeMap<&'static str, Field>,
    span: Span,
    has_unknown_key: bool,
}

impl Record {
    pub(crate) fn new(span: Span) -> Self {
        Self {
            span,
            ..Self::default()
        }
    }

    /// Records that it has an unknown key.
    pub(crate) fn mark_unknown_key(&mut self) {
        self.has_unknown_key = true;
    }

    /// Whether it has an unknown key, so that a missing key may just be misspelled.
    pub(crate) const fn has_unknown_key(&self) -> bool {
        self.has_unknown_key
    }

    /// Where it starts.
    pub(crate) const fn span(&self) -> Span {
        self.span
    }

    /// Whether it has no keys.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether it has the key, with a valid value or not.
    pub(crate) fn contains_key(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    pub(crate) fn insert(
        &mut self,
        key: &'static str,
        key_span: Span,
        value: Option<Spanned<Value>>,
    ) {
        let value = value.map(Arc::new);
        self.fields.insert(key, Field { key_span, value });
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.fields.remove(key);
    }

    /// Takes over the fields of the other record; they replace fields with the same key.
    pub(crate) fn overlay(&mut self, other: &Self) {
        self.span = other.span;
        for (key, field) in &other.fields {
            self.fields.insert(*key, field.clone());
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Spanned<Value>> {
        self.fields.get(key)?.value.as_deref()
    }

    /// The position of the key, or of the record if the key is missing.
    pub(crate) fn key_span(&self, key: &str) -> Span {
        self.fields
            .get(key)
            .map_or(self.span, |field| field.key_span)
    }

    /// The position of the value, or of the key if the value is invalid.
    pub(crate) fn value_span(&self, key: &str) -> Span {
        self.get(key)
            .map_or_else(|| self.key_span(key), |value| value.span)
    }

    pub(crate) fn get_text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(|value| value.value.as_text())
    }

    pub(crate) fn get_choice(&self, key: &str) -> Option<&'static str> {
        let Value::Choice(word) = self.get(key)?.value else {
            return None;
        };
        Some(word)
    }

    pub(crate) fn get_flag(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| matches!(value.value, Value::Flag(true)))
    }

    pub(crate) fn get_count(&self, key: &str) -> Option<usize> {
        let Value::Count(count) = self.get(key)?.value else {
            return None;
        };
        Some(count)
    }

    pub(crate) fn get_timestamp(&self, key: &str) -> Option<Timestamp> {
        let Value::Timestamp(time) = self.get(key)?.value else {
            return None;
        };
        Some(time)
    }

    /// The items of a list; none if the key is missing.
    pub(crate) fn list_items(&self, key: &str) -> &[Spanned<Value>] {
        self.get(key).map_or(&[], |value| value.value.as_list())
    }

    /// The texts of a list.
    pub(crate) fn list_texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.list_items(key)
            .iter()
            .filter_map(|item| item.value.as_text())
    }

    pub(crate) fn get_record(&self, key: &str) -> Option<&Self> {
        self.get(key)?.value.as_record()
    }

    /// The mappings of a list.
    pub(crate) fn list_records(&self, key: &str) -> impl Iterator<Item = &Self> {
        self.list_items(key)
            .iter()
            .filter_map(|item| item.value.as_record())
    }

    /// The entries of a mapping whose keys the author chose.
    pub(crate) fn map_entries(&self, key: &str) -> &[(Spanned<String>, Spanned<Value>)] {
        let Some(value) = self.get(key) else {
            return &[];
        };
        let Value::Map(entries) = &value.value else {
            return &[];
        };
        entries
    }
}

impl Value {
    pub(crate) fn as_text(&self) -> Option<&str> {
        let Self::Text(text) = self else { return None };
        Some(text)
    }

    pub(crate) fn as_list(&self) -> &[Spanned<Self>] {
        let Self::List(items) = self else { return &[] };
        items
    }

    pub(crate) const fn as_port_range(&self) -> Option<PortRange> {
        let Self::Ports(range) = self else {
            return None;
        };
        Some(*range)
    }

    pub(crate) const fn as_source(&self) -> Option<&Source> {
        let Self::Source(source) = self else {
            return None;
        };
        Some(source)
    }

    pub(crate) const fn as_protocol(&self) -> Option<Protocol> {
        let Self::Protocol(protocol) = self else {
            return None;
        };
        Some(*protocol)
    }

    pub(crate) fn as_name(&self) -> Option<&str> {
        let Self::Name(name) = self else { return None };
        Some(name)
    }

    pub(crate) fn as_record(&self) -> Option<&Record> {
        let Self::Record(record) = self else {
            return None;
        };
        Some(record)
    }
}
