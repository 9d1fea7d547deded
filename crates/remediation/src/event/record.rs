//! Reading values from a CloudTrail record.

use serde_json::Value;

/// A text that is present and not empty.
pub(super) fn non_empty_text(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// The `items` of a list in CloudTrail's older form, in which an empty list is `{}`.
pub(super) fn list_items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    one_or_many(value.pointer(pointer).and_then(|list| list.get("items")))
}

/// The entries of a list in CloudTrail's newer form: an object for one entry, an array for several.
pub(super) fn one_or_many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Some(Value::Array(many)) => (Some(many), None),
        other => (None, other.filter(|value| value.is_object())),
    };
    many.into_iter().flatten().chain(one)
}
