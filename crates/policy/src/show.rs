//! A policy as text again: what holds in the end, without names and without `extends`.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use portcullis_rules::check::Check;
use portcullis_rules::policy::Override;
use portcullis_rules::source::GroupSource;
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{Exception, Glob, Guardrails, Policy, PortSet, Rule, Scope, Source, TrafficSet};

/// The effective policy as YAML which [`parse`](crate::parse()) reads back to the same policy, if it came from there.
pub fn show(policy: &Policy) -> String {
    let mut out = Writer::default();
    out.line(0, "version: 1");
    out.pair(0, "name", &text(&policy.name));
    out.pair(0, "mode", if policy.monitor { "monitor" } else { "enforce" });
    out.list("rules", &policy.rules, |out, one| rule(out, one));
    out.list("exceptions", &policy.exceptions, |out, one| exception(out, one));
    guardrails(&mut out, &policy.guardrails);
    out.list("overrides", &policy.overrides, overriding);
    out.text
}

/// Lines of YAML.
#[derive(Default)]
struct Writer {
    text: String,
    /// Whether the next line begins an entry of a list.
    begins: bool,
}

impl Writer {
    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        if std::mem::take(&mut self.begins) {
            self.text.truncate(self.text.len().saturating_sub(2));
            self.text.push_str("- ");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn pair(&mut self, depth: usize, key: &str, value: &str) {
        self.line(depth, &format!("{key}: {value}"));
    }

    fn optional(&mut self, depth: usize, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.pair(depth, key, &value);
        }
    }

    /// A list of mappings; nothing when it is empty.
    fn list<T>(&mut self, key: &str, items: &[T], write: impl Fn(&mut Self, &T)) {
        if !items.is_empty() {
            self.line(0, &format!("{key}:"));
        }
        for item in items {
            self.begins = true;
            write(self, item);
        }
    }
}

