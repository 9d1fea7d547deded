//! Numbers for CloudWatch, in its embedded metric format: log lines which CloudWatch Logs turns into metrics by itself,
//! so that they cost no call and cannot fail an event. `docs/operate.md` lists them.
//!
//! A line has one value for each dimension, so there is a line for the whole and one for each rule of the policy. The
//! names of rules come from the policy, never from an event: nobody outside can make us pay for new metrics.

use std::io::{self, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Where CloudWatch puts them.
const NAMESPACE: &str = "Portcullis";

/// CloudWatch reads so many values of one metric in one line.
const MAX_VALUES_PER_LINE: usize = 100;

/// One metric of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    /// As CloudWatch calls it.
    unit: &'static str,
    value: Value,
}

impl Metric {
    /// How many.
    pub fn count(name: &'static str, count: usize) -> Self {
        Self {
            name,
            unit: "Count",
            value: json!(count),
        }
    }

    /// How long.
    pub fn seconds(name: &'static str, seconds: i64) -> Self {
        Self {
            name,
            unit: "Seconds",
            value: json!(seconds),
        }
    }

    /// How long each took, for as many lines as it needs; none if there are none, because the format knows no empty
    /// list.
    pub fn seconds_in_batches(name: &'static str, seconds: &[i64]) -> impl Iterator<Item = Self> {
        seconds.chunks(MAX_VALUES_PER_LINE).map(move |some| Self {
            name,
            unit: "Seconds",
            value: json!(some),
        })
    }
}

/// One line, a whole JSON document. `level` and `timestamp` are there because Lambda would add its own otherwise.
pub fn build_metric_line(
    now: Timestamp,
    (dimension, of): (&str, &str),
    metrics: Vec<Metric>,
) -> Value {
    let definitions: Vec<_> = metrics
        .iter()
        .map(|one| json!({"Name": one.name, "Unit": one.unit}))
        .collect();
    let directive =
        json!({"Namespace": NAMESPACE, "Dimensions": [[dimension]], "Metrics": definitions});
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]}),
    );
    line.insert("level".to_owned(), json!("INFO"));
    line.insert("message".to_owned(), json!("metrics"));
    line.insert("timestamp".to_owned(), json!(now.to_string()));
    line.insert(dimension.to_owned(), json!(of));
    line.extend(
        metrics
            .into_iter()
            .map(|one| (one.name.to_owned(), one.value)),
    );
    Value::Object(line)
}

/// Writes the lines to the log. Lambda takes a line that is JSON as it is; a log that cannot be written is no reason to
/// fail an event.
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
    fn a_line_is_one_document_with_its_definitions() {
        let metrics = vec![Metric::count("Found", 3), Metric::seconds("Took", 9)];
        assert_eq!(
            build_metric_line(now(), ("Rule", "all-traffic"), metrics).to_string(),
            concat!(
                r#"{"Found":3,"Rule":"all-traffic","Took":9,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["Rule"]],"#,
                r#""Metrics":[{"Name":"Found","Unit":"Count"},{"Name":"Took","Unit":"Seconds"}],"#,
                r#""Namespace":"Portcullis"}],"Timestamp":1795262400123},"#,
                r#""level":"INFO","message":"metrics","timestamp":"2026-11-21T12:00:00.123Z"}"#,
            )
        );
    }

    /// The rules of the format, from AWS's specification of it.
    fn complaints(line: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let aws = &line["_aws"];
        if aws["Timestamp"]
            .as_i64()
            .is_none_or(|time| time.to_string().len() != 13)
        {
            found.push("the time is not in milliseconds".to_owned());
        }
        for directive in aws["CloudWatchMetrics"].as_array().into_iter().flatten() {
            let dimensions = directive["Dimensions"].as_array().into_iter().flatten();
            for key in dimensions.flat_map(|set| set.as_array().into_iter().flatten()) {
                if !line[key.as_str().unwrap_or_default()].is_string() {
                    found.push(format!("the dimension {key} has no text"));
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
                    found.push(format!("{metric} has no unit of CloudWatch's"));
                }
            }
        }
        found
    }

    #[test]
    fn every_line_follows_the_format_however_many_values_there_are() {
        for values in [1, 2, MAX_VALUES_PER_LINE, MAX_VALUES_PER_LINE + 1, 5000] {
            let mut told = 0;
            for each in Metric::seconds_in_batches("Each", &vec![7; values]) {
                let metrics = vec![
                    each,
                    Metric::count("Count", usize::MAX),
                    Metric::seconds("Took", -1),
                ];
                let line = build_metric_line(now(), ("Mode", "enforce"), metrics);
                assert_eq!(complaints(&line), [""; 0], "{line}");
                told += line["Each"].as_array().unwrap().len();
            }
            assert_eq!(told, values);
        }
        assert_eq!(Metric::seconds_in_batches("Each", &[]).count(), 0);
    }

    #[test]
    fn the_test_sees_what_is_wrong() {
        let wrong = json!({"_aws": {"Timestamp": 1_795_262_400, "CloudWatchMetrics": [{
            "Namespace": NAMESPACE, "Dimensions": [["Mode"]], "Metrics": [{"Name": "A", "Unit": "Pieces"}],
        }]}});
        assert_eq!(complaints(&wrong).len(), 4);
    }
}
