//! The sweep against the in-memory EC2: what it finds, what it closes, and that an unfinished sweep is
//! never reported as complete.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "tests and their helpers may panic"
)]

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_remediation::remediator::Limits;
use portcullis_remediation::report::{GroupOutcome, StopReason};
use portcullis_remediation::services::{Clock as _, ErrorKind, IngressEditor};
use portcullis_remediation::{Services, SweepError, SweepReport, SweepRequest, Sweeper};
use portcullis_rules::plan::Attachments;
use portcullis_rules::{
    Exception, Guardrails, Policy, PrefixLists, Scope, SecurityGroup, TrafficSet, baseline,
};
use portcullis_testkit::{
    FakeClock, FakeEc2, FakeGroupLister, FakePublisher, Fault, group_from_lines,
};

const OPEN: &[&str] = &["sgr-1 tcp 22 0.0.0.0/0", "sgr-2 tcp 443 0.0.0.0/0"];
const CLEAN: &[&str] = &["sgr-1 tcp 443 0.0.0.0/0"];

fn noon() -> Timestamp {
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

struct Scene {
    ec2: Arc<FakeEc2>,
    publisher: Arc<FakePublisher>,
    clock: Arc<FakeClock>,
    lister: FakeGroupLister,
    sweeper: Sweeper,
}

fn scene(remediates: bool, policy: Policy, pages: &[&[SecurityGroup]]) -> Scene {
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
        sweeper: Sweeper::new(services, policy, Limits::default()),
    }
}

fn sweep_request(token: Option<&str>) -> SweepRequest {
    SweepRequest {
        id: "sweep-1".to_owned(),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        token: token.map(str::to_owned),
        deadline: noon() + Duration::from_mins(10),
    }
}

impl Scene {
    async fn sweep(&self) -> SweepReport {
        self.sweeper.sweep(&self.lister, &sweep_request(None)).await
    }

    fn subjects(&self) -> Vec<String> {
        self.publisher
            .published_alerts()
            .into_iter()
            .map(|alert| alert.subject)
            .collect()
    }
}

