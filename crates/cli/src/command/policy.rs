//! `portcullis policy`: validates, shows, tests, compares and drafts policies.

mod check;
mod diff;
mod draft;
#[cfg(test)]
mod generated;
mod report;
mod results;
mod size;
mod test;

use jiff::Timestamp;
use portcullis_policy::{json_schema, render_policy};

use crate::args::PolicyCommand;
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::output::CommandOutput;

/// Runs the command. `now` is the time if the arguments give none.
///
/// # Errors
/// When an input cannot be read, or the policy or a test file is invalid.
pub fn run_policy_command(
    command: &PolicyCommand,
    now: Timestamp,
) -> Result<CommandOutput, CliError> {
    match command {
        PolicyCommand::Check(args) => check::run_policy_check(args, now),
        PolicyCommand::Show(args) => Ok(data_output(render_policy(&args.policy.load()?.policy))),
        PolicyCommand::Schema => Ok(data_output(json_schema())),
        PolicyCommand::Test(args) => test::run_policy_tests(args, now),
        PolicyCommand::Draft(args) => draft::run_policy_draft(args, now),
        PolicyCommand::Diff(args) => diff::run_policy_diff(args, now),
    }
}

const fn data_output(data: String) -> CommandOutput {
    CommandOutput {
        data,
        messages: Vec::new(),
        exit: ExitStatus::Clean,
    }
}
