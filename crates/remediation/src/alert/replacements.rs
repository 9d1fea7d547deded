//! What was put in the place of a rule, and what could not be: ports and sources taken together, so that it reads well.

use std::collections::BTreeMap;

use portcullis_rules::plan::{Addition, Purpose, SkipReason};
use portcullis_rules::{IngressRule, PortRange, Protocol};

use super::phrases;
use crate::report::GroupReport;
use crate::services::Mode;

/// How many parts of a list are named.
const MAX_LISTED: usize = 8;

/// `TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules`; of trusted sources `TCP port 22 (SSH) is now open to
/// 203.0.113.0/24 only`. Nothing when nothing was added.
pub(super) fn describe_replacements(additions: &[&Addition], mode: Mode) -> Option<String> {
    let of = |purpose: Purpose| {
        let chosen = additions
            .iter()
            .filter(move |addition| addition.purpose == purpose);
        group_by_traffic(chosen.map(|addition| &addition.ingress))
    };
    let would = mode == Mode::Monitor;
    let trusted = of(Purpose::Trust).into_iter().map(
        |AccessPhrase {
             traffic,
             sources,
             is_plural,
             ..
         }| {
            let verb = match (would, is_plural) {
                (true, _) => "would be open",
                (false, true) => "are now open",
                (false, false) => "is now open",
            };
            format!("{traffic} {verb} to {sources} only")
        },
    );
    let kept = of(Purpose::Keep).into_iter().map(
        |AccessPhrase {
             traffic,
             sources,
             is_plural,
             is_single_rule,
         }| {
            let verb = match (would, is_plural) {
                (true, _) => "would stay",
                (false, true) => "stay",
                (false, false) => "stays",
            };
            format!(
                "{traffic} {verb} open to {sources} as {}",
                if is_single_rule {
                    "a new rule"
                } else {
                    "new rules"
                }
            )
        },
    );
    let all: Vec<_> = trusted.chain(kept).collect();
    (!all.is_empty()).then(|| join_bounded(all, "; ", "; "))
}

/// `TCP ports 80 and 443 from 0.0.0.0/0`.
pub(super) fn describe_combined_rules<'a>(rules: impl Iterator<Item = &'a IngressRule>) -> String {
    let flows = group_by_traffic(rules)
        .into_iter()
        .map(|flow| format!("{} from {}", flow.traffic, flow.sources));
    join_bounded(flows.collect(), "; ", "; ")
}

/// Whether something that may stay open is cut now.
pub(super) fn lost_allowed_access(report: &GroupReport) -> bool {
    !report.failed_additions.is_empty()
        || report
            .skipped_additions
            .iter()
            .any(|loss| loss.reason == SkipReason::RulesQuota)
}

struct AccessPhrase {
    traffic: String,
    sources: String,
    /// Whether a verb about the traffic is in the plural.
    is_plural: bool,
    /// Whether it is one rule.
    is_single_rule: bool,
}

/// The rules with the traffic of each source taken together, and then the sources of the same traffic.
fn group_by_traffic<'a>(rules: impl Iterator<Item = &'a IngressRule>) -> Vec<AccessPhrase> {
    let mut by_source: Vec<(String, Vec<&IngressRule>)> = Vec::new();
    for rule in rules {
        let source = phrases::source_label(&rule.source);
        match by_source.iter_mut().find(|(known, _)| *known == source) {
            Some((_, rules)) => rules.push(rule),
            None => by_source.push((source, vec![rule])),
        }
    }
    let mut flows: Vec<(String, (bool, bool), Vec<String>)> = Vec::new();
    for (source, rules) in by_source {
        let (is_one, (traffic, many)) = (rules.len() == 1, combined_traffic(&rules));
        match flows.iter_mut().find(|(known, ..)| *known == traffic) {
            Some((_, _, sources)) => sources.push(source),
            None => flows.push((traffic, (many, is_one), vec![source])),
        }
    }
    let flow = |(traffic, (many, is_one), sources): (String, (bool, bool), Vec<String>)| {
        let is_one = is_one && sources.len() == 1;
        AccessPhrase {
            traffic,
            sources: join_bounded(sources, ", ", " and "),
            is_plural: many,
            is_single_rule: is_one,
        }
    };
    flows.into_iter().map(flow).collect()
}

/// `TCP ports 80 and 443, UDP port 53 (DNS) and ICMP, all types`, and whether it is more than one.
fn combined_traffic(rules: &[&IngressRule]) -> (String, bool) {
    let mut spans: BTreeMap<&str, Vec<PortRange>> = BTreeMap::new();
    let mut others = Vec::new();
    for rule in rules {
        match (rule.protocol(), rule.port_range()) {
            (Protocol::Tcp, Some(span)) => spans.entry("TCP").or_default().push(span),
            (Protocol::Udp, Some(span)) => spans.entry("UDP").or_default().push(span),
            _ => others.push(phrases::describe_traffic(rule)),
        }
    }
    let mut parts = Vec::new();
    for (name, mut spans) in spans {
        spans.sort_unstable_by_key(|span| (span.first_port(), span.last_port()));
        match spans.as_slice() {
            [span] => parts.push(phrases::describe_ports(name, *span)),
            spans => {
                let listed = join_bounded(
                    spans.iter().map(ToString::to_string).collect(),
                    ", ",
                    " and ",
                );
                parts.push(format!("{name} ports {listed}"));
            }
        }
    }
    let is_range = rules
        .iter()
        .any(|rule| rule.port_range().is_some_and(|span| span.port_count() > 1));
    let is_all = rules.iter().any(|rule| rule.protocol() == Protocol::All);
    parts.extend(others);
    (
        join_bounded(parts, ", ", " and "),
        rules.len() > 1 || is_range || is_all,
    )
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

    fn said(lines: &[&str]) -> String {
        let all: Vec<IngressRule> = lines.iter().map(|line| line.parse().unwrap()).collect();
        describe_combined_rules(all.iter())
    }

    #[test]
    fn what_belongs_together_is_said_together() {
        assert_eq!(
            said(&["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0"]),
            "TCP ports 80 and 443 from 0.0.0.0/0"
        );
        assert_eq!(
            said(&["tcp 22 1.2.3.0/24", "tcp 22 sg-1"]),
            "TCP port 22 (SSH) from 1.2.3.0/24 and security group sg-1"
        );
        assert_eq!(
            said(&[
                "udp 53 ::/0",
                "tcp 1-21 ::/0",
                "tcp 23-65535 ::/0",
                "icmpv6 - ::/0"
            ]),
            "TCP ports 1-21 and 23-65535, UDP port 53 (DNS) and ICMPv6, all types from ::/0"
        );
        assert_eq!(
            said(&["tcp 22 1.2.3.0/24", "tcp 23 8.8.8.8/32"]),
            "TCP port 22 (SSH) from 1.2.3.0/24; TCP port 23 (Telnet) from 8.8.8.8/32"
        );
        let lines: Vec<String> = (100..200)
            .map(|number| format!("{number} - 1.2.3.0/24"))
            .collect();
        let long = said(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            long.contains("IP protocol 107 and 92 more from 1.2.3.0/24"),
            "{long}"
        );
    }
}
