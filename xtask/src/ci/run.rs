//! Running the commands of the checks.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use portcullis_e2e::workspace_root;

/// The cargo that runs this program, in the root of the workspace.
pub(super) fn cargo() -> Command {
    let program = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    command(&program)
}

/// A program, in the root of the workspace.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace_root());
    command
}

/// Runs a command that prints to our output.
///
/// # Errors
/// When it cannot be started or fails. The message has its arguments.
pub(super) fn execute(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        let arguments = command
            .get_args()
            .map(|argument| argument.to_string_lossy());
        let arguments: Vec<_> = arguments.collect();
        bail!("`{}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_an_error_with_its_arguments() {
        let mut failing = Command::new("cargo");
        failing.arg("--no-such-flag").stderr(Stdio::null());
        let error = execute(&mut failing).unwrap_err().to_string();
        assert!(error.starts_with("`--no-such-flag` failed: "), "{error}");
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error_with_its_name() {
        let error = execute(&mut Command::new("portcullis-no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run portcullis-no-such-program");
    }
}
