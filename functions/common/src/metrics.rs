//! Metrics in CloudWatch's embedded metric format: log lines that CloudWatch Logs converts into
//! metrics, so that publishing them needs no call and cannot fail an event. `docs/operate.md` lists
//! the metrics.
//!
//! A line has one value per dimension, so there is one line for the invocation and one for each
//! policy rule. The ids of the rules come from the policy and never from an event, so that nobody
//! else can create billable metrics.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The CloudWatch namespace of all metrics.
const NAMESPACE: &str = "Portcullis";

/// Most values of one metric that CloudWatch accepts in one line.
const MAX_VALUES_PER_LINE: usize = 100;

/// A metric and its value or values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    /// The name of the unit in CloudWatch.
    unit: &'static str,
    value: Value,
}

impl Metric {
    /// A count.
    pub fn count(name: &'static str, count: usize) -> Self {
        Self {
            name,
            unit: "Count",
            value: json!(count),
        }
    }

    /// A duration in seconds.
    pub fn seconds(name: &'static str, seconds: i64) -> Self {
        Self {
            name,
            unit: "Seconds",
            value: json!(seconds),
        }
    }

    /// Durations in seconds, split for as many lines as necessary; none without values, because the
    /// format does not allow an empty list.
    pub fn seconds_in_batches(name: &'static str, seconds: &[i64]) -> impl Iterator<Item = Self> {
        seconds.chunks(MAX_VALUES_PER_LINE).map(move |chunk| Self {
            name,
            unit: "Seconds",
            value: json!(chunk),
        })
    }
}

/// A log line: one JSON document. It has a `level` and a `timestamp` because Lambda would otherwise
/// add its own.
pub fn build_metric_line(
    now: Timestamp,
    (dimension, dimension_value): (&str, &str),
    metrics: Vec<Metric>,
) -> Value {
    let definitions: Vec<_> = metrics
        .iter()
        .map(|metric| json!({"Name": metric.name, "Unit": metric.unit}))
        .collect();
    let directive = json!({
        "Namespace": NAMESPACE,
        "Dimensions": [[dimension]],
        "Metrics": definitions,
    });
    let metadata = json!({
        "Timestamp": now.as_millisecond(),
        "CloudWatchMetrics": [directive],
    });
    let mut line = Map::new();
    line.insert("_aws".to_owned(), metadata);
    line.insert("level".to_owned(), json!("INFO"));
    line.insert("message".to_owned(), json!("metrics"));
    line.insert("timestamp".to_owned(), json!(now.to_string()));
    line.insert(dimension.to_owned(), json!(dimension_value));
    line.extend(
        metrics
            .into_iter()
            .map(|metric| (metric.name.to_owned(), metric.value)),
    );
    Value::Object(line)
}

/// Writes the lines to the log. Lambda keeps a JSON line unchanged. An error is ignored: failing to
/// log must not fail an event.
pub fn write_metric_lines(lines: &[Value]) {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.to_string());
        text.push('\n');
    }
    io::stdout().write_all(text.as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00.123Z".parse().unwrap()
    }

    #[test]
    fn a_line_is_one_document_with_metric_definitions() {
        let metrics = vec![Metric::count("Found", 3), Metric::seconds("Took", 9)];
        assert_eq!(
            build_metric_line(now(), ("Rule", "all-traffic"), metrics).to_string(),
            concat!(
                r#"{"Found":3,"Rule":"all-traffic","Took":9,"#,
                r#""_aws":{"CloudWatchMetrics":[{"Dimensions":[["Rule"]],"#,
                r#""Metrics":[{"Name":"Found","Unit":"Count"},{"Name":"Took","Unit":"Seconds"}],"#,
                r#""Namespace":"Portcullis"}],"Timestamp":1795262400123},"#,
                r#""level":"INFO","message":"metrics","timestamp":"2026-11-21T12:00:00.123Z"}"#,
            )
        );
    }

    /// Violations of the format, according to its specification by AWS.
    fn format_violations(line: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let aws = &line["_aws"];
        if aws["Timestamp"]
            .as_i64()
            .is_none_or(|time| time.to_string().len() != 13)
        {
            found.push("the timestamp is not in milliseconds".to_owned());
        }
        for directive in aws["CloudWatchMetrics"].as_array().into_iter().flatten() {
            let dimensions = directive["Dimensions"].as_array().into_iter().flatten();
            for key in dimensions.flat_map(|set| set.as_array().into_iter().flatten()) {
                if !line[key.as_str().unwrap_or_default()].is_string() {
                    found.push(format!("the dimension {key} has no string value"));
                }
            }
            let metrics = directive["Metrics"]
                .as_array()
                .map_or(&[][..], Vec::as_slice);
            if metrics.is_empty() || metrics.len() > 100 {
                found.push(format!("{} metrics", metrics.len()));
            }
            for metric in metrics {
                let value = &line[metric["Name"].as_str().unwrap_or_default()];
                let values = value
                    .as_array()
                    .map_or(std::slice::from_ref(value), Vec::as_slice);
                if values.is_empty() || values.len() > 100 || !values.iter().all(Value::is_number) {
                    found.push(format!("{metric} has the value {value}"));
                }
                if !["Count", "Seconds"].contains(&metric["Unit"].as_str().unwrap_or_default()) {
                    found.push(format!("{metric} has an unknown unit"));
                }
            }
        }
        found
    }

    #[test]
    fn every_line_follows_the_format_for_any_number_of_values() {
        for values in [1, 2, MAX_VALUES_PER_LINE, MAX_VALUES_PER_LINE + 1, 5000] {
            let mut written = 0;
            for each in Metric::seconds_in_batches("Each", &vec![7; values]) {
                let metrics = vec![
                    each,
                    Metric::count("Count", usize::MAX),
                    Metric::seconds("Took", -1),
                ];
                let line = build_metric_line(now(), ("Mode", "enforce"), metrics);
                assert_eq!(format_violations(&line), [""; 0], "{line}");
                written += line["Each"].as_array().unwrap().len();
            }
            assert_eq!(written, values);
        }
        assert_eq!(Metric::seconds_in_batches("Each", &[]).count(), 0);
    }

    #[test]
    fn the_format_check_finds_violations() {
        let directive = json!({
            "Namespace": NAMESPACE,
            "Dimensions": [["Mode"]],
            "Metrics": [{"Name": "A", "Unit": "Pieces"}],
        });
        let metadata = json!({"Timestamp": 1_795_262_400, "CloudWatchMetrics": [directive]});
        let invalid = json!({"_aws": metadata});
        assert_eq!(format_violations(&invalid).len(), 4);
    }
}
