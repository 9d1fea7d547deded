//! `portcullis completions`: completions for a shell.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::output::Done;

/// Runs the command.
pub fn run(args: &CompletionsArgs) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "portcullis", &mut script);
    Done { data: String::from_utf8_lossy(&script).into_owned(), talk: Vec::new(), exit: Exit::Clean }
}
