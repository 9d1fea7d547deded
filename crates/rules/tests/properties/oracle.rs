//! A second, slow implementation of the evaluation in `docs/semantics.md`.
//!
//! It tries every packet from every origin. From the engine it uses only the types of policies and
//! rules, no code that evaluates them.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use portcullis_rules::check::Check;
use portcullis_rules::group::Ec2Ports;
use portcullis_rules::{
    Action, Exception, IngressRule, Policy, PolicyRule, PrefixLists, Protocol, Scope, Source,
    TrafficSet,
};

use crate::ec2::content;
use crate::generate::{Case, GROUP};
use crate::world::{Bits, Packet, WORLD};

/// A security group rule that violates a policy rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OracleFinding {
    pub(crate) index: usize,
    pub(crate) policy_rule: String,
    pub(crate) action: Action,
    pub(crate) trusted: Vec<Source>,
    /// The forbidden packets.
    pub(crate) packets: Bits,
    pub(crate) exempt: bool,
}

impl OracleFinding {
    pub(crate) fn is_enforced(&self) -> bool {
        !self.exempt && self.action.enforces()
    }
}

/// The packets and origins of a rule.
struct RuleAccess {
    /// Whether the protocol is `-1`.
    is_all_traffic: bool,
    packets: Bits,
    origins: Bits,
    /// For IPv4 and IPv6: whether the source has public addresses, and whether it is broad.
    public: [bool; 2],
    broad: [bool; 2],
}

fn entries(source: &Source, lists: &PrefixLists) -> Vec<IpNet> {
    match source {
        Source::Cidr(net) => vec![*net],
        Source::PrefixList(id) => lists.entries(id).unwrap_or_default().to_vec(),
        Source::Group(_) => Vec::new(),
    }
}

fn rule_access(rule: &IngressRule, lists: &PrefixLists) -> RuleAccess {
    let origins = WORLD.origins_of(&rule.source);
    let mut access = RuleAccess {
        is_all_traffic: rule.protocol() == Protocol::All,
        packets: WORLD.packets_of(rule),
        origins,
        public: [false; 2],
        broad: [false; 2],
    };
    for net in entries(&rule.source, lists) {
        let v6 = usize::from(net.addr().is_ipv6());
        let max_broad_len = if v6 == 1 { 16 } else { 8 };
        access.public[v6] |= !origins.and(WORLD.public[v6]).is_empty();
        access.broad[v6] |= net.prefix_len() <= max_broad_len
            && !WORLD.origins_in(&net).and(WORLD.public[v6]).is_empty();
    }
    access
}

/// Whether a rule is open to the world for a packet, alone or together with the other rules.
fn is_exposed(rule: &RuleAccess, rules: &[&RuleAccess], packet: usize) -> bool {
    (0..2).any(|family| {
        let members = || {
            rules
                .iter()
                .filter(|other| other.packets.contains(packet) && other.public[family])
        };
        let all = members().fold(Bits::default(), |all, member| all.or(member.origins));
        let is_open = WORLD.public[family].is_subset_of(all);
        let any_broad = members().any(|member| member.broad[family]);
        let is_member = rule.packets.contains(packet) && rule.public[family];
        is_open && is_member && (rule.broad[family] || !any_broad)
    })
}

/// The packet that decides whether a rule without ports is open as a whole. No narrower rule allows
/// it.
fn deciding_packet(rule: &IngressRule) -> Option<Packet> {
    let fields = rule.ec2_ports();
    let (icmp_type, code) = match (fields.from.unwrap_or(-1), fields.to.unwrap_or(-1)) {
        (-1, _) => (13, 5),
        (icmp_type, -1) => (icmp_type, 7),
        exact => exact,
    };
    match rule.protocol() {
        Protocol::Tcp | Protocol::Udp => None,
        Protocol::Icmp => Some(Packet::Icmp(icmp_type, code)),
        Protocol::Icmpv6 => Some(Packet::Icmpv6(icmp_type, code)),
        Protocol::Other(number) => Some(Packet::Other(number)),
        Protocol::All => Some(Packet::Other(253)),
    }
}

