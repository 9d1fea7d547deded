//! The events to plan for: those of one file, or of all log files of a folder.

use std::collections::HashSet;

use portcullis_remediation::event::{
    DecodeError, DecodedEvent, GroupChange, IgnoreReason, decode_event_value,
};

use super::files::{self, AWS_CONFIG, EventFiles};
use super::plans::{History, IgnoredEvent, PlanFailure};
use super::unwrap::{FoundEvent, UnwrapError, UnwrappedEvents};
use super::values::{FileValue, split_values};
use crate::error::{CliError, EVENT_HELP};
use crate::input::Input;

/// The events of an input. Only the changes of security groups and prefix lists are kept in memory.
#[derive(Debug, Clone, Default)]
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

/// Reads the events of these paths. The inputs of groups are left out of folders.
///
/// # Errors
/// When a path cannot be read, or the only file is not JSON or has no events by its nature.
pub(super) fn read_events(paths: &[Input], groups: &[Input]) -> Result<Events, CliError> {
    let mut reader = EventReader::default();
    match files::expand_paths(paths, groups)? {
        EventFiles::One(input) => {
            let found = read_file(&input)?;
            if found.is_config_file {
                return Err(CliError::NoEvents {
                    name: input.to_string(),
                    kind: AWS_CONFIG,
                });
            }
            let is_single = found.events.len().saturating_add(found.errors.len()) == 1;
            reader.is_log = found.is_log || !is_single;
            reader.add_events(found, None);
        }
        EventFiles::Many {
            inputs,
            unreadable,
            skipped,
        } => {
            reader.is_log = true;
            reader.has_many_files = true;
            reader.events.errors.extend(unreadable);
            for kind in skipped {
                reader.history.record_skipped_file(kind);
            }
            for input in inputs {
                match read_file(&input) {
                    Ok(found) if found.is_config_file => {
                        reader.history.record_skipped_file(AWS_CONFIG);
                    }
                    Ok(found) => reader.add_events(found, Some(&input)),
                    Err(error) => reader.events.errors.push(file_failure(&input, &error)),
                }
            }
        }
    }
    Ok(reader.into_events())
}

/// The events of a file.
fn read_file(input: &Input) -> Result<UnwrappedEvents, CliError> {
    let bytes = input.read_bytes()?;
    let values = split_values(&bytes).map_err(|source| CliError::InvalidEvent {
        name: input.to_string(),
        source,
    })?;
    let mut found = UnwrappedEvents::default();
    for FileValue { line, value } in values {
        let place = match line {
            Some(line) => format!("line {line} "),
            None => String::new(),
        };
        match value {
            Ok(value) => found.add_value(value, &place),
            Err(error) => found.errors.push(UnwrapError {
                place,
                message: format!("the line {}: {}", error.summary(), error.without_line()),
                help: None,
            }),
        }
    }
    Ok(found)
}

/// One of several files that cannot be read. The others are still read.
fn file_failure(input: &Input, error: &CliError) -> PlanFailure {
    PlanFailure {
        exit: error.exit_status(),
        path: Some(input.display_name()),
        help: error.help(),
        ..PlanFailure::new("file-unreadable", error.to_string())
    }
}

/// The file, if there are several, and the place in it; `None` if both are obvious.
fn failure_path(file: Option<&Input>, place: &str) -> Option<String> {
    let place = place.trim_end();
    match (file.map(Input::display_name), place) {
        (file, "") => file,
        (None, place) => Some(place.to_owned()),
        (Some(file), place) => Some(format!("{file}: {place}")),
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
    fn add_events(&mut self, found: UnwrappedEvents, file: Option<&Input>) {
        let UnwrappedEvents { events, errors, .. } = found;
        let count = events.len().saturating_add(errors.len());
        self.history.files = self.history.files.saturating_add(1);
        self.history.events = self.history.events.saturating_add(count);
        if count == 0 && file.is_none() {
            self.events.ignored.push(IgnoredEvent {
                origin: None,
                reason: "the log file has no records".to_owned(),
                is_unused_prefix_list: false,
            });
        }
        for found_event in events {
            self.add_event(&found_event, file);
        }
        for error in errors {
            self.events.errors.push(PlanFailure {
                path: failure_path(file, &error.place),
                help: error.help.map(str::to_owned),
                ..PlanFailure::new("unrecognized-event", error.message)
            });
        }
    }

    fn add_event(&mut self, found: &FoundEvent, file: Option<&Input>) {
        match decode_event_value(&found.event) {
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
                path: failure_path(file, &found.place),
                help: decode_help(&error),
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

/// What to do about a value that is not an event.
fn decode_help(error: &DecodeError) -> Option<String> {
    let is_other_json = matches!(error, DecodeError::NotCloudTrailRecord(_));
    is_other_json.then(|| EVENT_HELP.to_owned())
}
