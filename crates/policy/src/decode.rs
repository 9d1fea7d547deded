//! The tree held against the table of keys. Everything that does not fit is told; what fits is kept.

use std::borrow::Cow;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::{Key, Kind, Least, MapKey, Section};
use crate::record::{Record, Value};
use crate::scalar::{self, Problem};
use crate::suggest::did_you_mean;
use crate::text::{Span, Spanned, listed, quoted};
use crate::tree::{Content, Node};

/// Holds values against the table.
pub(crate) struct Decoder<'f> {
    pub(crate) found: &'f mut Vec<Diagnostic>,
    /// Where everything is said to stand, if not where it does: a preset's values stand where it is extended.
    pub(crate) place: Option<Span>,
}

impl Decoder<'_> {
    /// A mapping with known keys.
    pub(crate) fn section(&mut self, node: &Node<'_>, section: &'static Section) -> Option<Record> {
        let Content::Map(entries) = &node.content else {
            self.wrong_type(node, &format!("expected {}: a mapping with keys", section.name));
            return None;
        };
        let mut record = Record::new(self.at(node.span));
        for (name, node) in entries {
            let Some(key) = section.keys.iter().find(|key| key.name == name.value) else {
                self.unknown_key(name, section);
                record.flaw();
                continue;
            };
            // A key whose every entry is commented out.
            let section_left_empty = matches!(key.kind, Kind::Many(_, Least::None) | Kind::Map(MapKey::Name, _));
            if section_left_empty && matches!(node.content, Content::Nothing) {
                continue;
            }
            if let Some(code) = key.required.filter(|_| is_blank(node)) {
                self.missing(code, key, section, self.at(name.span), expected(&key.kind));
                record.put(key.name, self.at(name.span), None);
            } else {
                let value = self.value(node, &key.kind);
                record.put(key.name, self.at(name.span), value);
            }
        }
        if entries.is_empty() && !section.may_be_empty {
            let message = format!("{} with nothing in it", section.name);
            let expected = format!("expected one of {}", listed(section.keys.iter().map(|key| key.name), "or"));
            self.found.push(Diagnostic::new(Code::Nothing, self.at(node.span), message).label(expected));
        } else {
            self.missing_keys(&record, section);
        }
        Some(record)
    }

    fn missing_keys(&mut self, record: &Record, section: &'static Section) {
        for key in section.keys.iter().filter(|key| !record.has(key.name)) {
            if let Some(code) = key.required {
                self.missing(code, key, section, record.span(), &format!("expected {} beside this", quoted(key.name)));
            }
        }
    }

    fn missing(&mut self, code: Code, key: &'static Key, section: &'static Section, at: Span, label: &str) {
        let message = format!("{} without {}", section.name, quoted(key.name));
        let help = match key.name {
            "version" => "begin with the line `version: 1`",
            "reason" => "say why it is allowed: the next reader must be able to judge it",
            "owner" => "say who answers for it, as an address that will still be read",
            _ => "",
        };
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.found.push(Diagnostic::new(code, at, message).label(label).help(help));
    }

    fn unknown_key(&mut self, name: &Spanned<Cow<'_, str>>, section: &'static Section) {
        let names = || section.keys.iter().map(|key| key.name);
        let expected = format!("expected one of {}", listed(names(), "or"));
        let help = did_you_mean(&name.value, names()).or_else(|| elsewhere(&name.value));
        let message = format!("unknown key {} in {}", quoted(&name.value), section.name);
        self.found.push(Diagnostic::new(Code::UnknownKey, self.at(name.span), message).label(expected).help(help));
    }

    /// A value of some kind; none when it does not fit, which is told.
    fn value(&mut self, node: &Node<'_>, kind: &'static Kind) -> Option<Spanned<Value>> {
        let value = match kind {
            Kind::Many(item, least) => self.many(node, item, *least)?,
            Kind::Section(section) => Value::Record(self.section(node, section)?),
            Kind::Map(key, value) => self.map(node, *key, value)?,
            Kind::Version
            | Kind::Text
            | Kind::Id
            | Kind::RuleId
            | Kind::Choice(..)
            | Kind::Flag
            | Kind::Count
            | Kind::Moment
            | Kind::Ports
            | Kind::PortsOrName
            | Kind::Source
            | Kind::SourceOrName
            | Kind::Protocol
            | Kind::ProtocolNumber
            | Kind::Aws(_)
            | Kind::Pattern(_) => self.scalar(node, kind)?,
        };
        Some(Spanned::new(value, self.at(node.span)))
    }

    fn many(&mut self, node: &Node<'_>, kind: &'static Kind, least: Least) -> Option<Value> {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            Content::Text(_) => std::slice::from_ref(node),
            Content::Map(_) | Content::Nothing => {
                let help = matches!(kind, Kind::Section(_)).then(|| "begin each entry with `- `".to_owned());
                self.wrong_type_with(node, "expected a list", help);
                return None;
            }
        };
        if items.is_empty() && least == Least::One {
            let diagnostic = Diagnostic::new(Code::Nothing, self.at(node.span), "empty list");
            self.found.push(diagnostic.label("expected an entry; leave the key out to mean any"));
            return None;
        }
        Some(Value::List(items.iter().filter_map(|item| self.value(item, kind)).collect()))
    }

    fn map(&mut self, node: &Node<'_>, key: MapKey, kind: &'static Kind) -> Option<Value> {
        let Content::Map(entries) = &node.content else {
            self.wrong_type(node, "expected a mapping with names of your own as keys");
            return None;
        };
        if entries.is_empty() && key != MapKey::Name {
            self.found.push(Diagnostic::new(Code::Nothing, self.at(node.span), "empty mapping"));
            return None;
        }
        let mut values = Vec::new();
        for (name, node) in entries {
            let span = self.at(name.span);
            if key == MapKey::Name
                && let Err(problem) = scalar::name(&name.value)
            {
                self.problem(span, problem);
            }
            if let Some(value) = self.value(node, kind) {
                values.push((Spanned::new(name.value.clone().into_owned(), span), value));
            }
        }
        Some(Value::Map(values))
    }

    fn scalar(&mut self, node: &Node<'_>, kind: &'static Kind) -> Option<Value> {
        let Content::Text(text) = &node.content else {
            self.wrong_type(node, expected(kind));
            return None;
        };
        match read(kind, text) {
            Ok(value) => {
                self.warn_of_host_bits(node.span, text, &value);
                Some(value)
            }
            Err(problem) => {
                self.problem(self.at(node.span), problem);
                None
            }
        }
    }

    fn warn_of_host_bits(&mut self, span: Span, text: &str, value: &Value) {
        let Value::Source(source @ portcullis_rules::Source::Cidr(net)) = value else { return };
        let written: Option<std::net::IpAddr> = text.split('/').next().and_then(|address| address.trim().parse().ok());
        if written.is_some_and(|written| written != net.network()) {
            let message = format!("{} has bits set behind its prefix", quoted(text));
            let help = format!("write `{source}`");
            self.found.push(
                Diagnostic::new(Code::HostBits, self.at(span), message).label(format!("this is {source}")).help(help),
            );
        }
    }

    fn problem(&mut self, at: Span, Problem { code, message, expected, help }: Problem) {
        self.found.push(Diagnostic::new(code, at, message).label(expected).help(help));
    }

    fn wrong_type(&mut self, node: &Node<'_>, expected: &str) {
        let address = matches!(&node.content, Content::Map(entries)
            if entries.first().is_some_and(|(name, _)| name.value.contains(':')));
        let help = address.then(|| "quote an address that ends with a colon".to_owned());
        self.wrong_type_with(node, expected, help);
    }

    fn wrong_type_with(&mut self, node: &Node<'_>, expected: &str, help: Option<String>) {
        let message = match &node.content {
            Content::Text(text) => format!("unexpected text {}", quoted(text)),
            Content::Nothing => "missing value".to_owned(),
            Content::List(_) => "unexpected list".to_owned(),
            Content::Map(_) => "unexpected mapping".to_owned(),
        };
        self.found.push(Diagnostic::new(Code::WrongType, self.at(node.span), message).label(expected).help(help));
    }

    fn at(&self, span: Span) -> Span {
        self.place.unwrap_or(span)
    }
}

