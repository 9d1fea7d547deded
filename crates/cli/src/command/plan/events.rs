//! The events to plan for: of one file, or of a folder of CloudTrail log files.

use std::collections::{BTreeMap, HashSet};

use portcullis_remediation::event::{DecodedEvent, GroupChange, IgnoreReason, decode_event_value};
use serde_json::Value;

use super::files::{self, EventFiles};
use super::{IgnoredEvent, PlanFailure, undecodable_event};
use crate::args::PlanArgs;
use crate::describe::DocumentError;
use crate::error::CliError;
use crate::input::Input;

/// What was read. Of the files nothing is kept but the changes in them.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// In the order in which they happened; those without a time last.
    pub(super) changes: Vec<GroupChange>,
    /// Events that need no look. With several files they are counted only: most of a log is about other things.
    pub(super) ignored: Vec<IgnoredEvent>,
    pub(super) errors: Vec<PlanFailure>,
    /// What was read, when it is more than one event.
    pub(super) history: Option<History>,
}

/// What a log holds.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) files: usize,
    pub(super) events: usize,
    /// How many events needed no look, and why.
    pub(super) ignored: BTreeMap<&'static str, usize>,
}

/// The events of the paths of the command line.
///
/// # Errors
/// When a path cannot be read, or the only file is not JSON.
pub(super) fn read_events(args: &PlanArgs) -> Result<Events, CliError> {
    let mut reader = EventReader::default();
    match files::expand_paths(&args.events, &args.input)? {
        EventFiles::One(input) => {
            let (records, is_log) = read_records(&input)?;
            reader.add_records(records, None);
            reader.is_log = is_log;
        }
        EventFiles::Many { inputs, unreadable } => {
            reader.is_log = true;
            reader.has_many_files = true;
            reader.events.errors.extend(unreadable);
            for input in inputs {
                match read_records(&input) {
                    Ok((records, _)) => reader.add_records(records, Some(&input)),
                    Err(error) => reader.events.errors.push(file_failure(&input, &error)),
                }
            }
        }
    }
    Ok(reader.into_events())
}

/// The records of a CloudTrail log file, or the one event that the file is; and which of the two it is.
fn read_records(input: &Input) -> Result<(Vec<Value>, bool), CliError> {
    let mut event: Value = serde_json::from_slice(&input.read_bytes()?).map_err(|error| {
        let (name, source) = (input.to_string(), DocumentError::from_json_error(&error));
        CliError::InvalidEvent { name, source }
    })?;
    match event.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => Ok((records, true)),
        _ => Ok((vec![event], false)),
    }
}

/// A file among others that cannot be read does not stop the rest.
fn file_failure(input: &Input, error: &CliError) -> PlanFailure {
    PlanFailure {
        exit: error.exit_status(),
        path: Some(input.display_name()),
        ..PlanFailure::new(error.to_string())
    }
}

#[derive(Debug, Default)]
struct EventReader {
    events: Events,
    history: History,
    /// The ids of the changes, of which a log may hold copies.
    seen_event_ids: HashSet<String>,
    is_log: bool,
    has_many_files: bool,
}

impl EventReader {
    fn add_records(&mut self, records: Vec<Value>, file: Option<&Input>) {
        self.history.files = self.history.files.saturating_add(1);
        self.history.events = self.history.events.saturating_add(records.len());
        if records.is_empty() && file.is_none() {
            self.events.ignored.push(IgnoredEvent {
                origin: None,
                reason: "the log file holds no records".to_owned(),
                is_unused_prefix_list: false,
            });
        }
        for record in records {
            match decode_event_value(&record) {
                Ok(DecodedEvent::Change(change)) => self.add_change(*change),
                Ok(DecodedEvent::Ignored { origin, reason }) => {
                    self.history.record_ignored(ignore_reason_label(&reason));
                    if !self.has_many_files {
                        self.events.ignored.push(IgnoredEvent {
                            origin: Some(*origin),
                            reason: reason.to_string(),
                            is_unused_prefix_list: false,
                        });
                    }
                }
                Err(error) => {
                    let path = file.map(Input::display_name);
                    self.events.errors.push(PlanFailure {
                        path,
                        ..undecodable_event(&error)
                    });
                }
            }
        }
    }

    fn add_change(&mut self, change: GroupChange) {
        let id = change.origin.event_id.clone();
        if id.is_some_and(|id| !self.seen_event_ids.insert(id)) {
            self.history
                .record_ignored("a copy of an event that was read before");
        } else {
            self.events.changes.push(change);
        }
    }

    fn into_events(self) -> Events {
        let mut found = self.events;
        found
            .changes
            .sort_by_key(|change| (change.origin.time.is_none(), change.origin.time));
        found.history = self.is_log.then_some(self.history);
        found
    }
}

impl History {
    fn record_ignored(&mut self, why: &'static str) {
        let count = self.ignored.entry(why).or_default();
        *count = count.saturating_add(1);
    }
}

/// Why events need no look, in as few words as there are reasons.
const fn ignore_reason_label(why: &IgnoreReason) -> &'static str {
    match why {
        IgnoreReason::CallFailed(_) => "the call failed, so it changed nothing",
        IgnoreReason::UnrelatedCall(_) => {
            "the call cannot open a security group to incoming traffic"
        }
    }
}
