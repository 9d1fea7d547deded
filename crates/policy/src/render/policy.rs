//! The sections of a policy.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use portcullis_rules::check::Check;
use portcullis_rules::policy::{Override, RuleOverride};
use portcullis_rules::source::GroupSource;
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{
    Exception, ExistingRules, Glob, Guardrails, Policy, PolicyRule, PortSet, Scope, Source,
    TrafficSet,
};

use super::writer::{YamlWriter, flow_mapping, flow_sequence, format_text, text_sequence};

/// The effective policy as YAML. [`parse_policy`](crate::parse_policy) parses it to the same
/// policy, provided that the policy came from there.
pub fn render_policy(policy: &Policy) -> String {
    let mode = if policy.monitor { "monitor" } else { "enforce" };
    let mut out = YamlWriter::default();
    out.write_line(0, "version: 1");
    out.write_pair(0, "name", &format_text(&policy.name));
    out.write_pair(0, "mode", mode);
    out.write_list("rules", &policy.rules, write_rule);
    out.write_list("exceptions", &policy.exceptions, write_exception);
    write_guardrails(&mut out, &policy.guardrails);
    out.write_list("overrides", &policy.overrides, write_override);
    out.text
}

fn write_rule(out: &mut YamlWriter, rule: &Arc<PolicyRule>) {
    out.write_pair(2, "id", &rule.id);
    out.write_pair(2, "forbids", &format_text(&rule.forbids));
    out.write_pair(2, "check", check_name(&rule.check));
    for (key, value) in check_parameters(&rule.check) {
        out.write_pair(2, key, &value);
    }
    out.write_pair(2, "severity", &rule.severity.to_string());
    out.write_pair(2, "action", &rule.action.to_string());
    out.write_optional(2, "trusted", source_sequence(&rule.trusted));
    out.write_optional(2, "references", text_sequence(&rule.references));
    out.write_optional(2, "scope", flow_mapping(&scope_entries(&rule.scope)));
}

/// The name of the check. Ports are rendered as the forbidden or as the allowed ones, whichever
/// list is shorter.
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

/// The ports that are allowed for TCP and UDP alike, if they are the shorter list.
fn allowed_ports(forbidden: &TrafficSet) -> Option<PortSet> {
    let allowed = forbidden.tcp.complement();
    let is_shorter = forbidden.is_empty() || allowed.ranges().len() < forbidden.tcp.ranges().len();
    (forbidden.tcp == forbidden.udp && !allowed.is_empty() && is_shorter).then_some(allowed)
}

/// The keys for a set of traffic.
pub(super) fn traffic_entries(traffic: &TrafficSet) -> Vec<(&'static str, String)> {
    let (tcp, udp) = (&traffic.tcp, &traffic.udp);
    let ports_only = TrafficSet {
        tcp: tcp.clone(),
        udp: udp.clone(),
        ..TrafficSet::default()
    };
    if ports_only != *traffic {
        return vec![("traffic", traffic_mapping(traffic))];
    }
    match (tcp.is_empty(), udp.is_empty()) {
        (false, false) if tcp == udp => vec![("ports", format_ports(tcp))],
        (false, true) => protocol_and_ports("tcp", tcp),
        (true, false) => protocol_and_ports("udp", udp),
        _ => vec![("traffic", traffic_mapping(traffic))],
    }
}

fn protocol_and_ports(protocol: &str, ports: &PortSet) -> Vec<(&'static str, String)> {
    vec![
        ("protocol", protocol.to_owned()),
        ("ports", format_ports(ports)),
    ]
}

fn traffic_mapping(traffic: &TrafficSet) -> String {
    format!("{{{}}}", traffic_section(traffic).join(", "))
}

/// The entries of the section `traffic`.
pub(super) fn traffic_section(traffic: &TrafficSet) -> Vec<String> {
    let TrafficSet {
        tcp,
        udp,
        icmp,
        icmpv6,
        other_protocols,
    } = traffic;
    let mut entries = Vec::new();
    for (key, ports) in [("tcp", tcp), ("udp", udp)] {
        if !ports.is_empty() {
            entries.push(format!("{key}: {}", format_ports(ports)));
        }
    }
    for (key, is_included) in [("icmp", *icmp), ("icmpv6", *icmpv6)] {
        if is_included {
            entries.push(format!("{key}: true"));
        }
    }
    if *other_protocols == ProtocolSet::all() {
        entries.push("others: all".to_owned());
    } else if !other_protocols.is_empty() {
        let numbers = flow_sequence(other_protocols.numbers());
        entries.push(format!("others: {numbers}"));
    }
    entries
}

fn write_exception(out: &mut YamlWriter, exception: &Arc<Exception>) {
    out.write_pair(2, "id", &exception.id);
    out.write_pair(2, "reason", &format_text(&exception.reason));
    out.write_pair(2, "owner", &format_text(&exception.owner));
    out.write_optional(2, "expires", exception.expires.map(format_expiry));
    out.write_optional(2, "rules", text_sequence(&exception.rules));
    if exception.traffic != TrafficSet::all() {
        for (key, value) in traffic_entries(&exception.traffic) {
            out.write_pair(2, key, &value);
        }
    } else if !is_limited(exception) {
        out.write_pair(2, "protocol", "all");
    }
    out.write_optional(2, "sources", source_sequence(&exception.sources));
    out.write_optional(2, "match", flow_mapping(&match_section(exception)));
}

