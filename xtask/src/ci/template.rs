//! Checks of template.yaml: by the SAM CLI as it is written, and by cfn-lint and checkov as AWS will see it.
//!
//! `sam validate --lint` alone does not look inside a function: a runtime that does not exist passes. So the template
//! is translated to plain CloudFormation first, the way the deployment does it, and the result is linted too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;
use portcullis_e2e::{PythonEnv, Requirements, workspace_root};

use super::checkov;
use super::run::execute;

/// cfn-lint's own entry point; it has no `python -m`.
const CFN_LINT: &str = "import sys; from cfnlint.runner import main; sys.exit(main())";

/// Runs every check of the template.
pub(super) fn check() -> Result<()> {
    let root = workspace_root();
    let python = PythonEnv::install(Requirements::Sam)?;
    let template = root.join("template.yaml");

    execute(
        offline(
            python
                .module("samcli")
                .args(["validate", "--lint", "--template-file"])
                .arg(&template),
        )
        .current_dir(&root),
    )?;

    // Stays where it is, because the complaints of cfn-lint are about its lines.
    let scratch = scratch(&root)?;
    let translated = scratch.join("template.cloudformation.json");
    let script = root.join("xtask/src/ci/translate.py");
    execute(offline(
        python.command().arg(script).arg(&template).arg(&translated),
    ))?;
    execute(offline(
        python
            .command()
            .args(["-c", CFN_LINT, "--"])
            .arg(&translated),
    ))?;
    anstream::println!("template.yaml: cfn-lint has nothing to say about its translation");
    checkov::check(&translated, &scratch.join("checkov"))
}

/// No account, no profile, no telemetry: the answer must not depend on whose machine this is.
fn offline(command: &mut Command) -> &mut Command {
    command
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("SAM_CLI_TELEMETRY", "0")
        .env("SAM_CLI_CHECK_VERSION_UPDATES", "0")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_REGION")
}

/// A directory for what the checks make.
fn scratch(root: &Path) -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let directory = metadata.target_directory.join("xtask").into_std_path_buf();
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}