fn rule(out: &mut Writer, rule: &Rule) {
    out.pair(2, "id", &rule.id);
    out.pair(2, "forbids", &text(&rule.forbids));
    out.pair(2, "check", check_name(&rule.check));
    for (key, value) in parameters(&rule.check) {
        out.pair(2, key, &value);
    }
    out.pair(2, "severity", &rule.severity.to_string());
    out.pair(2, "action", &rule.action.to_string());
    out.optional(2, "trusted", sources(&rule.trusted));
    out.optional(2, "references", texts(&rule.references));
    out.optional(2, "scope", braces(&scope(&rule.scope)));
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

fn parameters(check: &Check) -> Vec<(&'static str, String)> {
    match check {
        Check::OpenPorts(forbidden) => match allowed_ports(forbidden) {
            Some(allowed) => vec![("ports", ports(&allowed))],
            None => traffic(forbidden),
        },
        Check::OpenExcept(allowed) => traffic(allowed),
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
    let shorter = forbidden.is_empty() || allowed.spans().len() < forbidden.tcp.spans().len();
    (forbidden.tcp == forbidden.udp && !allowed.is_empty() && shorter).then_some(allowed)
}

/// The keys that say a set of traffic; none for everything there is.
fn traffic(set: &TrafficSet) -> Vec<(&'static str, String)> {
    let ports_only = TrafficSet { tcp: set.tcp.clone(), udp: set.udp.clone(), ..TrafficSet::default() } == *set;
    match (ports_only, set.tcp.is_empty(), set.udp.is_empty()) {
        (true, false, false) if set.tcp == set.udp => vec![("ports", ports(&set.tcp))],
        (true, false, true) => vec![("protocol", "tcp".to_owned()), ("ports", ports(&set.tcp))],
        (true, true, false) => vec![("protocol", "udp".to_owned()), ("ports", ports(&set.udp))],
        _ => vec![("traffic", long_form(set))],
    }
}

fn long_form(set: &TrafficSet) -> String {
    let mut keys = Vec::new();
    for (key, set) in [("tcp", &set.tcp), ("udp", &set.udp)] {
        if !set.is_empty() {
            keys.push(format!("{key}: {}", ports(set)));
        }
    }
    for (key, _) in [("icmp", set.icmp), ("icmpv6", set.icmpv6)].into_iter().filter(|(_, admitted)| *admitted) {
        keys.push(format!("{key}: true"));
    }
    if set.others == ProtocolSet::all() {
        keys.push("others: all".to_owned());
    } else if !set.others.is_empty() {
        keys.push(format!("others: {}", list(set.others.numbers())));
    }
    format!("{{{}}}", keys.join(", "))
}

fn exception(out: &mut Writer, exception: &Exception) {
    out.pair(2, "id", &exception.id);
    out.pair(2, "reason", &text(&exception.reason));
    out.pair(2, "owner", &text(&exception.owner));
    out.optional(2, "expires", exception.expires.map(moment));
    out.optional(2, "rules", texts(&exception.rules));
    if exception.traffic == TrafficSet::everything() {
        if !is_limited(exception) {
            out.pair(2, "protocol", "all");
        }
    } else {
        for (key, value) in traffic(&exception.traffic) {
            out.pair(2, key, &value);
        }
    }
    out.optional(2, "sources", sources(&exception.sources));
    let mut matched = scope(&exception.scope);
    matched.extend(tags("rule_tags", &exception.rule_tags));
    matched.extend(globs("descriptions", &exception.descriptions));
    matched.extend(globs("principals", &exception.principals));
    out.optional(2, "match", braces(&matched));
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

fn guardrails(out: &mut Writer, guardrails: &Guardrails) {
    if *guardrails == Guardrails::default() {
        return;
    }
    out.line(0, "guardrails:");
    let scopes: Vec<_> = guardrails.protected.iter().filter_map(|one| braces(&scope(one))).collect();
    out.optional(1, "protected", (!scopes.is_empty()).then(|| list(scopes)));
    out.optional(1, "max_removals", guardrails.max_removals.map(|most| most.to_string()));
    let notify = |spare: bool| spare.then(|| "notify".to_owned());
    out.optional(1, "service_managed", notify(guardrails.spare_service_managed));
    out.optional(1, "load_balancers", notify(guardrails.spare_load_balancers));
    let principals = guardrails.spare_principals.iter().map(|glob| text(&glob.to_string()));
    out.optional(1, "principals", (!guardrails.spare_principals.is_empty()).then(|| list(principals)));
}

fn overriding(out: &mut Writer, other: &Override) {
    out.pair(2, "scope", &braces(&scope(&other.scope)).unwrap_or_else(|| "{}".to_owned()));
    let changes = other.changes.iter().map(|(id, change)| {
        let severity = change.severity.map(|severity| format!("severity: {severity}"));
        let action = change.action.map(|action| format!("action: {action}"));
        let keys: Vec<_> = severity.into_iter().chain(action).collect();
        format!("{id}: {{{}}}", keys.join(", "))
    });
    out.pair(2, "rules", &format!("{{{}}}", changes.collect::<Vec<_>>().join(", ")));
}

fn scope(scope: &Scope) -> Vec<String> {
    let words = |key: &str, words: &[String]| texts(words).map(|list| format!("{key}: {list}"));
    globs("names", &scope.group_names)
        .into_iter()
        .chain(words("groups", &scope.group_ids))
        .chain(words("vpcs", &scope.vpcs))
        .chain(words("accounts", &scope.accounts))
        .chain(words("regions", &scope.regions))
        .chain(tags("tags", &scope.group_tags))
        .collect()
}

fn globs(key: &str, globs: &[Glob]) -> Option<String> {
    let items = globs.iter().map(|glob| text(&glob.to_string()));
    (!globs.is_empty()).then(|| format!("{key}: {}", list(items)))
}

fn tags(key: &str, tags: &BTreeMap<String, Glob>) -> Option<String> {
    let entries = tags.iter().map(|(name, glob)| format!("{}: {}", text(name), text(&glob.to_string())));
    (!tags.is_empty()).then(|| format!("{key}: {{{}}}", entries.collect::<Vec<_>>().join(", ")))
}

fn braces(keys: &[String]) -> Option<String> {
    (!keys.is_empty()).then(|| format!("{{{}}}", keys.join(", ")))
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

fn texts(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| list(words.iter().map(|word| text(word))))
}

fn ports(ports: &PortSet) -> String {
    if ports.is_all() { "all".to_owned() } else { list(ports.spans()) }
}

fn sources(sources: &[Source]) -> Option<String> {
    let one = |source: &Source| match source {
        Source::Group(GroupSource { group_id, owner_id: Some(owner) }) => format!("{owner}/{group_id}"),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => text(&source.to_string()),
    };
    (!sources.is_empty()).then(|| list(sources.iter().map(one)))
}

/// A day where it ends with one in UTC, a moment otherwise.
fn moment(end: Timestamp) -> String {
    let zoned = end.to_zoned(TimeZone::UTC);
    let last = zoned.date().checked_sub(1.day()).ok();
    match last.filter(|_| zoned.time() == jiff::civil::Time::midnight()) {
        Some(day) => day.to_string(),
        None => text(&end.to_string()),
    }
}

/// A dash alone begins an entry of a list.
fn starts_a_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// A text as YAML: bare where nobody could take it for anything else, in double quotes otherwise.
fn text(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    let words = text.split(' ').all(|word| !word.is_empty() && word.chars().all(bare) && starts_a_word(word));
    let letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let known = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let block = text.split_once('/').is_some_and(|(address, _)| address.parse::<std::net::Ipv4Addr>().is_ok());
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
        assert_eq!(text("more than one port"), "more than one port");
        assert_eq!(text("203.0.113.0/24"), "203.0.113.0/24");
        assert_eq!(text("no"), "\"no\"");
        assert_eq!(text("111122223333"), "\"111122223333\"");
        assert_eq!(text("a: b # \"c\"\n"), "\"a: b # \\\"c\\\"\\U0000000A\"");
        assert_eq!(text("ä \u{85}"), "\"ä \\U00000085\"");
    }

    #[test]
    fn an_end_at_midnight_is_the_day_before() {
        assert_eq!(moment("2027-04-01T00:00:00Z".parse().unwrap()), "2027-03-31");
        assert_eq!(moment("2027-04-01T00:00:01Z".parse().unwrap()), "\"2027-04-01T00:00:01Z\"");
    }
}
