//! The `portcullis` command: audits groups, shows what the Lambda would do for an event, checks and tests policies,
//! explains the rules. It needs AWS for the audit of the live account alone.
//!
//! Each command turns its arguments into a [`output::CommandOutput`] without touching a stream, so that [`main`] is the only
//! place that writes, that asks for the time, and that decides how the process ends.

pub mod args;
pub mod audit;
pub mod command;
pub mod describe;
pub mod error;
pub mod exit;
pub mod input;
#[cfg(feature = "aws")]
mod live;
pub mod output;
pub mod policy;

use std::process::ExitCode;

use clap::Parser as _;
use jiff::Timestamp;

use args::Cli;
use error::CliError;
use exit::ExitStatus;
use output::{CommandOutput, Message};

/// Runs the command that the arguments of the process ask for.
pub fn run_process() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a reader that goes away early is none either.
            let _ = error.print();
            return if error.use_stderr() {
                ExitStatus::BadInput
            } else {
                ExitStatus::Clean
            }
            .into();
        }
    };
    cli.color.write_global();
    match command::run_command(&cli.command, Timestamp::now())
        .and_then(|done| write_and_finish(&done))
    {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::print_message(&Message::from(&error));
            error.exit_status().into()
        }
    }
}

fn write_and_finish(done: &CommandOutput) -> Result<ExitStatus, CliError> {
    output::write_output(done)?;
    Ok(done.exit)
}
