//! A sweeper with an in-memory EC2.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_remediation::remediator::Limits;
use portcullis_remediation::report::PolicyIdentity;
use portcullis_remediation::services::IngressEditor;
use portcullis_remediation::{Services, SweepReport, SweepRequest, Sweeper};
use portcullis_rules::{Policy, SecurityGroup};
use portcullis_testkit::{FakeClock, FakeEc2, FakeGroupLister, FakePublisher, group_from_lines};

pub(crate) const OPEN: &[&str] = &["sgr-1 tcp 22 0.0.0.0/0", "sgr-2 tcp 443 0.0.0.0/0"];
pub(crate) const CLEAN: &[&str] = &["sgr-1 tcp 443 0.0.0.0/0"];

pub(crate) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// As `DescribeSecurityGroups` returns it: without ids and tags of rules.
fn listed(group: &SecurityGroup) -> SecurityGroup {
    let mut listed = group.clone();
    for rule in &mut listed.rules {
        rule.id = None;
        rule.tags.clear();
    }
    listed
}

pub(crate) struct Scene {
    pub(crate) ec2: Arc<FakeEc2>,
    pub(crate) publisher: Arc<FakePublisher>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) lister: FakeGroupLister,
    pub(crate) sweeper: Sweeper,
}

pub(crate) fn scene(remediates: bool, policy: Policy, pages: &[&[SecurityGroup]]) -> Scene {
    let ec2 = Arc::new(FakeEc2::with_groups(
        pages.iter().flat_map(|page| page.iter().cloned()),
    ));
    let lister =
        FakeGroupLister::with_pages(pages.iter().map(|page| page.iter().map(listed).collect()))
            .with_rule_ids_from(&ec2);
    let publisher = Arc::new(FakePublisher::default());
    let clock = Arc::new(FakeClock::starting_at(noon()));
    let editor: Arc<dyn IngressEditor> = ec2.clone();
    let services = Services {
        reader: ec2.clone(),
        editor: remediates.then_some(editor),
        publisher: publisher.clone(),
        clock: clock.clone(),
    };
    Scene {
        ec2,
        publisher,
        clock,
        lister,
        sweeper: Sweeper::new(services, policy, Limits::default())
            .with_policy_identity(policy_identity()),
    }
}

/// Version 4 of a policy.
pub(crate) fn policy_identity() -> PolicyIdentity {
    PolicyIdentity {
        name: "ours".to_owned(),
        version: Some(4),
        hash: Some("4f".repeat(32)),
    }
}

pub(crate) fn sweep_request(token: Option<&str>) -> SweepRequest {
    SweepRequest {
        id: "sweep-1".to_owned(),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        token: token.map(str::to_owned),
        deadline: noon() + Duration::from_mins(10),
    }
}

impl Scene {
    pub(crate) async fn sweep(&self) -> SweepReport {
        self.sweeper.sweep(&self.lister, &sweep_request(None)).await
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        self.publisher
            .published_alerts()
            .into_iter()
            .map(|alert| alert.subject)
            .collect()
    }
}

pub(crate) fn three_pages() -> [Vec<SecurityGroup>; 3] {
    let page = |number: usize| {
        let id = |place: usize| format!("sg-{number}{place}");
        vec![
            group_from_lines(&id(0), OPEN),
            group_from_lines(&id(1), CLEAN),
            group_from_lines(&id(2), OPEN),
        ]
    };
    [page(0), page(1), page(2)]
}

pub(crate) fn pages(pages: &[Vec<SecurityGroup>; 3]) -> [&[SecurityGroup]; 3] {
    [&pages[0], &pages[1], &pages[2]]
}