/// Whether no words are there.
fn is_blank(node: &Node<'_>) -> bool {
    match &node.content {
        Content::Nothing => true,
        Content::Text(text) => text.trim().is_empty(),
        Content::List(_) | Content::Map(_) => false,
    }
}

/// Keys that people know from elsewhere, or that stand one level off.
fn elsewhere(name: &str) -> Option<String> {
    let help = match name {
        "protocols" => "the key is `protocol`, also for a list",
        "port" => "the key is `ports`, also for one",
        "source" | "cidr" | "cidrs" => "the key is `sources`, in an exception",
        "names" | "groups" | "group" | "vpcs" | "accounts" | "regions" | "tags" => {
            "this goes under `scope` (in a rule or an override) or `match` (in an exception)"
        }
        "scope" => "in an exception this is `match`",
        "match" => "in a rule or an override this is `scope`",
        "until" | "expiry" | "expires_at" => "the key is `expires`",
        _ => return None,
    };
    Some(help.to_owned())
}

fn read(kind: &'static Kind, text: &str) -> Result<Value, Problem> {
    match kind {
        Kind::Version => scalar::version(text),
        Kind::Text => scalar::text(text),
        Kind::Id => scalar::name(text).map(Value::Text),
        Kind::RuleId => Ok(Value::Text(text.to_owned())),
        Kind::Choice(what, choices) => scalar::choice(text, what, choices),
        Kind::Flag => scalar::flag(text),
        Kind::Count => scalar::count(text),
        Kind::Moment => scalar::moment(text),
        Kind::PortsOrName | Kind::SourceOrName if scalar::is_name(text) => Ok(Value::Name(text.to_owned())),
        Kind::Ports | Kind::PortsOrName => scalar::ports(text),
        Kind::Source | Kind::SourceOrName => scalar::source(text),
        Kind::Protocol => scalar::protocol(text),
        Kind::ProtocolNumber => scalar::protocol_number(text),
        Kind::Aws(id) => scalar::aws_id(text, *id),
        Kind::Pattern(subject) => scalar::pattern(text, *subject),
        // These are no single values, so `value` never asks for them here.
        Kind::Many(..) | Kind::Section(_) | Kind::Map(..) => Ok(Value::List(Vec::new())),
    }
}

/// What a single value of the kind is.
const fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Version => "expected `1`",
        Kind::Text => "expected some words",
        Kind::Id => "expected a name of small letters, digits and dashes",
        Kind::RuleId => "expected the id of a rule",
        Kind::Choice(..) => "expected one word",
        Kind::Flag => "expected `true` or `false`",
        Kind::Count => "expected a whole number",
        Kind::Moment => "expected a day or a time",
        Kind::Ports => "expected a port or a span of ports",
        Kind::PortsOrName => "expected a port, a span of ports, or a name under `ports`",
        Kind::Source => "expected a CIDR, prefix list or group",
        Kind::SourceOrName => "expected a CIDR, prefix list, group, or a name under `trusted`",
        Kind::Protocol | Kind::ProtocolNumber => "expected a protocol",
        Kind::Aws(_) => "expected an id or name of AWS",
        Kind::Pattern(_) => "expected a pattern",
        Kind::Many(..) => "expected a list",
        Kind::Section(_) | Kind::Map(..) => "expected a mapping",
    }
}
