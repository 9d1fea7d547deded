//! Decodes a YAML tree according to the schema table. Every value that does not fit is reported;
//! everything else is kept.

use std::borrow::Cow;
use std::net::IpAddr;

use portcullis_rules::Source;

use crate::code::Code;
use crate::record::{Record, Value};
use crate::regions::{is_known_region, nearest_region};
use crate::scalar::{self, Problem, ScalarResult};
use crate::schema_table::{AwsId, Choice, Key, Kind, MapKey, MinItems, Section};
use crate::yaml::{
    Content, Diagnostic, Mapping, Node, Span, Spanned, missing_key, quote_list, quote_text,
    unknown_key, unknown_value, wrong_type,
};

/// Decodes values and collects diagnostics.
pub(crate) struct Decoder<'f> {
    pub(crate) found: &'f mut Vec<Diagnostic>,
    /// The position of every value, if not its own: the values of a preset are reported where the
    /// policy extends it.
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
            let expected = format!("{} must be a mapping", section.name);
            self.report_wrong_type(node, expected);
            return None;
        };
        let mut record = Record::new(self.reported_span(node.span));
        for (name, value) in entries {
            let known = section.keys.iter().find(|key| key.name == name.value);
            if let Some(key) = known {
                self.decode_entry(&mut record, name.span, value, key, section);
            } else {
                self.report_unknown_key(name, section);
                record.mark_unknown_key();
            }
        }
        if entries.is_empty() && !section.may_be_empty {
            self.report_empty_section(node, section);
        } else {
            self.report_missing_keys(&record, entries, section);
        }
        Some(record)
    }

    fn decode_entry(
        &mut self,
        record: &mut Record,
        span: Span,
        node: &Node<'_>,
        key: &'static Key,
        section: &'static Section,
    ) {
        if may_be_null(&key.kind) && matches!(node.content, Content::Null) {
            return;
        }
        let key_span = self.reported_span(span);
        let value = match key.required {
            Some(code) if is_blank(node) => {
                let diagnostic = missing_key(code, key.name, section.name, key_span)
                    .with_label(expected_value(&key.kind));
                self.found.push(diagnostic.with_help(missing_key_help(key)));
                None
            }
            _ => self.decode_value(node, &key.kind),
        };
        record.insert(key.name, key_span, value);
    }

    fn report_empty_section(&mut self, node: &Node<'_>, section: &'static Section) {
        let message = format!("{} cannot be empty", section.name);
        let keys = section.keys.iter().map(|key| key.name);
        let expected = format!("expected at least one of {}", quote_list(keys, "or"));
        let span = self.reported_span(node.span);
        let diagnostic = Diagnostic::new(Code::EmptyValue, span, message).with_label(expected);
        self.found.push(diagnostic);
    }

    fn report_missing_keys(
        &mut self,
        record: &Record,
        entries: &Mapping<'_>,
        section: &'static Section,
    ) {
        let missing = section.keys.iter().filter(|key| {
            let mut names = entries.iter().map(|(name, _)| &*name.value);
            let is_misspelled = names
                .any(|name| split_joined_key(name).is_some_and(|(start, _)| start == key.name));
            !record.contains_key(key.name) && !is_misspelled
        });
        for key in missing {
            if let Some(code) = key.required {
                let diagnostic = missing_key(code, key.name, section.name, record.span());
                self.found.push(diagnostic.with_help(missing_key_help(key)));
            }
        }
    }

    fn report_unknown_key(&mut self, name: &Spanned<Cow<'_, str>>, section: &'static Section) {
        let span = self.reported_span(name.span);
        let known = section.keys.iter().map(|key| key.name);
        let mut diagnostic = unknown_key(&name.value, span, section.name, known);
        if let Some(help) = missing_space_help(&name.value, section) {
            diagnostic = diagnostic.with_help(help);
        } else if diagnostic.help_text().is_none() {
            diagnostic = diagnostic.with_help(misplaced_key_help(&name.value).map(str::to_owned));
        }
        self.found.push(diagnostic);
    }

    /// A value of this kind; none if it does not fit, which is reported.
    fn decode_value(&mut self, node: &Node<'_>, kind: &'static Kind) -> Option<Spanned<Value>> {
        let value = match kind {
            Kind::List(item, min_items) => self.decode_list(node, item, *min_items)?,
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
        min_items: MinItems,
    ) -> Option<Value> {
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            Content::Text(_) => std::slice::from_ref(node),
            Content::Map(_) | Content::Null => {
                self.report_missing_list(node, kind);
                return None;
            }
        };
        if items.is_empty() && min_items == MinItems::One {
            let span = self.reported_span(node.span);
            let diagnostic = Diagnostic::new(Code::EmptyValue, span, "empty list")
                .with_label("expected at least one entry, or no such key");
            self.found.push(diagnostic);
            return None;
        }
        let values = items
            .iter()
            .filter_map(|item| self.decode_value(item, kind))
            .collect();
        Some(Value::List(values))
    }

    fn report_missing_list(&mut self, node: &Node<'_>, kind: &'static Kind) {
        let diagnostic = wrong_type(node, "expected a list");
        if matches!(kind, Kind::Section(_)) {
            let help = "start each entry with `- `".to_owned();
            self.report_in_place(diagnostic.with_help(help));
        } else {
            self.report_in_place(diagnostic);
        }
    }

    fn decode_map(&mut self, node: &Node<'_>, key: MapKey, kind: &'static Kind) -> Option<Value> {
        let Content::Map(entries) = &node.content else {
            self.report_wrong_type(node, expected_map(key));
            return None;
        };
        if entries.is_empty() && key != MapKey::Name {
            let span = self.reported_span(node.span);
            let diagnostic = Diagnostic::new(Code::EmptyValue, span, "empty mapping");
            self.found.push(diagnostic);
            return None;
        }
        Some(Value::Map(self.decode_map_entries(entries, key, kind)))
    }

    fn decode_map_entries(
        &mut self,
        entries: &Mapping<'_>,
        key: MapKey,
        kind: &'static Kind,
    ) -> Vec<(Spanned<String>, Spanned<Value>)> {
        let mut values = Vec::new();
        for (name, node) in entries {
            let span = self.reported_span(name.span);
            if key == MapKey::Name
                && let Err(problem) = scalar::parse_name(&name.value)
            {
                self.report_problem(span, problem);
            }
            if let Some(value) = self.decode_value(node, kind) {
                let text = name.value.clone().into_owned();
                values.push((Spanned::new(text, span), value));
            }
        }
        values
    }

    fn decode_scalar(&mut self, node: &Node<'_>, kind: &'static Kind) -> Option<Value> {
        let Content::Text(text) = &node.content else {
            self.report_wrong_type(node, expected_value(kind));
            return None;
        };
        let span = self.reported_span(node.span);
        if let Kind::Choice(what, choices) = kind {
            return self.decode_choice(text, span, what, choices);
        }
        match parse_scalar(kind, text) {
            Ok(value) => {
                self.warn_about_host_bits(span, text, &value);
                if matches!(kind, Kind::Aws(AwsId::Region)) && !is_known_region(text) {
                    self.warn_about_unknown_region(span, text);
                }
                Some(value)
            }
            Err(problem) => {
                self.report_problem(span, problem);
                None
            }
        }
    }

    fn decode_choice(
        &mut self,
        text: &str,
        span: Span,
        what: &str,
        choices: &'static [Choice],
    ) -> Option<Value> {
        if let Some(choice) = choices.iter().find(|choice| choice.word == text) {
            return Some(Value::Choice(choice.word));
        }
        let known = choices.iter().map(|choice| choice.word);
        let mut diagnostic = unknown_value(text, span, what, known);
        if let Some(choice) = meant_choice(text, choices) {
            diagnostic = diagnostic.with_help(format!("did you mean `{}`?", choice.word));
        }
        self.found.push(diagnostic);
        None
    }

    fn warn_about_host_bits(&mut self, span: Span, text: &str, value: &Value) {
        let Value::Source(source @ Source::Cidr(net)) = value else {
            return;
        };
        let written = text
            .split('/')
            .next()
            .unwrap_or(text)
            .trim()
            .parse::<IpAddr>();
        if written.is_ok_and(|written| written != net.network()) {
            let message = format!("{} has host bits set", quote_text(text));
            let diagnostic = Diagnostic::new(Code::HostBits, span, message)
                .with_label(format!("read as {source}"))
                .with_help(format!("write `{source}`"));
            self.found.push(diagnostic);
        }
    }

    /// New regions appear several times a year, so that an unknown one is not an error.
    fn warn_about_unknown_region(&mut self, span: Span, text: &str) {
        let message = format!("unknown region {}", quote_text(text));
        let help = match nearest_region(text) {
            Some(region) => format!("did you mean `{region}`?"),
            None => "if AWS opened it recently, ignore this warning".to_owned(),
        };
        let diagnostic = Diagnostic::new(Code::UnknownRegion, span, message)
            .with_label("not in the list of AWS regions")
            .with_help(help);
        self.found.push(diagnostic);
    }

    fn report_problem(&mut self, span: Span, problem: Problem) {
        let diagnostic = Diagnostic::new(problem.code, span, problem.message)
            .with_label(problem.expected)
            .with_help(problem.help);
        self.found.push(diagnostic);
    }

    fn report_wrong_type(&mut self, node: &Node<'_>, expected: impl Into<String>) {
        let diagnostic = wrong_type(node, expected);
        if is_split_address(node) {
            let help = "quote an address that ends with a colon".to_owned();
            self.report_in_place(diagnostic.with_help(help));
        } else {
            self.report_in_place(diagnostic);
        }
    }

    /// Reports a diagnostic that was made with the position of a node.
    fn report_in_place(&mut self, diagnostic: Diagnostic) {
        self.found.push(match self.span_override {
            Some(span) => diagnostic.with_span(span),
            None => diagnostic,
        });
    }

    fn reported_span(&self, span: Span) -> Span {
        self.span_override.unwrap_or(span)
    }
}

