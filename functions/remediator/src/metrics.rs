//! Numbers for CloudWatch, in its embedded metric format: log lines which CloudWatch Logs turns into metrics by itself,
//! so that they cost no call and cannot fail an event. `docs/operate.md` lists them.
//!
//! A line has one value for each dimension. So there is one line for the event as a whole, by mode, and one for each rule
//! of the policy that found something. The names of rules come from the policy, never from an event: nobody outside can
//! make us pay for new metrics.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use portcullis_remediation::{Handled, Mode, RemediationError, Report};
use serde_json::{Map, Value, json};

/// Where CloudWatch puts them.
const NAMESPACE: &str = "Portcullis";

/// CloudWatch reads so many values of one metric in one line.
const MOST_VALUES: usize = 100;

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
        if self.exposures.len() < MOST_VALUES {
            self.exposures.extend(report.exposure_seconds());
        }
    }

    /// The log lines, each a whole JSON document. `now` is the time in milliseconds, and as text.
    pub(crate) fn lines(&self, now: (i64, &str)) -> Vec<Value> {
        let mut whole = vec![
            ("OpeningsFound", "Count", json!(self.openings)),
            ("BoxesRemoved", "Count", json!(self.removed)),
            ("Refusals", "Count", json!(self.refusals)),
            ("Failures", "Count", json!(self.failures)),
            ("AlertsUnsent", "Count", json!(self.unsent)),
        ];
        if !self.exposures.is_empty() {
            whole.push(("ExposureSeconds", "Seconds", json!(self.exposures)));
        }
        let mut lines = vec![line(now, ("Mode", self.mode.as_str()), whole)];
        lines.extend(self.rules.iter().map(|(id, rule)| {
            let values =
                vec![("OpeningsFound", "Count", json!(rule.openings)), ("BoxesRemoved", "Count", json!(rule.removed))];
            line(now, ("Rule", id), values)
        }));
        lines
    }

    /// Writes the lines to the log. Lambda takes a line that is JSON as it is; a log that cannot be written is no reason
    /// to fail an event.
    pub(crate) fn write(&self, now: (i64, &str)) {
        let mut text = String::new();
        for line in self.lines(now) {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        io::stdout().write_all(text.as_bytes()).ok();
    }
}

/// One document. `level` and `timestamp` are there because Lambda would add its own otherwise.
fn line(now: (i64, &str), dimension: (&str, &str), values: Vec<(&str, &str, Value)>) -> Value {
    let definitions: Vec<_> = values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[dimension.0]], "Metrics": definitions});
    let mut line = Map::new();
    line.insert("_aws".to_owned(), json!({"Timestamp": now.0, "CloudWatchMetrics": [directive]}));
    line.insert("level".to_owned(), json!("INFO"));
    line.insert("message".to_owned(), json!("metrics"));
    line.insert("timestamp".to_owned(), json!(now.1));
    line.insert(dimension.0.to_owned(), json!(dimension.1));
    line.extend(values.into_iter().map(|(name, _, value)| (name.to_owned(), value)));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use portcullis_remediation::{ErrorKind, PortError};

    use super::*;

    const NOW: (i64, &str) = (1_795_262_400_123, "2026-11-21T12:00:00.123Z");

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
    fn a_line_for_the_event_and_one_for_each_rule() {
        let lines: Vec<_> = sample().lines(NOW).iter().map(Value::to_string).collect();
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

    /// The rules of the format, from AWS's specification of it.
    fn complaints(line: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let aws = &line["_aws"];
        if aws["Timestamp"].as_i64().is_none_or(|time| time.to_string().len() != 13) {
            found.push("the time is not in milliseconds".to_owned());
        }
        for directive in aws["CloudWatchMetrics"].as_array().into_iter().flatten() {
            let dimensions = directive["Dimensions"].as_array().into_iter().flatten();
            for key in dimensions.flat_map(|set| set.as_array().into_iter().flatten()) {
                if !line[key.as_str().unwrap_or_default()].is_string() {
                    found.push(format!("the dimension {key} has no text"));
                }
            }
            let metrics = directive["Metrics"].as_array().map_or(&[][..], Vec::as_slice);
            if metrics.is_empty() || metrics.len() > 100 {
                found.push(format!("{} metrics", metrics.len()));
            }
            for metric in metrics {
                let value = &line[metric["Name"].as_str().unwrap_or_default()];
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                if values.is_empty() || values.len() > 100 || !values.iter().all(Value::is_number) {
                    found.push(format!("{metric} has the value {value}"));
                }
                if !["Count", "Seconds"].contains(&metric["Unit"].as_str().unwrap_or_default()) {
                    found.push(format!("{metric} has no unit of CloudWatch's"));
                }
            }
        }
        found
    }

    #[test]
    fn every_line_follows_the_format() {
        let many = Metrics { exposures: vec![1; MOST_VALUES], ..sample() };
        for metrics in [sample(), many, untouched(0), Metrics::misunderstood(Mode::Monitor)] {
            for line in metrics.lines(NOW) {
                assert_eq!(complaints(&line), [""; 0], "{line}");
            }
        }
        let wrong = json!({"_aws": {"Timestamp": 1_795_262_400, "CloudWatchMetrics": [{
            "Namespace": NAMESPACE, "Dimensions": [["Mode"]], "Metrics": [{"Name": "A", "Unit": "Pieces"}],
        }]}});
        assert_eq!(complaints(&wrong).len(), 4, "the test sees what is wrong");
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
