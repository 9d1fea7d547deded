//! `portcullis policy test`: runs the cases of test files.

use std::path::Path;

use jiff::Timestamp;
use portcullis_policy::LoadedPolicy;
use portcullis_policy::test_file::{TestFile, decode_test_file, run_test_case};

use super::results::{TestedFile, count_failed, render_results, results_report};
use crate::args::{Format, TestArgs};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::input::Input;
use crate::output::CommandOutput;
use crate::policy::PolicyName;

/// Runs the command. `now` is the time if neither the files nor the arguments give one.
///
/// # Errors
/// When a test file or its policy cannot be read or is invalid.
pub(super) fn run_policy_tests(args: &TestArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    require_one_stdin(args)?;
    let override_policy = args.policy.as_ref().map(PolicyName::load).transpose()?;
    let default_now = args.now.unwrap_or(now);
    let mut tested = Vec::new();
    for file in &args.files {
        tested.push(run_test_file(file, override_policy.as_ref(), default_now)?);
    }
    let data = match args.format {
        Format::Json => results_report(&tested)?,
        Format::Human => render_results(&tested),
    };
    let exit = if count_failed(&tested) > 0 {
        ExitStatus::Findings
    } else {
        ExitStatus::Clean
    };
    Ok(CommandOutput {
        data,
        messages: Vec::new(),
        exit,
    })
}

fn require_one_stdin(args: &TestArgs) -> Result<(), CliError> {
    let from_stdin = args.files.iter().filter(|file| **file == Input::Stdin);
    let policy_from_stdin = args.policy.as_ref().is_some_and(PolicyName::is_stdin);
    match (from_stdin.count(), policy_from_stdin) {
        (0, _) | (1, false) => Ok(()),
        (1, true) => Err(CliError::TwoFromStdin("the policy", "the test file")),
        (_, _) => Err(CliError::TwoFromStdin("a test file", "another one")),
    }
}

fn run_test_file(
    file: &Input,
    override_policy: Option<&LoadedPolicy>,
    default_now: Timestamp,
) -> Result<TestedFile, CliError> {
    let TestFile { policy, now, cases } = read_test_file(file)?;
    let loaded = match override_policy {
        Some(loaded) => loaded.clone(),
        None => PolicyName::from_reference(policy, folder_of(file)).load()?,
    };
    let time = now.unwrap_or(default_now);
    let results = cases
        .iter()
        .map(|case| {
            let result = run_test_case(case, &loaded.policy, time);
            (case.name.clone(), result)
        })
        .collect();
    Ok(TestedFile {
        file: file.display_name(),
        policy: loaded.policy.name,
        results,
    })
}

fn read_test_file(file: &Input) -> Result<TestFile, CliError> {
    let text = file.read_text()?;
    decode_test_file(&file.display_name(), &text).map_err(|found| CliError::InvalidTestFile {
        name: file.to_string(),
        found: Box::new(found),
    })
}

/// The folder from which a test file refers to its policy.
fn folder_of(file: &Input) -> &Path {
    let folder = match file {
        Input::File(path) => path.parent(),
        Input::Stdin => None,
    };
    folder.unwrap_or_else(|| Path::new(""))
}
