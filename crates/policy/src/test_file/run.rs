//! Runs a test case against a policy.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::{Context, Decision, OpenedRules, PlanInput, Policy, decide};

use super::model::{IdsByRule, TestCase};
use super::outcome::{self, ActualLine};
use crate::yaml::{nearest_word, quote_text};

/// The result of a test case.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// Where the outcome differs from the expected one; empty if the case passed.
    pub differences: Vec<Difference>,
    /// What may explain the differences.
    pub notes: Vec<String>,
}

/// A part of the outcome that differs from the expected one.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The key under `expect`.
    pub key: &'static str,
    /// What was expected, sorted.
    pub expected: Vec<String>,
    /// The actual outcome, sorted.
    pub actual: Vec<ActualLine>,
}

impl TestResult {
    /// Whether everything is as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Difference {
    /// What was expected but did not happen.
    pub fn missing(&self) -> Vec<&str> {
        let mut actual: Vec<&str> = self.actual.iter().map(|line| line.text.as_str()).collect();
        self.expected
            .iter()
            .map(String::as_str)
            .filter(|text| !remove_first_match(&mut actual, text))
            .collect()
    }

    /// What happened but was not expected.
    pub fn unexpected(&self) -> Vec<&ActualLine> {
        let mut expected: Vec<&str> = self.expected.iter().map(String::as_str).collect();
        self.actual
            .iter()
            .filter(|line| !remove_first_match(&mut expected, &line.text))
            .collect()
    }
}

/// Removes the text once. Returns whether it was there.
fn remove_first_match(texts: &mut Vec<&str>, text: &str) -> bool {
    let index = texts.iter().position(|other| *other == text);
    index.map(|index| texts.swap_remove(index)).is_some()
}

/// Evaluates and plans the case, and compares the outcome with the expected one. `now` is the time
/// if the event has none.
pub fn run_test_case(case: &TestCase, policy: &Policy, now: Timestamp) -> TestResult {
    let event = case.event.clone();
    let context = Context {
        now: Some(event.time.unwrap_or(now)),
        account: event.account,
        region: event.region,
        principals: event.principals,
        // Without `opened`, a test case describes a group that the event opened.
        opened: event
            .opened
            .map_or(OpenedRules::All, |rules| rules.iter().collect()),
    };
    let decision = decide(&PlanInput {
        attachments: case.attachments,
        ..PlanInput::new(policy, &case.group, &case.prefix_lists, &context)
    });
    let differences = compare_outcome(case, &decision);
    let mut notes = if differences.is_empty() {
        Vec::new()
    } else {
        unknown_id_notes(case, policy)
    };
    for violation in &decision.violations {
        notes.push(format!("the plan {violation}"));
    }
    TestResult { differences, notes }
}

fn compare_outcome(case: &TestCase, decision: &Decision) -> Vec<Difference> {
    let expected = &case.expected;
    let refusals = expected.refusals.iter().cloned().collect();
    let skipped_additions = expected.skipped_additions.iter().cloned().collect();
    let comparisons = [
        expected.findings.as_ref().and_then(|ids| {
            let actual = outcome::finding_lines(decision);
            compare_lines("findings", id_lines(ids), actual)
        }),
        expected.exempt.as_ref().and_then(|ids| {
            let actual = outcome::exempt_lines(decision);
            compare_lines("exempt", id_lines(ids), actual)
        }),
        expected.removals.clone().and_then(|lines| {
            let actual = outcome::removal_lines(decision);
            compare_lines("removals", lines, actual)
        }),
        expected.additions.clone().and_then(|lines| {
            let actual = outcome::addition_lines(decision);
            compare_lines("additions", lines, actual)
        }),
        expected.after.clone().and_then(|lines| {
            let actual = outcome::resulting_rule_lines(&case.group, decision);
            compare_lines("after", lines, actual)
        }),
        compare_lines("refusals", refusals, outcome::refusal_lines(decision)),
        compare_lines(
            "skipped_additions",
            skipped_additions,
            outcome::skipped_addition_lines(decision),
        ),
    ];
    comparisons.into_iter().flatten().collect()
}

/// The difference, if there is one. Order does not matter.
fn compare_lines(
    key: &'static str,
    mut expected: Vec<String>,
    mut actual: Vec<ActualLine>,
) -> Option<Difference> {
    expected.sort();
    actual.sort();
    let is_equal = expected.iter().eq(actual.iter().map(|line| &line.text));
    (!is_equal).then_some(Difference {
        key,
        expected,
        actual,
    })
}

fn id_lines(ids_by_rule: &IdsByRule) -> Vec<String> {
    let mut lines = Vec::new();
    for (rule, ids) in ids_by_rule {
        lines.extend(ids.iter().map(|id| format!("{rule}: {id}")));
    }
    lines
}

/// Notes about expected ids that the policy does not have.
fn unknown_id_notes(case: &TestCase, policy: &Policy) -> Vec<String> {
    let mut notes = BTreeSet::new();
    let rules: Vec<&str> = policy.rules.iter().map(|rule| rule.id.as_str()).collect();
    for id in expected_ids(case.expected.findings.as_ref()) {
        notes.extend(unknown_id_note("rule", id, &rules));
    }
    let exceptions: Vec<&str> = policy
        .exceptions
        .iter()
        .map(|exception| exception.id.as_str())
        .collect();
    for id in expected_ids(case.expected.exempt.as_ref()) {
        notes.extend(unknown_id_note("exception", id, &exceptions));
    }
    notes.into_iter().collect()
}

fn expected_ids(ids_by_rule: Option<&IdsByRule>) -> impl Iterator<Item = &String> {
    ids_by_rule
        .into_iter()
        .flat_map(IdsByRule::values)
        .flatten()
}

fn unknown_id_note(what: &str, id: &str, known: &[&str]) -> Option<String> {
    if known.contains(&id) {
        return None;
    }
    let note = format!("the policy has no {what} {}", quote_text(id));
    Some(match nearest_word(id, known.iter().copied()) {
        Some(nearest) => format!("{note}; did you mean `{nearest}`?"),
        None => note,
    })
}
