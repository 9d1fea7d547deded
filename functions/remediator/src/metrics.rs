//! What an event adds to the metrics: one line for the event as a whole, by mode, and one for each rule of the policy that
//! found something.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_function::Metric;
use portcullis_function::metrics::build_metric_line;
use portcullis_remediation::{EventOutcome, GroupReport, Mode, RemediationError};
use serde_json::Value;

/// What one event adds to the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventMetrics {
    mode: Mode,
    findings: usize,
    removed: usize,
    refusals: usize,
    failures: usize,
    unsent: usize,
    exposures: Vec<i64>,
    rules: BTreeMap<String, PolicyRuleCounts>,
}

/// What one rule of the policy had to do with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct PolicyRuleCounts {
    findings: usize,
    removed: usize,
}

impl EventMetrics {
    /// The numbers of an event that was handled, however it ended.
    pub(crate) fn from_outcome(mode: Mode, handled: &EventOutcome) -> Self {
        let is_unsent =
            |error: &&RemediationError| matches!(error, RemediationError::AlertNotSent { .. });
        let unsent = handled.errors.iter().filter(is_unsent).count();
        let mut metrics = Self {
            unsent,
            ..Self::with_failures(mode, handled.errors.len().saturating_sub(unsent))
        };
        for report in &handled.reports {
            metrics.add_report(report);
        }
        metrics
    }

    /// The numbers of an event that was not understood.
    pub(crate) fn decode_failure(mode: Mode) -> Self {
        Self::with_failures(mode, 1)
    }

    fn with_failures(mode: Mode, failures: usize) -> Self {
        let (exposures, rules) = (Vec::new(), BTreeMap::new());
        Self {
            mode,
            findings: 0,
            removed: 0,
            refusals: 0,
            failures,
            unsent: 0,
            exposures,
            rules,
        }
    }

    fn add_report(&mut self, report: &GroupReport) {
        for finding in report.active_findings() {
            self.findings = self.findings.saturating_add(1);
            let rule = self
                .rules
                .entry(finding.policy_rule.id.clone())
                .or_default();
            rule.findings = rule.findings.saturating_add(1);
        }
        // In monitor mode the report says what would be removed: nothing was.
        let is_enforced = report.mode == Mode::Enforce;
        for outcome in report.removed_rules().filter(|_| is_enforced) {
            self.removed = self.removed.saturating_add(1);
            for id in &outcome.policy_rules {
                let rule = self.rules.entry(id.clone()).or_default();
                rule.removed = rule.removed.saturating_add(1);
            }
        }
        self.refusals = self.refusals.saturating_add(report.refused_rules().count());
        self.exposures.extend(report.exposure_seconds());
    }

