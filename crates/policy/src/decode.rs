//! The tree held against the table of keys. Everything that does not fit is told; what fits is kept.

use std::borrow::Cow;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::{Key, Kind, MapKey, MinItems, Section};
use crate::record::{Record, Value};
use crate::scalar::{self, Problem};
use crate::suggest::did_you_mean;
use crate::text::{Span, Spanned, quote_list, quote_text};
use crate::tree::{Content, Node};

/// Holds values against the table.
pub(crate) struct Decoder<'f> {
    pub(crate) found: &'f mut Vec<Diagnostic>,
    /// Where everything is said to stand, if not where it does: a preset's values stand where it is extended.
    pub(crate) span_override: Option<Span>,
}

impl Decoder<'_> {
    /// A mapping with known keys.
    pub(crate) fn decode_section(
        &mut self,
        node: &Node<'_>,
        section: &'static Section,
    ) -> Option<Record> {
        let Content::Map(entries) = &node.content else {
            self.report_wrong_type(
                node,
                &format!("expected {}: a mapping with keys", section.name),
            );
            return None;
        };
        let mut record = Record::new(self.reported_span(node.span));
        for (name, node) in entries {
            let Some(key) = section.keys.iter().find(|key| key.name == name.value) else {
                self.report_unknown_key(name, section);
                record.mark_flawed();
                continue;
            };
            // A key whose every entry is commented out.
            let section_left_empty = matches!(
                key.kind,
                Kind::List(_, MinItems::None) | Kind::Map(MapKey::Name, _)
            );
            if section_left_empty && matches!(node.content, Content::Null) {
                continue;
            }
            if let Some(code) = key.required.filter(|_| is_blank(node)) {
                self.report_missing_key(
                    code,
                    key,
                    section,
                    self.reported_span(name.span),
                    expected_value(&key.kind),
                );
                record.insert(key.name, self.reported_span(name.span), None);
            } else {
                let value = self.decode_value(node, &key.kind);
                record.insert(key.name, self.reported_span(name.span), value);
            }
        }
        if entries.is_empty() && !section.may_be_empty {
            let message = format!("{} with nothing in it", section.name);
            let expected = format!(
                "expected one of {}",
                quote_list(section.keys.iter().map(|key| key.name), "or")
            );
            self.found.push(
                Diagnostic::new(Code::Nothing, self.reported_span(node.span), message)
                    .with_label(expected),
            );
        } else {
            self.report_missing_keys(&record, section);
        }
        Some(record)
    }

    fn report_missing_keys(&mut self, record: &Record, section: &'static Section) {
        for key in section
            .keys
            .iter()
            .filter(|key| !record.contains_key(key.name))
        {
            if let Some(code) = key.required {
                self.report_missing_key(
                    code,
                    key,
                    section,
                    record.span(),
                    &format!("expected {} beside this", quote_text(key.name)),
                );
            }
        }
    }

    fn report_missing_key(
        &mut self,
        code: Code,
        key: &'static Key,
        section: &'static Section,
        at: Span,
        label: &str,
    ) {
        let message = format!("{} without {}", section.name, quote_text(key.name));
        let help = match key.name {
            "version" => "begin with the line `version: 1`",
            "reason" => "say why it is allowed: the next reader must be able to judge it",
            "owner" => "say who answers for it, as an address that will still be read",
            _ => "",
        };
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.found.push(
            Diagnostic::new(code, at, message)
                .with_label(label)
                .with_help(help),
        );
    }

    fn report_unknown_key(&mut self, name: &Spanned<Cow<'_, str>>, section: &'static Section) {
        let names = || section.keys.iter().map(|key| key.name);
        let expected = format!("expected one of {}", quote_list(names(), "or"));
        let help = did_you_mean(&name.value, names()).or_else(|| misplaced_key_help(&name.value));
        let message = format!(
            "unknown key {} in {}",
            quote_text(&name.value),
            section.name
        );
        self.found.push(
            Diagnostic::new(Code::UnknownKey, self.reported_span(name.span), message)
                .with_label(expected)
                .with_help(help),
        );
    }

    /// A value of some kind; none when it does not fit, which is told.
    fn decode_value(&mut self, node: &Node<'_>, kind: &'static Kind) -> Option<Spanned<Value>> {
        let value = match kind {
            Kind::List(item, least) => self.decode_list(node, item, *least)?,
            Kind::Section(section) => Value::Record(self.decode_section(node, section)?),
            Kind::Map(key, value) => self.decode_map(node, *key, value)?,
            Kind::Version
            | Kind::Text
            | Kind::Id
            | Kind::RuleId
            | Kind::Choice(..)
            | Kind::Flag
            | Kind::Count
            | Kind::Timestamp
            | Kind::Ports
            | Kind::PortsOrName
            | Kind::Source
            | Kind::SourceOrName
            | Kind::Protocol
            | Kind::ProtocolNumber
            | Kind::Aws(_)
            | Kind::Pattern(_) => self.decode_scalar(node, kind)?,
        };
        Some(Spanned::new(value, self.reported_span(node.span)))
    }

    fn decode_list(
        &mut self,
        node: &Node<'_>,
        kind: &'static Kind,
        least: MinItems,
    ) -> Option<Value> {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            Content::Text(_) => std::slice::from_ref(node),
            Content::Map(_) | Content::Null => {
                let help = matches!(kind, Kind::Section(_))
                    .then(|| "begin each entry with `- `".to_owned());
                self.report_wrong_type_with_help(node, "expected a list", help);
                return None;
            }
        };
        if items.is_empty() && least == MinItems::One {
            let diagnostic =
                Diagnostic::new(Code::Nothing, self.reported_span(node.span), "empty list");
            self.found
                .push(diagnostic.with_label("expected an entry; leave the key out to mean any"));
            return None;
        }
        Some(Value::List(
            items
                .iter()
                .filter_map(|item| self.decode_value(item, kind))
                .collect(),
        ))
    }

    fn decode_map(&mut self, node: &Node<'_>, key: MapKey, kind: &'static Kind) -> Option<Value> {
        let Content::Map(entries) = &node.content else {
            self.report_wrong_type(node, "expected a mapping with names of your own as keys");
            return None;
        };
        if entries.is_empty() && key != MapKey::Name {
            self.found.push(Diagnostic::new(
                Code::Nothing,
                self.reported_span(node.span),
                "empty mapping",
            ));
            return None;
        }
        let mut values = Vec::new();
        for (name, node) in entries {
            let span = self.reported_span(name.span);
            if key == MapKey::Name
                && let Err(problem) = scalar::parse_name(&name.value)
            {
                self.report_problem(span, problem);
            }
            if let Some(value) = self.decode_value(node, kind) {
                values.push((Spanned::new(name.value.clone().into_owned(), span), value));
            }
        }
        Some(Value::Map(values))
    }

    fn decode_scalar(&mut self, node: &Node<'_>, kind: &'static Kind) -> Option<Value> {
        let Content::Text(text) = &node.content else {
            self.report_wrong_type(node, expected_value(kind));
            return None;
        };
        match parse_scalar(kind, text) {
            Ok(value) => {
                self.warn_about_host_bits(node.span, text, &value);
                Some(value)
            }
            Err(problem) => {
                self.report_problem(self.reported_span(node.span), problem);
                None
            }
        }
    }

    fn warn_about_host_bits(&mut self, span: Span, text: &str, value: &Value) {
        let Value::Source(source @ portcullis_rules::Source::Cidr(net)) = value else {
            return;
        };
        let written: Option<std::net::IpAddr> = text
            .split('/')
            .next()
            .and_then(|address| address.trim().parse().ok());
        if written.is_some_and(|written| written != net.network()) {
            let message = format!("{} has bits set behind its prefix", quote_text(text));
            let help = format!("write `{source}`");
            self.found.push(
                Diagnostic::new(Code::HostBits, self.reported_span(span), message)
                    .with_label(format!("this is {source}"))
                    .with_help(help),
            );
        }
    }

    fn report_problem(
        &mut self,
        at: Span,
        Problem {
            code,
            message,
            expected,
            help,
        }: Problem,
    ) {
        self.found.push(
            Diagnostic::new(code, at, message)
                .with_label(expected)
                .with_help(help),
        );
    }

    fn report_wrong_type(&mut self, node: &Node<'_>, expected: &str) {
        let address = matches!(&node.content, Content::Map(entries)
            if entries.first().is_some_and(|(name, _)| name.value.contains(':')));
        let help = address.then(|| "quote an address that ends with a colon".to_owned());
        self.report_wrong_type_with_help(node, expected, help);
    }

    fn report_wrong_type_with_help(
        &mut self,
        node: &Node<'_>,
        expected: &str,
        help: Option<String>,
    ) {
        let message = match &node.content {
            Content::Text(text) => format!("unexpected text {}", quote_text(text)),
            Content::Null => "missing value".to_owned(),
            Content::List(_) => "unexpected list".to_owned(),
            Content::Map(_) => "unexpected mapping".to_owned(),
        };
        self.found.push(
            Diagnostic::new(Code::WrongType, self.reported_span(node.span), message)
                .with_label(expected)
                .with_help(help),
        );
    }

    fn reported_span(&self, span: Span) -> Span {
        self.span_override.unwrap_or(span)
    }
}

