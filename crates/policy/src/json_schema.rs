//! The JSON Schema of policy files, generated from the schema table. Editors use it for completion
//! and documentation.

use serde_json::{Map, Value, json};

use crate::schema_table::{
    AwsId, CHECKS_WITH_TRAFFIC, Choice, Kind, MapKey, MinItems, POLICY, PatternSubject, Section,
    TRAFFIC_KEYS,
};

/// The JSON Schema (draft 2020-12) of a policy file, version 1, as text.
///
/// It describes types and formats. Unknown names, duplicate ids and dates that do not exist are
/// found by [`parse_policy`](crate::parse_policy) only.
pub fn json_schema() -> String {
    let mut schema = section_schema(&POLICY);
    if let Value::Object(root) = &mut schema {
        root.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        root.insert("title".to_owned(), json!("Portcullis policy, version 1"));
    }
    let mut text = format!("{schema:#}");
    text.push('\n');
    text
}

fn section_schema(section: &Section) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in section.keys {
        let schema = with_description(kind_schema(&key.kind), key.doc);
        properties.insert(key.name.to_owned(), schema);
        if key.required.is_some() {
            required.push(key.name);
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if let Value::Object(fields) = &mut schema {
        if !section.may_be_empty {
            fields.insert("minProperties".to_owned(), json!(1));
        }
        if section.keys.iter().any(|key| key.name == "check") {
            fields.insert("allOf".to_owned(), parameter_conditions());
        }
    }
    schema
}

/// Some checks require parameters and the others take none. A rule that changes an inherited one
/// may omit `check`.
fn parameter_conditions() -> Value {
    let any_parameter: Vec<_> = TRAFFIC_KEYS
        .iter()
        .map(|key| json!({"required": [key]}))
        .collect();
    let no_parameters: Map<_, _> = TRAFFIC_KEYS
        .iter()
        .map(|key| ((*key).to_owned(), json!(false)))
        .collect();
    let has_parameters = json!({"enum": CHECKS_WITH_TRAFFIC});
    let has_none = json!({"not": {"enum": CHECKS_WITH_TRAFFIC}});
    json!([
        {"if": check_is(&has_parameters), "then": {"anyOf": any_parameter}},
        {"if": check_is(&has_none), "then": {"properties": no_parameters}},
        {
            "if": {"required": ["traffic"]},
            "then": {"properties": {"ports": false, "protocol": false}},
        },
    ])
}

fn check_is(schema: &Value) -> Value {
    json!({"properties": {"check": schema}, "required": ["check"]})
}

fn with_description(mut schema: Value, doc: &str) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), json!(doc));
    }
    schema
}

fn kind_schema(kind: &Kind) -> Value {
    match kind {
        Kind::Version => json!({"const": 1}),
        Kind::Text => json!({"type": "string", "pattern": "\\S"}),
        Kind::Id => name_schema(),
        Kind::RuleId => json!({"type": "string"}),
        Kind::Choice(_, choices) => choice_schema(choices),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count => json!({"type": "integer", "minimum": 1}),
        Kind::Timestamp => json!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?$",
            "examples": ["2027-03-31", "2027-03-31T18:00:00Z"],
        }),
        Kind::Ports => ports_schema(PORTS_REGEX),
        Kind::PortsOrName => ports_schema(&format!("{PORTS_REGEX}|{NAME_REGEX}")),
        Kind::Source => regex_schema(SOURCE_REGEX),
        Kind::SourceOrName => regex_schema(&format!("{SOURCE_REGEX}|{NAME_REGEX}")),
        Kind::Protocol => json!({"anyOf": [
            {"type": "string", "examples": ["tcp", "udp", "icmp", "icmpv6", "all"]},
            {"type": "integer", "minimum": -1, "maximum": 255},
        ]}),
        Kind::ProtocolNumber => {
            json!({"anyOf": [{"const": "all"}, {"type": "integer", "minimum": 0, "maximum": 255}]})
        }
        Kind::Aws(id) => aws_id_schema(*id),
        Kind::Pattern(subject) => pattern_schema(*subject),
        Kind::List(item, min_items) => list_schema(&kind_schema(item), item, *min_items),
        Kind::Section(section) => section_schema(section),
        Kind::Map(key, value) => map_schema(*key, &kind_schema(value)),
    }
}

const NAME_REGEX: &str = "^[a-z][a-z0-9-]*$";
const PORTS_REGEX: &str = "^(all|[0-9]+|[0-9]+ *- *[0-9]+)$";
const SOURCE_REGEX: &str = "^([0-9]+(\\.[0-9]+){3}(/[0-9]+)?\
    |[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/[0-9]+)?|pl-[0-9a-f]{8,17}\
    |([0-9]{12}/)?sg-[0-9a-f]{8,17})$";

fn name_schema() -> Value {
    json!({"type": "string", "pattern": NAME_REGEX})
}

fn regex_schema(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn ports_schema(pattern: &str) -> Value {
    json!({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, regex_schema(pattern)]})
}

/// Each word with its description, which editors show.
fn choice_schema(choices: &[Choice]) -> Value {
    let words: Vec<_> = choices
        .iter()
        .map(|choice| with_description(json!({"const": choice.word}), choice.doc))
        .collect();
    json!({"oneOf": words})
}

fn aws_id_schema(id: AwsId) -> Value {
    match id {
        // Without quotes, YAML reads it as a number.
        AwsId::Account => {
            json!({"anyOf": [regex_schema("^[0-9]{12}$"), {"type": "integer", "minimum": 0}]})
        }
        AwsId::Region => regex_schema("^[a-z]+(-[a-z]+){1,2}-[0-9]{1,2}$"),
        AwsId::Vpc => regex_schema("^vpc-[0-9a-f]{8,17}$"),
        AwsId::Group => regex_schema("^sg-[0-9a-f]{8,17}$"),
    }
}

fn pattern_schema(subject: PatternSubject) -> Value {
    match subject {
        PatternSubject::Tag => json!({"type": ["string", "number", "boolean"]}),
        PatternSubject::GroupName | PatternSubject::Description | PatternSubject::Principal => {
            json!({"type": "string", "minLength": 1})
        }
    }
}

/// A list, or a single value instead of it unless that is a mapping.
fn list_schema(item: &Value, kind: &Kind, min_items: MinItems) -> Value {
    let list = match min_items {
        MinItems::Zero => json!({"type": "array", "items": item}),
        MinItems::One => json!({"type": "array", "items": item, "minItems": 1}),
    };
    match (kind, min_items) {
        (Kind::Section(_), MinItems::Zero) => json!({"anyOf": [list, {"type": "null"}]}),
        (Kind::Section(_), MinItems::One) => list,
        _ => json!({"anyOf": [item, list]}),
    }
}

fn map_schema(key: MapKey, value: &Value) -> Value {
    match key {
        MapKey::Name => json!({
            "type": ["object", "null"],
            "propertyNames": name_schema(),
            "additionalProperties": value,
        }),
        MapKey::RuleId | MapKey::Tag => json!({
            "type": "object",
            "additionalProperties": value,
            "minProperties": 1,
        }),
    }
}
