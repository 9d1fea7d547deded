//! `portcullis policy test`: a policy held against a user's own expectations.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Format, TestArgs};
use crate::error::CliError;
use crate::exit::ExitStatus;
use crate::expectations::{Difference, TestFile, TestResult, decode_test_file, run_test_case};
use crate::input::Input;
use crate::output::{BOLD, CommandOutput, DIMMED, GREEN, RED, to_pretty_json};
use crate::policy::PolicyName;
use crate::text::{format_count, sanitize_text};

/// What came of one file.
#[derive(Debug)]
struct TestedFile {
    /// The file.
    file: String,
    /// The name of the policy.
    policy: String,
    /// Each case by name.
    cases: Vec<(String, TestResult)>,
}

/// `policy test --format json`, version 1.
#[derive(Debug, Serialize)]
struct TestReportV1<'a> {
    version: u32,
    passed: usize,
    failed: usize,
    files: Vec<TestFileV1<'a>>,
}

#[derive(Debug, Serialize)]
struct TestFileV1<'a> {
    file: &'a str,
    policy: &'a str,
    cases: Vec<TestCaseV1<'a>>,
}

#[derive(Debug, Serialize)]
struct TestCaseV1<'a> {
    name: &'a str,
    passed: bool,
    differences: Vec<DifferenceV1<'a>>,
    notes: &'a [String],
}

#[derive(Debug, Serialize)]
struct DifferenceV1<'a> {
    what: &'static str,
    expected: &'a [String],
    got: Vec<&'a str>,
}

/// Runs the command.
///
/// # Errors
/// When a file or its policy cannot be read or understood.
pub(super) fn run_policy_tests(args: &TestArgs, now: Timestamp) -> Result<CommandOutput, CliError> {
    if args
        .files
        .iter()
        .filter(|file| **file == Input::Stdin)
        .count()
        > 1
    {
        return Err(CliError::TwoFromStdin(
            "a file of expectations",
            "another one",
        ));
    }
    if args.files.contains(&Input::Stdin) && args.policy.as_ref().is_some_and(PolicyName::is_stdin)
    {
        return Err(CliError::TwoFromStdin("the policy", "the expectations"));
    }
    let overriding = args.policy.as_ref().map(PolicyName::load).transpose()?;
    let mut all = Vec::new();
    for file in &args.files {
        let TestFile {
            policy,
            now: its,
            cases,
        } = read_test_file(file)?;
        let loaded = match &overriding {
            Some(loaded) => loaded.clone(),
            None => policy.load()?,
        };
        let now = its.or(args.now).unwrap_or(now);
        let cases = cases
            .iter()
            .map(|case| (case.name.clone(), run_test_case(case, &loaded.policy, now)))
            .collect();
        all.push(TestedFile {
            file: file.display_name(),
            policy: loaded.policy.name,
            cases,
        });
    }
    let failed = all.iter().map(TestedFile::failed_count).sum();
    let data = match args.format {
        Format::Json => to_pretty_json(&test_report(&all, failed))?,
        Format::Human => render_test_results(&all, failed),
    };
    let exit = if failed > 0 {
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

/// The expectations of a file, its policy as seen from where we are.
fn read_test_file(file: &Input) -> Result<TestFile, CliError> {
    let mut expectations =
        decode_test_file(&file.display_name(), &file.read_text()?).map_err(|found| {
            let (name, found) = (file.to_string(), Box::new(found));
            CliError::InvalidTestFile { name, found }
        })?;
    if let Input::File(path) = file {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        expectations.policy = expectations.policy.resolve_in(folder);
    }
    Ok(expectations)
}

impl TestedFile {
    fn failed_count(&self) -> usize {
        self.cases
            .iter()
            .filter(|(_, verdict)| !verdict.passed())
            .count()
    }
}

/// For people. Writing to a string cannot fail.
fn render_test_results(all: &[TestedFile], failed: usize) -> String {
    let mut text = String::new();
    for tested in all {
        let _ = writeln!(
            text,
            "{BOLD}{}{BOLD:#}: the policy `{}`",
            tested.file,
            sanitize_text(&tested.policy)
        );
        for (name, verdict) in &tested.cases {
            if verdict.passed() {
                let _ = writeln!(text, "  {GREEN}ok{GREEN:#}    {}", sanitize_text(name));
            } else {
                let _ = writeln!(text, "  {RED}FAIL{RED:#}  {}", sanitize_text(name));
                verdict
                    .differences
                    .iter()
                    .for_each(|difference| write_difference(&mut text, difference));
                for note in &verdict.notes {
                    let _ = writeln!(text, "        note: {}", sanitize_text(note));
                }
            }
        }
        text.push('\n');
    }
    let cases: usize = all.iter().map(|tested| tested.cases.len()).sum();
    let passed = cases.saturating_sub(failed);
    if failed > 0 {
        let _ = writeln!(
            text,
            "{BOLD}{failed} of {} failed{BOLD:#}; - expected, + got",
            format_count(cases, "case")
        );
    } else {
        let _ = writeln!(
            text,
            "{BOLD}{} passed{BOLD:#}",
            format_count(passed, "case")
        );
    }
    text
}

fn write_difference(text: &mut String, difference: &Difference) {
    let _ = writeln!(text, "        {}", difference.key);
    for missing in difference.missing() {
        let _ = writeln!(text, "          {RED}- {}{RED:#}", sanitize_text(missing));
    }
    for line in difference.unexpected() {
        let why = if line.reason.is_empty() {
            String::new()
        } else {
            format!("  {DIMMED}({}){DIMMED:#}", sanitize_text(&line.reason))
        };
        let _ = writeln!(
            text,
            "          {GREEN}+ {}{GREEN:#}{why}",
            sanitize_text(&line.text)
        );
    }
}

fn test_report(all: &[TestedFile], failed: usize) -> TestReportV1<'_> {
    let cases: usize = all.iter().map(|tested| tested.cases.len()).sum();
    TestReportV1 {
        version: 1,
        passed: cases.saturating_sub(failed),
        failed,
        files: all.iter().map(test_file_report).collect(),
    }
}

fn test_file_report(tested: &TestedFile) -> TestFileV1<'_> {
    let cases = tested.cases.iter().map(|(name, verdict)| TestCaseV1 {
        name,
        passed: verdict.passed(),
        differences: verdict.differences.iter().map(difference_report).collect(),
        notes: &verdict.notes,
    });
    TestFileV1 {
        file: &tested.file,
        policy: &tested.policy,
        cases: cases.collect(),
    }
}

fn difference_report(difference: &Difference) -> DifferenceV1<'_> {
    let got = difference
        .actual
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    DifferenceV1 {
        what: difference.key,
        expected: &difference.expected,
        got,
    }
}
