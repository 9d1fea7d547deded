//! Holds the JSON that leaves to the schemas that are published for it (`schemas/`). For tests only.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A published schema.
pub(crate) struct Schema(Value);

impl Schema {
    pub(crate) fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// A part of it, by JSON pointer.
    pub(crate) fn subschema(&self, pointer: &str) -> &Value {
        self.0
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer} is not in the schema"))
    }

    /// Paths of all keys that it promises: `event.actor.who`, `findings[].rule`. Every object must require all of its
    /// keys, allow no others and describe each.
    pub(crate) fn key_paths(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.collect_key_paths(&self.0, "", &mut found);
        found
    }

    fn collect_key_paths(&self, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
        for part in self.referenced_schemas(schema) {
            self.collect_key_paths(part, path, found);
        }
        if let Some(items) = schema.get("items") {
            self.collect_key_paths(items, &format!("{path}[]"), found);
        }
        let empty = Map::new();
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        if !properties.is_empty() {
            let required: BTreeSet<_> = string_values(&schema["required"]).collect();
            assert_eq!(
                required,
                properties.keys().map(String::as_str).collect(),
                "required at {path}"
            );
            assert_eq!(schema["additionalProperties"], false, "at {path}");
        }
        for (key, property) in properties {
            let path = format!("{path}.{key}");
            assert!(
                property.get("description").is_some(),
                "{path} is not described"
            );
            self.collect_key_paths(property, &path, found);
            found.insert(path);
        }
    }

    /// What it refers to, and what it lets choose from.
    fn referenced_schemas<'a>(&'a self, schema: &'a Value) -> impl Iterator<Item = &'a Value> {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let choices = schema
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        reference
            .map(|reference| self.subschema(reference.trim_start_matches('#')))
            .into_iter()
            .chain(choices)
    }

    /// Where a document is not as promised. Formats and patterns are not looked at.
    pub(crate) fn validation_errors(&self, document: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_errors(&self.0, document, "", &mut found);
        found
    }

    fn collect_errors(&self, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
        for (keyword, wanted) in schema.as_object().unwrap() {
            let good = match keyword.as_str() {
                "type" => string_values(wanted).any(|kind| has_json_type(kind, value)),
                "const" => value == wanted,
                "enum" => wanted.as_array().unwrap().contains(value),
                "minimum" => value.as_i64().is_none_or(|number| number >= wanted.as_i64().unwrap()),
                "anyOf" => wanted.as_array().unwrap().iter().any(|choice| self.matches_schema(choice, value)),
                "$ref" => self.matches_schema(self.subschema(wanted.as_str().unwrap().trim_start_matches('#')), value),
                "required" => value.as_object().is_none_or(|object| string_values(wanted).all(|key| object.contains_key(key))),
                "propertyNames" => value
                    .as_object()
                    .is_none_or(|object| object.keys().all(|key| self.matches_schema(wanted, &Value::from(key.as_str())))),
                // Looked into below.
                "items" | "properties" | "additionalProperties"
                // For people, or not looked at.
                | "description" | "title" | "format" | "pattern" | "$schema" | "$id" | "$defs" => true,
                other => panic!("{path}: this test does not know `{other}`"),
            };
            if !good {
                found.push(format!("{path}: {value} against {keyword} {wanted}"));
            }
        }
        for item in value.as_array().into_iter().flatten() {
            if let Some(items) = schema.get("items") {
                self.collect_errors(items, item, &format!("{path}[]"), found);
            }
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            let property = schema
                .get("properties")
                .and_then(|properties| properties.get(key));
            match (property, schema.get("additionalProperties")) {
                (Some(property), _) => self.collect_errors(property, value, &path, found),
                (None, Some(Value::Bool(false))) => found.push(format!("{path}: not promised")),
                (None, Some(any)) => self.collect_errors(any, value, &path, found),
                (None, None) => {}
            }
        }
    }

    fn matches_schema(&self, schema: &Value, value: &Value) -> bool {
        let mut found = Vec::new();
        self.collect_errors(schema, value, "", &mut found);
        found.is_empty()
    }
}

/// Paths of all keys of a document. The keys of the maps named by `open` are data.
pub(crate) fn document_key_paths(document: &Value, open: &[&str]) -> BTreeSet<String> {
    fn collect_document_keys(
        value: &Value,
        path: &str,
        open: &[&str],
        found: &mut BTreeSet<String>,
    ) {
        match value {
            Value::Array(items) => items
                .iter()
                .for_each(|item| collect_document_keys(item, &format!("{path}[]"), open, found)),
            Value::Object(_)
                if path
                    .rsplit('.')
                    .next()
                    .is_some_and(|name| open.contains(&name)) => {}
            Value::Object(map) => {
                for (key, value) in map {
                    let path = format!("{path}.{key}");
                    collect_document_keys(value, &path, open, found);
                    found.insert(path);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    collect_document_keys(document, "", open, &mut found);
    found
}

/// A text or a list of texts.
fn string_values(value: &Value) -> impl Iterator<Item = &str> {
    let many = value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice);
    many.iter().map(|one| one.as_str().unwrap())
}

fn has_json_type(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("this test does not know the type `{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_as_promised_is_seen() {
        let schema = Schema::parse(
            r##"{
                "type": "object", "required": ["a", "b"], "additionalProperties": false,
                "properties": {
                    "a": {"type": "integer", "minimum": 0, "description": "."},
                    "b": {"anyOf": [{"$ref": "#/$defs/word"}, {"type": "null"}], "description": "."},
                    "c": {"type": "object", "propertyNames": {"enum": ["x"]}, "additionalProperties": {"const": 1}}
                },
                "$defs": {"word": {"type": "string", "enum": ["yes", "no"]}}
            }"##,
        );
        for good in [
            json!({"a": 0, "b": null}),
            json!({"a": 1, "b": "no", "c": {"x": 1}}),
        ] {
            assert_eq!(schema.validation_errors(&good), [""; 0]);
        }
        for bad in [
            json!({"a": -1, "b": null}),
            json!({"a": "0", "b": null}),
            json!({"a": 0}),
            json!({"a": 0, "b": "perhaps"}),
            json!({"a": 0, "b": null, "d": 1}),
            json!({"a": 0, "b": null, "c": {"y": 1}}),
            json!({"a": 0, "b": null, "c": {"x": 2}}),
            json!([]),
        ] {
            assert_eq!(schema.validation_errors(&bad).len(), 1, "{bad}");
        }
    }
}
