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
        /// What the files of folders are that have no events.
        skipped: Vec<&'static str>,
    },
}

/// What a file of AWS Config is.
pub(super) const AWS_CONFIG: &str = "AWS Config snapshot or history";

/// Parts of the names of files that AWS stores beside log files and that contain no events of
/// calls, and what these files are.
const EXCLUDED_NAMES: [(&str, &str); 4] = [
    ("CloudTrail-Digest", "CloudTrail digest"),
    ("CloudTrail-Insight", "CloudTrail Insights"),
    ("_ConfigSnapshot_", AWS_CONFIG),
    ("_ConfigHistory_", AWS_CONFIG),
];

/// What a file is whose name does not end as that of a log file.
const OTHER_FILE: &str = "other file";

/// Expands folders to their log files, without the files of groups.
///
/// # Errors
/// When a path does not exist, or a folder contains no log files.
pub(super) fn expand_paths(paths: &[Input], groups: &[Input]) -> Result<EventFiles, CliError> {
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
        skipped: finder.skipped,
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

/// Finds log files, and records folders that cannot be read and files without events.
struct LogFileFinder {
    /// The canonical paths of the files of groups.
    groups: Vec<PathBuf>,
    unreadable: Vec<PlanFailure>,
    skipped: Vec<&'static str>,
}

impl LogFileFinder {
    fn new(groups: &[Input]) -> Self {
        let files = groups.iter().filter_map(|input| match input {
            Input::File(path) => fs::canonicalize(path).ok(),
            Input::Stdin => None,
        });
        Self {
            groups: files.collect(),
            unreadable: Vec::new(),
            skipped: Vec::new(),
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
        &mut self,
        folder: &Path,
        folders: &mut Vec<PathBuf>,
        files: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if let Some(kind) = file_without_events(&path) {
                self.skipped.push(kind);
            } else if !self.is_groups_file(&path) {
                files.insert(path);
            }
        }
        Ok(())
    }

    fn is_groups_file(&self, path: &Path) -> bool {
        let canonical = fs::canonicalize(path);
        canonical.is_ok_and(|canonical| self.groups.contains(&canonical))
    }
}

fn folder_failure(folder: &Path, error: &io::Error) -> PlanFailure {
    let name = sanitize_text(&folder.display().to_string());
    let message = format!("cannot read `{name}`: {error}");
    PlanFailure {
        exit: ExitStatus::Failure,
        path: Some(name),
        ..PlanFailure::new("file-unreadable", message)
    }
}

/// What a file is according to its name, if it has no events.
fn file_without_events(path: &Path) -> Option<&'static str> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name.filter(|name| is_log_name(name)) else {
        return Some(OTHER_FILE);
    };
    EXCLUDED_NAMES
        .into_iter()
        .find(|(part, _)| name.contains(part))
        .map(|(_, kind)| kind)
}

/// Whether a file has the name of a log file: `*.json`, `*.jsonl`, `*.ndjson`, each also with
/// `.gz`, or `000000.gz`, as CloudWatch Logs exports them.
fn is_log_name(name: &str) -> bool {
    let unzipped = name.strip_suffix(".gz");
    if let Some(stem) = unzipped
        && !stem.is_empty()
        && stem.bytes().all(|byte| byte.is_ascii_digit())
    {
        return true;
    }
    let extension = Path::new(unzipped.unwrap_or(name)).extension();
    let extensions = ["json", "jsonl", "ndjson"];
    extension.is_some_and(|extension| {
        extensions
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}
