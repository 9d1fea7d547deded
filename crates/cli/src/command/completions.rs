//! `portcullis completions`: generates shell completions.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::ExitStatus;
use crate::output::CommandOutput;

/// Runs the command.
pub fn generate_completions(args: &CompletionsArgs) -> CommandOutput {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "portcullis", &mut script);
    CommandOutput {
        data: String::from_utf8_lossy(&script).into_owned(),
        messages: Vec::new(),
        exit: ExitStatus::Clean,
    }
}
