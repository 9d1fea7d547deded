//! The plans for the events of an input, and what could not be planned.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_remediation::event::{DecodeError, GroupChange, Origin};
use portcullis_remediation::{Alert, GroupRef, GroupReport, Mode};
use portcullis_rules::{Decision, Finding};

use crate::describe::Problem;
use crate::exit::ExitStatus;

/// What the Lambda function would do for all events of an input.
#[derive(Debug)]
pub(in crate::command) struct Plans {
    /// The mode whose alerts the plans contain.
    pub(super) mode: Mode,
    pub(in crate::command) planned: Vec<PlannedGroup>,
    pub(super) ignored: Vec<IgnoredEvent>,
    pub(super) errors: Vec<PlanFailure>,
    /// What could not be read of the groups, or is unknown about the planned ones.
    pub(in crate::command) problems: Vec<Problem>,
    /// The groups of a history that are not in the input, and the number of events about each.
    pub(super) missing_groups: BTreeMap<MissingGroup, usize>,
    /// Set if the input is a history: a log file, or several files.
    pub(super) history: Option<History>,
}

/// The plan for one group and one event.
#[derive(Debug)]
pub(in crate::command) struct PlannedGroup {
    pub(in crate::command) decision: Decision,
    pub(in crate::command) report: GroupReport,
    /// The alert that would be sent; `None` if there is nothing to report.
    pub(super) alert: Option<Alert>,
}

/// An event for which nothing would be done.
#[derive(Debug, Clone)]
pub(super) struct IgnoredEvent {
    pub(super) origin: Option<Origin>,
    pub(super) reason: String,
    /// Whether it changes a prefix list that no group uses.
    pub(super) is_unused_prefix_list: bool,
}

/// An event or file that could not be planned.
#[derive(Debug, Clone)]
pub(super) struct PlanFailure {
    pub(super) origin: Option<Origin>,
    pub(super) group_id: Option<String>,
    /// The file, if there are several.
    pub(super) path: Option<String>,
    /// The kind of failure: `group-not-found`.
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) exit: ExitStatus,
}

/// The events of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) files: usize,
    /// How many files were not read because they have no events, by what they are.
    pub(super) skipped_files: BTreeMap<&'static str, usize>,
    pub(super) events: usize,
    /// How many events were ignored, by reason.
    pub(super) ignored: BTreeMap<&'static str, usize>,
}

/// A group of an event that is not in the input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MissingGroup {
    pub(super) group: GroupRef,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
}

impl Plans {
    /// No plans in this mode.
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            planned: Vec::new(),
            ignored: Vec::new(),
            errors: Vec::new(),
            problems: Vec::new(),
            missing_groups: BTreeMap::new(),
            history: None,
        }
    }

    /// Counts an event about a group that is not in the input.
    pub(super) fn record_missing_group(&mut self, change: &GroupChange, group: &GroupRef) {
        let missing = MissingGroup {
            group: group.clone(),
            account: change.origin.account.clone(),
            region: change.origin.region.clone(),
        };
        let events = self.missing_groups.entry(missing).or_default();
        *events = events.saturating_add(1);
    }

    /// Whether none of the groups of the events is in the input, which is then probably one of
    /// another account or region.
    pub(in crate::command) fn all_groups_missing(&self) -> bool {
        !self.missing_groups.is_empty() && self.planned.is_empty()
    }

    /// The number of plans by outcome.
    pub(super) fn count_outcomes(&self) -> BTreeMap<&'static str, usize> {
        let mut outcomes = BTreeMap::new();
        for planned in &self.planned {
            let count: &mut usize = outcomes.entry(planned.report.outcome.as_str()).or_default();
            *count = count.saturating_add(1);
        }
        outcomes
    }

    /// The number of ignored events.
    pub(super) fn count_ignored(&self) -> usize {
        let Some(history) = &self.history else {
            return self.ignored.len();
        };
        let unused_prefix_lists = self.unused_prefix_list_reasons().count();
        history
            .ignored
            .values()
            .fold(unused_prefix_lists, |sum, events| {
                sum.saturating_add(*events)
            })
    }

    /// The reasons of ignored changes of unused prefix lists. A [`History`] does not count them.
    pub(super) fn unused_prefix_list_reasons(&self) -> impl Iterator<Item = &String> {
        self.ignored
            .iter()
            .filter(|ignored| ignored.is_unused_prefix_list)
            .map(|ignored| &ignored.reason)
    }

    /// The exit status if something could not be planned.
    pub(in crate::command) fn error_status(&self) -> Option<ExitStatus> {
        let errors = self.errors.iter().map(|error| error.exit);
        let incomplete = (!self.problems.is_empty()).then_some(ExitStatus::Failure);
        let missing = self.all_groups_missing().then_some(ExitStatus::BadInput);
        errors.chain(incomplete).max().or(missing)
    }

    /// The exit status of the command.
    pub(super) fn exit_status(&self) -> ExitStatus {
        if let Some(exit) = self.error_status() {
            exit
        } else if self.planned.iter().any(PlannedGroup::has_enforced_findings) {
            ExitStatus::Findings
        } else {
            ExitStatus::Clean
        }
    }

    /// The prefix lists that were evaluated as private because their entries are unknown.
    pub(super) fn unresolved_prefix_lists(&self) -> BTreeSet<&String> {
        self.planned
            .iter()
            .flat_map(|planned| &planned.report.unresolved_prefix_lists)
            .collect()
    }
}

impl PlannedGroup {
    fn has_enforced_findings(&self) -> bool {
        self.report.findings().any(Finding::enforces)
    }
}

impl PlanFailure {
    /// A failure of a whole input, with the exit status for bad input.
    pub(super) fn new(code: &'static str, message: String) -> Self {
        Self {
            origin: None,
            group_id: None,
            path: None,
            code,
            message,
            help: None,
            exit: ExitStatus::BadInput,
        }
    }

    /// An event that should refer to a group but could not be decoded.
    pub(super) fn from_decode_error(error: &DecodeError) -> Self {
        Self {
            origin: decode_error_origin(error),
            ..Self::new("unrecognized-event", error.to_string())
        }
    }
}

impl History {
    /// Counts a file that was not read.
    pub(super) fn record_skipped_file(&mut self, kind: &'static str) {
        let count = self.skipped_files.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// Counts an ignored event.
    pub(super) fn record_ignored(&mut self, reason: &'static str) {
        let count = self.ignored.entry(reason).or_default();
        *count = count.saturating_add(1);
    }
}

fn decode_error_origin(error: &DecodeError) -> Option<Origin> {
    match error {
        DecodeError::MissingGroup {
            event_name,
            event_id,
        }
        | DecodeError::MissingPrefixList {
            event_name,
            event_id,
        } => Some(Origin {
            event_name: event_name.clone(),
            event_id: Some(event_id.clone()).filter(|id| !id.contains(' ')),
            ..Origin::default()
        }),
        DecodeError::NotJson(_) | DecodeError::NotCloudTrailRecord(_) => None,
    }
}
