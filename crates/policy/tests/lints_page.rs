//! `docs/lints.md` explains every code, and each of its examples gives the code.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use std::collections::BTreeMap;

use portcullis_policy::test_file::decode_test_file;
use portcullis_policy::{Code, Diagnostic, Diagnostics, lint_policy, parse_policy};

const PAGE: &str = include_str!("../../../docs/lints.md");

/// A section of the page.
struct Section {
    is_warning: bool,
    example: String,
    /// The paragraphs before and after the example.
    prose: String,
}

fn read_sections() -> BTreeMap<String, Section> {
    let (errors, warnings) = PAGE.split_once("\n## Warnings\n").unwrap();
    let mut sections = BTreeMap::new();
    for (part, is_warning) in [(errors, false), (warnings, true)] {
        for text in part.split("\n### ").skip(1) {
            let (code, rest) = text.split_once('\n').unwrap();
            let (before, rest) = rest.split_once("```yaml\n").unwrap();
            let (example, after) = rest.split_once("```\n").unwrap();
            let section = Section {
                is_warning,
                example: example.to_owned(),
                prose: format!("{}|{}", before.trim(), after.trim()),
            };
            let earlier = sections.insert(format!("policy/{code}"), section);
            assert!(earlier.is_none(), "two sections {code}");
        }
    }
    sections
}

/// The errors and warnings of a policy or, if it has cases, a test file.
fn diagnose(text: &str) -> Diagnostics {
    if text.contains("\ncases:") {
        return decode_test_file("policy.test.yaml", text).unwrap_err();
    }
    match parse_policy("policy.yaml", text) {
        Ok(loaded) => lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap()),
        Err(errors) => errors,
    }
}

#[test]
fn every_code_has_a_section() {
    let sections = read_sections();
    let documented: Vec<_> = sections.keys().map(String::as_str).collect();
    let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.code()).collect();
    codes.sort_unstable();
    assert_eq!(documented, codes);
    for code in Code::ALL {
        let section = &sections[code.code()];
        assert_eq!(section.is_warning, code.is_warning(), "{}", code.code());
        let (meaning, fix) = section.prose.split_once('|').unwrap();
        assert!(!meaning.is_empty() && !fix.is_empty(), "{}", code.code());
    }
}

/// The code is the only one that the example gives.
#[test]
fn every_example_gives_its_code() {
    let mut wrong = Vec::new();
    for (code, section) in read_sections() {
        let found = diagnose(&section.example);
        let mut codes: Vec<_> = found.iter().map(|one| one.code().code()).collect();
        codes.dedup();
        if codes != [code.as_str()] {
            wrong.push(format!("{code}: {codes:?}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The policy at the top of the page has one weakened rule, which a comment accepts.
#[test]
fn the_example_of_an_accepted_warning_has_no_warnings() {
    let (_, rest) = PAGE.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```\n").unwrap();
    assert_eq!(diagnose(example).to_string(), "");
    let without = example.replace("# accept:", "#");
    let found = diagnose(&without);
    let codes: Vec<_> = found.iter().map(Diagnostic::code).collect();
    assert_eq!(codes, [Code::WeakenedPreset]);
}