/// Whether no words are there.
fn is_blank(node: &Node<'_>) -> bool {
    match &node.content {
        Content::Null => true,
        Content::Text(text) => text.trim().is_empty(),
        Content::List(_) | Content::Map(_) => false,
    }
}

/// Keys that people know from elsewhere, or that stand one level off.
fn misplaced_key_help(name: &str) -> Option<String> {
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

fn parse_scalar(kind: &'static Kind, text: &str) -> Result<Value, Problem> {
    match kind {
        Kind::Version => scalar::parse_version(text),
        Kind::Text => scalar::parse_text(text),
        Kind::Id => scalar::parse_name(text).map(Value::Text),
        Kind::RuleId => Ok(Value::Text(text.to_owned())),
        Kind::Choice(what, choices) => scalar::parse_choice(text, what, choices),
        Kind::Flag => scalar::parse_flag(text),
        Kind::Count => scalar::parse_count(text),
        Kind::Timestamp => scalar::parse_timestamp(text),
        Kind::PortsOrName | Kind::SourceOrName if scalar::is_name(text) => {
            Ok(Value::Name(text.to_owned()))
        }
        Kind::Ports | Kind::PortsOrName => scalar::parse_ports(text),
        Kind::Source | Kind::SourceOrName => scalar::parse_source(text),
        Kind::Protocol => scalar::parse_protocol(text),
        Kind::ProtocolNumber => scalar::parse_protocol_number(text),
        Kind::Aws(id) => scalar::parse_aws_id(text, *id),
        Kind::Pattern(subject) => scalar::parse_pattern(text, *subject),
        // These are no single values, so `value` never asks for them here.
        Kind::List(..) | Kind::Section(_) | Kind::Map(..) => Ok(Value::List(Vec::new())),
    }
}

/// What a single value of the kind is.
const fn expected_value(kind: &Kind) -> &'static str {
    match kind {
        Kind::Version => "expected `1`",
        Kind::Text => "expected some words",
        Kind::Id => "expected a name of small letters, digits and dashes",
        Kind::RuleId => "expected the id of a rule",
        Kind::Choice(..) => "expected one word",
        Kind::Flag => "expected `true` or `false`",
        Kind::Count => "expected a whole number",
        Kind::Timestamp => "expected a day or a time",
        Kind::Ports => "expected a port or a span of ports",
        Kind::PortsOrName => "expected a port, a span of ports, or a name under `ports`",
        Kind::Source => "expected a CIDR, prefix list or group",
        Kind::SourceOrName => "expected a CIDR, prefix list, group, or a name under `trusted`",
        Kind::Protocol | Kind::ProtocolNumber => "expected a protocol",
        Kind::Aws(_) => "expected an id or name of AWS",
        Kind::Pattern(_) => "expected a pattern",
        Kind::List(..) => "expected a list",
        Kind::Section(_) | Kind::Map(..) => "expected a mapping",
    }
}
