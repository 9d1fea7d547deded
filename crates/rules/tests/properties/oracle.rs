//! A second, slow implementation of the evaluation in `docs/semantics.md`.
//!
//! It tries every packet from every origin. From the engine it uses only the types of policies and
//! rules, no code that evaluates them.

use std::collections::BTreeSet;

use ipnet::IpNet;
use portcullis_rules::check::Check;
use portcullis_rules::{
    Action, Exception, ExistingRules, IngressRule, OpenedRules, Policy, PolicyRule, PrefixLists,
    Protocol, Scope, Source, TrafficSet,
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
    /// For IPv4 and IPv6: the shortest prefix of a block with public addresses.
    shortest_public: [Option<u8>; 2],
}

impl RuleAccess {
    fn is_broad(&self, family: usize) -> bool {
        let longest_broad = [8, 16][family];
        self.shortest_public[family].is_some_and(|prefix_len| prefix_len <= longest_broad)
    }
}

pub(crate) fn entries(source: &Source, lists: &PrefixLists) -> Vec<IpNet> {
    match source {
        Source::Cidr(net) => vec![*net],
        Source::PrefixList(id) => lists.entries(id).unwrap_or_default().to_vec(),
        Source::Group(_) => Vec::new(),
    }
}

fn rule_access(rule: &IngressRule, lists: &PrefixLists) -> RuleAccess {
    let mut access = RuleAccess {
        is_all_traffic: rule.protocol() == Protocol::All,
        packets: WORLD.packets_of(rule),
        origins: WORLD.origins_of(&rule.source),
        shortest_public: [None; 2],
    };
    for net in entries(&rule.source, lists) {
        let family = usize::from(net.addr().is_ipv6());
        let shortest = &mut access.shortest_public[family];
        let is_public = !WORLD.origins_in(&net).and(WORLD.public[family]).is_empty();
        if is_public && shortest.is_none_or(|known| net.prefix_len() < known) {
            *shortest = Some(net.prefix_len());
        }
    }
    access
}

/// The indexes of the rules that offend for a packet and a family, of the rules that count.
///
/// Takes away the sources that offend, one set after the other, while the others still cover.
fn offending_rules(
    rules: &[RuleAccess],
    counts: &[bool],
    packet: usize,
    family: usize,
) -> BTreeSet<usize> {
    let is_member = |index: usize| {
        counts[index]
            && rules[index].packets.contains(packet)
            && rules[index].shortest_public[family].is_some()
    };
    let mut remaining: Vec<usize> = (0..rules.len()).filter(|&index| is_member(index)).collect();
    let covers = |members: &[usize]| {
        let all = members
            .iter()
            .fold(Bits::default(), |all, &index| all.or(rules[index].origins));
        WORLD.public[family].is_subset_of(all)
    };
    let mut offending = BTreeSet::new();
    if !covers(&remaining) {
        return offending;
    }
    offending.extend(
        remaining
            .iter()
            .filter(|&&index| rules[index].is_broad(family)),
    );
    remaining.retain(|index| !offending.contains(index));
    while covers(&remaining) {
        let shortest = remaining
            .iter()
            .filter_map(|&index| rules[index].shortest_public[family])
            .min();
        let has_shortest = |index: &usize| rules[*index].shortest_public[family] == shortest;
        offending.extend(remaining.iter().filter(|index| has_shortest(index)));
        remaining.retain(|index| !has_shortest(index));
    }
    offending
}

/// For each rule, the packets for which it offends together with the rules that count.
fn open_packets(rules: &[RuleAccess], counts: &[bool]) -> Vec<Bits> {
    let mut open = vec![Bits::default(); rules.len()];
    for packet in 0..WORLD.packets.len() {
        for family in 0..2 {
            for index in offending_rules(rules, counts, packet, family) {
                open[index].insert(packet);
            }
        }
    }
    open
}

/// Where each rule is open to the world.
struct OpenPackets {
    /// Together with all rules.
    among_all: Vec<Bits>,
    /// Together with the rules of protocol `-1` only.
    among_all_traffic: Vec<Bits>,
}

