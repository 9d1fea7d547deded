//! Pages, failures, and how long we wait.

use portcullis_rules::baseline::baseline_policy;
use portcullis_testkit::{FakeClock, FakeGroupLister, group_from_lines};

use super::*;

const NOW: &str = "2026-11-21T12:00:00Z";
const OPEN: &[&str] = &["tcp 443 0.0.0.0/0", "tcp 22 0.0.0.0/0"];
const CLOSED: &[&str] = &["tcp 443 0.0.0.0/0"];

struct Scene {
    list: FakeGroupLister,
    clock: FakeClock,
    policy: Policy,
}

impl Scene {
    fn new(pages: impl IntoIterator<Item = Vec<SecurityGroup>>) -> Self {
        Self {
            list: FakeGroupLister::with_pages(pages),
            clock: FakeClock::starting_at(NOW.parse().unwrap()),
            policy: baseline_policy(),
        }
    }

    fn audit(&self) -> Audit {
        let place = RegionTarget {
            name: "eu-west-1",
            policy: &self.policy,
            now: NOW.parse().unwrap(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(audit_region(&self.list, &self.clock, &place, &|_| ()))
    }
}

fn three_pages() -> Scene {
    Scene::new([
        vec![
            group_from_lines("sg-1", OPEN),
            group_from_lines("sg-2", CLOSED),
        ],
        vec![group_from_lines("sg-3", CLOSED)],
        vec![group_from_lines("sg-4", OPEN)],
    ])
}

fn found(audit: &Audit) -> Vec<(&str, Option<&str>)> {
    audit
        .iter_findings()
        .map(|(group, finding)| (group.id.as_str(), finding.ingress.id.as_deref()))
        .collect()
}

#[test]
fn every_page_is_judged_and_findings_have_the_ids_of_their_rules() {
    let scene = three_pages();
    let audit = scene.audit();
    assert_eq!(
        found(&audit),
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
    assert!(scene.clock.recorded_sleeps().is_empty());
}

#[test]
fn a_busy_ec2_is_waited_for() {
    for kind in [ErrorKind::Throttled, ErrorKind::NoAnswer] {
        let scene = three_pages();
        scene.list.fail_page(1, kind);
        scene.list.fail_rules(kind);
        let audit = scene.audit();
        assert_eq!(found(&audit).len(), 2);
        assert!(!audit.is_incomplete());
        assert_eq!(
            scene.clock.recorded_sleeps(),
            [FIRST_RETRY_DELAY, FIRST_RETRY_DELAY]
        );
        assert_eq!(scene.list.requested_pages(), [0, 1, 1, 2]);
    }
}

#[test]
fn what_was_read_before_a_failure_stands_and_so_does_the_failure() {
    let scene = three_pages();
    scene.list.fail_page(2, ErrorKind::Denied);
    let audit = scene.audit();
    assert_eq!(found(&audit), [("sg-1", Some("sgr-1-1"))]);
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
        scene.clock.recorded_sleeps().is_empty(),
        "waiting would not help"
    );
}

#[test]
fn without_the_ids_of_rules_everything_is_judged_all_the_same() {
    let scene = three_pages();
    scene.list.fail_rules(ErrorKind::Denied);
    let audit = scene.audit();
    assert_eq!(found(&audit), [("sg-1", None), ("sg-4", None)]);
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
fn only_who_is_denied_the_ids_is_not_asked_again() {
    let scene = three_pages();
    scene.list.fail_rules(ErrorKind::Other);
    scene.list.fail_page(2, ErrorKind::Denied);
    let audit = scene.audit();
    assert_eq!(found(&audit), [("sg-1", None)]);
    let [region] = audit.regions.as_slice() else {
        panic!("{audit:?}")
    };
    let told: Vec<_> = region.errors().map(|error| error.kind).collect();
    assert_eq!(
        told,
        [ErrorKind::Denied, ErrorKind::Other],
        "both failures are told"
    );

    let scene = three_pages();
    scene.list.fail_rules(ErrorKind::Other);
    assert_eq!(
        found(&scene.audit()),
        [("sg-1", None), ("sg-4", Some("sgr-4-1"))],
        "the next page may do better"
    );
}

#[test]
fn a_group_that_nobody_understands_hides_no_other() {
    let scene = three_pages();
    let scene = Scene {
        list: scene
            .list
            .with_unreadable_group(0, group_from_lines("sg-odd", &[])),
        ..scene
    };
    let audit = scene.audit();
    assert_eq!(found(&audit).len(), 2);
    assert!(audit.is_incomplete() && !audit.regions[0].is_complete());
    let [problem] = audit.problems.as_slice() else {
        panic!("{audit:?}")
    };
    assert_eq!(
        (problem.group_id.as_deref(), problem.path.as_str()),
        (Some("sg-odd"), "eu-west-1")
    );
}

#[test]
fn a_group_on_two_pages_is_told_once() {
    let scene = Scene::new([
        vec![group_from_lines("sg-1", OPEN)],
        vec![
            group_from_lines("sg-1", OPEN),
            group_from_lines("sg-2", OPEN),
        ],
    ]);
    let mut audit = scene.audit();
    audit.sort_and_dedup();
    assert_eq!(found(&audit).len(), 2);
}

#[test]
fn patience_ends() {
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

/// A list that leads back to its second page.
struct Stuck;

#[async_trait::async_trait]
impl GroupLister for Stuck {
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
fn a_token_that_comes_twice_is_no_end() {
    let policy = baseline_policy();
    let place = RegionTarget {
        name: "eu-west-1",
        policy: &policy,
        now: NOW.parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let clock = FakeClock::starting_at(NOW.parse().unwrap());
    let audit = runtime.block_on(audit_region(&Stuck, &clock, &place, &|_| ()));
    assert!(!audit.regions[0].is_complete());
    assert!(
        audit.regions[0]
            .listing_error
            .as_ref()
            .unwrap()
            .message
            .contains("came twice")
    );
}
