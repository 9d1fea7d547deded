//! Compares JSON documents with the published schemas.

use std::collections::BTreeSet;

use serde_json::Value;

/// A published schema.
pub(super) struct PublishedSchema {
    schema: Value,
    validator: jsonschema::Validator,
}

impl PublishedSchema {
    pub(super) fn parse(text: &str) -> Self {
        let schema: Value = serde_json::from_str(text).unwrap();
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap();
        Self { schema, validator }
    }

    /// Everything in a document that the schema does not allow.
    pub(super) fn validation_errors(&self, document: &Value) -> Vec<String> {
        let errors = self.validator.iter_errors(document);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    /// A part of the schema, by JSON pointer.
    pub(super) fn subschema(&self, pointer: &str) -> &Value {
        let found = self.schema.pointer(pointer);
        found.unwrap_or_else(|| panic!("{pointer} is not in the schema"))
    }

    /// The paths of all keys in the schema, such as `.event.actor.who` and `.rules[].status`.
    pub(super) fn key_paths(&self) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        self.collect_key_paths(&self.schema, "", &mut paths);
        paths
    }

    /// Each object has to require all of its keys and to describe each of them.
    fn collect_key_paths(&self, schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let definition = self.subschema(reference.trim_start_matches('#'));
            self.collect_key_paths(definition, path, paths);
        }
        for choice in schema["anyOf"].as_array().into_iter().flatten() {
            self.collect_key_paths(choice, path, paths);
        }
        if schema["items"].is_object() {
            self.collect_key_paths(&schema["items"], &format!("{path}[]"), paths);
        }
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let required = schema["required"].as_array().unwrap().iter();
        let required: BTreeSet<_> = required.map(|key| key.as_str().unwrap()).collect();
        let keys: BTreeSet<_> = properties.keys().map(String::as_str).collect();
        assert_eq!(required, keys, "required at {path}");
        for (key, property) in properties {
            let path = format!("{path}.{key}");
            assert!(property["description"].is_string(), "{path}: description");
            self.collect_key_paths(property, &path, paths);
            paths.insert(path);
        }
    }
}

/// The paths of all keys of a document. Keys of the maps with a name in `maps` are data.
pub(super) fn document_key_paths(document: &Value, maps: &[&str]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    collect_document_keys(document, "", maps, &mut paths);
    paths
}

fn collect_document_keys(value: &Value, path: &str, maps: &[&str], paths: &mut BTreeSet<String>) {
    for item in value.as_array().into_iter().flatten() {
        collect_document_keys(item, &format!("{path}[]"), maps, paths);
    }
    let name = path.rsplit('.').next().unwrap_or_default();
    for (key, value) in value.as_object().into_iter().flatten() {
        if !maps.contains(&name) {
            let path = format!("{path}.{key}");
            collect_document_keys(value, &path, maps, paths);
            paths.insert(path);
        }
    }
}
