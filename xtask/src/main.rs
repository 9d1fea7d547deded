//! The project's own tasks: `cargo demo`, and what CI runs.

mod ci;
mod demo;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The project's own tasks."
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// The whole story on a local AWS: deploy, open a group to the world, watch it being closed.
    Demo(demo::Args),
    /// Everything that must hold before a change is merged.
    Ci,
    /// Only the checks of template.yaml.
    Template,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{RED}error:{RED:#} {error:#}", RED = demo::RED);
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Demo(args) => demo::run(&args),
        Task::Ci => ci::run(),
        Task::Template => ci::template(),
    }
}
