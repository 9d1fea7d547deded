//! The project's own executables.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};

/// The root of the workspace: of the one that is running, not of the one that was compiled, because a target directory
/// may serve several clones.
pub fn workspace_root() -> PathBuf {
    let package =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&package)
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists());
    root.map(Path::to_path_buf).unwrap_or_default()
}

/// A binary of this workspace, of the profile that is running. It is built if it is missing or older than a source.
///
/// # Errors
/// When it does not compile or does not exist.
pub fn binary(name: &str) -> Result<PathBuf> {
    static LOOKED_AT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut looked_at = LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    let profile = profile_directory()?;
    let path = executable(&profile, name);
    if !looked_at.contains(name) && (!path.exists() || is_stale(&path)?) {
        build(name, &profile)?;
    }
    looked_at.insert(name.to_owned());
    Ok(path)
}

/// A binary of this workspace, brought up to date, with cargo's progress on standard error: of the release profile or of
/// the one that is running.
///
/// # Errors
/// When it does not compile or does not exist.
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

/// Builds all binaries at once, because cargo would compile the AWS SDK again for another choice of packages: the
/// features differ.
fn build(name: &str, profile: &Path) -> Result<PathBuf> {
    let path = executable(profile, name);
    if !path.exists() {
        writeln!(
            io::stderr(),
            "Building {name}. The first time this compiles the AWS SDK: some minutes."
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
    // Cargo's settings for the crate being run would make it think the environment of build scripts had changed.
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
    ensure!(
        path.exists(),
        "no package of this workspace has a binary {name}"
    );
    Ok(path)
}

fn executable(profile: &Path, name: &str) -> PathBuf {
    profile
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION)
}

/// Where cargo puts what it makes.
///
/// # Errors
/// When the running executable is not where cargo put it.
pub fn target_directory() -> Result<PathBuf> {
    Ok(profile_directory()?
        .parent()
        .context("the target directory has no parent")?
        .to_path_buf())
}

/// `target/debug` or another profile's: where the running executable is, or the directory above its `deps`.
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
        .any(|room| newest(&root.join(room)) > Some(built)))
}

/// When the last of the sources below was changed.
fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(directory).ok()?.filter_map(Result::ok);
    entries.filter_map(|entry| changed(&entry.path())).max()
}

fn changed(path: &Path) -> Option<SystemTime> {
    if path.is_dir() {
        return if path.ends_with("tests") {
            None
        } else {
            newest(path)
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
    fn knows_where_it_is() {
        assert!(workspace_root().join("Cargo.toml").exists());
        assert!(profile_directory().unwrap().join("deps").is_dir());
    }
}
