//! The rules that a plan should leave, worked out with the oracle.

use std::collections::BTreeMap;

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::{Action, IngressRule, PrefixLists, Protocol, Source};

use crate::ec2::content;
use crate::generate::Case;
use crate::oracle::{self, OracleFinding, is_source_inside};
use crate::world::{Bits, Packet, WORLD};

/// A rule of a drafted group.
#[derive(Debug, Clone)]
struct DraftRule {
    rule: IngressRule,
    /// Whether the rule was added for a trusted source.
    is_trust: bool,
}

/// The rules that should be left without a quota; `None` when the policy adds and forbids trusted
/// sources in turn.
pub(crate) fn expected_rules(case: &Case) -> Option<Vec<IngressRule>> {
    expected_rules_in_steps(case, 6)
}

/// Whether a single step leads to a group without findings.
pub(crate) fn settles_in_one_step(case: &Case) -> bool {
    expected_rules_in_steps(case, 1).is_some()
}

fn expected_rules_in_steps(case: &Case, max_steps: usize) -> Option<Vec<IngressRule>> {
    let mut drafted: Vec<_> = case
        .group
        .rules
        .iter()
        .map(|rule| DraftRule {
            rule: rule.clone(),
            is_trust: false,
        })
        .collect();
    for _ in 0..=max_steps {
        let rules: Vec<_> = drafted.iter().map(|draft| draft.rule.clone()).collect();
        let mut enforced: BTreeMap<usize, Vec<OracleFinding>> = BTreeMap::new();
        for finding in oracle::evaluate(case, &rules) {
            if finding.is_enforced() {
                enforced.entry(finding.index).or_default().push(finding);
            }
        }
        if enforced.is_empty() {
            return Some(rules);
        }
        // Additions are replaced first: they must not cause the removal of a rule of the group.
        if enforced.keys().any(|&index| drafted[index].is_trust) {
            enforced.retain(|&index, _| drafted[index].is_trust);
        }
        drafted = replace_offending_rules(drafted, &enforced, &case.lists);
    }
    None
}

fn replace_offending_rules(
    drafted: Vec<DraftRule>,
    enforced: &BTreeMap<usize, Vec<OracleFinding>>,
    lists: &PrefixLists,
) -> Vec<DraftRule> {
    let (mut next, mut added) = (Vec::new(), Vec::new());
    for (index, draft) in drafted.into_iter().enumerate() {
        match enforced.get(&index) {
            Some(findings) => added.extend(replacements(&draft, findings, lists)),
            None => next.push(draft),
        }
    }
    for draft in added {
        let is_known = next
            .iter()
            .any(|known: &DraftRule| content(&known.rule) == content(&draft.rule));
        if !is_known {
            next.push(draft);
        }
    }
    next
}

/// The rules that replace an offending rule.
fn replacements(
    removed: &DraftRule,
    findings: &[OracleFinding],
    lists: &PrefixLists,
) -> Vec<DraftRule> {
    if findings
        .iter()
        .any(|finding| finding.action == Action::Revoke)
    {
        return Vec::new();
    }
    let forbidden = findings
        .iter()
        .fold(Bits::default(), |all, finding| all.or(finding.packets));
    let kept = WORLD.packets_of(&removed.rule).minus(forbidden);
    let mut added: Vec<_> = rules_for_packets(&removed.rule, kept, &removed.rule.source)
        .into_iter()
        .map(|rule| DraftRule {
            rule,
            is_trust: removed.is_trust,
        })
        .collect();
    for (source, packets) in trusted_packets(removed, findings, lists) {
        added.extend(
            rules_for_packets(&removed.rule, packets, source)
                .into_iter()
                .map(|rule| DraftRule {
                    rule,
                    is_trust: true,
                }),
        );
    }
    added.retain(|draft| content(&draft.rule) != content(&removed.rule));
    added
}

/// The forbidden packets that each trusted source keeps.
fn trusted_packets<'a>(
    removed: &DraftRule,
    findings: &'a [OracleFinding],
    lists: &PrefixLists,
) -> BTreeMap<&'a Source, Bits> {
    let mut by_source: BTreeMap<&Source, Bits> = BTreeMap::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.action == Action::Restrict)
    {
        for trusted in &finding.trusted {
            if matches!(trusted, Source::Group(_))
                || is_source_inside(trusted, &removed.rule.source, lists)
            {
                let packets = by_source.entry(trusted).or_default();
                *packets = packets.or(finding.packets);
            }
        }
    }
    by_source
}

/// The fewest rules that allow the packets from the source.
fn rules_for_packets(removed: &IngressRule, packets: Bits, source: &Source) -> Vec<IngressRule> {
    let mut rules = Vec::new();
    for (protocol, ports) in protocols_and_ports(removed, packets) {
        if source_uses_protocol(source, protocol) {
            let mut rule = IngressRule::new(protocol, ports, source.clone()).unwrap();
            rule.description.clone_from(&removed.description);
            rule.tags.clone_from(&removed.tags);
            rules.push(rule);
        }
    }
    rules
}

/// ICMP exists for IPv4 only, ICMPv6 for IPv6 only.
fn source_uses_protocol(source: &Source, protocol: Protocol) -> bool {
    let origins = WORLD.origins_of(source);
    match protocol {
        Protocol::Icmp => !origins.minus(WORLD.family[1]).is_empty(),
        Protocol::Icmpv6 => !origins.minus(WORLD.family[0]).is_empty(),
        Protocol::Tcp | Protocol::Udp | Protocol::Other(_) | Protocol::All => true,
    }
}

/// The protocols and ports of the packets, with adjacent port ranges merged.
fn protocols_and_ports(removed: &IngressRule, packets: Bits) -> Vec<(Protocol, Ec2Ports)> {
    if packets == (0..WORLD.packets.len()).collect() {
        return vec![(Protocol::All, Ec2Ports::default())];
    }
    let mut merged: Vec<(Protocol, Ec2Ports)> = Vec::new();
    for (index, packet) in WORLD.packets.iter().enumerate() {
        if !packets.contains(index) {
            continue;
        }
        let (protocol, ports) = protocol_and_ports(removed, *packet);
        match merged.last_mut() {
            Some((last, range)) if *last == protocol && !protocol.has_ports() => *range = ports,
            Some((last, range)) if *last == protocol && range.to.map(|to| to + 1) == ports.from => {
                range.to = ports.to;
            }
            _ => merged.push((protocol, ports)),
        }
    }
    merged
}

/// An ICMP packet of a removed ICMP rule represents all messages of that rule.
fn protocol_and_ports(removed: &IngressRule, packet: Packet) -> (Protocol, Ec2Ports) {
    match packet {
        Packet::Tcp(low, high) => (Protocol::Tcp, ec2_ports(low.into(), high.into())),
        Packet::Udp(low, high) => (Protocol::Udp, ec2_ports(low.into(), high.into())),
        Packet::Icmp(..) if removed.protocol() == Protocol::Icmp => {
            (Protocol::Icmp, removed.ec2_ports())
        }
        Packet::Icmpv6(..) if removed.protocol() == Protocol::Icmpv6 => {
            (Protocol::Icmpv6, removed.ec2_ports())
        }
        Packet::Icmp(..) => (Protocol::Icmp, ec2_ports(-1, -1)),
        Packet::Icmpv6(..) => (Protocol::Icmpv6, ec2_ports(-1, -1)),
        Packet::Other(number) => (Protocol::Other(number), Ec2Ports::default()),
    }
}

fn ec2_ports(from: i32, to: i32) -> Ec2Ports {
    Ec2Ports {
        from: Some(from),
        to: Some(to),
    }
}
