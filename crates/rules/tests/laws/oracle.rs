//! A second reading of design section 1, slow and without cleverness: it asks for every packet and every origin. It takes
//! from the engine the types that hold policies and rules, and nothing that decides.

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

/// One rule of the policy broken by one box.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Broken {
    pub(crate) place: usize,
    pub(crate) rule: String,
    pub(crate) action: Action,
    pub(crate) trusted: Vec<Source>,
    /// The packets that offend.
    pub(crate) packets: Bits,
    pub(crate) exempt: bool,
}

/// What a box is part of.
struct Part {
    /// Whether its protocol is `-1`.
    everything: bool,
    packets: Bits,
    origins: Bits,
    /// Blocks that touch public space, of IPv4 and of IPv6: whether there are any, and whether a broad one.
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

fn part(rule: &IngressRule, lists: &PrefixLists) -> Part {
    let origins = WORLD.origins_of(&rule.source);
    let everything = rule.protocol() == Protocol::All;
    let packets = WORLD.packets_of(rule);
    let mut part = Part {
        everything,
        packets,
        origins,
        public: [false; 2],
        broad: [false; 2],
    };
    for net in entries(&rule.source, lists) {
        let v6 = usize::from(net.addr().is_ipv6());
        let longest = if v6 == 1 { 16 } else { 8 };
        part.public[v6] |= !origins.and(WORLD.public[v6]).is_empty();
        part.broad[v6] |=
            net.prefix_len() <= longest && !WORLD.inside(&net).and(WORLD.public[v6]).is_empty();
    }
    part
}

/// Whether a box takes part in an opening for a packet.
fn takes_part(own: &Part, parts: &[&Part], packet: usize) -> bool {
    (0..2).any(|family| {
        let members = || {
            parts
                .iter()
                .filter(|part| part.packets.has(packet) && part.public[family])
        };
        let all = members().fold(Bits::default(), |all, member| all.or(member.origins));
        let open = WORLD.public[family].all_in(all);
        let any_broad = members().any(|member| member.broad[family]);
        open && own.packets.has(packet) && own.public[family] && (own.broad[family] || !any_broad)
    })
}

/// The packet that decides whether a box without ports is open as a whole: one that no narrower box lets in.
fn whole_packet(rule: &IngressRule) -> Option<Packet> {
    let written = rule.ec2_ports();
    let message = match (written.from.unwrap_or(-1), written.to.unwrap_or(-1)) {
        (-1, _) => (13, 5),
        (kind, -1) => (kind, 7),
        exactly => exactly,
    };
    match rule.protocol() {
        Protocol::Tcp | Protocol::Udp => None,
        Protocol::Icmp => Some(Packet::Icmp(message.0, message.1)),
        Protocol::Icmpv6 => Some(Packet::Icmpv6(message.0, message.1)),
        Protocol::Other(number) => Some(Packet::Other(number)),
        Protocol::All => Some(Packet::Other(253)),
    }
}

/// Not every protocol number is looked at.
fn place_of(packet: Packet) -> Option<usize> {
    WORLD.packets.iter().position(|known| *known == packet)
}

/// The packets of a set of traffic of the engine.
pub(crate) fn packets_in(traffic: &TrafficSet) -> Bits {
    let holds = |packet: Packet| match packet {
        Packet::Tcp(low, high) => traffic
            .tcp
            .ranges()
            .iter()
            .any(|span| span.first_port() <= low && high <= span.last_port()),
        Packet::Udp(low, high) => traffic
            .udp
            .ranges()
            .iter()
            .any(|span| span.first_port() <= low && high <= span.last_port()),
        Packet::Icmp(..) => traffic.icmp,
        Packet::Icmpv6(..) => traffic.icmpv6,
        Packet::Other(number) => traffic
            .other_protocols
            .numbers()
            .any(|other| other == number),
    };
    (0..WORLD.packets.len())
        .filter(|&place| holds(WORLD.packets[place]))
        .collect()
}

/// How many different ports the packets are for.
fn count_ports(packets: Bits) -> u32 {
    let ports: BTreeSet<(u16, u16)> = WORLD
        .packets
        .iter()
        .enumerate()
        .filter(|(place, _)| packets.has(*place))
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

fn offending(check: &Check, rule: &IngressRule, own: &Part, parts: &[Part]) -> Bits {
    let together: Vec<&Part> = parts.iter().collect();
    let has_ports = |packet: Packet| matches!(packet, Packet::Tcp(..) | Packet::Udp(..));
    let all: Bits = own.packets;
    let open: Bits = (0..WORLD.packets.len())
        .filter(|&place| has_ports(WORLD.packets[place]) && takes_part(own, &together, place))
        .collect();
    // `-1` is open when boxes of `-1` make it so; every other protocol is open with the help of `-1`, too.
    let alike: Vec<&Part> = parts
        .iter()
        .filter(|part| part.everything || !own.everything)
        .collect();
    let whole = whole_packet(rule)
        .and_then(place_of)
        .is_some_and(|packet| takes_part(own, &alike, packet));
    let everything = own.everything;
    let either = |yes: bool, packets: Bits| if yes { packets } else { Bits::default() };
    let not_open = match rule.protocol() {
        Protocol::Tcp | Protocol::Udp => all.minus(open),
        Protocol::All => either(!whole, all),
        Protocol::Icmp | Protocol::Icmpv6 | Protocol::Other(_) => Bits::default(),
    };
    match check {
        Check::AllTraffic => either(everything && whole, all),
        Check::OpenPorts(forbidden) => open.and(packets_in(forbidden)),
        Check::OpenExcept(allowed) => open.or(either(whole, all)).minus(packets_in(allowed)),
        Check::PortRange => either(count_ports(open) > 1, if everything { all } else { open }),
        Check::PortRangeInternal => {
            let blocks = !matches!(rule.source, Source::Group(_));
            either(blocks && count_ports(all) > 1, not_open)
        }
        Check::BroadSource => either(own.broad[0] || own.broad[1], not_open),
        Check::OtherProtocols => {
            either(matches!(rule.protocol(), Protocol::Other(_)) && whole, all)
        }
    }
}

fn in_scope(scope: &Scope) -> bool {
    scope.group_ids.is_empty() || scope.group_ids.iter().any(|id| id == GROUP)
}

/// The rules that hold for the group, with their actions there.
fn rules_in_force(policy: &Policy) -> Vec<(&PolicyRule, Action)> {
    let mut found = Vec::new();
    for rule in policy.rules.iter().filter(|rule| in_scope(&rule.scope)) {
        let mut action = rule.action;
        for other in policy
            .overrides
            .iter()
            .filter(|other| in_scope(&other.scope))
        {
            action = other
                .rule_overrides
                .get(&rule.id)
                .and_then(|change| change.action)
                .unwrap_or(action);
        }
        if action != Action::Off {
            found.push((&**rule, action));
        }
    }
    found
}

/// Whether a source is another or lies in it, block by block.
fn lies_in(inner: &Source, outer: &Source, lists: &PrefixLists) -> bool {
    let (blocks, around) = (entries(inner, lists), entries(outer, lists));
    let holds = |outer: &IpNet, inner: &IpNet| {
        outer.addr().is_ipv6() == inner.addr().is_ipv6()
            && outer.prefix_len() <= inner.prefix_len()
            && outer.network() <= inner.network()
            && inner.broadcast() <= outer.broadcast()
    };
    name(inner) == name(outer)
        || !blocks.is_empty()
            && blocks
                .iter()
                .all(|inner| around.iter().any(|outer| holds(outer, inner)))
}

fn name(source: &Source) -> String {
    source.to_string()
}

fn frees(exception: &Exception, rule: &str, ingress: &IngressRule, case: &Case) -> bool {
    let live = exception
        .expires
        .is_none_or(|end| case.context.now.unwrap() < end);
    let described =
        exception.descriptions.is_empty() || ingress.description.as_deref() == Some("vendor");
    let tagged = exception.rule_tags.is_empty() || ingress.tags.contains_key("ticket");
    let from = |allowed: &Source| lies_in(&ingress.source, allowed, &case.lists);
    live && described
        && tagged
        && in_scope(&exception.scope)
        && (exception.rules.is_empty() || exception.rules.iter().any(|id| id == rule))
        && (exception.sources.is_empty() || exception.sources.iter().any(from))
}

/// Holds the policy of a case against rules.
pub(crate) fn judge(case: &Case, rules: &[IngressRule]) -> BTreeSet<Broken> {
    let parts: Vec<Part> = rules.iter().map(|rule| part(rule, &case.lists)).collect();
    let mut found = BTreeSet::new();
    for (place, (ingress, own)) in rules.iter().zip(&parts).enumerate() {
        for (rule, action) in rules_in_force(&case.policy) {
            let all = offending(&rule.check, ingress, own, &parts);
            let freed = case
                .policy
                .exceptions
                .iter()
                .filter(|exception| frees(exception, &rule.id, ingress, case));
            let freed = freed.fold(Bits::default(), |all, exception| {
                all.or(packets_in(&exception.traffic))
            });
            let left = all.minus(freed);
            if !all.is_empty() {
                let (exempt, packets) = (left.is_empty(), if left.is_empty() { all } else { left });
                let (rule, trusted) = (rule.id.clone(), rule.trusted.clone());
                found.insert(Broken {
                    place,
                    rule,
                    action,
                    trusted,
                    packets,
                    exempt,
                });
            }
        }
    }
    found
}

/// A box as planned so far.
#[derive(Debug, Clone)]
struct Planned {
    rule: IngressRule,
    trust: bool,
}

/// The rules that should be left when there is room for all; `None` when a policy opens and forbids by turns.
pub(crate) fn settle(case: &Case) -> Option<Vec<IngressRule>> {
    settle_in(case, 6)
}

fn settle_in(case: &Case, cuts: usize) -> Option<Vec<IngressRule>> {
    let mut boxes: Vec<_> = case
        .group
        .rules
        .iter()
        .map(|rule| Planned {
            rule: rule.clone(),
            trust: false,
        })
        .collect();
    for _ in 0..=cuts {
        let rules: Vec<_> = boxes.iter().map(|planned| planned.rule.clone()).collect();
        let mut by_box: BTreeMap<usize, Vec<Broken>> = BTreeMap::new();
        for broken in judge(case, &rules)
            .into_iter()
            .filter(|broken| !broken.exempt && broken.action > Action::Notify)
        {
            by_box.entry(broken.place).or_default().push(broken);
        }
        if by_box.is_empty() {
            return Some(rules);
        }
        // What was added goes first: it must not take a box of the group with it.
        if by_box.keys().any(|&place| boxes[place].trust) {
            by_box.retain(|&place, _| boxes[place].trust);
        }
        let (mut next, mut new) = (Vec::new(), Vec::new());
        for (place, planned) in boxes.into_iter().enumerate() {
            match by_box.get(&place) {
                Some(broken) => new.extend(instead(&planned, broken, &case.lists)),
                None => next.push(planned),
            }
        }
        for planned in new {
            if !next
                .iter()
                .any(|there: &Planned| content(&there.rule) == content(&planned.rule))
            {
                next.push(planned);
            }
        }
        boxes = next;
    }
    None
}

/// Whether one cut is enough, so that what is kept offends no more.
pub(crate) fn settles_at_once(case: &Case) -> bool {
    settle_in(case, 1).is_some()
}

/// What comes in the place of a box.
fn instead(gone: &Planned, broken: &[Broken], lists: &PrefixLists) -> Vec<Planned> {
    if broken.iter().any(|broken| broken.action == Action::Revoke) {
        return Vec::new();
    }
    let cut = broken
        .iter()
        .fold(Bits::default(), |all, broken| all.or(broken.packets));
    let kept = WORLD.packets_of(&gone.rule).minus(cut);
    let mut boxes: Vec<_> = split(&gone.rule, kept, &gone.rule.source)
        .into_iter()
        .map(|rule| Planned {
            rule,
            trust: gone.trust,
        })
        .collect();
    let mut opened: BTreeMap<&Source, Bits> = BTreeMap::new();
    for broken in broken
        .iter()
        .filter(|broken| broken.action == Action::Restrict)
    {
        for trusted in &broken.trusted {
            if matches!(trusted, Source::Group(_)) || lies_in(trusted, &gone.rule.source, lists) {
                let packets = opened.entry(trusted).or_default();
                *packets = packets.or(broken.packets);
            }
        }
    }
    for (trusted, packets) in opened {
        boxes.extend(
            split(&gone.rule, packets, trusted)
                .into_iter()
                .map(|rule| Planned { rule, trust: true }),
        );
    }
    boxes.retain(|planned| content(&planned.rule) != content(&gone.rule));
    boxes
}

/// Boxes for packets: neighbouring stretches of ports are one.
fn split(gone: &IngressRule, packets: Bits, source: &Source) -> Vec<IngressRule> {
    let written = |from: i32, to: i32| Ec2Ports {
        from: Some(from),
        to: Some(to),
    };
    let mut boxes: Vec<(Protocol, Ec2Ports)> = Vec::new();
    if packets == (0..WORLD.packets.len()).collect() {
        boxes.push((Protocol::All, Ec2Ports::default()));
    } else {
        for (_, packet) in WORLD
            .packets
            .iter()
            .enumerate()
            .filter(|(place, _)| packets.has(*place))
        {
            let (protocol, ports) = match *packet {
                Packet::Tcp(low, high) => (Protocol::Tcp, written(low.into(), high.into())),
                Packet::Udp(low, high) => (Protocol::Udp, written(low.into(), high.into())),
                Packet::Icmp(..) if gone.protocol() == Protocol::Icmp => {
                    (Protocol::Icmp, gone.ec2_ports())
                }
                Packet::Icmpv6(..) if gone.protocol() == Protocol::Icmpv6 => {
                    (Protocol::Icmpv6, gone.ec2_ports())
                }
                Packet::Icmp(..) => (Protocol::Icmp, written(-1, -1)),
                Packet::Icmpv6(..) => (Protocol::Icmpv6, written(-1, -1)),
                Packet::Other(number) => (Protocol::Other(number), Ec2Ports::default()),
            };
            match boxes.last_mut() {
                Some((before, span)) if *before == protocol && !protocol.has_ports() => {
                    *span = ports
                }
                Some((before, span))
                    if *before == protocol && span.to.map(|to| to + 1) == ports.from =>
                {
                    span.to = ports.to;
                }
                _ => boxes.push((protocol, ports)),
            }
        }
    }
    let speaks = |protocol: &Protocol| {
        let origins = WORLD.origins_of(source);
        match protocol {
            Protocol::Icmp => !origins.minus(WORLD.family[1]).is_empty(),
            Protocol::Icmpv6 => !origins.minus(WORLD.family[0]).is_empty(),
            Protocol::Tcp | Protocol::Udp | Protocol::Other(_) | Protocol::All => true,
        }
    };
    boxes
        .into_iter()
        .filter(|(protocol, _)| speaks(protocol))
        .map(|(protocol, ports)| {
            let mut rule = IngressRule::new(protocol, ports, source.clone()).unwrap();
            rule.description.clone_from(&gone.description);
            rule.tags.clone_from(&gone.tags);
            rule
        })
        .collect()
}
