//! Sweeps for tests.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::{IngressRule, Severity};

use super::{GroupNote, RuleTally, Swept, Unfinished, Why};
use crate::ports::{ErrorKind, PortError};
use crate::report::Outcome;

fn rule(line: &str) -> IngressRule {
    line.parse().unwrap()
}

pub(crate) fn note(id: &str, outcome: Outcome, severity: Severity, boxes: &[&str]) -> GroupNote {
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

pub(crate) fn reported() -> Swept {
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

pub(crate) fn remediated() -> Swept {
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

pub(crate) fn unfinished() -> Swept {
    let mut swept = reported();
    let error = PortError::new("DescribeSecurityGroups", ErrorKind::Throttled, "RequestLimitExceeded: slow down");
    swept.unfinished = Some(Unfinished { token: Some("page-3".to_owned()), why: Why::Unread(error) });
    swept
}