/// What an exception matches in one line, as in a policy file, without its traffic and sources.
pub fn render_match(exception: &Exception) -> String {
    format!("{{{}}}", match_section(exception).join(", "))
}

/// The entries of the section `match`.
pub(super) fn match_section(exception: &Exception) -> Vec<String> {
    let mut entries = scope_entries(&exception.scope);
    entries.extend(tags_entry("rule_tags", &exception.rule_tags));
    entries.extend(sequence_entry("descriptions", &exception.descriptions));
    entries.extend(sequence_entry("principals", &exception.principals));
    entries
}

/// Whether anything but traffic limits it.
fn is_limited(exception: &Exception) -> bool {
    let Exception {
        rules,
        scope,
        rule_tags,
        descriptions,
        principals,
        sources,
        ..
    } = exception;
    !rules.is_empty()
        || !sources.is_empty()
        || !scope.is_everywhere()
        || !rule_tags.is_empty()
        || !descriptions.is_empty()
        || !principals.is_empty()
}

fn write_guardrails(out: &mut YamlWriter, guardrails: &Guardrails) {
    if *guardrails == Guardrails::default() {
        return;
    }
    out.write_line(0, "guardrails:");
    let protected: Vec<_> = guardrails
        .protected
        .iter()
        .filter_map(|scope| flow_mapping(&scope_entries(scope)))
        .collect();
    if !protected.is_empty() {
        out.write_pair(1, "protected", &flow_sequence(protected));
    }
    if guardrails.existing == ExistingRules::Notify {
        out.write_pair(1, "existing", "notify");
    }
    let max_removals = guardrails.max_removals.map(|max| max.to_string());
    out.write_optional(1, "max_removals", max_removals);
    if guardrails.notify_only_service_managed {
        out.write_pair(1, "service_managed", "notify");
    }
    if guardrails.notify_only_load_balancers {
        out.write_pair(1, "load_balancers", "notify");
    }
    let principals = text_sequence(&guardrails.notify_only_principals);
    out.write_optional(1, "principals", principals);
}

fn write_override(out: &mut YamlWriter, entry: &Override) {
    let scope = flow_mapping(&scope_entries(&entry.scope));
    out.write_pair(2, "scope", scope.as_deref().unwrap_or("{}"));
    let rules: Vec<_> = entry
        .rule_overrides
        .iter()
        .map(|(id, changes)| format!("{id}: {}", rule_override_mapping(*changes)))
        .collect();
    out.write_pair(2, "rules", &format!("{{{}}}", rules.join(", ")));
}

fn rule_override_mapping(changes: RuleOverride) -> String {
    let mut entries = Vec::new();
    entries.extend(
        changes
            .severity
            .map(|severity| format!("severity: {severity}")),
    );
    entries.extend(changes.action.map(|action| format!("action: {action}")));
    format!("{{{}}}", entries.join(", "))
}

/// A scope in one line, as in a policy file: `{accounts: ["111122223333"]}`.
pub fn render_scope(scope: &Scope) -> String {
    format!("{{{}}}", scope_entries(scope).join(", "))
}

fn scope_entries(scope: &Scope) -> Vec<String> {
    let entries = [
        sequence_entry("names", &scope.group_names),
        sequence_entry("groups", &scope.group_ids),
        sequence_entry("vpcs", &scope.vpcs),
        sequence_entry("accounts", &scope.accounts),
        sequence_entry("regions", &scope.regions),
        tags_entry("tags", &scope.group_tags),
    ];
    entries.into_iter().flatten().collect()
}

fn sequence_entry<T: Display>(key: &str, items: &[T]) -> Option<String> {
    text_sequence(items).map(|sequence| format!("{key}: {sequence}"))
}

fn tags_entry(key: &str, tags: &BTreeMap<String, Glob>) -> Option<String> {
    let entries: Vec<_> = tags
        .iter()
        .map(|(tag, pattern)| {
            let value = format_text(&pattern.to_string());
            format!("{}: {value}", format_text(tag))
        })
        .collect();
    flow_mapping(&entries).map(|mapping| format!("{key}: {mapping}"))
}

fn format_ports(ports: &PortSet) -> String {
    if ports.is_all() {
        "all".to_owned()
    } else {
        flow_sequence(ports.ranges())
    }
}

pub(super) fn source_sequence(sources: &[Source]) -> Option<String> {
    (!sources.is_empty()).then(|| flow_sequence(sources.iter().map(format_source)))
}

fn format_source(source: &Source) -> String {
    match source {
        Source::Group(GroupSource {
            group_id,
            owner_id: Some(owner),
        }) => format!("{owner}/{group_id}"),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => {
            format_text(&source.to_string())
        }
    }
}

/// The last day if something expires at the end of a day in UTC, the time otherwise: `2027-03-31`.
pub fn render_expiry(expires: Timestamp) -> String {
    let zoned = expires.to_zoned(TimeZone::UTC);
    let last_day = zoned.date().checked_sub(1.day()).ok();
    match last_day.filter(|_| zoned.time() == Time::midnight()) {
        Some(day) => day.to_string(),
        None => expires.to_string(),
    }
}

/// A day needs no quotes.
pub(super) fn format_expiry(expires: Timestamp) -> String {
    let text = render_expiry(expires);
    if text.contains('T') {
        format_text(&text)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_at_midnight_is_the_end_of_the_day_before() {
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
