//! The `portcullis` command: audits security groups, shows what the Lambda function would do for an
//! event, validates and tests policies, and explains policy rules. Only the audit of a live account
//! needs AWS.
//!
//! Each command turns its arguments into a [`output::CommandOutput`] without writing to a stream.
//! [`run_process`] is the only place that prints, reads the clock and sets the exit code.

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
pub mod rule_pages;
mod table;
mod terminal;
mod text;
mod usage;
mod wrap;

use std::process::ExitCode;

use clap::Parser as _;
use jiff::Timestamp;

use args::Cli;
use error::CliError;
use exit::ExitStatus;
use output::Message;

/// Runs the command that the process arguments ask for.
pub fn run_process() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mut error) => {
            usage::add_tips(&mut error);
            return print_usage(&error).into();
        }
    };
    cli.color.write_global();
    match run_and_print(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::print_message(&Message::from(&error));
            error.exit_status().into()
        }
    }
}

/// Prints help, the version or a usage error. A closed pipe is not an error here.
fn print_usage(error: &clap::Error) -> ExitStatus {
    let _ = error.print();
    if error.use_stderr() {
        ExitStatus::BadInput
    } else {
        ExitStatus::Clean
    }
}

fn run_and_print(cli: &Cli) -> Result<ExitStatus, CliError> {
    let output = command::run_command(&cli.command, Timestamp::now())?;
    output::write_output(&output).map_err(CliError::Write)?;
    Ok(output.exit)
}
