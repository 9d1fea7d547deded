//! Groups and alerts that fail.

use portcullis_remediation::SweepError;
use portcullis_remediation::report::GroupOutcome;
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::baseline;
use portcullis_testkit::{FakeGroupLister, Fault, group_from_lines};

use crate::scene::{CLEAN, OPEN, scene, three_pages};

#[tokio::test]
async fn an_unreadable_group_does_not_affect_the_others() {
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
        scene.subjects()[0].starts_with("CLOSED: "),
        "{:?}",
        scene.subjects()
    );
    scene.sweep().await;
    assert_eq!(scene.subjects().len(), 1, "published once");
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
