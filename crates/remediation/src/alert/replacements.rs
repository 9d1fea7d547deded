//! Phrases for the rules that were added in place of a removed one, and for those that could not be
//! added. Ports and sources are combined.

use std::collections::BTreeMap;

use portcullis_rules::plan::{Addition, Purpose, SkipReason};
use portcullis_rules::{IngressRule, PortRange, Protocol};

use crate::alert::phrases::{describe_ports, describe_traffic, source_label};
use crate::report::GroupReport;
use crate::services::Mode;

/// How many entries of a list are written out.
const MAX_LISTED: usize = 8;

/// `TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules`; of trusted sources `TCP port 22
/// (SSH) is now open to 203.0.113.0/24 only`. `None` if nothing was added.
pub(super) fn describe_replacements(additions: &[Addition], mode: Mode) -> Option<String> {
    let would = mode == Mode::Monitor;
    let mut parts = Vec::new();
    for access in group_by_purpose(additions, Purpose::Trust) {
        let verb = match (would, access.is_plural) {
            (true, _) => "would be open",
            (false, true) => "are now open",
            (false, false) => "is now open",
        };
        let AccessPhrase {
            traffic, sources, ..
        } = access;
        parts.push(format!("{traffic} {verb} to {sources} only"));
    }
    for access in group_by_purpose(additions, Purpose::Keep) {
        let verb = match (would, access.is_plural) {
            (true, _) => "would stay",
            (false, true) => "stay",
            (false, false) => "stays",
        };
        let rules = if access.is_single_rule {
            "a new rule"
        } else {
            "new rules"
        };
        let AccessPhrase {
            traffic, sources, ..
        } = access;
        parts.push(format!("{traffic} {verb} open to {sources} as {rules}"));
    }
    (!parts.is_empty()).then(|| join_bounded(parts, "; ", "; "))
}

fn group_by_purpose(additions: &[Addition], purpose: Purpose) -> Vec<AccessPhrase> {
    group_by_traffic(
        additions
            .iter()
            .filter(|addition| addition.purpose == purpose)
            .map(|addition| &addition.ingress),
    )
}

/// `TCP ports 80 and 443 from 0.0.0.0/0`.
pub(super) fn describe_combined_rules<'a, I>(rules: I) -> String
where
    I: Iterator<Item = &'a IngressRule>,
{
    let phrases = group_by_traffic(rules)
        .into_iter()
        .map(|access| format!("{} from {}", access.traffic, access.sources));
    join_bounded(phrases.collect(), "; ", "; ")
}

/// Whether allowed access is blocked now.
pub(super) fn lost_allowed_access(report: &GroupReport) -> bool {
    let is_over_quota = report
        .skipped_additions
        .iter()
        .any(|skipped| skipped.reason == SkipReason::RulesQuota);
    is_over_quota || report.failed_additions().next().is_some()
}

/// Traffic and the sources that have it.
struct AccessPhrase {
    traffic: String,
    sources: String,
    /// Whether the traffic takes a plural verb.
    is_plural: bool,
    /// Whether it is one rule.
    is_single_rule: bool,
}

/// Several sources with the same traffic.
struct TrafficGroup {
    traffic: String,
    sources: Vec<String>,
    is_plural: bool,
    /// Whether the first source has one rule.
    is_single_rule: bool,
}

/// Combines the traffic of each source, and then the sources with the same traffic.
fn group_by_traffic<'a>(rules: impl Iterator<Item = &'a IngressRule>) -> Vec<AccessPhrase> {
    let mut groups: Vec<TrafficGroup> = Vec::new();
    for (source, rules) in group_by_source(rules) {
        let traffic = combined_traffic(&rules);
        match groups.iter_mut().find(|known| known.traffic == traffic) {
            Some(known) => known.sources.push(source),
            None => groups.push(TrafficGroup {
                traffic,
                sources: vec![source],
                is_plural: is_plural_traffic(&rules),
                is_single_rule: rules.len() == 1,
            }),
        }
    }
    groups
        .into_iter()
        .map(|group| AccessPhrase {
            is_single_rule: group.is_single_rule && group.sources.len() == 1,
            traffic: group.traffic,
            sources: join_bounded(group.sources, ", ", " and "),
            is_plural: group.is_plural,
        })
        .collect()
}