fn three_pages() -> [Vec<SecurityGroup>; 3] {
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

fn pages(pages: &[Vec<SecurityGroup>; 3]) -> [&[SecurityGroup]; 3] {
    [&pages[0], &pages[1], &pages[2]]
}

#[tokio::test]
async fn a_reporting_sweep_counts_everything_and_changes_nothing() {
    let all = three_pages();
    let scene = scene(false, baseline::baseline_policy(), &pages(&all));
    let report = scene.sweep().await;
    assert_eq!(
        (
            report.group_count,
            report.affected_groups(),
            report.groups_with_outcome(GroupOutcome::WouldClose)
        ),
        (9, 6, 6)
    );
    assert_eq!(report.outcome(), GroupOutcome::WouldClose);
    assert_eq!(report.errors(), []);
    assert_eq!(scene.ec2.calls(), []);
    assert_eq!(
        scene.subjects(),
        ["SWEEP FOUND: 6 groups against the policy, worst high, eu-west-1, 111122223333"]
    );
    assert_eq!(scene.lister.requested_pages(), [0, 1, 2]);
}

#[tokio::test]
async fn a_sweep_without_findings_publishes_nothing() {
    let clean = [group_from_lines("sg-1", CLEAN)];
    let scene = scene(true, baseline::baseline_policy(), &[&clean]);
    let report = scene.sweep().await;
    assert_eq!(
        (report.group_count, report.outcome()),
        (1, GroupOutcome::Clean)
    );
    assert!(scene.subjects().is_empty() && scene.ec2.calls().is_empty());
}

#[tokio::test]
async fn a_remediating_sweep_closes_each_group_and_publishes_a_digest() {
    let all = three_pages();
    let scene = scene(true, baseline::baseline_policy(), &pages(&all));
    let report = scene.sweep().await;
    assert_eq!(
        (
            report.errors().len(),
            report.groups_with_outcome(GroupOutcome::Closed)
        ),
        (0, 6)
    );
    for open in ["sg-00", "sg-02", "sg-10", "sg-22"] {
        assert_eq!(
            scene.ec2.rule_lines(open),
            ["sgr-2 tcp 443 0.0.0.0/0"],
            "{open}"
        );
    }
    let subjects = scene.subjects();
    assert_eq!(
        subjects
            .iter()
            .filter(|subject| subject.starts_with("CLOSED: "))
            .count(),
        6
    );
    assert!(
        subjects[6].starts_with("SWEEP CLOSED: 6 of 6 groups"),
        "{subjects:?}"
    );
    // The listing is stale; the groups that are read one by one are not.
    let again = scene.sweep().await;
    assert_eq!(
        (
            again.outcome(),
            again.affected_groups(),
            scene.publisher.published_alerts().len()
        ),
        (GroupOutcome::Clean, 0, 7)
    );
}

#[tokio::test]
async fn the_next_page_is_read_ahead_and_at_most_two_are_held() {
    let all = three_pages();
    let mut scene = scene(true, baseline::baseline_policy(), &pages(&all));
    scene.lister = scene.lister.with_read_ahead_check(&scene.ec2);
    let report = scene.sweep().await;
    assert_eq!(
        (
            report.errors().len(),
            report.group_count,
            scene.lister.excess_pages()
        ),
        (0, 9, 0)
    );
}

#[tokio::test]
async fn an_unreadable_page_is_never_the_last_page() {
    let all = three_pages();
    for place in 0..3 {
        let scene = scene(false, baseline::baseline_policy(), &pages(&all));
        scene.lister.fail_page(place, ErrorKind::Throttled);
        let report = scene.sweep().await;
        let token = (place > 0).then(|| format!("page-{place}"));
        let unfinished = report.unfinished.clone().unwrap();
        assert_eq!(
            (report.group_count, &unfinished.token, report.outcome()),
            (3 * place, &token, GroupOutcome::NotClosed)
        );
        assert!(matches!(unfinished.reason, StopReason::PageUnreadable(_)));
        assert_eq!(report.errors()[0].code(), "sweep-unfinished");
        assert!(
            scene.subjects()[0].starts_with("SWEEP UNFINISHED"),
            "{:?}",
            scene.subjects()
        );
        let rest = scene
            .sweeper
            .sweep(&scene.lister, &sweep_request(token.as_deref()))
            .await;
        assert_eq!((rest.group_count, rest.errors().len()), (9 - 3 * place, 0));
    }
}

#[tokio::test]
async fn an_unknown_token_is_an_error() {
    let scene = scene(false, baseline::baseline_policy(), &[]);
    let report = scene
        .sweeper
        .sweep(&scene.lister, &sweep_request(Some("stale")))
        .await;
    assert_eq!(report.unfinished.unwrap().token.as_deref(), Some("stale"));
}

#[tokio::test]
async fn at_the_deadline_the_report_says_where_to_continue() {
    let all = three_pages();
    let scene = scene(false, baseline::baseline_policy(), &pages(&all));
    scene.clock.sleep(Duration::from_mins(10)).await;
    let report = scene
        .sweeper
        .sweep(&scene.lister, &sweep_request(Some("page-1")))
        .await;
    let unfinished = report.unfinished.clone().unwrap();
    assert_eq!(
        (
            unfinished.token.as_deref(),
            unfinished.reason,
            report.group_count
        ),
        (Some("page-1"), StopReason::DeadlineReached, 0)
    );
    let error = report.errors()[0].to_string();
    assert!(error.contains("{\"token\":\"page-1\"}"), "{error}");
    assert_eq!(scene.subjects().len(), 1);
}

#[tokio::test]
async fn a_deadline_inside_a_page_repeats_that_page() {
    let all = three_pages();
    let scene = scene(true, baseline::baseline_policy(), &pages(&all));
    // The first group needs a pause between its rounds, which lasts until the deadline.
    scene.ec2.inject_faults([Fault::RevokeIgnored]);
    let short = SweepRequest {
        deadline: noon() + Duration::from_millis(1),
        ..sweep_request(None)
    };
    let report = scene.sweeper.sweep(&scene.lister, &short).await;
    assert_eq!(
        (report.group_count, report.unfinished.unwrap().token),
        (1, None)
    );
    assert_eq!(report.worst_groups[0].outcome, GroupOutcome::Closed);
}

#[tokio::test]
async fn an_unreadable_group_does_not_keep_the_others_open() {
    let open = [
        group_from_lines("sg-1", OPEN),
        group_from_lines("sg-2", OPEN),
    ];
    let scene = scene(true, baseline::baseline_policy(), &[&open]);
    scene.ec2.inject_faults([Fault::Read(ErrorKind::Denied)]);
    let report = scene.sweep().await;
    assert_eq!(
        (
            report.groups_with_outcome(GroupOutcome::NotClosed),
            report.groups_with_outcome(GroupOutcome::Closed)
        ),
        (1, 1)
    );
    assert!(
        matches!(&report.errors()[..], [SweepError::GroupsNotClosed { count: 1, first_error }] if first_error.contains("sg-1"))
    );
    assert_eq!(report.worst_groups[0].id, "sg-1", "worst first");
    assert!(
        scene
            .subjects()
            .last()
            .unwrap()
            .starts_with("SWEEP NOT DONE: 1 of 2 groups failed")
    );
}

#[tokio::test]
async fn a_failed_alert_is_published_by_the_retry() {
    let open = [group_from_lines("sg-1", OPEN)];
    let mut scene = scene(true, baseline::baseline_policy(), &[&open]);
    scene.publisher.fail_next(2);
    let report = scene.sweep().await;
    let codes: Vec<_> = report.errors().iter().map(SweepError::code).collect();
    assert_eq!(codes, ["group-not-closed", "alert-not-published"]);
    assert_eq!(
        scene.ec2.rule_lines("sg-1").len(),
        1,
        "closing does not depend on the alert"
    );
    scene.lister = FakeGroupLister::with_pages([vec![group_from_lines("sg-1", CLEAN)]]);
    assert_eq!(scene.sweep().await.errors(), []);
    assert!(
        scene.subjects()[0].starts_with("CLOSED: "),
        "{:?}",
        scene.subjects()
    );
    scene.sweep().await;
    assert_eq!(scene.subjects().len(), 1, "published once");
}

#[tokio::test]
async fn refused_groups_are_in_the_digest_only() {
    let open = [
        group_from_lines("sg-1", OPEN),
        group_from_lines("sg-2", OPEN),
    ];
    let guardrails = Guardrails {
        notify_only_load_balancers: true,
        ..Guardrails::default()
    };
    let scene = scene(
        true,
        Policy {
            guardrails,
            ..baseline::baseline_policy()
        },
        &[&open],
    );
    scene.ec2.set_attachments(Attachments {
        load_balancer: true,
        ..Attachments::default()
    });
    let report = scene.sweep().await;
    assert_eq!(
        (
            report.groups_with_outcome(GroupOutcome::Refused),
            report.errors().len()
        ),
        (2, 0)
    );
    assert_eq!(scene.subjects().len(), 1, "{:?}", scene.subjects());
}

#[tokio::test]
async fn an_exception_by_rule_tags_applies_to_listed_groups() {
    let mut tagged = group_from_lines("sg-1", OPEN);
    tagged.rules[0]
        .tags
        .insert("approved".to_owned(), "yes".to_owned());
    let exception = Exception {
        id: "approved".to_owned(),
        reason: "ticket".to_owned(),
        owner: "security".to_owned(),
        expires: None,
        rules: Vec::new(),
        scope: Scope::default(),
        rule_tags: [("approved".to_owned(), portcullis_rules::Glob::new("yes"))].into(),
        descriptions: Vec::new(),
        principals: Vec::new(),
        traffic: TrafficSet::all(),
        sources: Vec::new(),
    };
    let policy = Policy {
        exceptions: vec![Arc::new(exception)],
        ..baseline::baseline_policy()
    };
    for remediates in [false, true] {
        let scene = scene(remediates, policy.clone(), &[std::slice::from_ref(&tagged)]);
        let report = scene.sweep().await;
        assert_eq!(
            (
                report.affected_groups(),
                report.exempt,
                scene.subjects().len()
            ),
            (0, 1, 0)
        );
        assert!(
            scene.ec2.calls().is_empty(),
            "no group is read one by one for its tags"
        );
        scene.lister.fail_rules(ErrorKind::Denied);
        let report = scene.sweep().await;
        assert_eq!(
            (
                report.groups_with_outcome(GroupOutcome::NotClosed),
                report.errors().len()
            ),
            (1, 1),
            "unknown tags are neither exempt nor closed"
        );
        assert!(scene.ec2.calls().is_empty());
        assert!(
            report.worst_groups[0]
                .error
                .as_ref()
                .unwrap()
                .starts_with("DescribeSecurityGroupRules failed")
        );
    }
}

#[tokio::test]
async fn an_unparsable_group_is_reported_and_hides_no_other() {
    for remediates in [false, true] {
        let pages = three_pages();
        let mut scene = scene(
            remediates,
            baseline::baseline_policy(),
            &[&pages[0], &pages[1]],
        );
        scene.lister = scene
            .lister
            .with_unreadable_group(0, group_from_lines("sg-odd", &[]));
        let report = scene.sweep().await;
        assert_eq!(
            (
                report.group_count,
                report.groups_with_outcome(GroupOutcome::NotClosed),
                report.unfinished.is_none()
            ),
            (7, 1, true)
        );
        let found = report.groups_with_outcome(GroupOutcome::WouldClose)
            + report.groups_with_outcome(GroupOutcome::Closed);
        assert_eq!(found, 4, "the groups beside it and on the next page");
        let errors: Vec<_> = report.errors().iter().map(ToString::to_string).collect();
        assert!(
            errors.len() == 1 && errors[0].contains("cannot be understood"),
            "{errors:?}"
        );
        assert!(report.worst_groups.iter().any(|group| group.id == "sg-odd"));
    }
}

#[tokio::test]
async fn prefix_lists_are_evaluated_by_entries_and_missing_ones_are_named() {
    let open = [
        group_from_lines("sg-1", &["tcp 22 pl-wide"]),
        group_from_lines("sg-2", &["tcp 22 pl-gone"]),
    ];
    let mut scene = scene(false, baseline::baseline_policy(), &[&open]);
    let mut lists = PrefixLists::empty();
    lists.insert("pl-wide", ["0.0.0.0/0".parse().unwrap()]);
    scene.lister = FakeGroupLister::with_pages([open.to_vec()]).with_prefix_lists(lists);
    let report = scene.sweep().await;
    assert_eq!(
        (report.affected_groups(), report.worst_groups[0].id.as_str()),
        (1, "sg-1")
    );
    assert_eq!(
        report
            .unresolved_prefix_lists
            .into_iter()
            .collect::<Vec<_>>(),
        ["pl-gone"]
    );
}

#[tokio::test]
async fn all_groups_are_counted_and_the_worst_are_listed() {
    let many: Vec<_> = (0..5000)
        .map(|number| group_from_lines(&format!("sg-{number:04}"), OPEN))
        .collect();
    let worst = group_from_lines("sg-zzzz", &["all - 0.0.0.0/0"]);
    let scene = scene(
        false,
        baseline::baseline_policy(),
        &[&many, std::slice::from_ref(&worst)],
    );
    let report = scene.sweep().await;
    assert_eq!(
        (
            report.affected_groups(),
            report.worst_groups.len(),
            report.worst_groups[0].id.as_str()
        ),
        (5001, 50, "sg-zzzz")
    );
    assert!(scene.publisher.published_alerts()[0].sns_message().len() < 256 * 1024);
}

#[tokio::test]
async fn groups_of_another_account_are_refused_and_in_the_digest_only() {
    let mut foreign = group_from_lines("sg-1", OPEN);
    foreign.owner_id = Some("444455556666".to_owned());
    let groups = [foreign, group_from_lines("sg-2", OPEN)];
    let scene = scene(true, baseline::baseline_policy(), &[&groups]);
    let report = scene.sweep().await;
    assert_eq!(report.groups_with_outcome(GroupOutcome::Refused), 1);
    assert_eq!(report.groups_with_outcome(GroupOutcome::Closed), 1);
    assert_eq!(report.errors().len(), 0);
    assert_eq!(scene.subjects().len(), 2, "{:?}", scene.subjects());
    assert_eq!(scene.ec2.rule_lines("sg-1").len(), OPEN.len());
}
