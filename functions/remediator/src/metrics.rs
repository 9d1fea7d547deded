//! What an event adds to the metrics: one line for the event as a whole, by mode, and one for each rule of the policy that
//! found something.

use std::collections::BTreeMap;

use jiff::Timestamp;
use portcullis_function::Metric;
use portcullis_function::metrics::line;
use portcullis_remediation::{Handled, Mode, RemediationError, Report};
use serde_json::Value;

/// What one event adds to the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metrics {
    mode: Mode,
    openings: usize,
    removed: usize,
    refusals: usize,
    failures: usize,
    unsent: usize,
    exposures: Vec<i64>,
    rules: BTreeMap<String, OfRule>,
}

/// What one rule of the policy had to do with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct OfRule {
    openings: usize,
    removed: usize,
}

impl Metrics {
    /// The numbers of an event that was handled, however it ended.
    pub(crate) fn of(mode: Mode, handled: &Handled) -> Self {
        let is_unsent = |error: &&RemediationError| matches!(error, RemediationError::Untold { .. });
        let unsent = handled.errors.iter().filter(is_unsent).count();
        let mut metrics = Self { unsent, ..Self::failed(mode, handled.errors.len().saturating_sub(unsent)) };
        for report in &handled.reports {
            metrics.count(report);
        }
        metrics
    }

    /// The numbers of an event that was not understood.
    pub(crate) fn misunderstood(mode: Mode) -> Self {
        Self::failed(mode, 1)
    }

    fn failed(mode: Mode, failures: usize) -> Self {
        let (exposures, rules) = (Vec::new(), BTreeMap::new());
        Self { mode, openings: 0, removed: 0, refusals: 0, failures, unsent: 0, exposures, rules }
    }

    fn count(&mut self, report: &Report) {
        for finding in report.findings.iter().filter(|finding| finding.exempt.is_none()) {
            self.openings = self.openings.saturating_add(1);
            let rule = self.rules.entry(finding.rule.id.clone()).or_default();
            rule.openings = rule.openings.saturating_add(1);
        }
        // In monitor mode the report says what would be removed: nothing was.
        let removed = if report.mode == Mode::Enforce { report.removed.as_slice() } else { &[] };
        for removal in removed {
            self.removed = self.removed.saturating_add(1);
            for id in &removal.because {
                let rule = self.rules.entry(id.clone()).or_default();
                rule.removed = rule.removed.saturating_add(1);
            }
        }
        self.refusals = self.refusals.saturating_add(report.refusals.len());
        self.exposures.extend(report.exposure_seconds());
    }

    /// The log lines.
    pub(crate) fn lines(&self, now: Timestamp) -> Vec<Value> {
        let counts = [
            Metric::count("OpeningsFound", self.openings),
            Metric::count("BoxesRemoved", self.removed),
            Metric::count("Refusals", self.refusals),
            Metric::count("Failures", self.failures),
            Metric::count("AlertsUnsent", self.unsent),
        ];
        let dimension = ("Mode", self.mode.as_str());
        let mut exposures = Metric::each_of_seconds("ExposureSeconds", &self.exposures);
        let whole = line(now, dimension, counts.into_iter().chain(exposures.next()).collect());
        // One change of a prefix list may close hundreds of groups.
        let more = exposures.map(|some| line(now, dimension, vec![some]));
        let rules = self.rules.iter().map(|(id, rule)| {
            let counts = [Metric::count("OpeningsFound", rule.openings), Metric::count("BoxesRemoved", rule.removed)];
            line(now, ("Rule", id), counts.to_vec())
        });
        std::iter::once(whole).chain(more).chain(rules).collect()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_remediation::{ErrorKind, PortError};

    use super::*;

    fn sample() -> Metrics {
        let rules = [("all-traffic", 2, 1), ("uncommon-ports", 1, 1)];
        let rules = rules.map(|(id, openings, removed)| (id.to_owned(), OfRule { openings, removed }));
        let rules = BTreeMap::from(rules);
        Metrics { openings: 3, removed: 2, refusals: 1, unsent: 1, exposures: vec![7, 12], rules, ..untouched(2) }
    }

    fn untouched(failures: usize) -> Metrics {
        Metrics::failed(Mode::Enforce, failures)
    }

    #[test]
    fn no_exposure_is_lost_however_many_there_are() {
        let exposures: Vec<i64> = (0..250).collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let lines = Metrics { exposures: exposures.clone(), ..untouched(0) }.lines(now);
        let told = lines.iter().flat_map(|line| line["ExposureSeconds"].as_array().into_iter().flatten());
        assert_eq!(told.filter_map(Value::as_i64).collect::<Vec<_>>(), exposures);
        assert!(lines.iter().all(|line| line["Mode"] == "enforce"));
    }

    #[test]
    fn a_line_for_the_event_and_one_for_each_rule() {
        let now = "2026-11-21T12:00:00.123Z".parse().unwrap();
        let lines: Vec<_> = sample().lines(now).iter().map(Value::to_string).collect();
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
        let lines = Metrics::misunderstood(Mode::Monitor).lines(Timestamp::UNIX_EPOCH);
        assert_eq!((lines.len(), lines[0].get("ExposureSeconds"), &lines[0]["Failures"]), (1, None, &Value::from(1)));
    }

    #[test]
    fn an_unsent_alert_is_counted_by_itself() {
        let error = || PortError::new("Publish", ErrorKind::Denied, "no");
        let unread = RemediationError::Unread { group: "sg-1".to_owned(), error: error() };
        let untold = RemediationError::Untold { group: "sg-2".to_owned(), error: error() };
        let handled = Handled { reports: Vec::new(), errors: vec![unread, untold] };
        let metrics = Metrics::of(Mode::Enforce, &handled);
        assert_eq!((metrics.failures, metrics.unsent), (1, 1));
    }
}