/// The index of a packet. Not every protocol number is in the world.
fn packet_index(packet: Packet) -> Option<usize> {
    WORLD.packets.iter().position(|known| *known == packet)
}

/// The packets of a traffic set of the engine.
pub(crate) fn packets_in(traffic: &TrafficSet) -> Bits {
    let contains = |packet: Packet| match packet {
        Packet::Tcp(low, high) => traffic
            .tcp
            .ranges()
            .iter()
            .any(|range| range.first_port() <= low && high <= range.last_port()),
        Packet::Udp(low, high) => traffic
            .udp
            .ranges()
            .iter()
            .any(|range| range.first_port() <= low && high <= range.last_port()),
        Packet::Icmp(..) => traffic.icmp,
        Packet::Icmpv6(..) => traffic.icmpv6,
        Packet::Other(number) => traffic
            .other_protocols
            .numbers()
            .any(|other| other == number),
    };
    (0..WORLD.packets.len())
        .filter(|&index| contains(WORLD.packets[index]))
        .collect()
}

/// The number of different ports of the packets.
fn count_ports(packets: Bits) -> u32 {
    let ports: BTreeSet<(u16, u16)> = WORLD
        .packets
        .iter()
        .enumerate()
        .filter(|(index, _)| packets.contains(*index))
        .filter_map(|(_, packet)| match packet {
            Packet::Tcp(low, high) | Packet::Udp(low, high) => Some((*low, *high)),
            Packet::Icmp(..) | Packet::Icmpv6(..) | Packet::Other(_) => None,
        })
        .collect();
    ports
        .iter()
        .map(|(low, high)| u32::from(high - low) + 1)
        .sum()
}

fn packets_if(condition: bool, packets: Bits) -> Bits {
    if condition { packets } else { Bits::default() }
}

fn has_ports(packet: Packet) -> bool {
    matches!(packet, Packet::Tcp(..) | Packet::Udp(..))
}

/// The packets of a rule that a check forbids.
fn offending_packets(
    check: &Check,
    rule: &IngressRule,
    access: &RuleAccess,
    rules: &[RuleAccess],
) -> Bits {
    let all_rules: Vec<&RuleAccess> = rules.iter().collect();
    let all_packets = access.packets;
    let open_ports: Bits = (0..WORLD.packets.len())
        .filter(|&index| has_ports(WORLD.packets[index]))
        .filter(|&index| is_exposed(access, &all_rules, index))
        .collect();
    // For `-1` only rules of `-1` count; for every other protocol, rules of `-1` count too.
    let counted: Vec<&RuleAccess> = rules
        .iter()
        .filter(|other| other.is_all_traffic || !access.is_all_traffic)
        .collect();
    let is_open_as_whole = deciding_packet(rule)
        .and_then(packet_index)
        .is_some_and(|packet| is_exposed(access, &counted, packet));
    let is_all_traffic = access.is_all_traffic;
    let not_open = match rule.protocol() {
        Protocol::Tcp | Protocol::Udp => all_packets.minus(open_ports),
        Protocol::All => packets_if(!is_open_as_whole, all_packets),
        Protocol::Icmp | Protocol::Icmpv6 | Protocol::Other(_) => Bits::default(),
    };
    match check {
        Check::AllTraffic => packets_if(is_all_traffic && is_open_as_whole, all_packets),
        Check::OpenPorts(forbidden) => open_ports.and(packets_in(forbidden)),
        Check::OpenExcept(allowed) => open_ports
            .or(packets_if(is_open_as_whole, all_packets))
            .minus(packets_in(allowed)),
        Check::PortRange if is_all_traffic => packets_if(count_ports(open_ports) > 1, all_packets),
        Check::PortRange => packets_if(count_ports(open_ports) > 1, open_ports),
        Check::PortRangeInternal => {
            let has_blocks = !matches!(rule.source, Source::Group(_));
            packets_if(has_blocks && count_ports(all_packets) > 1, not_open)
        }
        Check::BroadSource => packets_if(access.broad[0] || access.broad[1], not_open),
        Check::OtherProtocols => {
            let is_other = matches!(rule.protocol(), Protocol::Other(_));
            packets_if(is_other && is_open_as_whole, all_packets)
        }
    }
}

