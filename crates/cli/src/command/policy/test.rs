//! `portcullis policy test`: a policy held against a user's own expectations.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Format, TestArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::expectations::{Difference, Expectations, Verdict, decode, verdict};
use crate::input::Input;
use crate::output::{BOLD, DIMMED, Done, GREEN, RED, clean, count, json};
use crate::policy::PolicyName;

/// What came of one file.
#[derive(Debug)]
struct Tested {
    /// The file.
    file: String,
    /// The name of the policy.
    policy: String,
    /// Each case by name.
    cases: Vec<(String, Verdict)>,
}

/// `policy test --format json`, version 1.
#[derive(Debug, Serialize)]
struct TestV1<'a> {
    version: u32,
    passed: usize,
    failed: usize,
    files: Vec<FileV1<'a>>,
}

#[derive(Debug, Serialize)]
struct FileV1<'a> {
    file: &'a str,
    policy: &'a str,
    cases: Vec<CaseV1<'a>>,
}

#[derive(Debug, Serialize)]
struct CaseV1<'a> {
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
pub(super) fn run(args: &TestArgs, now: Timestamp) -> Result<Done, CliError> {
    if args.files.iter().filter(|file| **file == Input::Stdin).count() > 1 {
        return Err(CliError::TwoFromStdin("a file of expectations", "another one"));
    }
    if args.files.contains(&Input::Stdin) && args.policy.as_ref().is_some_and(PolicyName::is_stdin) {
        return Err(CliError::TwoFromStdin("the policy", "the expectations"));
    }
    let overriding = args.policy.as_ref().map(PolicyName::load).transpose()?;
    let mut all = Vec::new();
    for file in &args.files {
        let Expectations { policy, now: its, cases } = read(file)?;
        let loaded = match &overriding {
            Some(loaded) => loaded.clone(),
            None => policy.load()?,
        };
        let now = its.or(args.now).unwrap_or(now);
        let cases = cases.iter().map(|case| (case.name.clone(), verdict(case, &loaded.policy, now))).collect();
        all.push(Tested { file: file.title(), policy: loaded.policy.name, cases });
    }
    let failed = all.iter().map(Tested::failed).sum();
    let data = match args.format {
        Format::Json => json(&document(&all, failed))?,
        Format::Human => render(&all, failed),
    };
    let exit = if failed > 0 { Exit::Findings } else { Exit::Clean };
    Ok(Done { data, talk: Vec::new(), exit })
}

/// The expectations of a file, its policy as seen from where we are.
fn read(file: &Input) -> Result<Expectations, CliError> {
    let mut expectations = decode(&file.title(), &file.read_text()?).map_err(|found| {
        let (name, found) = (file.to_string(), Box::new(found));
        CliError::Expectations { name, found }
    })?;
    if let Input::File(path) = file {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        expectations.policy = expectations.policy.seen_from(folder);
    }
    Ok(expectations)
}

impl Tested {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|(_, verdict)| !verdict.passed()).count()
    }
}

/// For people. Writing to a string cannot fail.
fn render(all: &[Tested], failed: usize) -> String {
    let mut text = String::new();
    for tested in all {
        let _ = writeln!(text, "{BOLD}{}{BOLD:#}: the policy `{}`", tested.file, clean(&tested.policy));
        for (name, verdict) in &tested.cases {
            if verdict.passed() {
                let _ = writeln!(text, "  {GREEN}ok{GREEN:#}    {}", clean(name));
            } else {
                let _ = writeln!(text, "  {RED}FAIL{RED:#}  {}", clean(name));
                verdict.differences.iter().for_each(|difference| told(&mut text, difference));
                for note in &verdict.notes {
                    let _ = writeln!(text, "        note: {}", clean(note));
                }
            }
        }
        text.push('\n');
    }
    let cases: usize = all.iter().map(|tested| tested.cases.len()).sum();
    let passed = cases.saturating_sub(failed);
    if failed > 0 {
        let _ = writeln!(text, "{BOLD}{failed} of {} failed{BOLD:#}; - expected, + got", count(cases, "case"));
    } else {
        let _ = writeln!(text, "{BOLD}{} passed{BOLD:#}", count(passed, "case"));
    }
    text
}

fn told(text: &mut String, difference: &Difference) {
    let _ = writeln!(text, "        {}", difference.what);
    for missing in difference.missing() {
        let _ = writeln!(text, "          {RED}- {}{RED:#}", clean(missing));
    }
    for line in difference.surplus() {
        let why =
            if line.why.is_empty() { String::new() } else { format!("  {DIMMED}({}){DIMMED:#}", clean(&line.why)) };
        let _ = writeln!(text, "          {GREEN}+ {}{GREEN:#}{why}", clean(&line.text));
    }
}

fn document(all: &[Tested], failed: usize) -> TestV1<'_> {
    let cases: usize = all.iter().map(|tested| tested.cases.len()).sum();
    TestV1 { version: 1, passed: cases.saturating_sub(failed), failed, files: all.iter().map(file).collect() }
}

fn file(tested: &Tested) -> FileV1<'_> {
    let cases = tested.cases.iter().map(|(name, verdict)| CaseV1 {
        name,
        passed: verdict.passed(),
        differences: verdict.differences.iter().map(wire).collect(),
        notes: &verdict.notes,
    });
    FileV1 { file: &tested.file, policy: &tested.policy, cases: cases.collect() }
}

fn wire(difference: &Difference) -> DifferenceV1<'_> {
    let got = difference.got.iter().map(|line| line.text.as_str()).collect();
    DifferenceV1 { what: difference.what, expected: &difference.expected, got }
}
