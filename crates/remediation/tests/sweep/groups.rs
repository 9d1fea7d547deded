//! What a sweep finds, closes and publishes.

use std::sync::Arc;

use portcullis_remediation::SweepError;
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::plan::Attachments;
use portcullis_rules::{Exception, Guardrails, Policy, PrefixLists, Scope, TrafficSet, baseline};
use portcullis_testkit::{FakeGroupLister, Fault, group_from_lines};

use super::scene::{CLEAN, OPEN, pages, policy_identity, scene, three_pages};

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
        ["SWEEP FOUND: 6 groups with findings, highest severity high, eu-west-1, 111122223333"]
    );
    assert_eq!(scene.lister.requested_pages(), [0, 1, 2]);
}

#[tokio::test]
async fn each_report_of_a_sweep_specifies_the_policy() {
    let open = [group_from_lines("sg-1", OPEN)];
    for remediates in [false, true] {
        let scene = scene(remediates, baseline::baseline_policy(), &[&open]);
        let report = scene.sweep().await;
        assert_eq!(report.policy, policy_identity());
        let hash = "4f".repeat(32);
        let expected = format!(r#""policy":{{"name":"ours","version":4,"hash":"{hash}"}}"#);
        let alerts = scene.publisher.published_alerts();
        assert!(!alerts.is_empty());
        for alert in alerts {
            assert!(alert.report.contains(&expected), "{}", alert.report);
            assert!(alert.email.contains(&hash), "{}", alert.email);
        }
    }
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
            .filter(|subject| subject.starts_with("CLOSED, "))
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
    let errors = report.errors();
    let [SweepError::GroupsNotClosed { count, first_error }] = errors.as_slice() else {
        panic!("{errors:?}");
    };
    assert_eq!(*count, 1);
    assert!(first_error.contains("sg-1"), "{first_error}");
    assert_eq!(report.worst_groups[0].id, "sg-1", "worst first");
    assert!(
        scene
            .subjects()
            .last()
            .unwrap()
            .starts_with("SWEEP FAILED: 1 of 2 groups could not be checked or closed")
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
        scene.subjects()[0].starts_with("CLOSED, "),
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
async fn an_unparsable_group_is_reported_and_does_not_affect_the_others() {
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
async fn prefix_lists_are_evaluated_by_entries_and_missing_ones_are_reported() {
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
async fn a_reporting_sweep_reports_what_enforce_mode_would_refuse() {
    let open = [group_from_lines("sg-1", OPEN)];
    let guardrails = Guardrails {
        protected: vec![Scope::default()],
        ..Guardrails::default()
    };
    let policy = Policy {
        guardrails,
        ..baseline::baseline_policy()
    };
    let report = scene(false, policy, &[&open]).sweep().await;
    assert_eq!(report.outcome(), GroupOutcome::Refused);
    assert_eq!(report.errors(), []);
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
