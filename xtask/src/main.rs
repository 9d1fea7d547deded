//! The project's own tasks: `cargo demo`, and what CI runs.

mod ci;
mod demo;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The project's own tasks.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Deploy to a local AWS, open a security group to the world and watch it being closed.
    Demo(demo::Args),
    /// Run every check that must pass before a change is merged.
    Ci,
    /// Check template.yaml with the SAM CLI, cfn-lint and checkov.
    Template,
    /// Check the dependencies with cargo-deny: bans, licenses, sources.
    Deny,
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

fn run(task: Option<Task>) -> Result<()> {
    match task {
        Some(Task::Demo(args)) => demo::run(&args),
        Some(Task::Ci) => ci::run_all(),
        Some(Task::Template) => ci::check_template(),
        Some(Task::Deny) => ci::check_dependencies(),
        None => list_tasks(),
    }
}

/// Prints the tasks, one line each.
fn list_tasks() -> Result<()> {
    Ok(Cli::command().print_help()?)
}
