//! One case held against a policy.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::plan::Purpose;
use portcullis_rules::{Context, Decision, Finding, PlanInput, Policy, Quota, decide};

use super::{IdsByRule, TestCase, TestEvent};
use crate::yaml::{nearest_word, printable_excerpt};

/// What came of a case.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// Where it is not as expected; nowhere when the case passes.
    pub differences: Vec<Difference>,
    /// What may explain them.
    pub notes: Vec<String>,
}

/// Where a case is not as expected.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The key under `expect`.
    pub key: &'static str,
    /// What was expected, in order.
    pub expected: Vec<String>,
    /// What came, in order.
    pub actual: Vec<ActualLine>,
}

/// Something that came, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActualLine {
    /// What is compared.
    pub text: String,
    /// Why it came; empty where there is nothing to say.
    pub reason: String,
}

impl TestResult {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Difference {
    /// What was expected and did not come.
    pub fn missing(&self) -> Vec<&str> {
        let mut got: Vec<&str> = self.actual.iter().map(|line| line.text.as_str()).collect();
        let expected = self.expected.iter().map(String::as_str);
        expected
            .filter(|wanted| !remove_first_match(&mut got, wanted))
            .collect()
    }

    /// What came and was not expected.
    pub fn unexpected(&self) -> Vec<&ActualLine> {
        let mut expected: Vec<&str> = self.expected.iter().map(String::as_str).collect();
        self.actual
            .iter()
            .filter(|line| !remove_first_match(&mut expected, &line.text))
            .collect()
    }
}

/// Takes one of these words away, if it is there.
fn remove_first_match(words: &mut Vec<&str>, word: &str) -> bool {
    let place = words.iter().position(|other| *other == word);
    place.map(|place| words.swap_remove(place)).is_some()
}

/// Judges and plans the case, and compares.
pub fn run_test_case(case: &TestCase, policy: &Policy, now: Timestamp) -> TestResult {
    let TestEvent {
        principals,
        account,
        region,
        time,
    } = case.event.clone();
    let context = Context {
        now: Some(time.unwrap_or(now)),
        account,
        region,
        principals,
    };
    let decision = decide(&PlanInput {
        policy,
        group: &case.group,
        lists: &case.prefix_lists,
        context: &context,
        foreign: false,
        attachments: case.attachments,
        quota: Quota::default(),
    });
    let expect = &case.expected;
    let compared = [
        expect
            .findings
            .as_ref()
            .map(|wanted| ("findings", expected_lines(wanted), finding_lines(&decision))),
        expect
            .exempt
            .as_ref()
            .map(|wanted| ("exempt", expected_lines(wanted), exempt_lines(&decision))),
        expect
            .removals
            .clone()
            .map(|wanted| ("removals", wanted, removal_lines(&decision))),
        expect
            .additions
            .clone()
            .map(|wanted| ("additions", wanted, addition_lines(&decision))),
        expect
            .after
            .clone()
            .map(|wanted| ("after", wanted, resulting_rule_lines(case, &decision))),
        Some((
            "refusals",
            expect.refusals.iter().cloned().collect(),
            refusal_lines(&decision),
        )),
        Some((
            "losses",
            expect.skipped_additions.iter().cloned().collect(),
            skipped_addition_lines(&decision),
        )),
    ];
    let differences = compared
        .into_iter()
        .flatten()
        .filter_map(|(what, mut expected, mut got)| {
            expected.sort();
            got.sort();
            let same = expected.iter().eq(got.iter().map(|line| &line.text));
            (!same).then_some(Difference {
                key: what,
                expected,
                actual: got,
            })
        });
    let differences: Vec<_> = differences.collect();
    let mut notes = if differences.is_empty() {
        Vec::new()
    } else {
        unknown_id_notes(case, policy)
    };
    notes.extend(
        decision
            .violations
            .iter()
            .map(|objection| format!("the plan {objection}")),
    );
    TestResult { differences, notes }
}

fn actual_line(text: impl Into<String>, why: impl Into<String>) -> ActualLine {
    ActualLine {
        text: text.into(),
        reason: why.into(),
    }
}

fn expected_lines(by_rule: &IdsByRule) -> Vec<String> {
    by_rule
        .iter()
        .flat_map(|(rule, ids)| ids.iter().map(move |id| format!("{rule}: {id}")))
        .collect()
}

fn finding_lines(decision: &Decision) -> Vec<ActualLine> {
    let counts = decision
        .evaluation
        .findings
        .iter()
        .filter(|finding| finding.exempted_by.is_none());
    let told = |finding: &Finding| {
        let Finding {
            ingress,
            policy_rule,
            offending,
            ..
        } = finding;
        actual_line(
            format!("{ingress}: {}", policy_rule.id),
            format!(
                "{} {}, ports {offending}",
                policy_rule.severity, policy_rule.action
            ),
        )
    };
    unique_lines(counts.map(told))
}

fn exempt_lines(decision: &Decision) -> Vec<ActualLine> {
    let freed = |finding: &Finding| {
        let id = finding.exempted_by.as_ref()?;
        Some(actual_line(format!("{}: {id}", finding.ingress), ""))
    };
    unique_lines(decision.evaluation.findings.iter().filter_map(freed))
}

/// Each once: twins of an ingress rule, and findings that are freed by one exception, say the same.
fn unique_lines(lines: impl Iterator<Item = ActualLine>) -> Vec<ActualLine> {
    lines.collect::<BTreeSet<_>>().into_iter().collect()
}

fn removal_lines(decision: &Decision) -> Vec<ActualLine> {
    let removals = decision.plan.removals.iter();
    removals
        .map(|removal| actual_line(removal.ingress.to_string(), removal.policy_rules.join(", ")))
        .collect()
}

fn addition_lines(decision: &Decision) -> Vec<ActualLine> {
    let told = |purpose| match purpose {
        Purpose::Keep => "stays allowed, instead of",
        Purpose::Trust => "trusted, instead of",
    };
    let additions = decision.plan.additions.iter();
    additions
        .map(|addition| {
            let why = format!("{} {}", told(addition.purpose), addition.replaces);
            actual_line(addition.ingress.to_string(), why)
        })
        .collect()
}

fn resulting_rule_lines(case: &TestCase, decision: &Decision) -> Vec<ActualLine> {
    decision
        .plan
        .apply_to(&case.group)
        .rules
        .iter()
        .map(|rule| actual_line(rule.to_string(), ""))
        .collect()
}

fn refusal_lines(decision: &Decision) -> Vec<ActualLine> {
    unique_lines(
        decision
            .plan
            .refusals
            .iter()
            .map(|refusal| actual_line(refusal.reason.code(), refusal.reason.message())),
    )
}

fn skipped_addition_lines(decision: &Decision) -> Vec<ActualLine> {
    unique_lines(
        decision
            .plan
            .skipped_additions
            .iter()
            .map(|loss| actual_line(loss.reason.code(), loss.reason.message())),
    )
}

/// Ids that are expected and that the policy does not have.
fn unknown_id_notes(case: &TestCase, policy: &Policy) -> Vec<String> {
    let rules: Vec<&str> = policy.rules.iter().map(|rule| rule.id.as_str()).collect();
    let exceptions: Vec<&str> = policy
        .exceptions
        .iter()
        .map(|exception| exception.id.as_str())
        .collect();
    let all = [
        ("rule", &case.expected.findings, rules),
        ("exception", &case.expected.exempt, exceptions),
    ];
    let mut notes = BTreeSet::new();
    for (what, expected, known) in all {
        for id in expected
            .iter()
            .flat_map(IdsByRule::values)
            .flatten()
            .filter(|id| !known.contains(&id.as_str()))
        {
            let near = nearest_word(id, known.iter().copied());
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            notes.insert(format!(
                "the policy has no {what} `{}`{near}",
                printable_excerpt(id)
            ));
        }
    }
    notes.into_iter().collect()
}
