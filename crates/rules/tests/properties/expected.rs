//! The rules that a plan should leave, worked out with the oracle.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::group::Ec2Ports;
use portcullis_rules::plan::Purpose;
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{Action, IngressRule, Protocol, Source};

use crate::ec2::content;
use crate::generate::Case;
use crate::oracle::{self, OracleFinding};
use crate::world::{Bits, Packet, WORLD};

/// A rule of a drafted group.
#[derive(Debug, Clone)]
struct DraftRule {
    rule: IngressRule,
    /// The rule of the group that this is, or that it replaces.
    original: IngressRule,
    added_for: Option<Purpose>,
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
            original: rule.clone(),
            added_for: None,
        })
        .collect();
    // Rules for trusted sources that turned out to be forbidden are not added again.
    let mut forbidden = BTreeSet::new();
    for _ in 0..=max_steps {
        let rules: Vec<_> = drafted.iter().map(|draft| draft.rule.clone()).collect();
        let case = with_opened_replacements(case, &drafted);
        let mut enforced: BTreeMap<usize, Vec<OracleFinding>> = BTreeMap::new();
        for finding in oracle::evaluate(&case, &rules) {
            if finding.is_enforced() {
                enforced.entry(finding.index).or_default().push(finding);
            }
        }
        if enforced.is_empty() {
            return Some(rules);
        }
        // Additions are replaced first: they must not cause the removal of a rule of the group.
        let is_trust = |index: &usize| drafted[*index].added_for == Some(Purpose::Trust);
        if enforced.keys().any(is_trust) {
            enforced.retain(|index, _| is_trust(index));
            forbidden.extend(enforced.keys().map(|&index| content(&rules[index])));
        }
        drafted = replace_offending_rules(&case, drafted, &enforced, &forbidden);
    }
    None
}

/// The case in which rules that replace an opened rule count as opened, too.
fn with_opened_replacements(case: &Case, drafted: &[DraftRule]) -> Case {
    let mut with_replacements = case.clone();
    for draft in drafted {
        if draft.added_for.is_some() && oracle::is_opened(&draft.original, case) {
            let opened = &mut with_replacements.opened_contents;
            opened.insert(content(&draft.rule));
        }
    }
    with_replacements
}

fn replace_offending_rules(
    case: &Case,
    drafted: Vec<DraftRule>,
    enforced: &BTreeMap<usize, Vec<OracleFinding>>,
    forbidden: &BTreeSet<String>,
) -> Vec<DraftRule> {
    let (mut next, mut added) = (Vec::new(), Vec::new());
    for (index, draft) in drafted.into_iter().enumerate() {
        match enforced.get(&index) {
            Some(findings) => added.extend(replacements(case, &draft, findings, forbidden)),
            None => next.push(draft),
        }
    }
    for draft in added {
        let same = |known: &&mut DraftRule| content(&known.rule) == content(&draft.rule);
        match next.iter_mut().find(same) {
            Some(known) => merge_into(known, draft),
            None => next.push(draft),
        }
    }
    next
}

/// Of two equal additions, the one that replaces the rule with the lower id is used.
fn merge_into(known: &mut DraftRule, draft: DraftRule) {
    let Some(purpose) = known.added_for else {
        return;
    };
    let is_keep = purpose == Purpose::Keep || draft.added_for == Some(Purpose::Keep);
    if draft.original.id < known.original.id {
        *known = draft;
    }
    known.added_for = Some(if is_keep {
        Purpose::Keep
    } else {
        Purpose::Trust
    });
}

/// The rules that replace an offending rule.
fn replacements(
    case: &Case,
    removed: &DraftRule,
    findings: &[OracleFinding],
    forbidden: &BTreeSet<String>,
) -> Vec<DraftRule> {
    let is_revoked = findings
        .iter()
        .any(|finding| finding.action == Action::Revoke);
    let forbidden_packets = findings
        .iter()
        .fold(Bits::default(), |all, finding| all.or(finding.packets));
    let addable = addable_packets(case, &removed.rule);
    let mut kept = addable.minus(forbidden_packets);
    if is_revoked {
        let excepted = oracle::excepted_traffic(&removed.rule, case);
        kept = kept.and(oracle::packets_in(&excepted));
    }
    let purpose = removed.added_for.unwrap_or(Purpose::Keep);
    let draft_for = |rule, purpose| DraftRule {
        rule,
        original: removed.original.clone(),
        added_for: Some(purpose),
    };
    let mut added: Vec<_> = rules_for_packets(&removed.rule, kept, &removed.rule.source)
        .into_iter()
        .map(|rule| draft_for(rule, purpose))
        .collect();
    if is_revoked {
        return added;
    }
    for (source, packets) in trusted_packets(case, removed, findings) {
        for rule in rules_for_packets(&removed.rule, packets.and(addable), source) {
            let is_same = content(&rule) == content(&removed.rule);
            if !is_same && !forbidden.contains(&content(&rule)) {
                added.push(draft_for(rule, Purpose::Trust));
            }
        }
    }
    added
}

