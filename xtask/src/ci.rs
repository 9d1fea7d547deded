//! What must hold before anything is merged. CI runs exactly this and nothing else, so a green run on a laptop is a
//! green run there.
//!
//! The cheap steps come first. All steps run, also after one has failed, so that one run shows everything there is to
//! repair. No step that sees the SDK selects features, and none but the lint sets compiler flags: clippy and rustdoc share
//! what they check, tests use what `cargo test` compiles anyway, and the SDK is compiled once for each.

mod checkov;
mod template;

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::workspace_root;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const TITLE: Style = Style::new().bold();

/// One thing that must hold.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

/// The rooms, the tidiness of the tree and template.yaml's permissions are tests of this package: `test` runs them.
const STEPS: [Step; 6] = [
    Step {
        name: "fmt",
        run: fmt,
    },
    Step {
        name: "template",
        run: template::check,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "offline",
        run: offline,
    },
    Step {
        name: "doc",
        run: doc,
    },
    Step {
        name: "test",
        run: test,
    },
];

/// Runs every step and then says which failed.
///
/// # Errors
/// When a step failed; its own output is above.
pub(crate) fn run() -> Result<()> {
    all(&STEPS)
}

/// Checks template.yaml alone.
///
/// # Errors
/// When the SAM CLI, cfn-lint or checkov object, or cannot be installed.
pub(crate) fn template() -> Result<()> {
    template::check()
}

fn all(steps: &[Step]) -> Result<()> {
    let start = Instant::now();
    let mut failed = Vec::new();
    let mut summary = Vec::new();
    for step in steps {
        anstream::println!("\n{TITLE}==> {}{TITLE:#}", step.name);
        let begun = Instant::now();
        let outcome = (step.run)();
        let took = begun.elapsed();
        if let Err(error) = &outcome {
            anstream::println!("{BAD}{}{BAD:#}: {error:#}", step.name);
            failed.push(step.name);
        }
        summary.push(line(step.name, outcome.is_ok(), took));
    }
    anstream::println!("\n{TITLE}==> summary{TITLE:#}");
    for line in summary {
        anstream::println!("{line}");
    }
    ensure!(
        failed.is_empty(),
        "{} of {} steps failed: {}",
        failed.len(),
        steps.len(),
        failed.join(", ")
    );
    anstream::println!("all well, in {}", seconds(start.elapsed()));
    Ok(())
}

fn line(name: &str, good: bool, took: Duration) -> String {
    let (style, word) = if good { (GOOD, "ok") } else { (BAD, "failed") };
    format!(
        "  {style}{word:<6}{style:#} {name:<10} {:>9}",
        seconds(took)
    )
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

fn fmt() -> Result<()> {
    execute(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    execute(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// The command without AWS, which nothing else of these steps compiles.
fn offline() -> Result<()> {
    let package = ["--package", "portcullis-cli", "--no-default-features"];
    execute(
        cargo()
            .arg("clippy")
            .args(package)
            .args(["--all-targets", "--", "-D", "warnings"]),
    )?;
    execute(
        cargo()
            .arg("test")
            .args(package)
            .args(["--test", "cli", "without_aws"]),
    )
}

fn doc() -> Result<()> {
    execute(
        cargo()
            .args(["doc", "--no-deps", "--workspace"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn test() -> Result<()> {
    // CI makes insta refuse to write a snapshot it does not know.
    execute(
        cargo()
            .args(["test", "--workspace", "--no-fail-fast"])
            .env("CI", "true"),
    )
}

/// The cargo that runs us, in the root of the workspace.
fn cargo() -> Command {
    let program = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut cargo = Command::new(program);
    cargo.current_dir(workspace_root());
    cargo
}

/// Runs a command whose output belongs to ours.
fn execute(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        let shown: Vec<_> = command
            .get_args()
            .map(|argument| argument.to_string_lossy())
            .collect();
        bail!("`{}` ended with {status}", shown.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad() -> Result<()> {
        bail!("no")
    }

    #[test]
    fn a_failed_step_fails_the_run_and_does_not_hide_the_others() {
        let steps = [
            Step {
                name: "a",
                run: bad,
            },
            Step {
                name: "b",
                run: || Ok(()),
            },
            Step {
                name: "c",
                run: bad,
            },
        ];
        assert_eq!(
            all(&steps).unwrap_err().to_string(),
            "2 of 3 steps failed: a, c"
        );
    }

    #[test]
    fn only_good_steps_are_a_good_run() {
        all(&[Step {
            name: "a",
            run: || Ok(()),
        }])
        .unwrap();
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_what_was_run() {
        let error = execute(
            Command::new("cargo")
                .arg("--no-such-flag")
                .stderr(Stdio::null()),
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`--no-such-flag` ended with "),
            "{error}"
        );
        let error = execute(&mut Command::new("portcullis-no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run portcullis-no-such-program");
    }
}
