//! A policy as text again: what holds in the end, without names and without `extends`.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use portcullis_rules::check::Check;
use portcullis_rules::policy::Override;
use portcullis_rules::source::GroupSource;
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{
    Exception, Glob, Guardrails, Policy, PolicyRule, PortSet, Scope, Source, TrafficSet,
};

/// The effective policy as YAML which [`parse`](crate::parse()) reads back to the same policy, if it came from there.
pub fn render_policy(policy: &Policy) -> String {
    let mut out = YamlWriter::default();
    out.write_line(0, "version: 1");
    out.write_pair(0, "name", &format_text(&policy.name));
    out.write_pair(
        0,
        "mode",
        if policy.monitor { "monitor" } else { "enforce" },
    );
    out.write_list("rules", &policy.rules, |out, one| write_rule(out, one));
    out.write_list("exceptions", &policy.exceptions, |out, one| {
        write_exception(out, one)
    });
    write_guardrails(&mut out, &policy.guardrails);
    out.write_list("overrides", &policy.overrides, write_override);
    out.text
}

/// Lines of YAML.
#[derive(Default)]
struct YamlWriter {
    text: String,
    /// Whether the next line begins an entry of a list.
    starts_entry: bool,
}

impl YamlWriter {
    fn write_line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        if std::mem::take(&mut self.starts_entry) {
            self.text.truncate(self.text.len().saturating_sub(2));
            self.text.push_str("- ");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn write_pair(&mut self, depth: usize, key: &str, value: &str) {
        self.write_line(depth, &format!("{key}: {value}"));
    }

    fn write_optional(&mut self, depth: usize, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.write_pair(depth, key, &value);
        }
    }

    /// A list of mappings; nothing when it is empty.
    fn write_list<T>(&mut self, key: &str, items: &[T], write: impl Fn(&mut Self, &T)) {
        if !items.is_empty() {
            self.write_line(0, &format!("{key}:"));
        }
        for item in items {
            self.starts_entry = true;
            write(self, item);
        }
    }
}

fn write_rule(out: &mut YamlWriter, rule: &PolicyRule) {
    out.write_pair(2, "id", &rule.id);
    out.write_pair(2, "forbids", &format_text(&rule.forbids));
    out.write_pair(2, "check", check_name(&rule.check));
    for (key, value) in check_parameters(&rule.check) {
        out.write_pair(2, key, &value);
    }
    out.write_pair(2, "severity", &rule.severity.to_string());
    out.write_pair(2, "action", &rule.action.to_string());
    out.write_optional(2, "trusted", format_sources(&rule.trusted));
    out.write_optional(2, "references", format_texts(&rule.references));
    out.write_optional(2, "scope", flow_mapping(&scope_entries(&rule.scope)));
}

/// The word for a check. Ports are named as those that are forbidden or as those that are not, whichever is shorter.
fn check_name(check: &Check) -> &'static str {
    match check {
        Check::AllTraffic => "all-traffic",
        Check::OpenPorts(forbidden) if allowed_ports(forbidden).is_some() => "open-ports-except",
        Check::OpenPorts(_) => "open-ports",
        Check::OpenExcept(_) => "open-except",
        Check::PortRange => "port-range",
        Check::PortRangeInternal => "port-range-internal",
        Check::BroadSource => "broad-source",
        Check::OtherProtocols => "other-protocols",
    }
}

fn check_parameters(check: &Check) -> Vec<(&'static str, String)> {
    match check {
        Check::OpenPorts(forbidden) => match allowed_ports(forbidden) {
            Some(allowed) => vec![("ports", format_ports(&allowed))],
            None => traffic_entries(forbidden),
        },
        Check::OpenExcept(allowed) => traffic_entries(allowed),
        Check::AllTraffic
        | Check::PortRange
        | Check::PortRangeInternal
        | Check::BroadSource
        | Check::OtherProtocols => Vec::new(),
    }
}

/// The ports of both protocols that are not forbidden, where they are the shorter list.
fn allowed_ports(forbidden: &TrafficSet) -> Option<PortSet> {
    let allowed = forbidden.tcp.complement();
    let shorter = forbidden.is_empty() || allowed.ranges().len() < forbidden.tcp.ranges().len();
    (forbidden.tcp == forbidden.udp && !allowed.is_empty() && shorter).then_some(allowed)
}

