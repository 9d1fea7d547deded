//! Findings and rules in tables and sentences.

use std::collections::BTreeMap;

use portcullis_rules::group::Traffic;
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{Finding, IngressRule, TrafficSet};

use crate::audit::allowed::OpenAndAllowed;
use crate::audit::opening::Opening;
use crate::table::RowStyle;
use crate::text::sanitize_text;

/// How many port ranges a table shows.
const MAX_PORT_RANGES: usize = 4;

/// The style of a finding in a table.
pub(super) fn row_style(finding: &Finding) -> RowStyle {
    if finding.exempted_by.is_some() {
        RowStyle::Dimmed
    } else {
        RowStyle::Severity(finding.policy_rule.severity)
    }
}

/// The action on a finding: `revoke`, `exempt by office`.
pub(super) fn describe_action(finding: &Finding) -> String {
    match &finding.exempted_by {
        Some(id) => format!("exempt by {}", sanitize_text(id)),
        None => finding.policy_rule.action.to_string(),
    }
}

/// What a rule allows: `tcp 8080-8090`, `icmp type 8`, `all traffic`, `protocol 47`.
pub(super) fn describe_traffic(rule: &IngressRule) -> String {
    let protocol = rule.protocol();
    match rule.traffic() {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => format!("{protocol} {ports}"),
        Traffic::All => "all traffic".to_owned(),
        Traffic::Other(number) => format!("protocol {number}"),
        Traffic::Icmp | Traffic::Icmpv6 => match rule.display_ports() {
            (Some(icmp_type), _) if icmp_type >= 0 => format!("{protocol} type {icmp_type}"),
            _ => protocol.to_string(),
        },
    }
}

/// The first few of the offending port ranges. The JSON output has all of them.
pub(super) fn shorten_ports(offending: &TrafficSet) -> String {
    let text = offending.to_string();
    let ranges: Vec<_> = text.split(',').collect();
    match ranges.split_at_checked(MAX_PORT_RANGES) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{},+{}", first.join(","), rest.len())
        }
        _ => text,
    }
}

/// The action on an opening: the strongest one of its findings, or `exempt`.
pub(super) fn opening_action(opening: &Opening<'_>) -> String {
    match opening.action() {
        Some(action) => action.to_string(),
        None => "exempt".to_owned(),
    }
}

/// The policy rules that forbid an opening, with the ports of those that forbid only a part of it:
/// `restricted-common-ports (22), port-range`.
pub(super) fn describe_policy_rules(opening: &Opening<'_>) -> String {
    let rules: Vec<_> = opening
        .findings
        .iter()
        .map(|finding| describe_policy_rule(opening, finding))
        .collect();
    rules.join(", ")
}

/// A policy rule that forbids an opening, with the ports if it forbids only a part.
pub(super) fn describe_policy_rule(opening: &Opening<'_>, finding: &Finding) -> String {
    let mut notes = Vec::new();
    let whole = TrafficSet::from(opening.ingress.traffic());
    // The ports of a rule for all traffic matter only if not all of it is forbidden.
    let is_all_traffic = opening.ingress.traffic() == Traffic::All;
    let mut findings = opening.findings.iter();
    let is_covered = is_all_traffic && findings.any(|other| other.offending == whole);
    if finding.offending != whole && !is_covered {
        notes.push(shorten_ports(&finding.offending));
    }
    if finding.exempted_by.is_some() {
        notes.push(describe_action(finding));
    }
    let id = &finding.policy_rule.id;
    if notes.is_empty() {
        id.clone()
    } else {
        format!("{id} ({})", notes.join(", "))
    }
}

/// What is open to the world and allowed: `tcp 80 x6, tcp 443 x11, icmp x1`, or `nothing`.
pub(super) fn list_open_and_allowed(allowed: &OpenAndAllowed) -> String {
    let mut entries = Vec::new();
    // Most protocol numbers have the same count, because one rule for all traffic opens them.
    let mut numbers_by_count: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for entry in allowed.entries() {
        let rules = entry.rules;
        match entry.traffic {
            Traffic::Tcp(ports) => entries.push(format!("tcp {ports} x{rules}")),
            Traffic::Udp(ports) => entries.push(format!("udp {ports} x{rules}")),
            Traffic::Icmp => entries.push(format!("icmp x{rules}")),
            Traffic::Icmpv6 => entries.push(format!("icmpv6 x{rules}")),
            Traffic::All => entries.push(format!("all traffic x{rules}")),
            Traffic::Other(number) => numbers_by_count.entry(rules).or_default().push(number),
        }
    }
    for (rules, numbers) in numbers_by_count {
        let numbers: ProtocolSet = numbers.into_iter().collect();
        entries.push(format!("protocol {numbers} x{rules}"));
    }
    if entries.is_empty() {
        return "nothing".to_owned();
    }
    entries.join(", ")
}
