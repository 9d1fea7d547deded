//! Which managed prefix list an event changed, and whether it may have added entries.

use serde_json::{Map, Value};

use super::change::PrefixListChange;
use super::record::non_empty_text;

/// The list that a `ModifyManagedPrefixList` or `RestoreManagedPrefixListVersion` event names.
pub(super) fn decode_prefix_list(record: &Value, event_name: &str) -> Option<PrefixListChange> {
    let request = format!("/requestParameters/{event_name}Request");
    let response = format!("/responseElements/{event_name}Response/prefixList");
    let id = non_empty_text(record, &format!("{request}/PrefixListId"))
        .or_else(|| non_empty_text(record, "/requestParameters/prefixListId"))
        .or_else(|| non_empty_text(record, &format!("{response}/prefixListId")))?;
    // The response has the version before the change as well, because EC2 applies the change later.
    let previous_version = version_number(record, &format!("{request}/CurrentVersion"))
        .or_else(|| version_number(record, "/requestParameters/currentVersion"))
        .or_else(|| version_number(record, &format!("{response}/version")));
    Some(PrefixListChange {
        id,
        previous_version,
    })
}

fn version_number(record: &Value, pointer: &str) -> Option<i64> {
    let value = record.pointer(pointer)?;
    let text = value.as_str().and_then(|text| text.parse().ok());
    value.as_i64().or(text)
}

/// Whether the change may have added entries. A restored version may always have, and so may a
/// change whose request is not in the event: `CloudTrail` leaves out a large one.
pub(super) fn may_add_entries(record: &Value, event_name: &str) -> bool {
    let pointer = format!("/requestParameters/{event_name}Request");
    let request = record
        .pointer(&pointer)
        .or_else(|| record.get("requestParameters"))
        .and_then(Value::as_object);
    let is_modified = event_name == "ModifyManagedPrefixList";
    !is_modified || request.is_none_or(has_added_entries)
}

fn has_added_entries(request: &Map<String, Value>) -> bool {
    let names_list = request.keys().any(|key| has_name(key, "prefixlistid"));
    let adds = |(key, value): (&String, &Value)| {
        let is_entry = key.to_ascii_lowercase().starts_with("add");
        is_entry && *value != Value::Null && *value != Value::Array(Vec::new())
    };
    !names_list || request.iter().any(adds)
}

fn has_name(key: &str, name: &str) -> bool {
    key.eq_ignore_ascii_case(name)
}
