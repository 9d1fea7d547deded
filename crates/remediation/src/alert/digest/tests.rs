//! What people see of a sweep.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use portcullis_rules::Severity;

use super::*;
use crate::report::wire::escaped_len;
use crate::sweep::RuleTally;
use crate::sweep::samples::{note, remediated, reported, unfinished};

fn all(swept: &Swept) -> String {
    let alert = digest(swept);
    let pretty = |json: &str| {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    let attributes: Vec<_> = alert.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (chat, report) = (pretty(&alert.chat), pretty(&alert.report));
    format!("{}\n\n{}\n\n{}\n\n{chat}\n\n{report}", alert.subject, attributes.join(" "), alert.email)
}

#[test]
fn what_is_only_reported() {
    assert_snapshot!(all(&reported()));
}

#[test]
fn what_was_done_and_what_was_not() {
    assert_snapshot!(all(&remediated()));
}

#[test]
fn an_unfinished_sweep_says_how_to_go_on() {
    assert_snapshot!(all(&unfinished()));
}

#[test]
fn every_digest_is_within_the_limits_of_sns_whatever_the_texts() {
    let mut swept = unfinished();
    let mut hostile = note("sg-0a", Outcome::Incomplete, Severity::Critical, &["tcp 22 0.0.0.0/0"; 10]);
    hostile.name = Some("<!channel>\n\u{1b}[31m\u{202e}@here \"\\".repeat(40));
    hostile.error = Some("\u{1}\"\n".repeat(9000));
    swept.worst = vec![hostile; 50];
    swept.outcomes = BTreeMap::from([(Outcome::Incomplete, 5000)]);
    let tally = RuleTally { severity: Severity::Critical, findings: 1 };
    swept.by_rule = (0..500).map(|number| (format!("rule-{number}-{}", "x".repeat(200)), tally)).collect();
    swept.expired_exceptions = (0..5000).map(|number| format!("exception-{number}")).collect();
    swept.unresolved_prefix_lists = (0..5000).map(|number| format!("pl-{number}")).collect();
    let alert = digest(&swept);
    assert!(alert.message().len() <= 256 * 1024 - 4096, "{}", alert.message().len());
    assert!(escaped_len(&alert.chat) <= CHAT_BUDGET && escaped_len(&alert.report) <= REPORT_BUDGET);
    assert!(alert.subject.len() <= MAX_SUBJECT && alert.subject.is_ascii());
    assert!(!alert.chat.contains("<!channel>") && !alert.chat.contains(" @here"));
    assert!(!alert.email.contains('\u{1b}') && !alert.email.contains('\u{202e}'));
}
