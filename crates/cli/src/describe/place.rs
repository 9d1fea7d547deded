//! Where in the document we are, and what was wrong there.

use std::fmt;

use super::Problem;
use super::field::{JsonField, JsonType};

/// A place in the document. It is written out only when something is wrong there.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonPath<'a> {
    parent: Option<&'a JsonPath<'a>>,
    segment: PathSegment,
}

#[derive(Debug, Clone, Copy)]
enum PathSegment {
    Key(&'static str),
    Index(usize),
}

impl<'a> JsonPath<'a> {
    /// A key of the outermost object.
    pub(super) const fn root(key: &'static str) -> Self {
        Self {
            parent: None,
            segment: PathSegment::Key(key),
        }
    }

    /// A key of the object that is here.
    pub(super) const fn at_key(&'a self, key: &'static str) -> Self {
        Self {
            parent: Some(self),
            segment: PathSegment::Key(key),
        }
    }

    /// An item of the list that is here.
    pub(super) const fn at_index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            segment: PathSegment::Index(index),
        }
    }
}

impl fmt::Display for JsonPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            fmt::Display::fmt(parent, f)?;
        }
        match self.segment {
            PathSegment::Index(index) => write!(f, "[{index}]"),
            PathSegment::Key(key) if self.parent.is_some() => write!(f, ".{key}"),
            PathSegment::Key(key) => f.write_str(key),
        }
    }
}

/// Something could not be read; the problem has been noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// What could not be understood so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The group that is being read, when known.
    pub(super) group_id: Option<String>,
    found: Vec<Problem>,
}

impl Problems {
    /// Notes a problem.
    pub(super) fn add(&mut self, place: JsonPath<'_>, message: impl fmt::Display) -> Unreadable {
        self.found.push(Problem {
            group_id: self.group_id.clone(),
            path: place.to_string(),
            message: message.to_string(),
        });
        Unreadable
    }

    /// A field that may be absent.
    pub(super) fn read_optional<T: JsonType>(
        &mut self,
        field: JsonField<T>,
        place: JsonPath<'_>,
    ) -> Result<Option<T>, Unreadable> {
        match field {
            JsonField::Present(value) => Ok(Some(value)),
            JsonField::Absent => Ok(None),
            JsonField::WrongType(found) => {
                Err(self.add(place, format_args!("expected {}, found {found}", T::NAME)))
            }
        }
    }

    /// A field that must be there.
    pub(super) fn read_required<T: JsonType>(
        &mut self,
        field: JsonField<T>,
        place: JsonPath<'_>,
    ) -> Result<T, Unreadable> {
        self.read_optional(field, place)?
            .ok_or_else(|| self.add(place, format_args!("missing: expected {}", T::NAME)))
    }

    /// The items of a list that may be absent, each with its index and still to be looked at.
    pub(super) fn read_items<T: JsonType>(
        &mut self,
        field: JsonField<Vec<JsonField<T>>>,
        place: JsonPath<'_>,
    ) -> impl Iterator<Item = (usize, JsonField<T>)> + use<T> {
        let list = self.read_optional(field, place).ok().flatten();
        list.into_iter().flatten().enumerate()
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}
