//! Pages, tokens and the deadline: an unfinished sweep is never reported as complete.

use std::time::Duration;

use portcullis_remediation::SweepRequest;
use portcullis_remediation::report::{GroupOutcome, StopReason};
use portcullis_remediation::services::Clock as _;
use portcullis_remediation::services::ErrorKind;
use portcullis_rules::baseline;
use portcullis_testkit::Fault;

use super::scene::{noon, pages, scene, sweep_request, three_pages};

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
