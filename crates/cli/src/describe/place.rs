//! Where in the document we are, and what was wrong there.

use std::fmt;

use super::Problem;
use super::field::{Field, Shape};

/// A place in the document. It is written out only when something is wrong there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    step: Step,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Key(&'static str),
    Item(usize),
}

impl<'a> Place<'a> {
    /// A key of the outermost object.
    pub(super) const fn root(key: &'static str) -> Self {
        Self { parent: None, step: Step::Key(key) }
    }

    /// A key of the object that is here.
    pub(super) const fn key(&'a self, key: &'static str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// An item of the list that is here.
    pub(super) const fn item(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Item(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            fmt::Display::fmt(parent, f)?;
        }
        match self.step {
            Step::Item(index) => write!(f, "[{index}]"),
            Step::Key(key) if self.parent.is_some() => write!(f, ".{key}"),
            Step::Key(key) => f.write_str(key),
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
    list: Vec<Problem>,
}

impl Problems {
    /// Notes a problem.
    pub(super) fn add(&mut self, place: Place<'_>, message: impl fmt::Display) -> Unreadable {
        self.list.push(Problem {
            group_id: self.group_id.clone(),
            path: place.to_string(),
            message: message.to_string(),
        });
        Unreadable
    }

    /// A field that may be absent.
    pub(super) fn optional<T: Shape>(&mut self, field: Field<T>, place: Place<'_>) -> Result<Option<T>, Unreadable> {
        match field {
            Field::Is(value) => Ok(Some(value)),
            Field::Absent => Ok(None),
            Field::Other(found) => Err(self.add(place, format_args!("expected {}, found {found}", T::NAME))),
        }
    }

    /// A field that must be there.
    pub(super) fn required<T: Shape>(&mut self, field: Field<T>, place: Place<'_>) -> Result<T, Unreadable> {
        self.optional(field, place)?.ok_or_else(|| self.add(place, format_args!("missing: expected {}", T::NAME)))
    }

    /// The items of a list that may be absent, each with its index and still to be looked at.
    pub(super) fn items<T: Shape>(
        &mut self,
        field: Field<Vec<Field<T>>>,
        place: Place<'_>,
    ) -> impl Iterator<Item = (usize, Field<T>)> + use<T> {
        let list = self.optional(field, place).ok().flatten();
        list.into_iter().flatten().enumerate()
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.list
    }
}