/// The keys that say a set of traffic; none for everything there is.
fn traffic_entries(set: &TrafficSet) -> Vec<(&'static str, String)> {
    let ports_only = TrafficSet {
        tcp: set.tcp.clone(),
        udp: set.udp.clone(),
        ..TrafficSet::default()
    } == *set;
    match (ports_only, set.tcp.is_empty(), set.udp.is_empty()) {
        (true, false, false) if set.tcp == set.udp => vec![("ports", format_ports(&set.tcp))],
        (true, false, true) => vec![
            ("protocol", "tcp".to_owned()),
            ("ports", format_ports(&set.tcp)),
        ],
        (true, true, false) => vec![
            ("protocol", "udp".to_owned()),
            ("ports", format_ports(&set.udp)),
        ],
        _ => vec![("traffic", traffic_mapping(set))],
    }
}

fn traffic_mapping(set: &TrafficSet) -> String {
    let mut keys = Vec::new();
    for (key, set) in [("tcp", &set.tcp), ("udp", &set.udp)] {
        if !set.is_empty() {
            keys.push(format!("{key}: {}", format_ports(set)));
        }
    }
    for (key, _) in [("icmp", set.icmp), ("icmpv6", set.icmpv6)]
        .into_iter()
        .filter(|(_, admitted)| *admitted)
    {
        keys.push(format!("{key}: true"));
    }
    if set.other_protocols == ProtocolSet::all() {
        keys.push("others: all".to_owned());
    } else if !set.other_protocols.is_empty() {
        keys.push(format!(
            "others: {}",
            flow_sequence(set.other_protocols.numbers())
        ));
    }
    format!("{{{}}}", keys.join(", "))
}

fn write_exception(out: &mut YamlWriter, exception: &Exception) {
    out.write_pair(2, "id", &exception.id);
    out.write_pair(2, "reason", &format_text(&exception.reason));
    out.write_pair(2, "owner", &format_text(&exception.owner));
    out.write_optional(2, "expires", exception.expires.map(format_expiry));
    out.write_optional(2, "rules", format_texts(&exception.rules));
    if exception.traffic == TrafficSet::all() {
        if !is_limited(exception) {
            out.write_pair(2, "protocol", "all");
        }
    } else {
        for (key, value) in traffic_entries(&exception.traffic) {
            out.write_pair(2, key, &value);
        }
    }
    out.write_optional(2, "sources", format_sources(&exception.sources));
    let mut matched = scope_entries(&exception.scope);
    matched.extend(tags_entry("rule_tags", &exception.rule_tags));
    matched.extend(globs_entry("descriptions", &exception.descriptions));
    matched.extend(globs_entry("principals", &exception.principals));
    out.write_optional(2, "match", flow_mapping(&matched));
}

/// Whether anything but traffic limits it.
fn is_limited(exception: &Exception) -> bool {
    !(exception.rules.is_empty()
        && exception.sources.is_empty()
        && exception.scope.is_everywhere()
        && exception.rule_tags.is_empty()
        && exception.descriptions.is_empty()
        && exception.principals.is_empty())
}

fn write_guardrails(out: &mut YamlWriter, guardrails: &Guardrails) {
    if *guardrails == Guardrails::default() {
        return;
    }
    out.write_line(0, "guardrails:");
    let scopes: Vec<_> = guardrails
        .protected
        .iter()
        .filter_map(|one| flow_mapping(&scope_entries(one)))
        .collect();
    out.write_optional(
        1,
        "protected",
        (!scopes.is_empty()).then(|| flow_sequence(scopes)),
    );
    out.write_optional(
        1,
        "max_removals",
        guardrails.max_removals.map(|most| most.to_string()),
    );
    let notify = |spare: bool| spare.then(|| "notify".to_owned());
    out.write_optional(
        1,
        "service_managed",
        notify(guardrails.notify_only_service_managed),
    );
    out.write_optional(
        1,
        "load_balancers",
        notify(guardrails.notify_only_load_balancers),
    );
    let principals = guardrails
        .notify_only_principals
        .iter()
        .map(|glob| format_text(&glob.to_string()));
    out.write_optional(
        1,
        "principals",
        (!guardrails.notify_only_principals.is_empty()).then(|| flow_sequence(principals)),
    );
}

