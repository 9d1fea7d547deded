//! Finds and builds the project's executables.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};

/// The root of the workspace. Clones can share a target directory, so this is the clone that runs
/// the program, not the one that compiled it.
pub fn workspace_root() -> PathBuf {
    let package =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&package)
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists());
    root.map(Path::to_path_buf).unwrap_or_default()
}

/// A binary of this workspace, in the profile of the running program. It is built if it is missing
/// or older than a source file.
///
/// # Errors
/// When the workspace does not compile or has no such binary.
pub fn binary(name: &str) -> Result<PathBuf> {
    static CHECKED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
    let profile = profile_directory()?;
    let path = executable(&profile, name);
    if !checked.contains(name) && (!path.exists() || is_stale(&path)?) {
        build(name, &profile)?;
    }
    checked.insert(name.to_owned());
    Ok(path)
}

/// Builds a binary of this workspace, in the release profile or that of the running program. Cargo
/// prints its progress to standard error.
///
/// # Errors
/// When the workspace does not compile or has no such binary.
pub fn fresh_binary(name: &str, release: bool) -> Result<PathBuf> {
    let running = profile_directory()?;
    build(
        name,
        &if release {
            running.with_file_name("release")
        } else {
            running
        },
    )
}

/// Builds all binaries at once. With fewer packages the features would differ, and cargo would
/// compile the AWS SDK again.
fn build(name: &str, profile: &Path) -> Result<PathBuf> {
    let path = executable(profile, name);
    if !path.exists() {
        writeln!(
            io::stderr(),
            "Building {name}. The first build compiles the AWS SDK, which takes some minutes."
        )?;
    }
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace_root())
        .args(["build", "--workspace", "--bins", "--target-dir"]);
    command.arg(
        profile
            .parent()
            .context("the target directory has no parent")?,
    );
    if let Some(other) = profile.file_name().filter(|name| *name != "debug") {
        command.arg("--profile").arg(other);
    }
    // With the variables that cargo sets for this crate, it would consider the environment of build
    // scripts changed.
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR")
        {
            command.env_remove(name);
        }
    }
    ensure!(
        command.status()?.success(),
        "the workspace does not compile"
    );
    ensure!(path.exists(), "this workspace has no binary {name}");
    Ok(path)
}

fn executable(profile: &Path, name: &str) -> PathBuf {
    profile
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION)
}

/// The target directory of cargo.
///
/// # Errors
/// When the running executable is not in a target directory.
pub fn target_directory() -> Result<PathBuf> {
    Ok(profile_directory()?
        .parent()
        .context("the target directory has no parent")?
        .to_path_buf())
}

/// The directory of the running executable or, for tests, the parent of `deps`: `target/debug` or
/// that of another profile.
fn profile_directory() -> Result<PathBuf> {
    let running = env::current_exe()?;
    let directory = running
        .parent()
        .context("the running executable has no directory")?;
    let is_deps = directory.ends_with("deps") || directory.ends_with("examples");
    Ok(if is_deps {
        directory.parent().unwrap_or(directory)
    } else {
        directory
    }
    .to_path_buf())
}

fn is_stale(binary: &Path) -> Result<bool> {
    let root = workspace_root();
    let built = fs::metadata(binary)?.modified()?;
    Ok(["crates", "functions"]
        .iter()
        .any(|directory| last_change_below(&root.join(directory)) > Some(built)))
}

/// When a source file below the directory was last changed.
fn last_change_below(directory: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    entries.filter_map(|entry| last_change(&entry.path())).max()
}

fn last_change(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        return if path.ends_with("tests") {
            None
        } else {
            last_change_below(path)
        };
    }
    let is_source = path.extension().is_some_and(|kind| {
        ["rs", "toml", "yaml", "json"]
            .iter()
            .any(|one| kind == *one)
    });
    is_source
        .then(|| fs::metadata(path).and_then(|data| data.modified()).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_and_the_profile_are_found() {
        assert!(workspace_root().join("Cargo.toml").exists());
        assert!(profile_directory().unwrap().join("deps").is_dir());
    }
}
