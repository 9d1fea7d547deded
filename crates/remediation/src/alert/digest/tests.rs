//! What people see of a sweep.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use portcullis_rules::{IngressRule, Severity};

use super::*;
use crate::ports::{ErrorKind, PortError};
use crate::report::wire::escaped_len;
use crate::sweep::{RuleTally, Unfinished, Why};

fn rule(line: &str) -> IngressRule {
    line.parse().unwrap()
}

fn note(id: &str, outcome: Outcome, severity: Severity, boxes: &[&str]) -> GroupNote {
    GroupNote {
        id: id.to_owned(),
        name: Some("shop-web".to_owned()),
        vpc_id: Some("vpc-0abc".to_owned()),
        outcome,
        severity: Some(severity),
        findings: boxes.len(),
        rules: BTreeSet::from(["restricted-common-ports".to_owned()]),
        boxes: boxes.iter().map(|line| rule(line)).collect(),
        more_boxes: 0,
        error: None,
    }
}

fn reported() -> Swept {
    let high = RuleTally { severity: Severity::High, findings: 2 };
    Swept {
        id: "9b1f0c9e".to_owned(),
        remediates: false,
        policy: "baseline".to_owned(),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        continued: false,
        started: "2026-11-21T03:00:00Z".parse().unwrap(),
        ended: "2026-11-21T03:00:09Z".parse().unwrap(),
        groups: 5012,
        rules: 20_134,
        exempt: 1,
        by_severity: BTreeMap::from([(Severity::High, 2), (Severity::Low, 1)]),
        by_rule: BTreeMap::from([
            ("restricted-common-ports".to_owned(), high),
            ("port-range-internal".to_owned(), RuleTally { severity: Severity::Low, findings: 1 }),
        ]),
        outcomes: BTreeMap::from([(Outcome::WouldClose, 1), (Outcome::Noticed, 1)]),
        worst: vec![
            note("sg-0a", Outcome::WouldClose, Severity::High, &["tcp 22 0.0.0.0/0", "tcp 3389 ::/0"]),
            note("sg-0b", Outcome::Noticed, Severity::Low, &["tcp 8000-8090 10.0.0.0/8"]),
        ],
        unresolved_prefix_lists: BTreeSet::from(["pl-0gone".to_owned()]),
        expired_exceptions: BTreeSet::new(),
        unfinished: None,
        untold: None,
    }
}

fn remediated() -> Swept {
    let mut swept = reported();
    swept.remediates = true;
    swept.outcomes = BTreeMap::from([(Outcome::Closed, 1), (Outcome::Refused, 1), (Outcome::Incomplete, 1)]);
    swept.worst = vec![
        note("sg-0c", Outcome::Incomplete, Severity::High, &["tcp 22 0.0.0.0/0"]),
        note("sg-0d", Outcome::Refused, Severity::High, &["tcp 22 0.0.0.0/0"]),
        note("sg-0a", Outcome::Closed, Severity::High, &["tcp 22 0.0.0.0/0"]),
    ];
    swept.worst[0].error = Some("sg-0c could not be read".to_owned());
    swept.unresolved_prefix_lists.clear();
    swept
}

fn unfinished() -> Swept {
    let mut swept = reported();
    let error = PortError::new("DescribeSecurityGroups", ErrorKind::Throttled, "RequestLimitExceeded: slow down");
    swept.unfinished = Some(Unfinished { token: Some("page-3".to_owned()), why: Why::Unread(error) });
    swept
}

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