fn write_override(out: &mut YamlWriter, other: &Override) {
    out.write_pair(
        2,
        "scope",
        &flow_mapping(&scope_entries(&other.scope)).unwrap_or_else(|| "{}".to_owned()),
    );
    let changes = other.rule_overrides.iter().map(|(id, change)| {
        let severity = change
            .severity
            .map(|severity| format!("severity: {severity}"));
        let action = change.action.map(|action| format!("action: {action}"));
        let keys: Vec<_> = severity.into_iter().chain(action).collect();
        format!("{id}: {{{}}}", keys.join(", "))
    });
    out.write_pair(
        2,
        "rules",
        &format!("{{{}}}", changes.collect::<Vec<_>>().join(", ")),
    );
}

fn scope_entries(scope: &Scope) -> Vec<String> {
    let words =
        |key: &str, words: &[String]| format_texts(words).map(|list| format!("{key}: {list}"));
    globs_entry("names", &scope.group_names)
        .into_iter()
        .chain(words("groups", &scope.group_ids))
        .chain(words("vpcs", &scope.vpcs))
        .chain(words("accounts", &scope.accounts))
        .chain(words("regions", &scope.regions))
        .chain(tags_entry("tags", &scope.group_tags))
        .collect()
}

fn globs_entry(key: &str, globs: &[Glob]) -> Option<String> {
    let items = globs.iter().map(|glob| format_text(&glob.to_string()));
    (!globs.is_empty()).then(|| format!("{key}: {}", flow_sequence(items)))
}

fn tags_entry(key: &str, tags: &BTreeMap<String, Glob>) -> Option<String> {
    let entries = tags
        .iter()
        .map(|(name, glob)| format!("{}: {}", format_text(name), format_text(&glob.to_string())));
    (!tags.is_empty()).then(|| format!("{key}: {{{}}}", entries.collect::<Vec<_>>().join(", ")))
}

fn flow_mapping(keys: &[String]) -> Option<String> {
    (!keys.is_empty()).then(|| format!("{{{}}}", keys.join(", ")))
}

fn flow_sequence<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

fn format_texts(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| flow_sequence(words.iter().map(|word| format_text(word))))
}

fn format_ports(ports: &PortSet) -> String {
    if ports.is_all() {
        "all".to_owned()
    } else {
        flow_sequence(ports.ranges())
    }
}

fn format_sources(sources: &[Source]) -> Option<String> {
    let one = |source: &Source| match source {
        Source::Group(GroupSource {
            group_id,
            owner_id: Some(owner),
        }) => format!("{owner}/{group_id}"),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => {
            format_text(&source.to_string())
        }
    };
    (!sources.is_empty()).then(|| flow_sequence(sources.iter().map(one)))
}

/// A day where it ends with one in UTC, a moment otherwise.
fn format_expiry(end: Timestamp) -> String {
    let zoned = end.to_zoned(TimeZone::UTC);
    let last = zoned.date().checked_sub(1.day()).ok();
    match last.filter(|_| zoned.time() == jiff::civil::Time::midnight()) {
        Some(day) => day.to_string(),
        None => format_text(&end.to_string()),
    }
}

/// A dash alone begins an entry of a list.
fn starts_plain_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A text as YAML: bare where nobody could take it for anything else, in double quotes otherwise.
fn format_text(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    let words = text
        .split(' ')
        .all(|word| !word.is_empty() && word.chars().all(bare) && starts_plain_word(word));
    let letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let known = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let block = text
        .split_once('/')
        .is_some_and(|(address, _)| address.parse::<std::net::Ipv4Addr>().is_ok());
    if words && (letter || block) && !known.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ if c.is_alphanumeric() => quoted.push(c),
            _ => quoted.extend(format!("\\U{:08X}", u32::from(c)).chars()),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bare_only_where_it_is_plain() {
        assert_eq!(format_text("more than one port"), "more than one port");
        assert_eq!(format_text("203.0.113.0/24"), "203.0.113.0/24");
        assert_eq!(format_text("no"), "\"no\"");
        assert_eq!(format_text("111122223333"), "\"111122223333\"");
        assert_eq!(
            format_text("a: b # \"c\"\n"),
            "\"a: b # \\\"c\\\"\\U0000000A\""
        );
        assert_eq!(format_text("ä \u{85}"), "\"ä \\U00000085\"");
    }

    #[test]
    fn an_end_at_midnight_is_the_day_before() {
        assert_eq!(
            format_expiry("2027-04-01T00:00:00Z".parse().unwrap()),
            "2027-03-31"
        );
        assert_eq!(
            format_expiry("2027-04-01T00:00:01Z".parse().unwrap()),
            "\"2027-04-01T00:00:01Z\""
        );
    }
}