impl OpenPackets {
    fn of(rules: &[RuleAccess]) -> Self {
        let every_rule = vec![true; rules.len()];
        let all_traffic: Vec<bool> = rules.iter().map(|rule| rule.is_all_traffic).collect();
        Self {
            among_all: open_packets(rules, &every_rule),
            among_all_traffic: open_packets(rules, &all_traffic),
        }
    }
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

/// All ICMP packets of a rule, if one of them is open, and the same for `ICMPv6`.
fn icmp_packets_if_any_is_open(access: &RuleAccess, open: Bits) -> Bits {
    let of_kind = |is_kind: fn(Packet) -> bool| {
        let packets: Bits = (0..WORLD.packets.len())
            .filter(|&index| is_kind(WORLD.packets[index]))
            .collect();
        packets_if(!open.and(packets).is_empty(), access.packets.and(packets))
    };
    of_kind(|packet| matches!(packet, Packet::Icmp(..)))
        .or(of_kind(|packet| matches!(packet, Packet::Icmpv6(..))))
}

fn has_ports(packet: Packet) -> bool {
    matches!(packet, Packet::Tcp(..) | Packet::Udp(..))
}

/// The packets of a rule that a check forbids.
fn offending_packets(
    check: &Check,
    rule: &IngressRule,
    access: &RuleAccess,
    (open, open_among_all_traffic): (Bits, Bits),
) -> Bits {
    let all_packets = access.packets;
    let open_ports: Bits = (0..WORLD.packets.len())
        .filter(|&index| has_ports(WORLD.packets[index]) && open.contains(index))
        .collect();
    // For `-1` only rules of `-1` count; for every other protocol, rules of `-1` count too.
    let counted = if access.is_all_traffic {
        open_among_all_traffic
    } else {
        open
    };
    let is_open_as_whole = deciding_packet(rule)
        .and_then(packet_index)
        .is_some_and(|packet| counted.contains(packet));
    let is_all_traffic = access.is_all_traffic;
    let not_open = match rule.protocol() {
        Protocol::Tcp | Protocol::Udp => all_packets.minus(open_ports),
        Protocol::All => packets_if(!is_open_as_whole, all_packets),
        Protocol::Icmp | Protocol::Icmpv6 | Protocol::Other(_) => Bits::default(),
    };
    match check {
        Check::AllTraffic => packets_if(is_all_traffic && is_open_as_whole, all_packets),
        Check::OpenPorts(forbidden) => open_ports.and(packets_in(forbidden)),
        Check::OpenExcept(allowed) => open
            .or(icmp_packets_if_any_is_open(access, open))
            .minus(packets_in(allowed)),
        Check::PortRange if is_all_traffic => packets_if(count_ports(open_ports) > 1, all_packets),
        Check::PortRange => packets_if(count_ports(open_ports) > 1, open_ports),
        Check::PortRangeInternal => {
            let has_blocks = !matches!(rule.source, Source::Group(_));
            packets_if(has_blocks && count_ports(all_packets) > 1, not_open)
        }
        Check::BroadSource => packets_if(access.is_broad(0) || access.is_broad(1), not_open),
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

/// Whether the inner source is one of the others, or every block of it is inside a block of one.
fn is_source_inside(inner: &Source, outer: &[Source], lists: &PrefixLists) -> bool {
    let inner_blocks = entries(inner, lists);
    let outer_blocks: Vec<_> = outer.iter().flat_map(|it| entries(it, lists)).collect();
    let is_inside_any = |block: &IpNet| {
        outer_blocks
            .iter()
            .any(|outer_block| is_block_inside(block, outer_block))
    };
    outer.iter().any(|it| it.to_string() == inner.to_string())
        || !inner_blocks.is_empty() && inner_blocks.iter().all(is_inside_any)
}

fn is_block_inside(inner: &IpNet, outer: &IpNet) -> bool {
    outer.addr().is_ipv6() == inner.addr().is_ipv6()
        && outer.prefix_len() <= inner.prefix_len()
        && outer.network() <= inner.network()
        && inner.broadcast() <= outer.broadcast()
}

/// Whether an exception that is not expired applies to a security group rule and a policy rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applies {
    Yes,
    No,
    /// Only the principal who opened the security group rule is not known.
    Perhaps,
}

/// How an exception applies to a security group rule, and to a policy rule if one is given.
fn applies(
    exception: &Exception,
    policy_rule: Option<&str>,
    ingress: &IngressRule,
    case: &Case,
) -> Applies {
    let now = case.context.now.unwrap();
    let is_live = exception.expires.is_none_or(|expires| now < expires);
    let matches_description =
        exception.descriptions.is_empty() || ingress.description.as_deref() == Some("vendor");
    let matches_tags = exception.rule_tags.is_empty() || ingress.tags.contains_key("ticket");
    let matches_rule = exception.rules.is_empty()
        || policy_rule.is_none_or(|wanted| exception.rules.iter().any(|id| id == wanted));
    let matches_source = exception.sources.is_empty()
        || is_source_inside(&ingress.source, &exception.sources, &case.lists);
    let matches_the_rest = is_live
        && matches_description
        && matches_tags
        && in_scope(&exception.scope)
        && matches_rule
        && matches_source;
    if !matches_the_rest {
        Applies::No
    } else if exception.principals.is_empty() {
        Applies::Yes
    } else {
        match opened_by(ingress, case) {
            None => Applies::Perhaps,
            Some(principal) if principal.starts_with("deploy") => Applies::Yes,
            Some(_) => Applies::No,
        }
    }
}

/// Who opened a rule, if that is known.
fn opened_by<'a>(ingress: &IngressRule, case: &'a Case) -> Option<&'a str> {
    let principal = case.context.principals.first()?;
    is_opened(ingress, case).then_some(principal)
}

