//! The metrics of an event: one line for the event, by mode, and one for each policy rule with
//! findings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_function::Metric;
use portcullis_function::metrics::build_metric_line;
use portcullis_remediation::{EventOutcome, GroupReport, Mode, RemediationError};
use serde_json::Value;

/// The metrics of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventMetrics {
    mode: Mode,
    findings: usize,
    removed: usize,
    refusals: usize,
    failures: usize,
    unpublished: usize,
    exposures: Vec<i64>,
    rules: BTreeMap<String, PolicyRuleCounts>,
}

/// The counts of one policy rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct PolicyRuleCounts {
    findings: usize,
    removed: usize,
}

impl EventMetrics {
    /// The metrics of an event that was handled, whatever its outcome.
    pub(crate) fn from_outcome(mode: Mode, outcome: &EventOutcome) -> Self {
        let errors = &outcome.errors;
        let unpublished = errors.iter().filter(|error| is_unpublished(error)).count();
        let failures = errors.len().saturating_sub(unpublished);
        let mut metrics = Self {
            unpublished,
            ..Self::with_failures(mode, failures)
        };
        for report in &outcome.reports {
            metrics.add_report(report);
        }
        metrics
    }

    /// The metrics of an event that could not be decoded.
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
            unpublished: 0,
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
        // In monitor mode the report contains what would be removed; nothing was.
        let is_enforced = report.mode == Mode::Enforce;
        for outcome in report.removed_rules().filter(|_| is_enforced) {
            self.removed = self.removed.saturating_add(1);
            for id in &outcome.policy_rules {
                let rule = self.rules.entry(id.clone()).or_default();
                rule.removed = rule.removed.saturating_add(1);
            }
        }
        let refusals = report.refused_rules().count();
        self.refusals = self.refusals.saturating_add(refusals);
        self.exposures.extend(report.exposure_seconds());
    }

    /// The log lines.
    pub(crate) fn to_log_lines(&self, now: Timestamp) -> Vec<Value> {
        let counts = [
            Metric::count("Findings", self.findings),
            Metric::count("RulesRemoved", self.removed),
            Metric::count("Refusals", self.refusals),
            Metric::count("Failures", self.failures),
            Metric::count("AlertsNotPublished", self.unpublished),
        ];
        let dimension = ("Mode", self.mode.as_str());
        let mut exposures = Metric::seconds_in_batches("ExposureSeconds", &self.exposures);
        let whole = build_metric_line(
            now,
            dimension,
            counts.into_iter().chain(exposures.next()).collect(),
        );
        // A change of a prefix list can close hundreds of groups.
        let more = exposures.map(|batch| build_metric_line(now, dimension, vec![batch]));
        let rules = self.rules.iter().map(|(id, rule)| {
            let counts = [
                Metric::count("Findings", rule.findings),
                Metric::count("RulesRemoved", rule.removed),
            ];
            build_metric_line(now, ("Rule", id), counts.to_vec())
        });
        std::iter::once(whole).chain(more).chain(rules).collect()
    }
}

fn is_unpublished(error: &RemediationError) -> bool {
    matches!(error, RemediationError::AlertNotSent { .. })
}

#[cfg(test)]
mod tests {
    use portcullis_remediation::{ErrorKind, ServiceError};

    use super::*;

    fn sample() -> EventMetrics {
        let counts = |findings, removed| PolicyRuleCounts { findings, removed };
        let rules = BTreeMap::from([
            ("all-traffic".to_owned(), counts(2, 1)),
            ("uncommon-ports".to_owned(), counts(1, 1)),
        ]);
        EventMetrics {
            findings: 3,
            removed: 2,
            refusals: 1,
            unpublished: 1,
            exposures: vec![7, 12],
            rules,
            ..with_failures(2)
        }
    }

    fn with_failures(failures: usize) -> EventMetrics {
        EventMetrics::with_failures(Mode::Enforce, failures)
    }

    #[test]
    fn all_exposures_are_written_however_many_there_are() {
        let exposures: Vec<i64> = (0..250).collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let lines = EventMetrics {
            exposures: exposures.clone(),
            ..with_failures(0)
        }
        .to_log_lines(now);
        let written = lines
            .iter()
            .flat_map(|line| line["ExposureSeconds"].as_array().into_iter().flatten());
        assert_eq!(
            written.filter_map(Value::as_i64).collect::<Vec<_>>(),
            exposures
        );
        assert!(lines.iter().all(|line| line["Mode"] == "enforce"));
    }

    #[test]
    fn an_event_has_one_line_and_one_for_each_policy_rule() {
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
                    r#"{"AlertsNotPublished":1,"ExposureSeconds":[7,12],"Failures":2,"#,
                    r#""Findings":3,"Mode":"enforce","Refusals":1,"RulesRemoved":2,"#,
                    r#""_aws":{"CloudWatchMetrics":[{"Dimensions":[["Mode"]],"Metrics":["#,
                    r#"{"Name":"Findings","Unit":"Count"},{"Name":"RulesRemoved","Unit":"Count"},"#,
                    r#"{"Name":"Refusals","Unit":"Count"},{"Name":"Failures","Unit":"Count"},"#,
                    r#"{"Name":"AlertsNotPublished","Unit":"Count"},"#,
                    r#"{"Name":"ExposureSeconds","Unit":"Seconds"}],"#,
                    r#""Namespace":"Portcullis"}],"Timestamp":1795262400123},"#,
                    r#""level":"INFO","message":"metrics","#,
                    r#""timestamp":"2026-11-21T12:00:00.123Z"}"#,
                ),
                concat!(
                    r#"{"Findings":2,"Rule":"all-traffic","RulesRemoved":1,"#,
                    r#""_aws":{"CloudWatchMetrics":[{"Dimensions":[["Rule"]],"Metrics":["#,
                    r#"{"Name":"Findings","Unit":"Count"},"#,
                    r#"{"Name":"RulesRemoved","Unit":"Count"}],"#,
                    r#""Namespace":"Portcullis"}],"Timestamp":1795262400123},"#,
                    r#""level":"INFO","message":"metrics","#,
                    r#""timestamp":"2026-11-21T12:00:00.123Z"}"#,
                ),
                concat!(
                    r#"{"Findings":1,"Rule":"uncommon-ports","RulesRemoved":1,"#,
                    r#""_aws":{"CloudWatchMetrics":[{"Dimensions":[["Rule"]],"Metrics":["#,
                    r#"{"Name":"Findings","Unit":"Count"},"#,
                    r#"{"Name":"RulesRemoved","Unit":"Count"}],"#,
                    r#""Namespace":"Portcullis"}],"Timestamp":1795262400123},"#,
                    r#""level":"INFO","message":"metrics","#,
                    r#""timestamp":"2026-11-21T12:00:00.123Z"}"#,
                ),
            ]
        );
    }

    #[test]
    fn an_event_without_a_closed_group_has_no_exposure() {
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
    fn an_unpublished_alert_is_not_counted_as_a_failure() {
        let error = || ServiceError::new("Publish", ErrorKind::Denied, "no");
        let unreadable = RemediationError::GroupUnreadable {
            group: "sg-1".to_owned(),
            error: error(),
        };
        let not_published = RemediationError::AlertNotSent {
            group: "sg-2".to_owned(),
            error: error(),
        };
        let outcome = EventOutcome {
            reports: Vec::new(),
            errors: vec![unreadable, not_published],
        };
        let metrics = EventMetrics::from_outcome(Mode::Enforce, &outcome);
        assert_eq!((metrics.failures, metrics.unpublished), (1, 1));
    }
}
