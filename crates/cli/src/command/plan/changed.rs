//! The groups of an input that recorded events changed.

use std::collections::BTreeSet;

use portcullis_remediation::GroupRef;
use portcullis_remediation::event::{GroupChange, Target};

use super::events::{Events, read_events};
use super::planner::{GroupLookupError, find_group, group_lookup_failure, references_prefix_list};
use super::plans::PlanFailure;
use crate::describe::DescribedGroups;
use crate::error::CliError;
use crate::input::Input;

/// The groups that events changed.
#[derive(Debug, Default)]
pub(in crate::command) struct ChangedGroups {
    /// The ids of those in the input.
    pub(in crate::command) ids: BTreeSet<String>,
    /// The ids or names of those that are not in the input.
    pub(in crate::command) missing: BTreeSet<String>,
    /// Events that could not be read, or whose group is not known.
    pub(super) failures: Vec<PlanFailure>,
}

impl ChangedGroups {
    /// Whether there are events that could not be read, or whose group is not known.
    pub(in crate::command) fn is_incomplete(&self) -> bool {
        !self.failures.is_empty()
    }

    fn add_change(&mut self, change: &GroupChange, described: &DescribedGroups) {
        match &change.target {
            Target::Groups(group_refs) => {
                for group_ref in group_refs {
                    self.add_group(change, group_ref, described);
                }
            }
            Target::PrefixList(list) => {
                let using = described
                    .groups
                    .iter()
                    .filter(|group| references_prefix_list(group, &list.id));
                self.ids.extend(using.map(|group| group.id.clone()));
            }
        }
    }

    fn add_group(
        &mut self,
        change: &GroupChange,
        group_ref: &GroupRef,
        described: &DescribedGroups,
    ) {
        match find_group(described, group_ref) {
            Ok(group) => {
                self.ids.insert(group.id.clone());
            }
            Err(GroupLookupError::NotFound) => {
                let (GroupRef::Id(shown) | GroupRef::Name(shown)) = group_ref;
                self.missing.insert(shown.clone());
            }
            Err(error) => self
                .failures
                .push(group_lookup_failure(change, group_ref, &error)),
        }
    }
}

/// Reads events and finds the groups that they changed.
///
/// # Errors
/// When a path cannot be read, or the only file is not JSON or has no events by its nature.
pub(in crate::command) fn find_changed_groups(
    paths: &[Input],
    inputs: &[Input],
    described: &DescribedGroups,
) -> Result<ChangedGroups, CliError> {
    let Events {
        changes, errors, ..
    } = read_events(paths, inputs)?;
    let mut changed = ChangedGroups {
        failures: errors,
        ..ChangedGroups::default()
    };
    for change in &changes {
        changed.add_change(change, described);
    }
    Ok(changed)
}