/// Whether the event opened a rule.
pub(crate) fn is_opened(ingress: &IngressRule, case: &Case) -> bool {
    match &case.context.opened {
        OpenedRules::None => false,
        OpenedRules::All => true,
        OpenedRules::Listed(_) => case.opened_contents.contains(&content(ingress)),
    }
}

/// The traffic that live exceptions about a rule name, also if only the principal is not known.
pub(crate) fn excepted_traffic(ingress: &IngressRule, case: &Case) -> TrafficSet {
    case.policy
        .exceptions
        .iter()
        .filter(|exception| applies(exception, None, ingress, case) != Applies::No)
        .fold(TrafficSet::default(), |all, exception| {
            all.union(&exception.traffic)
        })
}

/// Evaluates rules against the policy of a case.
pub(crate) fn evaluate(case: &Case, rules: &[IngressRule]) -> BTreeSet<OracleFinding> {
    let accesses: Vec<RuleAccess> = rules
        .iter()
        .map(|rule| rule_access(rule, &case.lists))
        .collect();
    let open = OpenPackets::of(&accesses);
    let policy_rules = applicable_rules(&case.policy);
    let mut findings = BTreeSet::new();
    for (index, (ingress, access)) in rules.iter().zip(&accesses).enumerate() {
        let is_open = (open.among_all[index], open.among_all_traffic[index]);
        for (rule, action) in &policy_rules {
            let offending = offending_packets(&rule.check, ingress, access, is_open);
            if offending.is_empty() {
                continue;
            }
            let named_by = |wanted: Applies| {
                case.policy
                    .exceptions
                    .iter()
                    .filter(|exception| applies(exception, Some(&rule.id), ingress, case) == wanted)
                    .fold(Bits::default(), |all, exception| {
                        all.or(packets_in(&exception.traffic))
                    })
            };
            let not_exempt = offending.minus(named_by(Applies::Yes));
            let certain = not_exempt.minus(named_by(Applies::Perhaps));
            let (packets, strongest) = if not_exempt.is_empty() {
                (offending, Action::Revoke)
            } else if certain.is_empty() {
                (not_exempt, Action::Notify)
            } else {
                (certain, Action::Revoke)
            };
            let only_notify = case.policy.guardrails.existing == ExistingRules::Notify
                && !is_opened(ingress, case);
            let limit = if only_notify {
                Action::Notify
            } else {
                strongest
            };
            findings.insert(OracleFinding {
                index,
                policy_rule: rule.id.clone(),
                action: limit.min(*action),
                trusted: rule.trusted.clone(),
                packets,
                exempt: not_exempt.is_empty(),
            });
        }
    }
    findings
}