/// The packets of a rule for which a rule may be added: of a rule for protocol `-1` only TCP, UDP,
/// ICMP, the protocols of tunnels, and protocols that an exception names.
pub(crate) fn addable_packets(case: &Case, rule: &IngressRule) -> Bits {
    let packets = WORLD.packets_of(rule);
    if rule.protocol() != Protocol::All {
        return packets;
    }
    let excepted = oracle::excepted_traffic(rule, case).other_protocols;
    let is_named = |number: u8| excepted != ProtocolSet::all() && excepted.contains(number);
    let is_addable = |index: &usize| match WORLD.packets[*index] {
        Packet::Other(number) => [4, 41, 47, 50, 51].contains(&number) || is_named(number),
        Packet::Tcp(..) | Packet::Udp(..) | Packet::Icmp(..) | Packet::Icmpv6(..) => true,
    };
    let all = 0..WORLD.packets.len();
    packets.and(all.filter(is_addable).collect())
}

/// The forbidden packets that each trusted source keeps: those that the rules of the group,
/// together, allowed from all of its addresses.
fn trusted_packets<'a>(
    case: &Case,
    removed: &DraftRule,
    findings: &'a [OracleFinding],
) -> BTreeMap<&'a Source, Bits> {
    let mut by_source: BTreeMap<&Source, Bits> = BTreeMap::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.action == Action::Restrict)
    {
        for trusted in &finding.trusted {
            let packets = by_source.entry(trusted).or_default();
            *packets = packets.or(finding.packets);
        }
    }
    by_source.retain(|source, _| shares_family(source, &removed.rule.source, case));
    for (source, packets) in &mut by_source {
        let allowed = allowed_before(case, source);
        *packets = without_partial_icmp(*packets, packets.and(allowed));
    }
    by_source
}

/// The packets that the group allowed from every address of a source. The addresses of groups are
/// not known; they may use what was open to others.
fn allowed_before(case: &Case, source: &Source) -> Bits {
    let origins = WORLD.origins_of(source);
    let mut allowed = Bits::default();
    for packet in 0..WORLD.packets.len() {
        let rules = case.group.rules.iter();
        let open: Vec<_> = rules
            .filter(|rule| WORLD.packets_of(rule).contains(packet))
            .collect();
        let reached = open.iter().fold(Bits::default(), |all, rule| {
            all.or(WORLD.origins_of(&rule.source))
        });
        let has_own_rule = open
            .iter()
            .any(|rule| rule.source.to_string() == source.to_string());
        let is_covered = !origins.is_empty() && origins.is_subset_of(reached);
        if matches!(source, Source::Group(_)) || has_own_rule || is_covered {
            allowed.insert(packet);
        }
    }
    allowed
}

/// Removes all ICMP packets of which only some are allowed: one rule is for all of them.
fn without_partial_icmp(wanted: Bits, allowed: Bits) -> Bits {
    let is_icmp = |index: &usize| matches!(WORLD.packets[*index], Packet::Icmp(..));
    let icmp: Bits = (0..WORLD.packets.len()).filter(is_icmp).collect();
    if wanted.and(icmp) == allowed.and(icmp) {
        allowed
    } else {
        allowed.minus(icmp)
    }
}

/// Whether two sources can have addresses of the same family. Those of groups and of lists without
/// known entries can have any.
fn shares_family(one: &Source, other: &Source, case: &Case) -> bool {
    let can_have = |source: &Source, v6: bool| {
        let blocks = oracle::entries(source, &case.lists);
        blocks.is_empty() || blocks.iter().any(|net| net.addr().is_ipv6() == v6)
    };
    [false, true]
        .iter()
        .any(|&v6| can_have(one, v6) && can_have(other, v6))
}

/// The fewest rules that allow the packets from the source.
fn rules_for_packets(removed: &IngressRule, packets: Bits, source: &Source) -> Vec<IngressRule> {
    let mut rules = Vec::new();
    for (protocol, ports) in protocols_and_ports(removed, packets) {
        if source_uses_protocol(source, protocol) {
            let mut rule = IngressRule::new(protocol, ports, source.clone()).unwrap();
            rule.description.clone_from(&removed.description);
            rule.tags.clone_from(&removed.tags);
            rule.tags.remove("aws:stack");
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
