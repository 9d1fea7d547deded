//! The JSON Schema of the language, made from the table of keys: editors complete and explain by it.

use serde_json::{Map, Value, json};

use crate::keys::{AwsId, CHECKS_WITH_TRAFFIC, Choice, Kind, Least, MapKey, POLICY, Section, Subject, TRAFFIC_KEYS};

/// The JSON Schema (draft 2020-12) of a policy file, version 1, as text.
///
/// It knows shapes. Names, ids that stand twice and dates that do not exist are for [`parse`](crate::parse()) to find.
pub fn schema() -> String {
    let mut schema = section(&POLICY);
    if let Value::Object(root) = &mut schema {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("Portcullis policy, version 1"));
    }
    let mut text = format!("{schema:#}");
    text.push('\n');
    text
}

fn section(section: &Section) -> Value {
    let properties: Map<_, _> =
        section.keys.iter().map(|key| (key.name.to_owned(), described(kind(&key.kind), key.doc))).collect();
    let required: Vec<_> = section.keys.iter().filter(|key| key.required.is_some()).map(|key| key.name).collect();
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
            fields.insert("allOf".to_owned(), parameters());
        }
    }
    schema
}

/// Only some checks have parameters, and those need them. A rule that changes an extended one may leave out `check`.
fn parameters() -> Value {
    let needs: Vec<_> = ["ports", "protocol", "traffic"].iter().map(|key| json!({"required": [key]})).collect();
    let none: Map<_, _> = TRAFFIC_KEYS.iter().map(|key| ((*key).to_owned(), json!(false))).collect();
    let with = json!({"properties": {"check": {"enum": CHECKS_WITH_TRAFFIC}}, "required": ["check"]});
    let without = json!({"properties": {"check": {"not": {"enum": CHECKS_WITH_TRAFFIC}}}, "required": ["check"]});
    json!([
        {"if": with, "then": {"anyOf": needs}},
        {"if": without, "then": {"properties": none}},
        {"if": {"required": ["traffic"]}, "then": {"properties": {"ports": false, "protocol": false}}},
    ])
}

fn described(mut schema: Value, doc: &str) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), json!(doc));
    }
    schema
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Version => json!({"const": 1}),
        Kind::Text => json!({"type": "string", "pattern": "\\S"}),
        Kind::Id => name(),
        Kind::RuleId => json!({"type": "string"}),
        Kind::Choice(_, choices) => choice(choices),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count => json!({"type": "integer", "minimum": 1}),
        Kind::Moment => json!({
            "type": "string",
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?$",
            "examples": ["2027-03-31", "2027-03-31T18:00:00Z"],
        }),
        Kind::Ports => ports(PORTS),
        Kind::PortsOrName => ports(&format!("{PORTS}|{NAME}")),
        Kind::Source => matching(SOURCE),
        Kind::SourceOrName => matching(&format!("{SOURCE}|{NAME}")),
        Kind::Protocol => json!({"anyOf": [
            {"type": "string", "examples": ["tcp", "udp", "icmp", "icmpv6", "all"]},
            {"type": "integer", "minimum": -1, "maximum": 255},
        ]}),
        Kind::ProtocolNumber => json!({"anyOf": [{"const": "all"}, {"type": "integer", "minimum": 0, "maximum": 255}]}),
        Kind::Aws(id) => aws_id(*id),
        Kind::Pattern(subject) => pattern(*subject),
        Kind::Many(item, least) => many(&kind(item), item, *least),
        Kind::Section(keys) => section(keys),
        Kind::Map(key, value) => map(*key, &kind(value)),
    }
}

const NAME: &str = "^[a-z][a-z0-9-]*$";
const PORTS: &str = "^(all|[0-9]+|[0-9]+ *- *[0-9]+)$";
const SOURCE: &str = "^([0-9]+(\\.[0-9]+){3}(/[0-9]+)?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/[0-9]+)?|pl-[0-9a-f]{8,17}\
                      |([0-9]{12}/)?sg-[0-9a-f]{8,17})$";

fn name() -> Value {
    json!({"type": "string", "pattern": NAME})
}

fn matching(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

fn ports(pattern: &str) -> Value {
    json!({"anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, matching(pattern)]})
}

/// Each word with what it means, which editors show beside it.
fn choice(choices: &[Choice]) -> Value {
    let words: Vec<_> = choices.iter().map(|choice| described(json!({"const": choice.word}), choice.doc)).collect();
    json!({"oneOf": words})
}

fn aws_id(id: AwsId) -> Value {
    match id {
        // Without quotes YAML takes it for a number.
        AwsId::Account => json!({"anyOf": [matching("^[0-9]{12}$"), {"type": "integer", "minimum": 0}]}),
        AwsId::Region => matching("^[a-z]+(-[a-z]+){1,2}-[0-9]{1,2}$"),
        AwsId::Vpc => matching("^vpc-[0-9a-f]{8,17}$"),
        AwsId::Group => matching("^sg-[0-9a-f]{8,17}$"),
    }
}

fn pattern(subject: Subject) -> Value {
    match subject {
        Subject::Tag => json!({"type": ["string", "number", "boolean"]}),
        Subject::GroupName | Subject::Description | Subject::Principal => json!({"type": "string", "minLength": 1}),
    }
}

/// A list, or one value in its place where that is no mapping.
fn many(item: &Value, of: &Kind, least: Least) -> Value {
    let list = match least {
        Least::None => json!({"type": "array", "items": item}),
        Least::One => json!({"type": "array", "items": item, "minItems": 1}),
    };
    match (of, least) {
        (Kind::Section(_), Least::None) => json!({"anyOf": [list, {"type": "null"}]}),
        (Kind::Section(_), Least::One) => list,
        _ => json!({"anyOf": [item, list]}),
    }
}

fn map(key: MapKey, value: &Value) -> Value {
    match key {
        MapKey::Name => json!({
            "type": ["object", "null"], "propertyNames": name(), "additionalProperties": value,
        }),
        MapKey::RuleId | MapKey::Tag => json!({
            "type": "object", "additionalProperties": value, "minProperties": 1,
        }),
    }
}