fn in_scope(scope: &Scope) -> bool {
    scope.group_ids.is_empty() || scope.group_ids.iter().any(|id| id == GROUP)
}

/// The policy rules that apply to the group, with their actions for it.
fn applicable_rules(policy: &Policy) -> Vec<(&PolicyRule, Action)> {
    let mut applicable = Vec::new();
    for rule in policy.rules.iter().filter(|rule| in_scope(&rule.scope)) {
        let mut action = rule.action;
        for candidate in policy
            .overrides
            .iter()
            .filter(|candidate| in_scope(&candidate.scope))
        {
            action = candidate
                .rule_overrides
                .get(&rule.id)
                .and_then(|change| change.action)
                .unwrap_or(action);
        }
        if action != Action::Off {
            applicable.push((&**rule, action));
        }
    }
    applicable
}

/// Whether two sources are the same, or every block of the inner one is inside a block of the outer
/// one.
fn is_source_inside(inner: &Source, outer: &Source, lists: &PrefixLists) -> bool {
    let (inner_blocks, outer_blocks) = (entries(inner, lists), entries(outer, lists));
    let is_inside_any = |block: &IpNet| {
        outer_blocks
            .iter()
            .any(|outer_block| is_block_inside(block, outer_block))
    };
    inner.to_string() == outer.to_string()
        || !inner_blocks.is_empty() && inner_blocks.iter().all(is_inside_any)
}

fn is_block_inside(inner: &IpNet, outer: &IpNet) -> bool {
    outer.addr().is_ipv6() == inner.addr().is_ipv6()
        && outer.prefix_len() <= inner.prefix_len()
        && outer.network() <= inner.network()
        && inner.broadcast() <= outer.broadcast()
}

/// Whether an exception that is not expired applies to a security group rule and a policy rule.
fn exempts(exception: &Exception, policy_rule: &str, ingress: &IngressRule, case: &Case) -> bool {
    let now = case.context.now.unwrap();
    let is_live = exception.expires.is_none_or(|expires| now < expires);
    let matches_description =
        exception.descriptions.is_empty() || ingress.description.as_deref() == Some("vendor");
    let matches_tags = exception.rule_tags.is_empty() || ingress.tags.contains_key("ticket");
    let matches_rule =
        exception.rules.is_empty() || exception.rules.iter().any(|id| id == policy_rule);
    let is_allowed = |allowed: &Source| is_source_inside(&ingress.source, allowed, &case.lists);
    let matches_source = exception.sources.is_empty() || exception.sources.iter().any(is_allowed);
    is_live
        && matches_description
        && matches_tags
        && in_scope(&exception.scope)
        && matches_rule
        && matches_source
}

/// Evaluates rules against the policy of a case.
pub(crate) fn evaluate(case: &Case, rules: &[IngressRule]) -> BTreeSet<OracleFinding> {
    let accesses: Vec<RuleAccess> = rules
        .iter()
        .map(|rule| rule_access(rule, &case.lists))
        .collect();
    let mut findings = BTreeSet::new();
    for (index, (ingress, access)) in rules.iter().zip(&accesses).enumerate() {
        for (rule, action) in applicable_rules(&case.policy) {
            let offending = offending_packets(&rule.check, ingress, access, &accesses);
            if offending.is_empty() {
                continue;
            }
            let exempted = case
                .policy
                .exceptions
                .iter()
                .filter(|exception| exempts(exception, &rule.id, ingress, case))
                .fold(Bits::default(), |all, exception| {
                    all.or(packets_in(&exception.traffic))
                });
            let remaining = offending.minus(exempted);
            let exempt = remaining.is_empty();
            findings.insert(OracleFinding {
                index,
                policy_rule: rule.id.clone(),
                action,
                trusted: rule.trusted.clone(),
                packets: if exempt { offending } else { remaining },
                exempt,
            });
        }
    }
    findings
}

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
        for finding in evaluate(case, &rules) {
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
