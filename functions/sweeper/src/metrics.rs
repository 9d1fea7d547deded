//! What a sweep adds to the metrics: one line for the sweep as a whole, by what it does about what it finds, and one for
//! each rule of the policy that found something.
//!
//! Their names are their own, because a sweep counts what is there and an event counts what came: a sum of both would
//! mean nothing.

use portcullis_function::Metric;
use portcullis_function::metrics::build_metric_line;
use portcullis_remediation::{GroupOutcome, SweepReport};
use serde_json::Value;

use crate::action::SweepAction;

/// How a group ends that was found and not closed, or perhaps not.
const OPEN_OUTCOMES: [GroupOutcome; 4] = [
    GroupOutcome::Reported,
    GroupOutcome::WouldClose,
    GroupOutcome::Refused,
    GroupOutcome::NotClosed,
];

/// The log lines of a sweep, however it ended.
pub(crate) fn sweep_metric_lines(swept: &SweepReport) -> Vec<Value> {
    let action = if swept.remediates {
        SweepAction::Remediate
    } else {
        SweepAction::Report
    };
    let open = OPEN_OUTCOMES.into_iter().fold(0, |sum: usize, outcome| {
        sum.saturating_add(swept.groups_with_outcome(outcome))
    });
    let whole = vec![
        Metric::count("SweepGroups", swept.group_count),
        Metric::count("SweepFindings", swept.finding_count()),
        Metric::count("SweepExempt", swept.exempt),
        Metric::count("SweepGroupsOpen", open),
        Metric::count(
            "SweepGroupsClosed",
            swept.groups_with_outcome(GroupOutcome::Closed),
        ),
        Metric::count(
            "SweepFailures",
            swept.groups_with_outcome(GroupOutcome::NotClosed),
        ),
        Metric::count("SweepUnfinished", usize::from(swept.unfinished.is_some())),
        Metric::seconds(
            "SweepSeconds",
            swept.ended.duration_since(swept.started).as_secs(),
        ),
    ];
    let rules = swept.by_policy_rule.iter().map(|(id, tally)| {
        let found = Metric::count("SweepFindings", tally.findings);
        build_metric_line(swept.ended, ("Rule", id), vec![found])
    });
    std::iter::once(build_metric_line(
        swept.ended,
        ("Sweep", action.as_str()),
        whole,
    ))
    .chain(rules)
    .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use portcullis_function::{Settings, load_policy};
    use portcullis_remediation::remediator::Limits;
    use portcullis_remediation::{
        ErrorKind, IngressEditor, ServiceError, Services, SweepRequest, Sweeper,
    };
    use portcullis_testkit::{
        FakeClock, FakeEc2, FakeGroupLister, FakePublisher, group_from_lines,
    };
    use serde_json::json;

    use super::*;

    /// A sweep of two open groups and a clean one, in two pages, of which the second may fail.
    async fn sweep(remediates: bool, fails: bool) -> Vec<Value> {
        let open = [
            "sgr-1 tcp 22 0.0.0.0/0",
            "sgr-2 tcp 3389 ::/0",
            "sgr-3 tcp 443 0.0.0.0/0",
        ];
        let groups = [
            group_from_lines("sg-1", &open),
            group_from_lines("sg-2", &["sgr-4 tcp 443 0.0.0.0/0"]),
            group_from_lines("sg-3", &open[..1]),
        ];
        let ec2 = Arc::new(FakeEc2::with_groups(groups.clone()));
        let list = FakeGroupLister::with_pages(groups.chunks(2).map(<[_]>::to_vec));
        if fails {
            list.fail_page(1, ErrorKind::Denied);
        }
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let changer: Arc<dyn IngressEditor> = ec2.clone();
        let (teller, clock) = (
            Arc::new(FakePublisher::default()),
            Arc::new(FakeClock::starting_at(noon)),
        );
        let hands = Services {
            reader: ec2,
            editor: remediates.then_some(changer),
            publisher: teller,
            clock,
        };
        let settings = Settings::from_env(|name| {
            (name == "PORTCULLIS_TOPIC_ARN").then(|| "arn:aws:sns:r:1:t".to_owned())
        });
        let no_parameter =
            async |_| Err(ServiceError::new("GetParameter", ErrorKind::Other, "none"));
        let (policy, _) = load_policy(&settings.unwrap(), no_parameter).await.unwrap();
        let errand = SweepRequest {
            id: "s-1".to_owned(),
            account: None,
            region: None,
            token: None,
            deadline: Timestamp::MAX,
        };
        sweep_metric_lines(
            &Sweeper::new(hands, policy, Limits::default())
                .sweep(&list, &errand)
                .await,
        )
    }

    /// The metrics of a line, without what surrounds them.
    fn numbers(line: &Value) -> Value {
        let mut line = line.clone();
        line.as_object_mut()
            .unwrap()
            .retain(|name, _| name.starts_with(char::is_uppercase));
        line
    }

    #[tokio::test]
    async fn a_report_leaves_open_what_it_found() {
        let lines = sweep(false, false).await;
        let numbers: Vec<_> = lines.iter().map(numbers).collect();
        assert_eq!(
            numbers,
            [
                json!({
                    "Sweep": "report", "SweepGroups": 3, "SweepFindings": 3, "SweepExempt": 0, "SweepGroupsOpen": 2,
                    "SweepGroupsClosed": 0, "SweepFailures": 0, "SweepUnfinished": 0, "SweepSeconds": 0,
                }),
                json!({"Rule": "restricted-common-ports", "SweepFindings": 3}),
            ]
        );
        assert_eq!(lines[1]["_aws"]["Timestamp"], 1_795_262_400_000_i64);
    }

    #[tokio::test]
    async fn a_remediation_tells_what_it_closed() {
        let whole = numbers(&sweep(true, false).await[0]);
        let expected = [
            ("SweepFindings", 3),
            ("SweepGroupsOpen", 0),
            ("SweepGroupsClosed", 2),
            ("SweepFailures", 0),
        ];
        assert_eq!(whole["Sweep"], "remediate");
        for (name, value) in expected {
            assert_eq!(whole[name], value, "{name} {whole}");
        }
    }

    #[tokio::test]
    async fn an_unfinished_sweep_counts_what_it_saw() {
        let whole = numbers(&sweep(false, true).await[0]);
        for (name, value) in [
            ("SweepGroups", 2),
            ("SweepGroupsOpen", 1),
            ("SweepUnfinished", 1),
        ] {
            assert_eq!(whole[name], value, "{name} {whole}");
        }
    }
}
