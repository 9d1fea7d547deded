//! Problems in a document, and the path of each.

use std::fmt;

use serde::Serialize;

use super::field::{JsonField, JsonType};

/// A value that could not be decoded; what it belongs to was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The group it belongs to, when known.
    pub group_id: Option<String>,
    /// Where it is: `SecurityGroups[3].IpPermissions[0].IpRanges[1].CidrIp`, or the name of a
    /// region.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// The path of a value in the document. It is written out only when there is a problem.
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
    /// The path of a key of the outermost object.
    pub(super) const fn root(key: &'static str) -> Self {
        Self {
            parent: None,
            segment: PathSegment::Key(key),
        }
    }

    /// The path of a key of the object at this path.
    pub(super) const fn at_key(&'a self, key: &'static str) -> Self {
        Self {
            parent: Some(self),
            segment: PathSegment::Key(key),
        }
    }

    /// The path of an item of the list at this path.
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

/// A value could not be read. The problem has been recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// The group that is being read, when known.
    pub(super) group_id: Option<String>,
    found: Vec<Problem>,
}

impl Problems {
    /// Records a problem.
    pub(super) fn add(&mut self, path: JsonPath<'_>, message: impl fmt::Display) -> Unreadable {
        self.found.push(Problem {
            group_id: self.group_id.clone(),
            path: path.to_string(),
            message: message.to_string(),
        });
        Unreadable
    }

    /// The value of an optional field.
    pub(super) fn read_optional<T: JsonType>(
        &mut self,
        field: JsonField<T>,
        path: JsonPath<'_>,
    ) -> Result<Option<T>, Unreadable> {
        match field {
            JsonField::Present(value) => Ok(Some(value)),
            JsonField::Absent => Ok(None),
            JsonField::WrongType(found) => {
                Err(self.add(path, format_args!("expected {}, found {found}", T::NAME)))
            }
        }
    }

    /// The value of an optional field; `None` also when it has a wrong type.
    pub(super) fn read_or_none<T: JsonType>(
        &mut self,
        field: JsonField<T>,
        path: JsonPath<'_>,
    ) -> Option<T> {
        self.read_optional(field, path).ok().flatten()
    }

    /// The value of a required field.
    pub(super) fn read_required<T: JsonType>(
        &mut self,
        field: JsonField<T>,
        path: JsonPath<'_>,
    ) -> Result<T, Unreadable> {
        self.read_optional(field, path)?
            .ok_or_else(|| self.add(path, format_args!("missing: expected {}", T::NAME)))
    }

    /// The items of an optional list, each with its index. The items are not checked yet.
    pub(super) fn read_items<T: JsonType>(
        &mut self,
        field: JsonField<Vec<JsonField<T>>>,
        path: JsonPath<'_>,
    ) -> impl Iterator<Item = (usize, JsonField<T>)> + use<T> {
        let items = self.read_or_none(field, path);
        items.into_iter().flatten().enumerate()
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}
