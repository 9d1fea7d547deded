//! Checks of all dependencies by cargo-deny: which crates may be used, under which licenses, from
//! which registries. deny.toml has the rules.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::cache_directory;

use super::run::{cargo, command, execute};

/// The version of cargo-deny, so that every machine applies the same rules.
const VERSION: &str = "0.20.2";

/// Checks the dependencies. Advisories are left out, because they change without a change here.
pub(super) fn check() -> Result<()> {
    let program = install()?;
    execute(command(&program).args(["--locked", "check", "bans", "licenses", "sources"]))
}

/// The cargo-deny of this version, compiled into the cache directory on first use.
fn install() -> Result<PathBuf> {
    let root = cache_directory()?.join(format!("cargo-deny-{VERSION}"));
    let program = root
        .join("bin/cargo-deny")
        .with_extension(env::consts::EXE_EXTENSION);
    if program.exists() {
        return Ok(program);
    }
    writeln!(
        io::stderr(),
        "Installing cargo-deny {VERSION} into {} (once, some minutes)",
        root.display()
    )?;
    // Two processes may do this at once, so each has a build directory of its own.
    let build_directory = root.join(format!("build-{}", process::id()));
    let installed = compile(&root, &build_directory);
    fs::remove_dir_all(&build_directory).ok();
    installed.with_context(|| {
        format!(
            "cannot install cargo-deny {VERSION}, which checks the dependencies; it comes from \
             crates.io and goes into {}",
            root.display()
        )
    })?;
    ensure!(program.exists(), "cargo installed no {}", program.display());
    Ok(program)
}

fn compile(root: &Path, build_directory: &Path) -> Result<()> {
    let mut install = cargo();
    install
        .args(["install", "--locked", "--version", VERSION, "--root"])
        .arg(root)
        .arg("--target-dir")
        .arg(build_directory)
        .arg("cargo-deny");
    // Its release profile takes several times as long to compile and saves less than a second a
    // run.
    install.envs([
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
        ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ]);
    execute(&mut install)
}
