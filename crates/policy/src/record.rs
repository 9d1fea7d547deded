//! Values that were held against the table of keys, each with its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_rules::{PortSpan, Protocol, Source};

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
    Moment(Timestamp),
    Ports(PortSpan),
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
        Self { span, ..Self::default() }
    }

    /// Notes that something in it could not be understood.
    pub(crate) fn flaw(&mut self) {
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
    pub(crate) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    pub(crate) fn put(&mut self, name: &'static str, key: Span, value: Option<Spanned<Value>>) {
        self.fields.insert(name, Field { key, value: value.map(Arc::new) });
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.fields.remove(key);
    }

    /// Everything of the other that is written there, in the place of what is written here.
    pub(crate) fn overlay(&mut self, other: &Self) {
        self.span = other.span;
        self.fields.extend(other.fields.iter().map(|(name, field)| (*name, field.clone())));
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Spanned<Value>> {
        self.fields.get(key)?.value.as_deref()
    }

    /// Where the key stands; the record itself where it is not written.
    pub(crate) fn key_span(&self, key: &str) -> Span {
        self.fields.get(key).map_or(self.span, |field| field.key)
    }

    /// Where the value stands; the key where it is unsound.
    pub(crate) fn value_span(&self, key: &str) -> Span {
        self.value(key).map_or_else(|| self.key_span(key), |value| value.span)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).and_then(|value| value.value.text())
    }

    pub(crate) fn choice(&self, key: &str) -> Option<&'static str> {
        let Value::Choice(word) = self.value(key)?.value else { return None };
        Some(word)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.value(key), Some(Spanned { value: Value::Flag(true), .. }))
    }

    pub(crate) fn count(&self, key: &str) -> Option<usize> {
        let Value::Count(count) = self.value(key)?.value else { return None };
        Some(count)
    }

    pub(crate) fn moment(&self, key: &str) -> Option<Timestamp> {
        let Value::Moment(moment) = self.value(key)?.value else { return None };
        Some(moment)
    }

    /// The items of a list; none where it is not written.
    pub(crate) fn list(&self, key: &str) -> &[Spanned<Value>] {
        self.value(key).map_or(&[], |value| value.value.items())
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.list(key).iter().filter_map(|item| item.value.text())
    }

    pub(crate) fn record(&self, key: &str) -> Option<&Self> {
        self.value(key)?.value.record()
    }

    /// The mappings of a list.
    pub(crate) fn records(&self, key: &str) -> impl Iterator<Item = &Self> {
        self.list(key).iter().filter_map(|item| item.value.record())
    }

    /// The entries of a mapping with keys of the author's own.
    pub(crate) fn map(&self, key: &str) -> &[(Spanned<String>, Spanned<Value>)] {
        match self.value(key) {
            Some(Spanned { value: Value::Map(entries), .. }) => entries,
            _ => &[],
        }
    }
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        let Self::Text(text) = self else { return None };
        Some(text)
    }

    pub(crate) fn items(&self) -> &[Spanned<Self>] {
        let Self::List(items) = self else { return &[] };
        items
    }

    pub(crate) const fn ports(&self) -> Option<PortSpan> {
        let Self::Ports(span) = self else { return None };
        Some(*span)
    }

    pub(crate) const fn source(&self) -> Option<&Source> {
        let Self::Source(source) = self else { return None };
        Some(source)
    }

    pub(crate) const fn protocol(&self) -> Option<Protocol> {
        let Self::Protocol(protocol) = self else { return None };
        Some(*protocol)
    }

    pub(crate) fn name(&self) -> Option<&str> {
        let Self::Name(name) = self else { return None };
        Some(name)
    }

    pub(crate) fn record(&self) -> Option<&Record> {
        let Self::Record(record) = self else { return None };
        Some(record)
    }
}
