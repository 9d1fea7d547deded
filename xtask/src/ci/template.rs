//! Checks of template.yaml: by the SAM CLI as it is written, and by cfn-lint and checkov as
//! CloudFormation.
//!
//! `sam validate --lint` does not check the properties of a function: a runtime that does not exist
//! passes. So the template is also translated to CloudFormation, as a deployment does, and the
//! result is linted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;
use portcullis_e2e::{PythonEnv, Requirements, workspace_root};

use super::checkov;
use super::run::execute;

/// The entry point of cfn-lint, which has no `python -m`.
const CFN_LINT: &str = "import sys; from cfnlint.runner import main; sys.exit(main())";

/// Runs every check of the template.
pub(super) fn check() -> Result<()> {
    let root = workspace_root();
    let python = PythonEnv::install(Requirements::Sam)?;
    let template = root.join("template.yaml");

    let mut validate = python.module("samcli");
    validate.args(["validate", "--lint", "--template-file"]);
    validate.arg(&template).current_dir(&root);
    execute(without_account(&mut validate))?;

    // Not deleted, because the messages of cfn-lint refer to its lines.
    let scratch = scratch_directory(&root)?;
    let translated = scratch.join("template.cloudformation.json");
    let mut translate = python.command();
    translate.arg(root.join("xtask/src/ci/translate.py"));
    translate.args([&template, &translated]);
    execute(without_account(&mut translate))?;

    let mut lint = python.command();
    lint.args(["-c", CFN_LINT, "--"]).arg(&translated);
    execute(without_account(&mut lint))?;
    anstream::println!("template.yaml: cfn-lint found nothing in its translation");
    checkov::check(&translated, &scratch.join("checkov"))
}

/// Sets the environment so that the result does not depend on the user's AWS configuration.
fn without_account(command: &mut Command) -> &mut Command {
    command
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("SAM_CLI_TELEMETRY", "0")
        .env("SAM_CLI_CHECK_VERSION_UPDATES", "0")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_REGION")
}

/// A directory below `target` for the files that the checks write.
fn scratch_directory(root: &Path) -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let directory = metadata.target_directory.join("xtask").into_std_path_buf();
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}
