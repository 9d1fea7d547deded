//! The files that the paths of the command line stand for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::PlanFailure;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::sanitize_text;

/// What the paths stand for.
#[derive(Debug)]
pub(super) enum EventFiles {
    /// A file that was named, and no other.
    One(Input),
    /// Any number of files, those of folders by name.
    Many {
        inputs: Vec<Input>,
        /// Folders that could not be read.
        unreadable: Vec<PlanFailure>,
    },
}

/// What AWS puts beside the log files, and what is no log of calls.
const EXCLUDED_NAMES: [&str; 2] = ["CloudTrail-Digest", "CloudTrail-Insight"];

/// The files of the paths. The groups may lie among them; they are no events.
///
/// # Errors
/// When a path is not there, or the folders hold no log file.
pub(super) fn expand_paths(paths: &[Input], groups: &Input) -> Result<EventFiles, CliError> {
    if let [one] = paths
        && !is_folder(one)?
    {
        return Ok(EventFiles::One(one.clone()));
    }
    let groups = match groups {
        Input::File(path) => fs::canonicalize(path).ok(),
        Input::Stdin => None,
    };
    let (mut inputs, mut unreadable) = (Vec::new(), Vec::new());
    for path in paths {
        match path {
            Input::File(folder) if is_folder(path)? => {
                let found = find_log_files(folder, groups.as_deref(), &mut unreadable);
                if found.is_empty() && unreadable.is_empty() {
                    return Err(CliError::NoLogFiles {
                        name: path.to_string(),
                    });
                }
                inputs.extend(found.into_iter().map(Input::File));
            }
            file @ (Input::File(_) | Input::Stdin) => inputs.push(file.clone()),
        }
    }
    Ok(EventFiles::Many { inputs, unreadable })
}

fn is_folder(input: &Input) -> Result<bool, CliError> {
    match input {
        Input::Stdin => Ok(false),
        Input::File(path) => match fs::metadata(path) {
            Ok(about) => Ok(about.is_dir()),
            Err(source) => Err(CliError::Read {
                name: input.to_string(),
                source,
            }),
        },
    }
}

/// The log files below a folder, by name. Links to folders are not followed: they may lead back.
fn find_log_files(
    folder: &Path,
    groups: Option<&Path>,
    unreadable: &mut Vec<PlanFailure>,
) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let listed = fs::read_dir(&folder).and_then(|entries| {
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if is_log_file(&entry.path(), groups) {
                    files.insert(entry.path());
                }
            }
            Ok(())
        });
        if let Err(error) = listed {
            let name = sanitize_text(&folder.display().to_string());
            let failed = PlanFailure::new(format!("cannot read `{name}`: {error}"));
            unreadable.push(PlanFailure {
                exit: ExitStatus::Failure,
                path: Some(name),
                ..failed
            });
        }
    }
    files
}

/// Whether a file is named like a log file and is not known to be something else.
fn is_log_file(path: &Path, groups: Option<&Path>) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let plain = Path::new(name.strip_suffix(".gz").unwrap_or(name));
    let is_named = plain
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    is_named
        && !EXCLUDED_NAMES.iter().any(|other| name.contains(other))
        && (groups.is_none() || fs::canonicalize(path).ok().as_deref() != groups)
}
