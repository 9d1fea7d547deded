//! Finding the events in what the AWS CLI, queues and logs write around them.

use serde_json::{Map, Value};

/// The events of a JSON value.
#[derive(Debug, Default)]
pub(super) struct UnwrappedEvents {
    pub(super) events: Vec<FoundEvent>,
    /// What should contain an event and does not.
    pub(super) errors: Vec<UnwrapError>,
    /// Whether it is a log: a CloudTrail log file, even with a single record.
    pub(super) is_log: bool,
    /// Whether it is a file of AWS Config, which has no events.
    pub(super) is_config_file: bool,
}

/// An event and where it is; the place is empty for a value that is an event itself.
#[derive(Debug)]
pub(super) struct FoundEvent {
    pub(super) place: String,
    pub(super) event: Value,
}

/// A value that should contain an event and does not.
#[derive(Debug)]
pub(super) struct UnwrapError {
    pub(super) place: String,
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

/// How many containers may be inside each other, such as a message in a message.
const MAX_DEPTH: usize = 8;

/// Lists of events, messages or log lines.
///
/// `Records` are in CloudTrail log files and the events of Lambda functions, `Events` in the output
/// of `aws cloudtrail lookup-events`, `Messages` in that of `aws sqs receive-message`, `events` and
/// `logEvents` in CloudWatch Logs.
const LISTS: [&str; 5] = ["Records", "Events", "Messages", "events", "logEvents"];

/// Texts that contain an event as JSON: of `lookup-events`, SQS, SNS and CloudWatch Logs.
const TEXTS: [&str; 5] = ["CloudTrailEvent", "Body", "body", "Message", "message"];

impl UnwrappedEvents {
    /// Adds the events of a value at this place.
    pub(super) fn add_value(&mut self, value: Value, place: &str) {
        self.unwrap_value(value, place, MAX_DEPTH);
    }

    fn unwrap_value(&mut self, value: Value, place: &str, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            self.add_error(
                place,
                "too many containers inside each other".to_owned(),
                None,
            );
            return;
        };
        match value {
            Value::Array(items) => self.unwrap_list(items, place, depth),
            Value::Object(object) => self.unwrap_object(object, place, depth),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                self.add_event(other, place);
            }
        }
    }

    fn unwrap_list(&mut self, items: Vec<Value>, place: &str, depth: usize) {
        if let Some(message) = find_message_field(&items) {
            self.unwrap_text(&message, &join_place(place, "@message"), depth);
            return;
        }
        for (index, item) in items.into_iter().enumerate() {
            self.unwrap_value(item, &format!("{place}[{index}]"), depth);
        }
    }

    fn unwrap_object(&mut self, mut object: Map<String, Value>, place: &str, depth: usize) {
        if is_event(&object) {
            self.add_event(Value::Object(object), place);
            return;
        }
        if object
            .get("configurationItems")
            .is_some_and(Value::is_array)
        {
            self.is_config_file = true;
            return;
        }
        if object.contains_key("awslogs") {
            let message = "the event of a CloudWatch Logs subscription is compressed".to_owned();
            let help = "decode it with `jq -r .awslogs.data EVENT.json | base64 -d | gunzip > \
                        LOGS.json`, and plan for `LOGS.json`";
            self.add_error(place, message, Some(help));
            return;
        }
        for list in LISTS.into_iter().chain(["results"]) {
            if let Some(Value::Array(items)) = object.get_mut(list).map(Value::take) {
                self.is_log |= list == "Records";
                self.unwrap_list(items, &join_place(place, list), depth);
                return;
            }
        }
        if let Some(sns) = object.get_mut("Sns").map(Value::take) {
            self.unwrap_value(sns, &join_place(place, "Sns"), depth);
            return;
        }
        for key in TEXTS {
            if let Some(Value::String(text)) = object.get(key) {
                self.unwrap_text(text, &join_place(place, key), depth);
                return;
            }
        }
        self.add_event(Value::Object(object), place);
    }

    fn unwrap_text(&mut self, text: &str, place: &str, depth: usize) {
        match serde_json::from_str(text) {
            Ok(value) => self.unwrap_value(value, place, depth),
            Err(error) => self.add_error(place, format!("the text is not JSON: {error}"), None),
        }
    }

    fn add_event(&mut self, event: Value, place: &str) {
        self.events.push(FoundEvent {
            place: place.to_owned(),
            event,
        });
    }

    fn add_error(&mut self, place: &str, message: String, help: Option<&'static str>) {
        self.errors.push(UnwrapError {
            place: place.to_owned(),
            message,
            help,
        });
    }
}

/// Whether it is a CloudTrail record, an event from EventBridge or a failed invocation.
fn is_event(object: &Map<String, Value>) -> bool {
    let is_record = object.contains_key("eventName") && object.contains_key("eventSource");
    is_record
        || object.get("detail").is_some_and(Value::is_object)
        || object.contains_key("requestPayload")
}

/// The log line in a row of CloudWatch Logs Insights: `[{"field": "@message", "value": "..."}]`.
fn find_message_field(row: &[Value]) -> Option<String> {
    let field = row
        .iter()
        .find(|field| field.get("field").is_some_and(|name| name == "@message"))?;
    field.get("value")?.as_str().map(str::to_owned)
}

fn join_place(place: &str, key: &str) -> String {
    if place.is_empty() || place.ends_with(' ') {
        format!("{place}{key}")
    } else {
        format!("{place}.{key}")
    }
}
