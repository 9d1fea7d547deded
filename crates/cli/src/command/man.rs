//! `portcullis man`: generates man pages from the same source as `--help`.

use clap::{Command, CommandFactory as _};

use crate::args::{Cli, ManArgs};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::output::CommandOutput;

/// Runs the command.
///
/// # Errors
/// When there is no such command.
pub fn write_man_page(args: &ManArgs) -> Result<CommandOutput, CliError> {
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for name in &args.command {
        command = find_subcommand(command, name)?;
    }
    let title = command
        .get_bin_name()
        .unwrap_or("portcullis")
        .replace(' ', "-");
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(title)
        .render(&mut page)
        .map_err(CliError::ManPage)?;
    Ok(CommandOutput {
        data: String::from_utf8_lossy(&page).into_owned(),
        messages: Vec::new(),
        exit: ExitStatus::Clean,
    })
}

fn find_subcommand<'c>(command: &'c Command, name: &str) -> Result<&'c Command, CliError> {
    command.find_subcommand(name).ok_or_else(|| {
        let commands: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
        CliError::UnknownCommand {
            name: name.to_owned(),
            commands: commands.join(", "),
        }
    })
}
