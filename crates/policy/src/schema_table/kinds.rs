//! What the table is made of: sections, keys and kinds of values.

use crate::code::Code;

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// The name in messages, with its article: "a rule".
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
    /// Whether an empty mapping is allowed.
    pub(crate) may_be_empty: bool,
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) kind: Kind,
    /// For a required key: the code of the error if it is missing.
    pub(crate) required: Option<Code>,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Kind {
    /// The version of the policy language.
    Version,
    /// Free text.
    Text,
    /// A new id or name: lowercase letters, digits and dashes.
    Id,
    /// The id of a rule of this policy.
    RuleId,
    /// One of several words; the first field says what they are called in messages.
    Choice(&'static str, &'static [Choice]),
    Flag,
    /// A whole number of at least 1.
    Count,
    /// A date or a time.
    Timestamp,
    /// A port or port range.
    Ports,
    /// A port, a port range or the name of a port set.
    PortsOrName,
    /// A CIDR, prefix list or security group.
    Source,
    /// A source, or the name of a list of sources.
    SourceOrName,
    /// A protocol, by name or number.
    Protocol,
    /// The number of a protocol that has no key of its own.
    ProtocolNumber,
    Aws(AwsId),
    /// Text with the wildcards `*` and `?`.
    Pattern(PatternSubject),
    /// A list; a single value means a list of one.
    List(&'static Kind, MinItems),
    /// A mapping with known keys.
    Section(&'static Section),
    /// A mapping with keys that the author chose.
    Map(MapKey, &'static Kind),
}

/// Whether a list may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MinItems {
    Zero,
    One,
}

/// What the keys of a mapping are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapKey {
    /// New names.
    Name,
    /// Ids of rules of this policy.
    RuleId,
    /// Tag keys.
    Tag,
}

/// One of the words that a value may be.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) doc: &'static str,
    /// What others call it: words that are suggested to mean it.
    pub(crate) aliases: &'static [&'static str],
}

/// An id or name that AWS assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AwsId {
    Account,
    Region,
    Vpc,
    Group,
}

/// What a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatternSubject {
    GroupName,
    Description,
    Tag,
    Principal,
}

pub(super) const fn optional_key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        doc,
        kind,
        required: None,
    }
}

pub(super) const fn required_key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    required_key_with_code(Code::MissingKey, name, kind, doc)
}

pub(super) const fn required_key_with_code(
    code: Code,
    name: &'static str,
    kind: Kind,
    doc: &'static str,
) -> Key {
    Key {
        name,
        doc,
        kind,
        required: Some(code),
    }
}

pub(super) const fn choice(word: &'static str, doc: &'static str) -> Choice {
    choice_with_aliases(word, doc, &[])
}

pub(super) const fn choice_with_aliases(
    word: &'static str,
    doc: &'static str,
    aliases: &'static [&'static str],
) -> Choice {
    Choice { word, doc, aliases }
}
