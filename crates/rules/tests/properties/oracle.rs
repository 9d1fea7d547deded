//! A second, slow implementation of the evaluation in `docs/semantics.md`.
//!
//! It tries every packet from every origin. From the engine it uses only the types of policies and
//! rules, no code that evaluates them.

use std::collections::BTreeSet;

use ipnet::IpNet;
use portcullis_rules::check::Check;
use portcullis_rules::{
    Action, Exception, IngressRule, Policy, PolicyRule, PrefixLists, Protocol, Scope, Source,
    TrafficSet,
};

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
pub(crate) fn is_source_inside(inner: &Source, outer: &Source, lists: &PrefixLists) -> bool {
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
