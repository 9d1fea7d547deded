//! The output of `portcullis policy test`.

use std::fmt::Write as _;

use portcullis_policy::test_file::{Difference, TestResult};
use serde::Serialize;

use crate::output::{BOLD, DIMMED, GREEN, RED, to_pretty_json};
use crate::text::{format_count, sanitize_text};

/// The results of one test file.
#[derive(Debug)]
pub(super) struct TestedFile {
    pub(super) file: String,
    /// The name of the policy.
    pub(super) policy: String,
    /// The name of each case with its result.
    pub(super) results: Vec<(String, TestResult)>,
}

impl TestedFile {
    fn failed_count(&self) -> usize {
        self.results
            .iter()
            .filter(|(_, result)| !result.passed())
            .count()
    }
}

/// How many cases failed.
pub(super) fn count_failed(tested: &[TestedFile]) -> usize {
    tested.iter().map(TestedFile::failed_count).sum()
}

fn count_cases(tested: &[TestedFile]) -> usize {
    tested.iter().map(|file| file.results.len()).sum()
}

/// The results as human-readable text. Writing to a string cannot fail.
pub(super) fn render_results(tested: &[TestedFile]) -> String {
    let mut text = String::new();
    for file in tested {
        let policy = sanitize_text(&file.policy);
        let _ = writeln!(text, "{BOLD}{}{BOLD:#}: policy `{policy}`", file.file);
        for (name, result) in &file.results {
            write_result(&mut text, &sanitize_text(name), result);
        }
        text.push('\n');
    }
    let failed = count_failed(tested);
    let cases = format_count(count_cases(tested), "case");
    let _ = if failed > 0 {
        writeln!(
            text,
            "{BOLD}{failed} of {cases} failed{BOLD:#} (- expected, + actual)"
        )
    } else {
        writeln!(text, "{BOLD}{cases} passed{BOLD:#}")
    };
    text
}

fn write_result(text: &mut String, name: &str, result: &TestResult) {
    if result.passed() {
        let _ = writeln!(text, "  {GREEN}ok{GREEN:#}    {name}");
        return;
    }
    let _ = writeln!(text, "  {RED}FAIL{RED:#}  {name}");
    for difference in &result.differences {
        text.push_str(&render_difference(difference));
    }
    for note in &result.notes {
        let note = sanitize_text(note);
        let _ = writeln!(text, "        note: {note}");
    }
}

fn render_difference(difference: &Difference) -> String {
    let mut lines = vec![format!("        {}\n", difference.key)];
    for missing in difference.missing() {
        let line = sanitize_text(missing);
        lines.push(format!("          {RED}- {line}{RED:#}\n"));
    }
    for unexpected in difference.unexpected() {
        let line = sanitize_text(&unexpected.text);
        let reason = render_reason(&unexpected.reason);
        lines.push(format!("          {GREEN}+ {line}{GREEN:#}{reason}\n"));
    }
    lines.concat()
}

fn render_reason(reason: &str) -> String {
    if reason.is_empty() {
        return String::new();
    }
    let reason = sanitize_text(reason);
    format!("  {DIMMED}({reason}){DIMMED:#}")
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

/// The results as JSON.
pub(super) fn results_report(tested: &[TestedFile]) -> serde_json::Result<String> {
    let failed = count_failed(tested);
    to_pretty_json(&TestReportV1 {
        version: 1,
        passed: count_cases(tested).saturating_sub(failed),
        failed,
        files: tested.iter().map(file_report).collect(),
    })
}

fn file_report(tested: &TestedFile) -> TestFileV1<'_> {
    TestFileV1 {
        file: &tested.file,
        policy: &tested.policy,
        cases: tested
            .results
            .iter()
            .map(|(name, result)| case_report(name, result))
            .collect(),
    }
}

fn case_report<'a>(name: &'a str, result: &'a TestResult) -> TestCaseV1<'a> {
    TestCaseV1 {
        name,
        passed: result.passed(),
        differences: result.differences.iter().map(difference_report).collect(),
        notes: &result.notes,
    }
}

fn difference_report(difference: &Difference) -> DifferenceV1<'_> {
    DifferenceV1 {
        what: difference.key,
        expected: &difference.expected,
        got: difference
            .actual
            .iter()
            .map(|line| line.text.as_str())
            .collect(),
    }
}
