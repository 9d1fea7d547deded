//! The events to plan for: of one file, or of a folder of CloudTrail log files.

use std::collections::{BTreeMap, HashSet};

use portcullis_remediation::intake::{Change, Ignored as Why, Intake, intake_value};
use serde_json::Value;

use super::files::{self, Files};
use super::{Failed, Ignored, not_understood};
use crate::args::PlanArgs;
use crate::describe::DecodeError;
use crate::error::CliError;
use crate::input::Input;

/// What was read. Of the files nothing is kept but the changes in them.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// In the order in which they happened; those without a time last.
    pub(super) changes: Vec<Change>,
    /// Events that need no look. With several files they are counted only: most of a log is about other things.
    pub(super) ignored: Vec<Ignored>,
    pub(super) errors: Vec<Failed>,
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
pub(super) fn read(args: &PlanArgs) -> Result<Events, CliError> {
    let mut reader = Reader::default();
    match files::expand(&args.events, &args.input)? {
        Files::One(input) => {
            let (records, is_log) = records(&input)?;
            reader.take(records, None);
            reader.is_log = is_log;
        }
        Files::Many { inputs, unreadable } => {
            reader.is_log = true;
            reader.is_many = true;
            reader.found.errors.extend(unreadable);
            for input in inputs {
                match records(&input) {
                    Ok((records, _)) => reader.take(records, Some(&input)),
                    Err(error) => reader.found.errors.push(failed_file(&input, &error)),
                }
            }
        }
    }
    Ok(reader.finish())
}

/// The records of a CloudTrail log file, or the one event that the file is; and which of the two it is.
fn records(input: &Input) -> Result<(Vec<Value>, bool), CliError> {
    let mut event: Value = serde_json::from_slice(&input.read()?).map_err(|error| {
        let (name, source) = (input.to_string(), DecodeError::not_json(&error));
        CliError::Event { name, source }
    })?;
    match event.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => Ok((records, true)),
        _ => Ok((vec![event], false)),
    }
}

/// A file among others that cannot be read does not stop the rest.
fn failed_file(input: &Input, error: &CliError) -> Failed {
    Failed { exit: error.exit(), path: Some(input.title()), ..Failed::new(error.to_string()) }
}

#[derive(Debug, Default)]
struct Reader {
    found: Events,
    history: History,
    /// The ids of the changes, of which a log may hold copies.
    ids: HashSet<String>,
    is_log: bool,
    is_many: bool,
}

impl Reader {
    fn take(&mut self, records: Vec<Value>, file: Option<&Input>) {
        self.history.files = self.history.files.saturating_add(1);
        self.history.events = self.history.events.saturating_add(records.len());
        if records.is_empty() && file.is_none() {
            self.found.ignored.push(Ignored {
                origin: None,
                reason: "the log file holds no records".to_owned(),
                is_unused: false,
            });
        }
        for record in records {
            match intake_value(&record) {
                Ok(Intake::Change(change)) => self.change(*change),
                Ok(Intake::Ignored { origin, reason }) => {
                    self.history.count(word(&reason));
                    if !self.is_many {
                        self.found.ignored.push(Ignored {
                            origin: Some(*origin),
                            reason: reason.to_string(),
                            is_unused: false,
                        });
                    }
                }
                Err(error) => {
                    let path = file.map(Input::title);
                    self.found.errors.push(Failed { path, ..not_understood(&error) });
                }
            }
        }
    }

    fn change(&mut self, change: Change) {
        let id = change.origin.event_id.clone();
        if id.is_some_and(|id| !self.ids.insert(id)) {
            self.history.count("a copy of an event that was read before");
        } else {
            self.found.changes.push(change);
        }
    }

    fn finish(self) -> Events {
        let mut found = self.found;
        found.changes.sort_by_key(|change| (change.origin.time.is_none(), change.origin.time));
        found.history = self.is_log.then_some(self.history);
        found
    }
}

impl History {
    fn count(&mut self, why: &'static str) {
        let count = self.ignored.entry(why).or_default();
        *count = count.saturating_add(1);
    }
}

/// Why events need no look, in as few words as there are reasons.
const fn word(why: &Why) -> &'static str {
    match why {
        Why::Failed(_) => "the call failed, so it changed nothing",
        Why::OtherCall(_) => "the call cannot open a security group to incoming traffic",
    }
}
