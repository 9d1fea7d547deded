//! The commands. Each turns its arguments into a result to print.

pub mod audit;
pub mod completions;
mod exceptions;
mod findings;
mod groups;
pub mod man;
pub mod plan;
pub mod policy;
pub mod rules;

use jiff::Timestamp;

use crate::args::Command;
use crate::error::CliError;
use crate::output::CommandOutput;

/// Runs a command. `now` is the current time, for commands without `--now`.
///
/// # Errors
/// When the command fails.
pub fn run_command(command: &Command, now: Timestamp) -> Result<CommandOutput, CliError> {
    match command {
        Command::Audit(args) => audit::run_audit(args, now),
        Command::Plan(args) => plan::run_plan(args, now),
        Command::Policy(command) => policy::run_policy_command(command, now),
        Command::Rules(args) => rules::run_rules(args),
        Command::Completions(args) => Ok(completions::generate_completions(args)),
        Command::Man(args) => man::write_man_page(args),
    }
}