/// The choice that the text abbreviates or is another word for.
fn meant_choice(text: &str, choices: &'static [Choice]) -> Option<&'static Choice> {
    let word = text.trim().to_lowercase().replace(['_', ' '], "-");
    let by_alias = choices
        .iter()
        .find(|choice| choice.aliases.contains(&word.as_str()));
    let mut with_prefix = choices
        .iter()
        .filter(|choice| word.len() >= MIN_ABBREVIATION && choice.word.starts_with(&word));
    let by_prefix = match (with_prefix.next(), with_prefix.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    };
    by_alias.or(by_prefix)
}

/// The fewest characters that are taken for the start of a word.
const MIN_ABBREVIATION: usize = 2;

/// Whether a key may have no value: a section of which every entry is commented out.
const fn may_be_null(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::List(_, MinItems::Zero) | Kind::Map(MapKey::Name, _)
    )
}

/// Whether the value has no text.
fn is_blank(node: &Node<'_>) -> bool {
    match &node.content {
        Content::Null => true,
        Content::Text(text) => text.trim().is_empty(),
        Content::List(_) | Content::Map(_) => false,
    }
}

/// Whether YAML read an IPv6 address that ends with a colon as a mapping.
fn is_split_address(node: &Node<'_>) -> bool {
    let Content::Map(entries) = &node.content else {
        return false;
    };
    entries
        .first()
        .is_some_and(|(name, _)| name.value.contains(':'))
}

