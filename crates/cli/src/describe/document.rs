//! Splitting an input into groups, rules and prefix lists, each of which is decoded on its own.
//!
//! An input has one or more JSON values: the output of commands of the AWS CLI, a list of groups or
//! rules as `--query` or PowerShell writes it, or a list of such outputs as `jq -s` writes it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::DocumentError;

/// The parts of an input.
#[derive(Debug, Default)]
pub(super) struct InputParts<'a> {
    pub(super) items: Vec<Item<'a>>,
    /// The paths of the lists of entries that belong to a prefix list without an id, and the lists.
    pub(super) entries: Vec<(String, &'a RawValue)>,
    /// The paths of the tokens that ask for more pages of a listing.
    pub(super) next_tokens: Vec<String>,
    /// Whether there is a list of groups or rules, which may be empty.
    pub(super) has_groups: bool,
}

/// A JSON value that is decoded on its own, and its path.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) kind: ItemKind,
    pub(super) path: ItemPath,
    pub(super) json: &'a RawValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    Group,
    Rule,
    PrefixList,
    /// An item of a list of groups or rules that is neither.
    Unknown,
}

/// The path of an item. It is written out only when there is a problem.
#[derive(Debug, Clone, Default)]
pub(super) struct ItemPath {
    /// The path of the list.
    list: Cow<'static, str>,
    index: Option<usize>,
}

impl fmt::Display for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.list)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

/// The lists of an output, and the kind of their items.
const SECTIONS: [(&str, ItemKind); 3] = [
    ("SecurityGroups", ItemKind::Group),
    ("SecurityGroupRules", ItemKind::Rule),
    ("PrefixLists", ItemKind::PrefixList),
];

/// The list of `get-managed-prefix-list-entries`.
const ENTRIES: &str = "Entries";

/// Splits an input.
///
/// # Errors
/// When it is not JSON, or a JSON value in it is neither an output nor a list of groups or rules.
pub(super) fn split_input(json: &[u8]) -> Result<InputParts<'_>, DocumentError> {
    let mut parts = InputParts::default();
    let values = serde_json::Deserializer::from_slice(json).into_iter::<&RawValue>();
    for (index, value) in values.enumerate() {
        let value = value.map_err(|error| DocumentError::from_json_error(&error))?;
        let root = match index {
            0 => String::new(),
            _ => format!("(value {}) ", index.saturating_add(1)),
        };
        parts.add_value(value, &root)?;
    }
    Ok(parts)
}

impl<'a> InputParts<'a> {
    fn add_value(&mut self, value: &'a RawValue, root: &str) -> Result<(), DocumentError> {
        match first_byte(value) {
            Some(b'{') => {
                let object = read_object(value)?;
                if self.add_object(&object, value, root)? {
                    return Ok(());
                }
                let found = describe_keys(&object);
                Err(DocumentError::not_security_groups(found))
            }
            Some(b'[') => self.add_list(value, root),
            _ => Err(DocumentError::not_security_groups(describe_kind(value))),
        }
    }

    /// Adds an output or a single item. Returns whether it is one.
    fn add_object(
        &mut self,
        object: &Object<'a>,
        value: &'a RawValue,
        root: &str,
    ) -> Result<bool, DocumentError> {
        if self.add_output(object, root)? {
            return Ok(true);
        }
        let Some(kind) = classify_item(object) else {
            return Ok(false);
        };
        let list = Cow::Owned(root.to_owned());
        self.add_item(kind, ItemPath { list, index: None }, value);
        Ok(true)
    }

    /// Adds the lists of an output. Returns whether it has one.
    fn add_output(&mut self, object: &Object<'a>, root: &str) -> Result<bool, DocumentError> {
        let mut is_output = false;
        for (section, kind) in SECTIONS {
            let Some(value) = object.get(section)? else {
                continue;
            };
            is_output = true;
            for (index, json) in read_list(value, section)?.into_iter().enumerate() {
                let list = match root {
                    "" => Cow::Borrowed(section),
                    _ => Cow::Owned(format!("{root}{section}")),
                };
                let index = Some(index);
                self.add_item(kind, ItemPath { list, index }, json);
            }
            self.record_kind(kind);
        }
        let is_list_item = object.get("PrefixListId")?.is_some();
        if let Some(entries) = object.get(ENTRIES)?.filter(|_| !is_list_item) {
            is_output = true;
            self.entries.push((format!("{root}{ENTRIES}"), entries));
        }
        if is_output && has_next_token(object)? {
            self.next_tokens.push(format!("{root}NextToken"));
        }
        Ok(is_output)
    }

