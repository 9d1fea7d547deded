//! The metrics of a sweep: one line for the sweep, by its action, one for each policy rule with
//! findings, and one for the subscriptions of the topic.
//!
//! The metrics have names of their own, because a sweep counts what exists and an event counts what
//! was added: a sum of both would be meaningless.

use jiff::Timestamp;
use portcullis_aws::SubscriptionCounts;
use portcullis_function::Metric;
use portcullis_function::metrics::build_metric_line;
use portcullis_remediation::{GroupOutcome, SweepReport};
use serde_json::Value;

use crate::action::SweepAction;

/// The outcomes of groups that have findings and are not, or may not be, closed.
const OPEN_OUTCOMES: [GroupOutcome; 4] = [
    GroupOutcome::Reported,
    GroupOutcome::WouldClose,
    GroupOutcome::Refused,
    GroupOutcome::NotClosed,
];

/// The log lines of a sweep, whatever its outcome.
pub(crate) fn sweep_metric_lines(sweep: &SweepReport) -> Vec<Value> {
    let action = if sweep.remediates {
        SweepAction::Remediate
    } else {
        SweepAction::Report
    };
    let open = OPEN_OUTCOMES
        .map(|outcome| sweep.groups_with_outcome(outcome))
        .iter()
        .sum();
    let closed = sweep.groups_with_outcome(GroupOutcome::Closed);
    let failures = sweep.groups_with_outcome(GroupOutcome::NotClosed);
    let duration = sweep.ended.duration_since(sweep.started);
    let totals = vec![
        Metric::count("SweepGroups", sweep.group_count),
        Metric::count("SweepFindings", sweep.finding_count()),
        Metric::count("SweepExempt", sweep.exempt),
        Metric::count("SweepGroupsOpen", open),
        Metric::count("SweepGroupsClosed", closed),
        Metric::count("SweepFailures", failures),
        Metric::count("SweepUnfinished", usize::from(sweep.unfinished.is_some())),
        Metric::seconds("SweepSeconds", duration.as_secs()),
    ];
    let rules = sweep.by_policy_rule.iter().map(|(id, count)| {
        let findings = Metric::count("SweepFindings", count.findings);
        build_metric_line(sweep.ended, ("Rule", id), vec![findings])
    });
    let dimension = ("Sweep", action.as_str());
    let total_line = build_metric_line(sweep.ended, dimension, totals);
    std::iter::once(total_line).chain(rules).collect()
}

/// The log line of the topic. Its dimension is the name of the topic, which belongs to one stack.
pub(crate) fn subscriptions_metric_line(
    now: Timestamp,
    topic_arn: &str,
    counts: SubscriptionCounts,
) -> Value {
    let metrics = vec![
        Metric::count("SubscriptionsConfirmed", counts.confirmed),
        Metric::count("SubscriptionsPending", counts.pending),
    ];
    let topic_name = topic_arn.rsplit(':').next().unwrap_or(topic_arn);
    build_metric_line(now, ("Topic", topic_name), metrics)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    /// The metrics of a sweep of two open groups and a clean one, in two pages. The second page
    /// can fail.
    async fn metrics_of_sweep(remediates: bool, fails: bool) -> Vec<Value> {
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
        let editor: Arc<dyn IngressEditor> = ec2.clone();
        let services = Services {
            reader: ec2,
            editor: remediates.then_some(editor),
            publisher: Arc::new(FakePublisher::default()),
            clock: Arc::new(FakeClock::starting_at(noon)),
        };
        let settings = Settings::from_env(|name| {
            (name == "PORTCULLIS_TOPIC_ARN").then(|| "arn:aws:sns:r:1:t".to_owned())
        });
        let no_parameter =
            async |_| Err(ServiceError::new("GetParameter", ErrorKind::Other, "none"));
        let loaded = load_policy(&settings.unwrap(), no_parameter).await.unwrap();
        let request = SweepRequest {
            id: "s-1".to_owned(),
            account: None,
            region: None,
            token: None,
            deadline: Timestamp::MAX,
        };
        let sweeper = Sweeper::new(services, loaded.policy, Limits::default());
        sweep_metric_lines(&sweeper.sweep(&list, &request).await)
    }

    /// The metrics and the dimension of a line, without its other fields.
    fn values_of_line(line: &Value) -> Value {
        let mut line = line.clone();
        line.as_object_mut()
            .unwrap()
            .retain(|name, _| name.starts_with(char::is_uppercase));
        line
    }

    #[test]
    fn subscriptions_are_metrics_of_the_topic() {
        let counts = SubscriptionCounts {
            confirmed: 0,
            pending: 2,
        };
        let topic = "arn:aws:sns:eu-west-1:111122223333:portcullis-AlertTopic-1A2B";
        let line = subscriptions_metric_line(Timestamp::UNIX_EPOCH, topic, counts);
        assert_eq!(
            values_of_line(&line),
            json!({
                "Topic": "portcullis-AlertTopic-1A2B",
                "SubscriptionsConfirmed": 0, "SubscriptionsPending": 2,
            })
        );
    }

    #[tokio::test]
    async fn a_reporting_sweep_leaves_groups_open() {
        let lines = metrics_of_sweep(false, false).await;
        let values: Vec<_> = lines.iter().map(values_of_line).collect();
        assert_eq!(
            values,
            [
                json!({
                    "Sweep": "report", "SweepGroups": 3, "SweepFindings": 3, "SweepExempt": 0,
                    "SweepGroupsOpen": 2, "SweepGroupsClosed": 0, "SweepFailures": 0,
                    "SweepUnfinished": 0, "SweepSeconds": 0,
                }),
                json!({"Rule": "restricted-common-ports", "SweepFindings": 3}),
            ]
        );
        assert_eq!(lines[1]["_aws"]["Timestamp"], 1_795_262_400_000_i64);
    }

    #[tokio::test]
    async fn a_remediating_sweep_counts_closed_groups() {
        let values = values_of_line(&metrics_of_sweep(true, false).await[0]);
        let expected = [
            ("SweepFindings", 3),
            ("SweepGroupsOpen", 0),
            ("SweepGroupsClosed", 2),
            ("SweepFailures", 0),
        ];
        assert_eq!(values["Sweep"], "remediate");
        for (name, value) in expected {
            assert_eq!(values[name], value, "{name} {values}");
        }
    }

    #[tokio::test]
    async fn an_unfinished_sweep_counts_the_groups_it_evaluated() {
        let values = values_of_line(&metrics_of_sweep(false, true).await[0]);
        for (name, value) in [
            ("SweepGroups", 2),
            ("SweepGroupsOpen", 1),
            ("SweepUnfinished", 1),
        ] {
            assert_eq!(values[name], value, "{name} {values}");
        }
    }
}
