//! `portcullis policy`: checking, showing and testing policies.

mod check;
mod test;

use jiff::Timestamp;
use portcullis_policy::{schema, show};

use crate::args::PolicyCommand;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Done;

/// Runs the command.
///
/// # Errors
/// When it cannot be carried out; a policy that does not hold is such an error.
pub fn run(command: &PolicyCommand, now: Timestamp) -> Result<Done, CliError> {
    match command {
        PolicyCommand::Check(args) => check::run(args, now),
        PolicyCommand::Show(args) => Ok(data(show(&args.policy.load()?.policy))),
        PolicyCommand::Schema => Ok(data(schema())),
        PolicyCommand::Test(args) => test::run(args, now),
    }
}

const fn data(data: String) -> Done {
    Done { data, talk: Vec::new(), exit: Exit::Clean }
}
