//! Values that were held against the table of keys, each with its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_rules::{PortRange, Protocol, Source};

use crate::text::{Span, Spanned};

/// A value of a kind that the table of keys allows.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A text, id, pattern or reference.
    Text(String),
    /// One of the words that the table lists.
    Choice(&'static str),
    Flag(bool),
    Count(usize),
    Timestamp(Timestamp),
    Ports(PortRange),
    Source(Source),
    Protocol(Protocol),
    /// The name of a set of ports or of a list of sources.
    Name(String),
    List(Vec<Spanned<Value>>),
    Record(Record),
    Map(Vec<(Spanned<String>, Spanned<Value>)>),
}

/// A key that was written, and its value if that was sound; shared, for policies are laid over each other.
#[derive(Debug, Clone)]
struct Field {
    key: Span,
    value: Option<Arc<Spanned<Value>>>,
}

/// A mapping with known keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    fields: BTreeMap<&'static str, Field>,
    span: Span,
    flawed: bool,
}

impl Record {
    pub(crate) fn new(span: Span) -> Self {
        Self {
            span,
            ..Self::default()
        }
    }

    /// Notes that something in it could not be understood.
    pub(crate) fn mark_flawed(&mut self) {
        self.flawed = true;
    }

    /// Whether something in it could not be understood, so that nothing follows from what is not there.
    pub(crate) const fn is_flawed(&self) -> bool {
        self.flawed
    }

    /// Where it begins.
    pub(crate) const fn span(&self) -> Span {
        self.span
    }

    /// Whether nothing is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether the key is written, soundly or not.
    pub(crate) fn contains_key(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    pub(crate) fn insert(&mut self, name: &'static str, key: Span, value: Option<Spanned<Value>>) {
        self.fields.insert(
            name,
            Field {
                key,
                value: value.map(Arc::new),
            },
        );
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.fields.remove(key);
    }

    /// Everything of the other that is written there, in the place of what is written here.
    pub(crate) fn overlay(&mut self, other: &Self) {
        self.span = other.span;
        self.fields.extend(
            other
                .fields
                .iter()
                .map(|(name, field)| (*name, field.clone())),
        );
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Spanned<Value>> {
        self.fields.get(key)?.value.as_deref()
    }

    /// Where the key stands; the record itself where it is not written.
    pub(crate) fn key_span(&self, key: &str) -> Span {
        self.fields.get(key).map_or(self.span, |field| field.key)
    }

    /// Where the value stands; the key where it is unsound.
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
        matches!(
            self.get(key),
            Some(Spanned {
                value: Value::Flag(true),
                ..
            })
        )
    }

    pub(crate) fn get_count(&self, key: &str) -> Option<usize> {
        let Value::Count(count) = self.get(key)?.value else {
            return None;
        };
        Some(count)
    }

    pub(crate) fn get_timestamp(&self, key: &str) -> Option<Timestamp> {
        let Value::Timestamp(moment) = self.get(key)?.value else {
            return None;
        };
        Some(moment)
    }

    /// The items of a list; none where it is not written.
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

    /// The entries of a mapping with keys of the author's own.
    pub(crate) fn map_entries(&self, key: &str) -> &[(Spanned<String>, Spanned<Value>)] {
        match self.get(key) {
            Some(Spanned {
                value: Value::Map(entries),
                ..
            }) => entries,
            _ => &[],
        }
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
        let Self::Ports(span) = self else { return None };
        Some(*span)
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
