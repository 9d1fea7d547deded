//! The checks that must pass before a change is merged. CI runs exactly these, so a run that passes
//! on a laptop passes there too.
//!
//! The cheap steps come first. All steps run even if one has failed, so that one run shows
//! everything that is wrong. No step that compiles the AWS SDK changes features or RUSTFLAGS, so
//! cargo reuses the compiled SDK between steps.

mod checkov;
mod deny;
mod run;
mod template;

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, ensure};

use run::{cargo, execute};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const TITLE: Style = Style::new().bold();

/// One check.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

impl Step {
    const fn new(name: &'static str, run: fn() -> Result<()>) -> Self {
        Self { name, run }
    }
}

/// The layers, the style rules and the permissions in template.yaml are tests of this package, so
/// the last step checks them.
const STEPS: [Step; 7] = [
    Step::new("fmt", fmt),
    Step::new("deny", deny::check),
    Step::new("template", template::check),
    Step::new("clippy", clippy),
    Step::new("offline", offline),
    Step::new("doc", doc),
    Step::new("test", test),
];

/// Runs every step and then reports which failed.
///
/// # Errors
/// When a step failed; see the step's output.
pub(crate) fn run_all() -> Result<()> {
    run_steps(&STEPS)
}

/// Checks template.yaml alone.
///
/// # Errors
/// When the SAM CLI, cfn-lint or checkov finds something, or cannot be installed.
pub(crate) fn check_template() -> Result<()> {
    template::check()
}

/// Checks the dependencies alone.
///
/// # Errors
/// When cargo-deny finds something, or cannot be installed.
pub(crate) fn check_dependencies() -> Result<()> {
    deny::check()
}

fn run_steps(steps: &[Step]) -> Result<()> {
    let start = Instant::now();
    let mut failed = Vec::new();
    let mut summary = Vec::new();
    for step in steps {
        anstream::println!("\n{TITLE}==> {}{TITLE:#}", step.name);
        let step_start = Instant::now();
        let outcome = (step.run)();
        let duration = step_start.elapsed();
        if let Err(error) = &outcome {
            anstream::println!("{BAD}{}{BAD:#}: {error:#}", step.name);
            failed.push(step.name);
        }
        summary.push(summary_line(step.name, outcome.is_ok(), duration));
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
    anstream::println!("all steps passed in {}", format_seconds(start.elapsed()));
    Ok(())
}

fn summary_line(name: &str, passed: bool, duration: Duration) -> String {
    let (style, word) = if passed {
        (GOOD, "ok")
    } else {
        (BAD, "failed")
    };
    let seconds = format_seconds(duration);
    format!("  {style}{word:<6}{style:#} {name:<10} {seconds:>9}")
}

fn format_seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn fmt() -> Result<()> {
    execute(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    let targets = ["clippy", "--workspace", "--all-targets"];
    execute(cargo().args(targets).args(["--", "-D", "warnings"]))
}

/// The CLI without AWS, which no other step compiles.
fn offline() -> Result<()> {
    let package = ["--package", "portcullis-cli", "--no-default-features"];
    let lints = ["--all-targets", "--", "-D", "warnings"];
    execute(cargo().arg("clippy").args(package).args(lints))?;
    let tests = ["--test", "cli", "without_aws"];
    execute(cargo().arg("test").args(package).args(tests))
}

fn doc() -> Result<()> {
    let mut doc = cargo();
    doc.args(["doc", "--no-deps", "--workspace"]);
    execute(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

fn test() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--workspace", "--no-fail-fast"]);
    // With `CI`, insta fails on a new snapshot instead of writing it.
    execute(test.env("CI", "true"))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn fail() -> Result<()> {
        bail!("no")
    }

    #[test]
    fn a_failed_step_fails_the_run_and_does_not_stop_the_others() {
        let steps = [
            Step::new("a", fail),
            Step::new("b", || Ok(())),
            Step::new("c", fail),
        ];
        let error = run_steps(&steps).unwrap_err();
        assert_eq!(error.to_string(), "2 of 3 steps failed: a, c");
    }

    #[test]
    fn a_run_without_failures_passes() {
        run_steps(&[Step::new("a", || Ok(()))]).unwrap();
    }
}
