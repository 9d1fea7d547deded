//! Tests of pages, errors and retries.

use portcullis_rules::baseline::baseline_policy;
use portcullis_testkit::{FakeClock, FakeGroupLister, group_from_lines};

use super::*;

const NOW: &str = "2026-11-21T12:00:00Z";
const OPEN: &[&str] = &["tcp 443 0.0.0.0/0", "tcp 22 0.0.0.0/0"];
const CLOSED: &[&str] = &["tcp 443 0.0.0.0/0"];

struct Scenario {
    lister: FakeGroupLister,
    clock: FakeClock,
    policy: Policy,
}

impl Scenario {
    fn new(pages: impl IntoIterator<Item = Vec<SecurityGroup>>) -> Self {
        Self {
            lister: FakeGroupLister::with_pages(pages),
            clock: FakeClock::starting_at(NOW.parse().unwrap()),
            policy: baseline_policy(),
        }
    }

    fn audit(&self) -> Audit {
        let target = RegionTarget {
            name: "eu-west-1",
            policy: &self.policy,
            now: NOW.parse().unwrap(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(audit_region(&self.lister, &self.clock, &target, &|_| ()))
    }
}

fn three_pages() -> Scenario {
    Scenario::new([
        vec![
            group_from_lines("sg-1", OPEN),
            group_from_lines("sg-2", CLOSED),
        ],
        vec![group_from_lines("sg-3", CLOSED)],
        vec![group_from_lines("sg-4", OPEN)],
    ])
}

fn rule_ids(audit: &Audit) -> Vec<(&str, Option<&str>)> {
    audit
        .iter_findings()
        .map(|(group, finding)| (group.id.as_str(), finding.ingress.id.as_deref()))
        .collect()
}

#[test]
fn all_pages_are_evaluated_and_findings_have_rule_ids() {
    let scenario = three_pages();
    let audit = scenario.audit();
    assert_eq!(
        rule_ids(&audit),
        [("sg-1", Some("sgr-1-1")), ("sg-4", Some("sgr-4-1"))]
    );
    assert_eq!((audit.groups, audit.rules), (4, 6));
    let name = "eu-west-1".to_owned();
    assert_eq!(
        audit.regions,
        [RegionSummary {
            name,
            groups: 4,
            rules: 6,
            unreadable_groups: 0,
            listing_error: None,
            rule_ids_error: None
        }]
    );
    assert!(!audit.is_incomplete());
    assert!(scenario.clock.recorded_sleeps().is_empty());
}

#[test]
fn throttled_and_unanswered_calls_are_retried() {
    for kind in [ErrorKind::Throttled, ErrorKind::NoAnswer] {
        let scenario = three_pages();
        scenario.lister.fail_page(1, kind);
        scenario.lister.fail_rules(kind);
        let audit = scenario.audit();
        assert_eq!(rule_ids(&audit).len(), 2);
        assert!(!audit.is_incomplete());
        assert_eq!(
            scenario.clock.recorded_sleeps(),
            [FIRST_RETRY_DELAY, FIRST_RETRY_DELAY]
        );
        assert_eq!(scenario.lister.requested_pages(), [0, 1, 1, 2]);
    }
}

#[test]
fn pages_before_an_error_are_kept() {
    let scenario = three_pages();
    scenario.lister.fail_page(2, ErrorKind::Denied);
    let audit = scenario.audit();
    assert_eq!(rule_ids(&audit), [("sg-1", Some("sgr-1-1"))]);
    assert!(audit.is_incomplete());
    let [region] = audit.regions.as_slice() else {
        panic!("{audit:?}")
    };
    assert_eq!((region.groups, region.is_complete()), (3, false));
    assert_eq!(
        region.listing_error.as_ref().unwrap().kind,
        ErrorKind::Denied
    );
    assert!(
        scenario.clock.recorded_sleeps().is_empty(),
        "denied calls are not retried"
    );
}

#[test]
fn all_groups_are_evaluated_without_rule_ids() {
    let scenario = three_pages();
    scenario.lister.fail_rules(ErrorKind::Denied);
    let audit = scenario.audit();
    assert_eq!(rule_ids(&audit), [("sg-1", None), ("sg-4", None)]);
    let [region] = audit.regions.as_slice() else {
        panic!("{audit:?}")
    };
    assert_eq!((region.groups, region.is_complete()), (4, true));
    assert_eq!(
        region.rule_ids_error.as_ref().unwrap().operation,
        "DescribeSecurityGroupRules"
    );
    assert!(audit.is_incomplete());
}

#[test]
fn rule_ids_are_read_again_after_errors_other_than_denied() {
    let scenario = three_pages();
    scenario.lister.fail_rules(ErrorKind::Other);
    scenario.lister.fail_page(2, ErrorKind::Denied);
    let audit = scenario.audit();
    assert_eq!(rule_ids(&audit), [("sg-1", None)]);
    let [region] = audit.regions.as_slice() else {
        panic!("{audit:?}")
    };
    let errors: Vec<_> = region.errors().map(|error| error.kind).collect();
    assert_eq!(
        errors,
        [ErrorKind::Denied, ErrorKind::Other],
        "both errors are reported"
    );

    let scenario = three_pages();
    scenario.lister.fail_rules(ErrorKind::Other);
    assert_eq!(
        rule_ids(&scenario.audit()),
        [("sg-1", None), ("sg-4", Some("sgr-4-1"))],
        "the next page tries again"
    );
}

#[test]
fn unreadable_groups_do_not_hide_the_others() {
    let scenario = three_pages();
    let scenario = Scenario {
        lister: scenario
            .lister
            .with_unreadable_group(0, group_from_lines("sg-unreadable", &[])),
        ..scenario
    };
    let audit = scenario.audit();
    assert_eq!(rule_ids(&audit).len(), 2);
    assert!(audit.is_incomplete() && !audit.regions[0].is_complete());
    let [problem] = audit.problems.as_slice() else {
        panic!("{audit:?}")
    };
    assert_eq!(
        (problem.group_id.as_deref(), problem.region.as_deref()),
        (Some("sg-unreadable"), Some("eu-west-1"))
    );
}

#[test]
fn a_group_on_two_pages_is_reported_once() {
    let scenario = Scenario::new([
        vec![group_from_lines("sg-1", OPEN)],
        vec![
            group_from_lines("sg-1", OPEN),
            group_from_lines("sg-2", OPEN),
        ],
    ]);
    let mut audit = scenario.audit();
    audit.sort_and_dedup();
    assert_eq!(rule_ids(&audit).len(), 2);
}

#[test]
fn retries_are_limited() {
    for (kind, pauses) in [
        (ErrorKind::Throttled, &[2, 4, 8, 16][..]),
        (ErrorKind::NoAnswer, &[2]),
        (ErrorKind::Denied, &[]),
        (ErrorKind::Other, &[]),
    ] {
        let clock = FakeClock::starting_at(NOW.parse().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let calls = std::cell::Cell::new(0);
        let answer: Result<(), _> = runtime.block_on(call_with_retries(&clock, async || {
            calls.set(calls.get() + 1);
            Err(ServiceError::new("DescribeSecurityGroups", kind, "no"))
        }));
        assert_eq!(answer.unwrap_err().kind, kind);
        let expected: Vec<_> = pauses.iter().copied().map(Duration::from_secs).collect();
        assert_eq!(
            (calls.get(), clock.recorded_sleeps()),
            (pauses.len() + 1, expected),
            "{kind:?}"
        );
    }
}

/// A listing whose second page leads back to the first.
struct CyclicLister;

#[async_trait::async_trait]
impl GroupLister for CyclicLister {
    async fn list_page(&self, token: Option<&str>) -> Result<GroupPage, ServiceError> {
        let next = if token == Some("a") { "b" } else { "a" };
        Ok(GroupPage {
            next_token: Some(next.to_owned()),
            ..GroupPage::default()
        })
    }

    async fn with_rule_ids(
        &self,
        groups: Vec<SecurityGroup>,
    ) -> Result<Vec<SecurityGroup>, ServiceError> {
        Ok(groups)
    }
}

#[test]
fn a_repeated_token_is_an_error() {
    let policy = baseline_policy();
    let target = RegionTarget {
        name: "eu-west-1",
        policy: &policy,
        now: NOW.parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let clock = FakeClock::starting_at(NOW.parse().unwrap());
    let audit = runtime.block_on(audit_region(&CyclicLister, &clock, &target, &|_| ()));
    assert!(!audit.regions[0].is_complete());
    assert!(audit.regions[0].listing_error.is_some());
}
