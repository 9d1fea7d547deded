//! The actual outcome of a case, in the lines that are compared.

use std::collections::BTreeSet;

use portcullis_rules::plan::Purpose;
use portcullis_rules::{Decision, Finding, SecurityGroup};

/// One line of the actual outcome.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActualLine {
    /// The text that is compared with the expected one.
    pub text: String,
    /// The reason for it; empty if there is nothing to say.
    pub reason: String,
}

impl ActualLine {
    fn new(text: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            reason: reason.into(),
        }
    }
}

pub(super) fn finding_lines(decision: &Decision) -> Vec<ActualLine> {
    let findings = decision
        .evaluation
        .findings
        .iter()
        .filter(|finding| finding.exempted_by.is_none());
    unique_lines(findings.map(finding_line))
}

fn finding_line(finding: &Finding) -> ActualLine {
    let rule = &finding.policy_rule;
    let text = format!("{}: {}", finding.ingress, rule.id);
    let ports = &finding.offending;
    let reason = format!("{} {}, ports {ports}", rule.severity, rule.action);
    ActualLine::new(text, reason)
}

pub(super) fn exempt_lines(decision: &Decision) -> Vec<ActualLine> {
    let lines = decision.evaluation.findings.iter().filter_map(|finding| {
        let exception = finding.exempted_by.as_ref()?;
        let text = format!("{}: {exception}", finding.ingress);
        Some(ActualLine::new(text, ""))
    });
    unique_lines(lines)
}

pub(super) fn removal_lines(decision: &Decision) -> Vec<ActualLine> {
    decision
        .plan
        .removals
        .iter()
        .map(|removal| {
            let policy_rules = removal.policy_rules.join(", ");
            ActualLine::new(removal.ingress.to_string(), policy_rules)
        })
        .collect()
}

pub(super) fn addition_lines(decision: &Decision) -> Vec<ActualLine> {
    decision
        .plan
        .additions
        .iter()
        .map(|addition| {
            let purpose = match addition.purpose {
                Purpose::Keep => "still allowed",
                Purpose::Trust => "trusted",
            };
            let reason = format!("{purpose}, replaces {}", addition.replaces);
            ActualLine::new(addition.ingress.to_string(), reason)
        })
        .collect()
}

pub(super) fn resulting_rule_lines(group: &SecurityGroup, decision: &Decision) -> Vec<ActualLine> {
    decision
        .plan
        .apply_to(group)
        .rules
        .iter()
        .map(|rule| ActualLine::new(rule.to_string(), ""))
        .collect()
}

pub(super) fn refusal_lines(decision: &Decision) -> Vec<ActualLine> {
    unique_lines(
        decision
            .plan
            .refusals
            .iter()
            .map(|refusal| refusal.reason)
            .map(|reason| ActualLine::new(reason.code(), reason.message())),
    )
}

pub(super) fn skipped_addition_lines(decision: &Decision) -> Vec<ActualLine> {
    unique_lines(
        decision
            .plan
            .skipped_additions
            .iter()
            .map(|addition| addition.reason)
            .map(|reason| ActualLine::new(reason.code(), reason.message())),
    )
}

/// Each line once: rules with the same content, and findings with the same exception, have equal
/// lines.
fn unique_lines(lines: impl Iterator<Item = ActualLine>) -> Vec<ActualLine> {
    lines.collect::<BTreeSet<_>>().into_iter().collect()
}
