//! What a sweep adds to the metrics: one line for the sweep as a whole, by what it does about what it finds, and one for
//! each rule of the policy that found something.
//!
//! Their names are their own, because a sweep counts what is there and an event counts what came: a sum of both would
//! mean nothing.

use portcullis_function::Metric;
use portcullis_function::metrics::line;
use portcullis_remediation::{Outcome, Swept};
use serde_json::Value;

use crate::action::SweepAction;

/// How a group ends that was found and not closed, or perhaps not.
const OPEN: [Outcome; 4] = [Outcome::Noticed, Outcome::WouldClose, Outcome::Refused, Outcome::Incomplete];

/// The log lines of a sweep, however it ended.
pub(crate) fn lines(swept: &Swept) -> Vec<Value> {
    let action = if swept.remediates { SweepAction::Remediate } else { SweepAction::Report };
    let open = OPEN.into_iter().fold(0, |sum: usize, outcome| sum.saturating_add(swept.count(outcome)));
    let whole = vec![
        Metric::count("SweepGroups", swept.groups),
        Metric::count("SweepFindings", swept.findings()),
        Metric::count("SweepExempt", swept.exempt),
        Metric::count("SweepGroupsOpen", open),
        Metric::count("SweepGroupsClosed", swept.count(Outcome::Closed)),
        Metric::count("SweepFailures", swept.count(Outcome::Incomplete)),
        Metric::count("SweepUnfinished", usize::from(swept.unfinished.is_some())),
        Metric::seconds("SweepSeconds", swept.ended.duration_since(swept.started).as_secs()),
    ];
    let rules = swept.by_rule.iter().map(|(id, tally)| {
        let found = Metric::count("SweepFindings", tally.findings);
        line(swept.ended, ("Rule", id), vec![found])
    });
    std::iter::once(line(swept.ended, ("Sweep", action.as_str()), whole)).chain(rules).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use portcullis_function::{Settings, load};
    use portcullis_remediation::remediate::Limits;
    use portcullis_remediation::{ChangeIngress, Errand, ErrorKind, Hands, PortError, Sweeper};
    use portcullis_testkit::{FakeClock, FakeEc2, FakeList, FakeTell, group};
    use serde_json::json;

    use super::*;

    /// A sweep of two open groups and a clean one, in two pages, of which the second may fail.
    async fn sweep(remediates: bool, fails: bool) -> Vec<Value> {
        let open = ["sgr-1 tcp 22 0.0.0.0/0", "sgr-2 tcp 3389 ::/0", "sgr-3 tcp 443 0.0.0.0/0"];
        let groups = [group("sg-1", &open), group("sg-2", &["sgr-4 tcp 443 0.0.0.0/0"]), group("sg-3", &open[..1])];
        let ec2 = Arc::new(FakeEc2::with(groups.clone()));
        let list = FakeList::with(groups.chunks(2).map(<[_]>::to_vec));
        if fails {
            list.fail(1, ErrorKind::Denied);
        }
        let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let changer: Arc<dyn ChangeIngress> = ec2.clone();
        let (teller, clock) = (Arc::new(FakeTell::default()), Arc::new(FakeClock::at(noon)));
        let hands = Hands { reader: ec2, changer: remediates.then_some(changer), teller, clock };
        let settings = Settings::read(|name| (name == "PORTCULLIS_TOPIC_ARN").then(|| "arn:aws:sns:r:1:t".to_owned()));
        let no_parameter = async |_| Err(PortError::new("GetParameter", ErrorKind::Other, "none"));
        let (policy, _) = load(&settings.unwrap(), no_parameter).await.unwrap();
        let errand =
            Errand { id: "s-1".to_owned(), account: None, region: None, token: None, deadline: Timestamp::MAX };
        lines(&Sweeper::new(hands, policy, Limits::default()).sweep(&list, &errand).await)
    }

    /// The metrics of a line, without what surrounds them.
    fn numbers(line: &Value) -> Value {
        let mut line = line.clone();
        line.as_object_mut().unwrap().retain(|name, _| name.starts_with(char::is_uppercase));
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
        let expected = [("SweepFindings", 3), ("SweepGroupsOpen", 0), ("SweepGroupsClosed", 2), ("SweepFailures", 0)];
        assert_eq!(whole["Sweep"], "remediate");
        for (name, value) in expected {
            assert_eq!(whole[name], value, "{name} {whole}");
        }
    }

    #[tokio::test]
    async fn an_unfinished_sweep_counts_what_it_saw() {
        let whole = numbers(&sweep(false, true).await[0]);
        for (name, value) in [("SweepGroups", 2), ("SweepGroupsOpen", 1), ("SweepUnfinished", 1)] {
            assert_eq!(whole[name], value, "{name} {whole}");
        }
    }
}
