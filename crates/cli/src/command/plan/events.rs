//! The events to plan for: one file, or all CloudTrail log files of a folder.

use std::collections::HashSet;

use portcullis_remediation::event::{DecodedEvent, GroupChange, IgnoreReason, decode_event_value};
use serde_json::Value;

use super::files::{self, EventFiles};
use super::plans::{History, IgnoredEvent, PlanFailure};
use crate::args::PlanArgs;
use crate::describe::DocumentError;
use crate::error::CliError;
use crate::input::Input;

/// The events of an input. Only the changes of security groups and prefix lists are kept in memory.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Ordered by time; those without a time come last.
    pub(super) changes: Vec<GroupChange>,
    /// Events without effect. In several files they are only counted, because most of a log is
    /// about other things.
    pub(super) ignored: Vec<IgnoredEvent>,
    pub(super) errors: Vec<PlanFailure>,
    /// Set if the input is a log file or several files.
    pub(super) history: Option<History>,
}

/// Reads the events of the paths in the arguments.
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

/// The records of a file, and whether it is a CloudTrail log file. Any other file is one event.
fn read_records(input: &Input) -> Result<(Vec<Value>, bool), CliError> {
    let bytes = input.read_bytes()?;
    let mut event: Value =
        serde_json::from_slice(&bytes).map_err(|error| CliError::InvalidEvent {
            name: input.to_string(),
            source: DocumentError::from_json_error(&error),
        })?;
    match event.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => Ok((records, true)),
        _ => Ok((vec![event], false)),
    }
}

/// One of several files that cannot be read. The others are still read.
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
    /// The ids of the changes: a log may have an event twice.
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
                reason: "the log file has no records".to_owned(),
                is_unused_prefix_list: false,
            });
        }
        for record in records {
            self.add_record(&record, file);
        }
    }

    fn add_record(&mut self, record: &Value, file: Option<&Input>) {
        match decode_event_value(record) {
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
            Err(error) => self.events.errors.push(PlanFailure {
                path: file.map(Input::display_name),
                ..PlanFailure::from_decode_error(&error)
            }),
        }
    }

    fn add_change(&mut self, change: GroupChange) {
        let id = change.origin.event_id.clone();
        if id.is_some_and(|id| !self.seen_event_ids.insert(id)) {
            self.history
                .record_ignored("the event is a duplicate of one that was already read");
        } else {
            self.events.changes.push(change);
        }
    }

    fn into_events(self) -> Events {
        let mut events = self.events;
        events
            .changes
            .sort_by_key(|change| (change.origin.time.is_none(), change.origin.time));
        events.history = self.is_log.then_some(self.history);
        events
    }
}

/// The reason without the details of the event, to count events by reason.
const fn ignore_reason_label(reason: &IgnoreReason) -> &'static str {
    match reason {
        IgnoreReason::CallFailed(_) => "the call failed, so it changed nothing",
        IgnoreReason::NoEntryAdded(..) => "no entry was added to the prefix list",
        IgnoreReason::UnrelatedCall(_) => {
            "the call cannot open a security group to incoming traffic"
        }
    }
}
