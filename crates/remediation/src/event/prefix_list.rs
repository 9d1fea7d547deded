//! Decodes events of managed prefix lists.

use serde_json::{Map, Value, json};

use super::change::PrefixListChange;
use super::record::non_empty_text;

/// The list that a `ModifyManagedPrefixList` or `RestoreManagedPrefixListVersion` event is about.
pub(super) fn decode_prefix_list(record: &Value, event_name: &str) -> Option<PrefixListChange> {
    let request = format!("/requestParameters/{event_name}Request");
    let response = format!("/responseElements/{event_name}Response/prefixList");
    let id = non_empty_text(record, &format!("{request}/PrefixListId"))
        .or_else(|| non_empty_text(record, "/requestParameters/prefixListId"))
        .or_else(|| non_empty_text(record, &format!("{response}/prefixListId")))?;
    // The response also has the version before the change, because EC2 applies the change later.
    let previous_version = version_number(record, &format!("{request}/CurrentVersion"))
        .or_else(|| version_number(record, "/requestParameters/currentVersion"))
        .or_else(|| version_number(record, &format!("{response}/version")))
        // A list that was created without entries has no version.
        .or_else(|| (event_name == "ModifyManagedPrefixList").then_some(0));
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

/// Whether the change may have added entries. This is assumed of a restored version, and of an
/// event without its request, because CloudTrail omits large requests.
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
    let is_complete = request
        .keys()
        .any(|key| key.eq_ignore_ascii_case("PrefixListId"));
    !is_complete
        || request
            .iter()
            .filter(|(key, _)| key.to_ascii_lowercase().starts_with("add"))
            .any(|(_, entries)| !matches!(entries, Value::Null) && *entries != json!([]))
}