fn group_by_source<'a, I>(rules: I) -> Vec<(String, Vec<&'a IngressRule>)>
where
    I: Iterator<Item = &'a IngressRule>,
{
    let mut by_source: Vec<(String, Vec<&IngressRule>)> = Vec::new();
    for rule in rules {
        let source = source_label(&rule.source);
        match by_source.iter_mut().find(|(known, _)| *known == source) {
            Some((_, rules)) => rules.push(rule),
            None => by_source.push((source, vec![rule])),
        }
    }
    by_source
}

/// `TCP ports 80 and 443, UDP port 53 (DNS) and ICMP, all types`.
fn combined_traffic(rules: &[&IngressRule]) -> String {
    let mut ranges: BTreeMap<&str, Vec<PortRange>> = BTreeMap::new();
    let mut others = Vec::new();
    for rule in rules {
        match (rule.protocol(), rule.port_range()) {
            (Protocol::Tcp, Some(range)) => ranges.entry("TCP").or_default().push(range),
            (Protocol::Udp, Some(range)) => ranges.entry("UDP").or_default().push(range),
            _ => others.push(describe_traffic(rule)),
        }
    }
    let mut parts: Vec<_> = ranges
        .into_iter()
        .map(|(protocol, ranges)| describe_port_ranges(protocol, ranges))
        .collect();
    parts.extend(others);
    join_bounded(parts, ", ", " and ")
}

/// `TCP ports 80 and 443`.
fn describe_port_ranges(protocol: &str, mut ranges: Vec<PortRange>) -> String {
    ranges.sort_unstable_by_key(|range| (range.first_port(), range.last_port()));
    if let [range] = ranges.as_slice() {
        return describe_ports(protocol, *range);
    }
    let ranges: Vec<_> = ranges.iter().map(ToString::to_string).collect();
    format!("{protocol} ports {}", join_bounded(ranges, ", ", " and "))
}

/// Whether rules are about more than one port or protocol.
fn is_plural_traffic(rules: &[&IngressRule]) -> bool {
    rules.len() > 1
        || rules
            .iter()
            .filter_map(|rule| rule.port_range())
            .any(|range| range.port_count() > 1)
        || rules.iter().any(|rule| rule.protocol() == Protocol::All)
}

/// `a, b and c`, or `a, b and 5 more`.
fn join_bounded(mut parts: Vec<String>, comma: &str, last: &str) -> String {
    let count = parts.len();
    if count > MAX_LISTED.saturating_add(1) {
        parts.truncate(MAX_LISTED);
        parts.push(format!("{} more", count.saturating_sub(MAX_LISTED)));
    }
    let end = parts.pop().unwrap_or_default();
    if parts.is_empty() {
        end
    } else {
        format!("{}{last}{end}", parts.join(comma))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe_lines(lines: &[&str]) -> String {
        let rules: Vec<IngressRule> = lines.iter().map(|line| line.parse().unwrap()).collect();
        describe_combined_rules(rules.iter())
    }

    #[test]
    fn rules_are_combined_by_source_and_by_traffic() {
        assert_eq!(
            describe_lines(&["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0"]),
            "TCP ports 80 and 443 from 0.0.0.0/0"
        );
        assert_eq!(
            describe_lines(&["tcp 22 1.2.3.0/24", "tcp 22 sg-1"]),
            "TCP port 22 (SSH) from 1.2.3.0/24 and security group sg-1"
        );
        assert_eq!(
            describe_lines(&[
                "udp 53 ::/0",
                "tcp 1-21 ::/0",
                "tcp 23-65535 ::/0",
                "icmpv6 - ::/0"
            ]),
            "TCP ports 1-21 and 23-65535, UDP port 53 (DNS) and ICMPv6, all types from ::/0"
        );
        assert_eq!(
            describe_lines(&["tcp 22 1.2.3.0/24", "tcp 23 8.8.8.8/32"]),
            "TCP port 22 (SSH) from 1.2.3.0/24; TCP port 23 (Telnet) from 8.8.8.8/32"
        );
        let lines: Vec<String> = (100..200)
            .map(|number| format!("{number} - 1.2.3.0/24"))
            .collect();
        let long = describe_lines(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            long.contains("IP protocol 107 and 92 more from 1.2.3.0/24"),
            "{long}"
        );
    }
}
