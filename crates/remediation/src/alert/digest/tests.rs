//! What people see of a sweep.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use portcullis_rules::Severity;

use super::*;
use crate::report::json::escaped_len;
use crate::sweeper::RuleCount;
use crate::sweeper::samples::{
    remediating_sweep, report_only_sweep, sample_group_summary, unfinished_sweep,
};

fn all(swept: &SweepReport) -> String {
    let alert = compose_digest(swept);
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
fn what_is_only_reported() {
    assert_snapshot!(all(&report_only_sweep()));
}

#[test]
fn what_was_done_and_what_was_not() {
    assert_snapshot!(all(&remediating_sweep()));
}

#[test]
fn an_unfinished_sweep_says_how_to_go_on() {
    assert_snapshot!(all(&unfinished_sweep()));
}

#[test]
fn every_digest_is_within_the_limits_of_sns_whatever_the_texts() {
    let mut swept = unfinished_sweep();
    let mut hostile = sample_group_summary(
        "sg-0a",
        GroupOutcome::NotClosed,
        Severity::Critical,
        &["tcp 22 0.0.0.0/0"; 10],
    );
    hostile.name = Some("<!channel>\n\u{1b}[31m\u{202e}@here \"\\".repeat(40));
    hostile.error = Some("\u{1}\"\n".repeat(9000));
    swept.worst_groups = vec![hostile; 50];
    swept.outcomes = BTreeMap::from([(GroupOutcome::NotClosed, 5000)]);
    let tally = RuleCount {
        severity: Severity::Critical,
        findings: 1,
    };
    swept.by_policy_rule = (0..500)
        .map(|number| (format!("rule-{number}-{}", "x".repeat(200)), tally))
        .collect();
    swept.expired_exceptions = (0..5000)
        .map(|number| format!("exception-{number}"))
        .collect();
    swept.unresolved_prefix_lists = (0..5000).map(|number| format!("pl-{number}")).collect();
    let alert = compose_digest(&swept);
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