fn missing_key_help(key: &Key) -> Option<String> {
    let help = match key.name {
        "version" => "start the file with `version: 1`",
        "reason" => "explain why the access is allowed, so that others can review it",
        "owner" => "name who is responsible, such as a team's e-mail address",
        _ => return None,
    };
    Some(help.to_owned())
}

/// Help for `{action:off}`, which YAML reads as one key.
fn missing_space_help(name: &str, section: &Section) -> Option<String> {
    let (key, value) = split_joined_key(name)?;
    let is_key = section.keys.iter().any(|known| known.name == key);
    let help = format!("write a colon and a space: `{key}: {value}`");
    is_key.then_some(help)
}

/// The key and the value of a text in which something else stands for the colon and the space.
fn split_joined_key(name: &str) -> Option<(&str, &str)> {
    let (key, value) = name.split_once([':', '：', '='])?;
    Some((key.trim(), value.trim()))
}

/// Help for keys of other tools and keys that belong to another section.
fn misplaced_key_help(name: &str) -> Option<&'static str> {
    Some(match name {
        "protocols" => "use the key `protocol`, for a list too",
        "port" => "use the key `ports`, for a single port too",
        "source" | "cidr" | "cidrs" => "use the key `sources`, in an exception",
        "names" | "groups" | "group" | "vpcs" | "accounts" | "regions" | "tags" => {
            "put it under `scope` (in a rule or an override) or `match` (in an exception)"
        }
        "scope" => "in an exception, use `match`",
        "match" => "in a rule or an override, use `scope`",
        "until" | "expiry" | "expires_at" => "use the key `expires`",
        _ => return None,
    })
}

fn parse_scalar(kind: &'static Kind, text: &str) -> ScalarResult {
    match kind {
        Kind::Version => scalar::parse_version(text),
        Kind::Text => scalar::parse_text(text),
        Kind::Id => scalar::parse_name(text).map(Value::Text),
        Kind::RuleId => Ok(Value::Text(text.to_owned())),
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
        // The decoder handles these kinds itself.
        Kind::Choice(..) | Kind::List(..) | Kind::Section(_) | Kind::Map(..) => {
            Ok(Value::List(Vec::new()))
        }
    }
}

const fn expected_map(key: MapKey) -> &'static str {
    match key {
        MapKey::Name => "expected a mapping of names to values",
        MapKey::RuleId => "expected a mapping of policy rule IDs to changes",
        MapKey::Tag => "expected a mapping of tag keys to values",
    }
}

const fn expected_value(kind: &Kind) -> &'static str {
    match kind {
        Kind::Version => "expected `1`",
        Kind::Text => "expected text",
        Kind::Id => "expected a name of lowercase letters, digits and dashes",
        Kind::RuleId => "expected the id of a rule",
        Kind::Choice(..) => "expected a word",
        Kind::Flag => "expected `true` or `false`",
        Kind::Count => "expected a whole number",
        Kind::Timestamp => "expected a date or a time",
        Kind::Ports => "expected a port or port range",
        Kind::PortsOrName => "expected a port, a port range or a name defined under `ports`",
        Kind::Source => "expected a CIDR, prefix list or security group",
        Kind::SourceOrName => {
            "expected a CIDR, prefix list, security group or a name defined under `trusted`"
        }
        Kind::Protocol | Kind::ProtocolNumber => "expected a protocol",
        Kind::Aws(AwsId::Region) => "expected a region",
        Kind::Aws(_) => "expected an AWS id",
        Kind::Pattern(_) => "expected a pattern",
        Kind::List(..) => "expected a list",
        Kind::Section(_) | Kind::Map(..) => "expected a mapping",
    }
}
