//! One case held against a policy.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::plan::Purpose;
use portcullis_rules::{Context, Decision, Finding, Policy, Quota, Situation, decide};

use super::{ByRule, Case, Event};
use crate::yaml::{nearest, shown};

/// What came of a case.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Where it is not as expected; nowhere when the case passes.
    pub differences: Vec<Difference>,
    /// What may explain them.
    pub notes: Vec<String>,
}

/// Where a case is not as expected.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The key under `expect`.
    pub what: &'static str,
    /// What was expected, in order.
    pub expected: Vec<String>,
    /// What came, in order.
    pub got: Vec<Line>,
}

/// Something that came, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// What is compared.
    pub text: String,
    /// Why it came; empty where there is nothing to say.
    pub why: String,
}

impl Verdict {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Difference {
    /// What was expected and did not come.
    pub fn missing(&self) -> Vec<&str> {
        let mut got: Vec<&str> = self.got.iter().map(|line| line.text.as_str()).collect();
        let expected = self.expected.iter().map(String::as_str);
        expected.filter(|wanted| !take(&mut got, wanted)).collect()
    }

    /// What came and was not expected.
    pub fn surplus(&self) -> Vec<&Line> {
        let mut expected: Vec<&str> = self.expected.iter().map(String::as_str).collect();
        self.got.iter().filter(|line| !take(&mut expected, &line.text)).collect()
    }
}

/// Takes one of these words away, if it is there.
fn take(words: &mut Vec<&str>, word: &str) -> bool {
    let place = words.iter().position(|other| *other == word);
    place.map(|place| words.swap_remove(place)).is_some()
}

/// Judges and plans the case, and compares.
pub fn verdict(case: &Case, policy: &Policy, now: Timestamp) -> Verdict {
    let Event { principals, account, region, time } = case.event.clone();
    let context = Context { now: Some(time.unwrap_or(now)), account, region, principals };
    let decision = decide(&Situation {
        policy,
        group: &case.group,
        lists: &case.prefix_lists,
        context: &context,
        foreign: false,
        attachments: case.attachments,
        quota: Quota::default(),
    });
    let expect = &case.expect;
    let compared = [
        expect.findings.as_ref().map(|wanted| ("findings", flat(wanted), found(&decision))),
        expect.exempt.as_ref().map(|wanted| ("exempt", flat(wanted), exempt(&decision))),
        expect.removals.clone().map(|wanted| ("removals", wanted, removals(&decision))),
        expect.additions.clone().map(|wanted| ("additions", wanted, additions(&decision))),
        expect.after.clone().map(|wanted| ("after", wanted, after(case, &decision))),
        Some(("refusals", expect.refusals.iter().cloned().collect(), refusals(&decision))),
        Some(("losses", expect.losses.iter().cloned().collect(), losses(&decision))),
    ];
    let differences = compared.into_iter().flatten().filter_map(|(what, mut expected, mut got)| {
        expected.sort();
        got.sort();
        let same = expected.iter().eq(got.iter().map(|line| &line.text));
        (!same).then_some(Difference { what, expected, got })
    });
    let differences: Vec<_> = differences.collect();
    let mut notes = if differences.is_empty() { Vec::new() } else { unknown(case, policy) };
    notes.extend(decision.objections.iter().map(|objection| format!("the plan {objection}")));
    Verdict { differences, notes }
}

fn line(text: impl Into<String>, why: impl Into<String>) -> Line {
    Line { text: text.into(), why: why.into() }
}

fn flat(by_rule: &ByRule) -> Vec<String> {
    by_rule.iter().flat_map(|(rule, ids)| ids.iter().map(move |id| format!("{rule}: {id}"))).collect()
}

fn found(decision: &Decision) -> Vec<Line> {
    let counts = decision.judgement.findings.iter().filter(|finding| finding.exempt.is_none());
    let told = |finding: &Finding| {
        let Finding { ingress, rule, offending, .. } = finding;
        line(format!("{ingress}: {}", rule.id), format!("{} {}, ports {offending}", rule.severity, rule.action))
    };
    once(counts.map(told))
}

fn exempt(decision: &Decision) -> Vec<Line> {
    let freed = |finding: &Finding| {
        let id = finding.exempt.as_ref()?;
        Some(line(format!("{}: {id}", finding.ingress), ""))
    };
    once(decision.judgement.findings.iter().filter_map(freed))
}

/// Each once: twins of an ingress rule, and findings that are freed by one exception, say the same.
fn once(lines: impl Iterator<Item = Line>) -> Vec<Line> {
    lines.collect::<BTreeSet<_>>().into_iter().collect()
}

fn removals(decision: &Decision) -> Vec<Line> {
    let removals = decision.plan.removals.iter();
    removals.map(|removal| line(removal.ingress.to_string(), removal.because.join(", "))).collect()
}

fn additions(decision: &Decision) -> Vec<Line> {
    let told = |purpose| match purpose {
        Purpose::Keep => "stays allowed, instead of",
        Purpose::Trust => "trusted, instead of",
    };
    let additions = decision.plan.additions.iter();
    additions
        .map(|addition| {
            let why = format!("{} {}", told(addition.purpose), addition.instead_of);
            line(addition.ingress.to_string(), why)
        })
        .collect()
}

fn after(case: &Case, decision: &Decision) -> Vec<Line> {
    decision.plan.applied(&case.group).rules.iter().map(|rule| line(rule.to_string(), "")).collect()
}

fn refusals(decision: &Decision) -> Vec<Line> {
    once(decision.plan.refusals.iter().map(|refusal| line(refusal.reason.code(), refusal.reason.sentence())))
}

fn losses(decision: &Decision) -> Vec<Line> {
    once(decision.plan.losses.iter().map(|loss| line(loss.reason.code(), loss.reason.sentence())))
}

/// Ids that are expected and that the policy does not have.
fn unknown(case: &Case, policy: &Policy) -> Vec<String> {
    let rules: Vec<&str> = policy.rules.iter().map(|rule| rule.id.as_str()).collect();
    let exceptions: Vec<&str> = policy.exceptions.iter().map(|exception| exception.id.as_str()).collect();
    let all = [("rule", &case.expect.findings, rules), ("exception", &case.expect.exempt, exceptions)];
    let mut notes = BTreeSet::new();
    for (what, expected, known) in all {
        for id in expected.iter().flat_map(ByRule::values).flatten().filter(|id| !known.contains(&id.as_str())) {
            let near = nearest(id, known.iter().copied());
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            notes.insert(format!("the policy has no {what} `{}`{near}", shown(id)));
        }
    }
    notes.into_iter().collect()
}
