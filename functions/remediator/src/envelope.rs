//! Decodes the payload of an invocation: an EventBridge envelope around a CloudTrail record.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use portcullis_remediation::event::{DecodeError, DecodedEvent, decode_event, decode_event_value};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// An EventBridge event whose `detail` is a CloudTrail record.
///
/// `aws_lambda_events` types the envelope only; the record stays untyped, because our own decoder
/// tolerates missing and unexpected fields that the crate's CloudTrail types would reject or drop.
type Envelope = EventBridgeEvent<Map<String, Value>>;

/// Decodes the payload of an invocation.
///
/// A payload that is not a valid envelope is decoded as far as possible, so that no event is lost:
/// bare records, failed invocations from a queue, and damaged envelopes.
///
/// # Errors
/// When the payload contains no CloudTrail record, or the record has no target.
pub(crate) fn decode_payload(payload: &RawValue) -> Result<DecodedEvent, DecodeError> {
    match parse_envelope(payload) {
        Some(envelope) => decode_envelope(&envelope),
        None => decode_event(payload.get().as_bytes()),
    }
}

fn parse_envelope(payload: &RawValue) -> Option<Envelope> {
    serde_json::from_str(payload.get())
        .inspect_err(|error| tracing::debug!(%error, "not an EventBridge event"))
        .ok()
}

fn decode_envelope(envelope: &Envelope) -> Result<DecodedEvent, DecodeError> {
    decode_event_value(&json!({
        "id": envelope.id,
        "account": envelope.account,
        "region": envelope.region,
        "detail": envelope.detail,
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The sample events by file name, and every record of the sample log files.
    fn sample_payloads() -> Vec<(String, Value)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let mut payloads = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
                && name != "expectations.json"
            {
                let payload: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
                let records = payload["Records"].as_array().cloned().unwrap_or_default();
                payloads.extend(records.into_iter().map(|record| (name.clone(), record)));
                payloads.push((name, payload));
            }
        }
        assert!(payloads.len() > 70, "only {} samples", payloads.len());
        payloads
    }

    fn raw(payload: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(payload).unwrap()
    }

    fn is_envelope(payload: &Value) -> bool {
        parse_envelope(&raw(payload)).is_some()
    }

    #[track_caller]
    fn assert_decoded_as_without_envelope(name: &str, payload: &Value) {
        let decoded = decode_payload(&raw(payload));
        assert_eq!(decoded, decode_event_value(payload), "{name}: {payload}");
    }

    /// The payload with one field of its envelope replaced, or removed.
    fn with_field(payload: &Value, field: &str, value: Option<Value>) -> Value {
        let mut changed = payload.as_object().unwrap().clone();
        match value {
            Some(value) => changed.insert(field.to_owned(), value),
            None => changed.remove(field),
        };
        Value::Object(changed)
    }

    /// A record without the fields that it shares with its envelope.
    fn without_shared_fields(payload: &Value) -> Value {
        let mut stripped = payload.clone();
        let record = stripped["detail"].as_object_mut().unwrap();
        for field in ["eventID", "awsRegion", "recipientAccountId"] {
            record.remove(field);
        }
        stripped
    }

    #[test]
    fn every_sample_decodes_as_without_the_envelope_type() {
        let mut envelopes = 0;
        for (name, payload) in sample_payloads() {
            envelopes += usize::from(is_envelope(&payload));
            assert_decoded_as_without_envelope(&name, &payload);
            assert_decoded_as_without_envelope(&name, &json!({"requestPayload": payload}));
        }
        assert!(envelopes > 50, "only {envelopes} samples are envelopes");
    }

    #[test]
    fn every_sample_decodes_alike_with_a_changed_envelope() {
        let fields = [
            "version",
            "id",
            "detail-type",
            "source",
            "account",
            "time",
            "region",
            "resources",
        ];
        let values = [None, Some(Value::Null), Some(json!("")), Some(json!(7))];
        for (name, payload) in sample_payloads() {
            if !is_envelope(&payload) {
                continue;
            }
            let stripped = without_shared_fields(&payload);
            for field in fields {
                for value in &values {
                    let changed = with_field(&payload, field, value.clone());
                    assert_decoded_as_without_envelope(&name, &changed);
                    let changed = with_field(&stripped, field, value.clone());
                    assert_decoded_as_without_envelope(&name, &changed);
                }
            }
        }
    }

    #[test]
    fn rejected_envelopes_are_decoded_anyway() {
        let mut decoded = BTreeSet::new();
        for (name, payload) in sample_payloads() {
            if !is_envelope(&payload) && decode_payload(&raw(&payload)).is_ok() {
                decoded.insert(name);
            }
        }
        let expected = [
            "envelope-number-account.json",
            "log-file.json",
            "record-bare-modify.json",
            "record-bare-old.json",
            "record-bare.json",
        ];
        for name in expected {
            assert!(decoded.contains(name), "{name}: {decoded:?}");
        }
    }

    #[test]
    fn envelope_fields_are_used_if_the_record_lacks_them() {
        let payload = json!({
            "id": "e-1", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
            "account": "111122223333", "region": "eu-west-1",
            "detail": {
                "eventName": "AuthorizeSecurityGroupIngress",
                "eventSource": "ec2.amazonaws.com",
                "requestParameters": {"groupId": "sg-1"},
            },
        });
        assert!(is_envelope(&payload));
        let Ok(DecodedEvent::Change(change)) = decode_payload(&raw(&payload)) else {
            panic!("the payload is a change");
        };
        assert_eq!(change.origin.event_id.as_deref(), Some("e-1"));
        assert_eq!(change.origin.account.as_deref(), Some("111122223333"));
        assert_eq!(change.origin.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn a_payload_that_is_not_an_object_is_an_error() {
        for payload in ["null", "7", "[]", "\"text\"", "{}", r#"{"detail": 1e999}"#] {
            let payload = RawValue::from_string(payload.to_owned()).unwrap();
            assert!(decode_payload(&payload).is_err(), "{payload}");
        }
    }
}