    /// The log lines.
    pub(crate) fn to_log_lines(&self, now: Timestamp) -> Vec<Value> {
        let counts = [
            Metric::count("OpeningsFound", self.findings),
            Metric::count("BoxesRemoved", self.removed),
            Metric::count("Refusals", self.refusals),
            Metric::count("Failures", self.failures),
            Metric::count("AlertsUnsent", self.unsent),
        ];
        let dimension = ("Mode", self.mode.as_str());
        let mut exposures = Metric::seconds_in_batches("ExposureSeconds", &self.exposures);
        let whole = build_metric_line(
            now,
            dimension,
            counts.into_iter().chain(exposures.next()).collect(),
        );
        // One change of a prefix list may close hundreds of groups.
        let more = exposures.map(|some| build_metric_line(now, dimension, vec![some]));
        let rules = self.rules.iter().map(|(id, rule)| {
            let counts = [
                Metric::count("OpeningsFound", rule.findings),
                Metric::count("BoxesRemoved", rule.removed),
            ];
            build_metric_line(now, ("Rule", id), counts.to_vec())
        });
        std::iter::once(whole).chain(more).chain(rules).collect()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_remediation::{ErrorKind, ServiceError};

    use super::*;

    fn sample() -> EventMetrics {
        let rules = [("all-traffic", 2, 1), ("uncommon-ports", 1, 1)];
        let rules = rules.map(|(id, openings, removed)| {
            (
                id.to_owned(),
                PolicyRuleCounts {
                    findings: openings,
                    removed,
                },
            )
        });
        let rules = BTreeMap::from(rules);
        EventMetrics {
            findings: 3,
            removed: 2,
            refusals: 1,
            unsent: 1,
            exposures: vec![7, 12],
            rules,
            ..untouched(2)
        }
    }

    fn untouched(failures: usize) -> EventMetrics {
        EventMetrics::with_failures(Mode::Enforce, failures)
    }

    #[test]
    fn no_exposure_is_lost_however_many_there_are() {
        let exposures: Vec<i64> = (0..250).collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let lines = EventMetrics {
            exposures: exposures.clone(),
            ..untouched(0)
        }
        .to_log_lines(now);
        let told = lines
            .iter()
            .flat_map(|line| line["ExposureSeconds"].as_array().into_iter().flatten());
        assert_eq!(
            told.filter_map(Value::as_i64).collect::<Vec<_>>(),
            exposures
        );
        assert!(lines.iter().all(|line| line["Mode"] == "enforce"));
    }

    #[test]
    fn a_line_for_the_event_and_one_for_each_rule() {
        let now = "2026-11-21T12:00:00.123Z".parse().unwrap();
        let lines: Vec<_> = sample()
            .to_log_lines(now)
            .iter()
            .map(Value::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                concat!(
                    r#"{"AlertsUnsent":1,"BoxesRemoved":2,"ExposureSeconds":[7,12],"Failures":2,"Mode":"enforce","#,
                    r#""OpeningsFound":3,"Refusals":1,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["Mode"]],"Metrics":["#,
                    r#"{"Name":"OpeningsFound","Unit":"Count"},{"Name":"BoxesRemoved","Unit":"Count"},"#,
                    r#"{"Name":"Refusals","Unit":"Count"},{"Name":"Failures","Unit":"Count"},"#,
                    r#"{"Name":"AlertsUnsent","Unit":"Count"},{"Name":"ExposureSeconds","Unit":"Seconds"}],"#,
                    r#""Namespace":"Portcullis"}],"Timestamp":1795262400123},"#,
                    r#""level":"INFO","message":"metrics","timestamp":"2026-11-21T12:00:00.123Z"}"#,
                ),
                concat!(
                    r#"{"BoxesRemoved":1,"OpeningsFound":2,"Rule":"all-traffic","_aws":{"CloudWatchMetrics":["#,
                    r#"{"Dimensions":[["Rule"]],"Metrics":[{"Name":"OpeningsFound","Unit":"Count"},"#,
                    r#"{"Name":"BoxesRemoved","Unit":"Count"}],"Namespace":"Portcullis"}],"#,
                    r#""Timestamp":1795262400123},"level":"INFO","message":"metrics","#,
                    r#""timestamp":"2026-11-21T12:00:00.123Z"}"#,
                ),
                concat!(
                    r#"{"BoxesRemoved":1,"OpeningsFound":1,"Rule":"uncommon-ports","_aws":{"CloudWatchMetrics":["#,
                    r#"{"Dimensions":[["Rule"]],"Metrics":[{"Name":"OpeningsFound","Unit":"Count"},"#,
                    r#"{"Name":"BoxesRemoved","Unit":"Count"}],"Namespace":"Portcullis"}],"#,
                    r#""Timestamp":1795262400123},"level":"INFO","message":"metrics","#,
                    r#""timestamp":"2026-11-21T12:00:00.123Z"}"#,
                ),
            ]
        );
    }

    #[test]
    fn nothing_closed_has_no_exposure() {
        let lines = EventMetrics::decode_failure(Mode::Monitor).to_log_lines(Timestamp::UNIX_EPOCH);
        assert_eq!(
            (
                lines.len(),
                lines[0].get("ExposureSeconds"),
                &lines[0]["Failures"]
            ),
            (1, None, &Value::from(1))
        );
    }

    #[test]
    fn an_unsent_alert_is_counted_by_itself() {
        let error = || ServiceError::new("Publish", ErrorKind::Denied, "no");
        let unread = RemediationError::GroupUnreadable {
            group: "sg-1".to_owned(),
            error: error(),
        };
        let untold = RemediationError::AlertNotSent {
            group: "sg-2".to_owned(),
            error: error(),
        };
        let handled = EventOutcome {
            reports: Vec::new(),
            errors: vec![unread, untold],
        };
        let metrics = EventMetrics::from_outcome(Mode::Enforce, &handled);
        assert_eq!((metrics.failures, metrics.unsent), (1, 1));
    }
}
