//! Expanding the paths in the arguments to files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::plans::PlanFailure;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::text::sanitize_text;

/// The files to read events from.
#[derive(Debug)]
pub(super) enum EventFiles {
    /// The only path, which is a file.
    One(Input),
    /// Any number of files; those of a folder are sorted by name.
    Many {
        inputs: Vec<Input>,
        /// Folders that could not be read.
        unreadable: Vec<PlanFailure>,
    },
}

/// Parts of the names of files that CloudTrail stores beside log files and that contain no events
/// of calls.
const EXCLUDED_NAMES: [&str; 2] = ["CloudTrail-Digest", "CloudTrail-Insight"];

/// Expands folders to their log files. The file of groups is skipped if it is in such a folder.
///
/// # Errors
/// When a path does not exist, or a folder contains no log files.
pub(super) fn expand_paths(paths: &[Input], groups: &Input) -> Result<EventFiles, CliError> {
    if let [only] = paths
        && !is_folder(only)?
    {
        return Ok(EventFiles::One(only.clone()));
    }
    let mut finder = LogFileFinder::new(groups);
    let mut inputs = Vec::new();
    for path in paths {
        match path {
            Input::File(folder) if is_folder(path)? => {
                let found = finder.find_log_files(folder);
                if found.is_empty() && finder.unreadable.is_empty() {
                    return Err(CliError::NoLogFiles {
                        name: path.to_string(),
                    });
                }
                inputs.extend(found.into_iter().map(Input::File));
            }
            file @ (Input::File(_) | Input::Stdin) => inputs.push(file.clone()),
        }
    }
    Ok(EventFiles::Many {
        inputs,
        unreadable: finder.unreadable,
    })
}

fn is_folder(input: &Input) -> Result<bool, CliError> {
    let Input::File(path) = input else {
        return Ok(false);
    };
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(source) => Err(CliError::Read {
            name: input.to_string(),
            source,
        }),
    }
}

/// Finds log files, and records folders that cannot be read.
struct LogFileFinder {
    /// The canonical path of the file of groups.
    groups: Option<PathBuf>,
    unreadable: Vec<PlanFailure>,
}

impl LogFileFinder {
    fn new(groups: &Input) -> Self {
        let groups = match groups {
            Input::File(path) => fs::canonicalize(path).ok(),
            Input::Stdin => None,
        };
        Self {
            groups,
            unreadable: Vec::new(),
        }
    }

    /// The log files below a folder, sorted by name. Symbolic links to folders are not followed,
    /// because they could form a cycle.
    fn find_log_files(&mut self, root: &Path) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            if let Err(error) = self.list_folder(&folder, &mut folders, &mut files) {
                self.unreadable.push(folder_failure(&folder, &error));
            }
        }
        files
    }

    fn list_folder(
        &self,
        folder: &Path,
        folders: &mut Vec<PathBuf>,
        files: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if is_log_file(&path) && !self.is_groups_file(&path) {
                files.insert(path);
            }
        }
        Ok(())
    }

    fn is_groups_file(&self, path: &Path) -> bool {
        self.groups.is_some() && fs::canonicalize(path).ok() == self.groups
    }
}

fn folder_failure(folder: &Path, error: &io::Error) -> PlanFailure {
    let name = sanitize_text(&folder.display().to_string());
    let message = format!("cannot read `{name}`: {error}");
    PlanFailure {
        exit: ExitStatus::Failure,
        path: Some(name),
        ..PlanFailure::new(message)
    }
}

/// Whether a file has the name of a log file of calls.
fn is_log_file(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let unzipped = Path::new(name.strip_suffix(".gz").unwrap_or(name));
    let extension = unzipped.extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        && !EXCLUDED_NAMES.iter().any(|part| name.contains(part))
}
