//! Digests as their readers see them.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use portcullis_rules::Severity;

use super::*;
use crate::alert::budget::{CHAT_BUDGET, REPORT_BUDGET};
use crate::alert::options::AlertLinks;
use crate::alert::subject::MAX_SUBJECT;
use crate::report::json::escaped_len;
use crate::report::sweep_samples::{
    remediating_sweep, report_only_sweep, sample_group_summary, unfinished_sweep,
};
use crate::report::{GroupOutcome, RuleCount, SweepReport};

fn displayed_digest(sweep: &SweepReport) -> String {
    let alert = compose_digest(sweep, &AlertLinks::default());
    let pretty = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let attributes: Vec<_> = alert
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let (chat, report) = (pretty(&alert.chat), pretty(&alert.report));
    format!(
        "{}\n\n{}\n\n{}\n\n{chat}\n\n{report}",
        alert.subject,
        attributes.join(" "),
        alert.email
    )
}

#[test]
fn report_only() {
    assert_snapshot!(displayed_digest(&report_only_sweep()));
}

#[test]
fn links_of_the_settings_are_in_the_digest() {
    let links = AlertLinks {
        runbook: "https://wiki.example.com/portcullis".parse().ok(),
        policy: "https://git.example.com/policy".parse().ok(),
    };
    let alert = compose_digest(&report_only_sweep(), &links);
    for text in [&alert.email, &alert.chat] {
        assert!(
            text.contains("https://wiki.example.com/portcullis"),
            "{text}"
        );
        assert!(text.contains("https://git.example.com/policy"), "{text}");
    }
}

#[test]
fn remediating() {
    assert_snapshot!(displayed_digest(&remediating_sweep()));
}

#[test]
fn unfinished() {
    assert_snapshot!(displayed_digest(&unfinished_sweep()));
}

#[test]
fn every_digest_is_within_the_limits_of_sns() {
    let mut sweep = unfinished_sweep();
    let mut hostile = sample_group_summary(
        "sg-0a",
        GroupOutcome::NotClosed,
        Severity::Critical,
        &["tcp 22 0.0.0.0/0"; 10],
    );
    hostile.name = Some("<!channel>\n\u{1b}[31m\u{202e}@here \"\\".repeat(40));
    hostile.error = Some("\u{1}\"\n".repeat(9000));
    sweep.worst_groups = vec![hostile; 50];
    sweep.outcomes = BTreeMap::from([(GroupOutcome::NotClosed, 5000)]);
    let count = RuleCount {
        severity: Severity::Critical,
        findings: 1,
    };
    sweep.by_policy_rule = (0..500)
        .map(|number| (format!("rule-{number}-{}", "x".repeat(200)), count))
        .collect();
    sweep.expired_exceptions = (0..5000)
        .map(|number| format!("exception-{number}"))
        .collect();
    sweep.unresolved_prefix_lists = (0..5000).map(|number| format!("pl-{number}")).collect();
    let alert = compose_digest(&sweep, &AlertLinks::default());
    assert!(
        alert.sns_message().len() <= 256 * 1024 - 4096,
        "{}",
        alert.sns_message().len()
    );
    assert!(escaped_len(&alert.chat) <= CHAT_BUDGET && escaped_len(&alert.report) <= REPORT_BUDGET);
    assert!(alert.subject.len() <= MAX_SUBJECT && alert.subject.is_ascii());
    assert!(!alert.chat.contains("<!channel>") && !alert.chat.contains(" @here"));
    assert!(!alert.email.contains('\u{1b}') && !alert.email.contains('\u{202e}'));
}
