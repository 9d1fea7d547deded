//! Reports about sweeps for tests.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::Severity;

use super::{
    GroupOutcome, GroupSummary, PolicyIdentity, RuleCount, StopReason, SweepReport, Unfinished,
};
use crate::services::{ErrorKind, ServiceError};

pub(crate) fn sample_group_summary(
    id: &str,
    outcome: GroupOutcome,
    severity: Severity,
    rules: &[&str],
) -> GroupSummary {
    GroupSummary {
        id: id.to_owned(),
        name: Some("shop-web".to_owned()),
        vpc_id: Some("vpc-0abc".to_owned()),
        outcome,
        severity: Some(severity),
        findings: rules.len(),
        policy_rules: BTreeSet::from(["restricted-common-ports".to_owned()]),
        security_group_rules: rules.iter().map(|line| line.parse().unwrap()).collect(),
        more_security_group_rules: 0,
        error: None,
    }
}

pub(crate) fn report_only_sweep() -> SweepReport {
    let high = RuleCount {
        severity: Severity::High,
        findings: 2,
    };
    SweepReport {
        id: "9b1f0c9e".to_owned(),
        remediates: false,
        policy: PolicyIdentity {
            name: "baseline".to_owned(),
            version: Some(4),
            hash: Some("4f".repeat(32)),
        },
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        continued: false,
        started: "2026-11-21T03:00:00Z".parse().unwrap(),
        ended: "2026-11-21T03:00:09Z".parse().unwrap(),
        group_count: 5012,
        security_group_rule_count: 20_134,
        exempt: 1,
        by_severity: BTreeMap::from([(Severity::High, 2), (Severity::Low, 1)]),
        by_policy_rule: BTreeMap::from([
            ("restricted-common-ports".to_owned(), high),
            (
                "port-range-internal".to_owned(),
                RuleCount {
                    severity: Severity::Low,
                    findings: 1,
                },
            ),
        ]),
        outcomes: BTreeMap::from([(GroupOutcome::WouldClose, 1), (GroupOutcome::Reported, 1)]),
        worst_groups: vec![
            sample_group_summary(
                "sg-0a",
                GroupOutcome::WouldClose,
                Severity::High,
                &["tcp 22 0.0.0.0/0", "tcp 3389 ::/0"],
            ),
            sample_group_summary(
                "sg-0b",
                GroupOutcome::Reported,
                Severity::Low,
                &["tcp 8000-8090 10.0.0.0/8"],
            ),
        ],
        unresolved_prefix_lists: BTreeSet::from(["pl-0gone".to_owned()]),
        expired_exceptions: BTreeSet::new(),
        unfinished: None,
        digest_error: None,
    }
}

pub(crate) fn remediating_sweep() -> SweepReport {
    let mut sweep = report_only_sweep();
    sweep.remediates = true;
    sweep.outcomes = BTreeMap::from([
        (GroupOutcome::Closed, 1),
        (GroupOutcome::Refused, 1),
        (GroupOutcome::NotClosed, 1),
    ]);
    sweep.worst_groups = vec![
        sample_group_summary(
            "sg-0c",
            GroupOutcome::NotClosed,
            Severity::High,
            &["tcp 22 0.0.0.0/0"],
        ),
        sample_group_summary(
            "sg-0d",
            GroupOutcome::Refused,
            Severity::High,
            &["tcp 22 0.0.0.0/0"],
        ),
        sample_group_summary(
            "sg-0a",
            GroupOutcome::Closed,
            Severity::High,
            &["tcp 22 0.0.0.0/0"],
        ),
    ];
    sweep.worst_groups[0].error = Some("sg-0c could not be read".to_owned());
    sweep.unresolved_prefix_lists.clear();
    sweep
}

pub(crate) fn unfinished_sweep() -> SweepReport {
    let mut sweep = report_only_sweep();
    let error = ServiceError::new(
        "DescribeSecurityGroups",
        ErrorKind::Throttled,
        "RequestLimitExceeded: slow down",
    );
    sweep.unfinished = Some(Unfinished {
        token: Some("page-3".to_owned()),
        reason: StopReason::PageUnreadable(error),
    });
    sweep
}