    /// Adds the items of a list without a name.
    fn add_list(&mut self, value: &'a RawValue, root: &str) -> Result<(), DocumentError> {
        let items = read_list(value, "the document")?;
        if is_list_of_entries(&items)? {
            self.entries.push((root.to_owned(), value));
            return Ok(());
        }
        let mut found = None;
        let mut unknown = Vec::new();
        for (index, item) in items.iter().copied().enumerate() {
            let path = format!("{root}[{index}]");
            let is_known = match first_byte(item) {
                Some(b'{') => self.add_object(&read_object(item)?, item, &path)?,
                Some(b'[') => {
                    self.add_list(item, &path)?;
                    true
                }
                _ => false,
            };
            if !is_known {
                found = found.or(Some(item));
                unknown.push((path, item));
            }
        }
        if unknown.len() == items.len() {
            return Err(unknown_list_error(found)?);
        }
        for (path, json) in unknown {
            let list = Cow::Owned(path);
            self.add_item(ItemKind::Unknown, ItemPath { list, index: None }, json);
        }
        Ok(())
    }

    fn add_item(&mut self, kind: ItemKind, path: ItemPath, json: &'a RawValue) {
        self.record_kind(kind);
        self.items.push(Item { kind, path, json });
    }

    fn record_kind(&mut self, kind: ItemKind) {
        match kind {
            ItemKind::Group | ItemKind::Rule => self.has_groups = true,
            ItemKind::PrefixList | ItemKind::Unknown => {}
        }
    }
}

/// The error for a list without groups, rules or prefix lists.
fn unknown_list_error(first: Option<&RawValue>) -> Result<DocumentError, DocumentError> {
    let found = match first {
        None => "an empty list".to_owned(),
        Some(item) if first_byte(item) == Some(b'{') => {
            format!(
                "a list that begins with {}",
                describe_keys(&read_object(item)?)
            )
        }
        Some(item) => format!("a list that begins with {}", describe_kind(item)),
    };
    Ok(DocumentError::not_security_groups(found))
}

/// What an object is according to its keys.
fn classify_item(object: &Object<'_>) -> Option<ItemKind> {
    if object.has_key("GroupId") {
        let is_rule = object.has_key("SecurityGroupRuleId") || object.has_key("IsEgress");
        Some(if is_rule {
            ItemKind::Rule
        } else {
            ItemKind::Group
        })
    } else if object.has_key("PrefixListId") {
        Some(ItemKind::PrefixList)
    } else {
        None
    }
}

fn is_list_of_entries(items: &[&RawValue]) -> Result<bool, DocumentError> {
    match items.first() {
        Some(item) if first_byte(item) == Some(b'{') => {
            let object = read_object(item)?;
            Ok(object.has_key("Cidr") && !object.has_key("GroupId"))
        }
        _ => Ok(false),
    }
}

fn has_next_token(object: &Object<'_>) -> Result<bool, DocumentError> {
    let token = object.get("NextToken")?;
    Ok(token.is_some_and(|token| token.get() != "\"\""))
}

/// The keys of a JSON object and their values, in the order of the object.
#[derive(Debug)]
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    fn has_key(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// The value of a key unless it is null. A duplicate would silently replace the first value, so
    /// it is an error.
    fn get(&self, name: &'static str) -> Result<Option<&'a RawValue>, DocumentError> {
        let mut values = self
            .0
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value);
        let value = values.next();
        if values.next().is_some() {
            return Err(DocumentError::DuplicateKey(name));
        }
        Ok(value.filter(|value| value.get() != "null"))
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Object<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = object.next_key::<Cow<'de, str>>()? {
            let value = object.next_value().map_err(A::Error::custom)?;
            entries.push((key, value));
        }
        Ok(Object(entries))
    }
}

fn read_object(value: &RawValue) -> Result<Object<'_>, DocumentError> {
    serde_json::from_str(value.get()).map_err(|error| DocumentError::from_json_error(&error))
}

fn read_list<'a>(
    value: &'a RawValue,
    name: &'static str,
) -> Result<Vec<&'a RawValue>, DocumentError> {
    if first_byte(value) != Some(b'[') {
        let kind = describe_kind(value);
        let found = format!("`{name}` to be {kind}");
        return Err(DocumentError::not_security_groups(found));
    }
    serde_json::from_str(value.get()).map_err(|error| DocumentError::from_json_error(&error))
}

fn first_byte(value: &RawValue) -> Option<u8> {
    value.get().bytes().next()
}

/// What kind of JSON value it is: `a string`.
pub(super) fn describe_kind(value: &RawValue) -> &'static str {
    match first_byte(value) {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// An object, by its first keys.
fn describe_keys(object: &Object<'_>) -> String {
    let keys = object.0.iter().map(|(key, _)| key);
    let shown: Vec<_> = keys.take(5).map(|key| format!("`{key}`")).collect();
    let more = if object.0.len() > shown.len() {
        ", ..."
    } else {
        ""
    };
    match shown.len() {
        0 => "an empty object".to_owned(),
        1 => format!("an object with the key {}", shown.concat()),
        _ => format!("an object with the keys {}{more}", shown.join(", ")),
    }
}
