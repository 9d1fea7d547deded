//! Exposure: the part of each rule of a group that is open to the world, evaluated port by port.
//!
//! A port is open to the world for a protocol and an address family when the sources that reach it
//! together cover the public address space of the family. Rules for protocol `-1` count for every
//! protocol and port. Of the rules that open such a port, those with a broad source are exposed. If
//! none has one, all that contain public addresses are exposed. A rule whose source has no public
//! addresses is never exposed.

use std::collections::BTreeSet;

use crate::address::{AddressBlock, AddressFamily, could_cover_public, covers_public};
use crate::group::{IngressRule, Traffic};
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::source::PrefixLists;

/// The part of one rule that is open to the world, alone or together with other rules of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposure {
    /// The TCP ports that are open to the world.
    pub tcp: PortSet,
    /// The UDP ports that are open to the world.
    pub udp: PortSet,
    /// For `-1`, ICMP and other protocol numbers: whether the whole rule is open to the world.
    pub whole_rule: bool,
    /// Whether the source is broad: a prefix of /8 or shorter (IPv6: /16 or shorter) that contains
    /// public addresses.
    pub broad: bool,
}

/// A kind of traffic for which rules are combined: a protocol, or some messages of ICMP.
///
/// Rules for protocol `-1` are combined with the rules of every class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ProtocolClass {
    Tcp,
    Udp,
    Other(u8),
    /// The ICMP messages of one rule.
    Icmp(IcmpMessages),
    /// Only the rules for protocol `-1`.
    All,
}

/// ICMP or `ICMPv6` messages: protocol, type and code, where -1 means any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct IcmpMessages {
    protocol: Protocol,
    icmp_type: i32,
    code: i32,
}

impl IcmpMessages {
    fn from_rule(rule: &IngressRule) -> Option<Self> {
        let (icmp_type, code) = rule.display_ports();
        let is_icmp = matches!(rule.traffic(), Traffic::Icmp | Traffic::Icmpv6);
        is_icmp.then_some(Self {
            protocol: rule.protocol(),
            icmp_type: icmp_type.unwrap_or(-1),
            code: code.unwrap_or(-1),
        })
    }

    /// Whether these messages include all of the other messages.
    fn includes_all(self, other: Self) -> bool {
        if self.protocol != other.protocol {
            return false;
        }
        let includes_code = self.code == -1 || self.code == other.code;
        self.icmp_type == -1 || (self.icmp_type == other.icmp_type && includes_code)
    }
}

impl ProtocolClass {
    /// The ports of this class that a rule reaches.
    fn ports_reached_by(self, rule: &IngressRule) -> Option<PortRange> {
        match (self, rule.traffic()) {
            (_, Traffic::All) => Some(PortRange::ALL),
            (Self::Tcp, Traffic::Tcp(ports)) | (Self::Udp, Traffic::Udp(ports)) => Some(ports),
            (Self::Other(class), Traffic::Other(number)) if class == number => Some(PortRange::ALL),
            (Self::Icmp(class), Traffic::Icmp | Traffic::Icmpv6) => IcmpMessages::from_rule(rule)
                .is_some_and(|messages| messages.includes_all(class))
                .then_some(PortRange::ALL),
            _ => None,
        }
    }

    /// Whether this is the class of the rule itself. Broader rules (protocol `-1`, or more ICMP
    /// messages) only help to cover the address space of a narrower class.
    fn is_class_of(self, rule: &IngressRule) -> bool {
        match self {
            Self::Tcp | Self::Udp | Self::All => true,
            Self::Other(_) => rule.traffic() != Traffic::All,
            Self::Icmp(messages) => IcmpMessages::from_rule(rule) == Some(messages),
        }
    }
}

/// The blocks of a source that contain public addresses, by address family.
struct PublicBlocks {
    v4: Vec<AddressBlock>,
    v6: Vec<AddressBlock>,
}

impl PublicBlocks {
    fn from_rule(rule: &IngressRule, lists: &PrefixLists) -> Self {
        let (v4, v6) = lists
            .source_blocks(&rule.source)
            .iter()
            .map(AddressBlock::from_net)
            .filter(|block| block.touches_public())
            .partition(|block| block.family() == AddressFamily::V4);
        Self { v4, v6 }
    }

    fn of_family(&self, family: AddressFamily) -> &[AddressBlock] {
        match family {
            AddressFamily::V4 => &self.v4,
            AddressFamily::V6 => &self.v6,
        }
    }

    fn has_broad_block(&self) -> bool {
        contains_broad_block(&self.v4) || contains_broad_block(&self.v6)
    }
}

fn contains_broad_block(blocks: &[AddressBlock]) -> bool {
    blocks.iter().any(|block| block.is_broad())
}

/// A rule in a protocol class and an address family.
struct ClassMember<'a> {
    rule_index: usize,
    ports: PortRange,
    blocks: &'a [AddressBlock],
}

/// Computes the exposure of each rule of a group. The result has the order of the rules.
pub fn compute_exposures(rules: &[IngressRule], lists: &PrefixLists) -> Vec<Exposure> {
    let sources: Vec<PublicBlocks> = rules
        .iter()
        .map(|rule| PublicBlocks::from_rule(rule, lists))
        .collect();
    let mut exposures: Vec<Exposure> = sources.iter().map(initial_exposure).collect();
    for class in protocol_classes(rules) {
        for family in AddressFamily::BOTH {
            let members = class_members(class, family, rules, &sources);
            for (index, open) in open_ports_by_rule(family, &members) {
                if let Some((exposure, rule)) = exposures.get_mut(index).zip(rules.get(index)) {
                    record_open_ports(exposure, class, rule, &open);
                }
            }
        }
    }
    exposures
}

fn initial_exposure(source: &PublicBlocks) -> Exposure {
    Exposure {
        broad: source.has_broad_block(),
        ..Exposure::default()
    }
}

/// The protocol classes to evaluate for these rules.
fn protocol_classes(rules: &[IngressRule]) -> BTreeSet<ProtocolClass> {
    let mut classes = BTreeSet::new();
    for rule in rules {
        match rule.traffic() {
            Traffic::Tcp(_) => classes.extend([ProtocolClass::Tcp]),
            Traffic::Udp(_) => classes.extend([ProtocolClass::Udp]),
            Traffic::Other(number) => classes.extend([ProtocolClass::Other(number)]),
            Traffic::All => {
                classes.extend([ProtocolClass::Tcp, ProtocolClass::Udp, ProtocolClass::All]);
            }
            Traffic::Icmp | Traffic::Icmpv6 => {
                classes.extend(IcmpMessages::from_rule(rule).map(ProtocolClass::Icmp));
            }
        }
    }
    classes
}

/// The rules that reach a protocol class from public addresses of a family.
fn class_members<'a>(
    class: ProtocolClass,
    family: AddressFamily,
    rules: &[IngressRule],
    sources: &'a [PublicBlocks],
) -> Vec<ClassMember<'a>> {
    let mut members = Vec::new();
    for (rule_index, (rule, source)) in rules.iter().zip(sources).enumerate() {
        let blocks = source.of_family(family);
        if blocks.is_empty() {
            continue;
        }
        members.extend(class.ports_reached_by(rule).map(|ports| ClassMember {
            rule_index,
            ports,
            blocks,
        }));
    }
    members
}

/// The ports of each rule that are open to the world, with the index of the rule.
fn open_ports_by_rule(family: AddressFamily, members: &[ClassMember<'_>]) -> Vec<(usize, PortSet)> {
    let all_blocks = members.iter().flat_map(|member| member.blocks).copied();
    if !could_cover_public(family, all_blocks) {
        return Vec::new();
    }
    let mut open_ranges: Vec<Vec<PortRange>> = vec![Vec::new(); members.len()];
    for segment in port_segments(members) {
        let exposed = exposed_members(family, members, segment);
        for (ranges, is_exposed) in open_ranges.iter_mut().zip(exposed) {
            ranges.extend(is_exposed.then_some(segment));
        }
    }
    members
        .iter()
        .zip(open_ranges)
        .map(|(member, ranges)| (member.rule_index, ranges.into_iter().collect()))
        .collect()
}

/// Splits the ports at every first and last port of a member. Within one segment, each member
/// reaches either all ports or none.
fn port_segments(members: &[ClassMember<'_>]) -> Vec<PortRange> {
    let mut starts: BTreeSet<u32> = BTreeSet::new();
    for member in members {
        starts.insert(member.ports.first_port().into());
        starts.insert(u32::from(member.ports.last_port()).saturating_add(1));
    }
    let ends = starts.iter().skip(1).map(|next| next.saturating_sub(1));
    starts
        .iter()
        .zip(ends)
        .filter_map(|(&from, to)| port_range_from_u32(from, to))
        .collect()
}

fn port_range_from_u32(from: u32, to: u32) -> Option<PortRange> {
    PortRange::new(u16::try_from(from).ok()?, u16::try_from(to).ok()?)
}

/// Whether each member is open to the world on the ports of a segment.
fn exposed_members(
    family: AddressFamily,
    members: &[ClassMember<'_>],
    segment: PortRange,
) -> Vec<bool> {
    let port = segment.first_port();
    let mut blocks: Vec<AddressBlock> = members
        .iter()
        .filter(|member| member.ports.contains(port))
        .flat_map(|member| member.blocks)
        .copied()
        .collect();
    if !covers_public(family, &mut blocks) {
        return vec![false; members.len()];
    }
    let broad_only = contains_broad_block(&blocks);
    members
        .iter()
        .map(|member| {
            let is_exposed = !broad_only || contains_broad_block(member.blocks);
            is_exposed && member.ports.contains(port)
        })
        .collect()
}

fn record_open_ports(
    exposure: &mut Exposure,
    class: ProtocolClass,
    rule: &IngressRule,
    open: &PortSet,
) {
    match class {
        ProtocolClass::Tcp => exposure.tcp = exposure.tcp.union(open),
        ProtocolClass::Udp => exposure.udp = exposure.udp.union(open),
        ProtocolClass::Other(_) | ProtocolClass::Icmp(_) | ProtocolClass::All => {
            exposure.whole_rule |= class.is_class_of(rule) && !open.is_empty();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::group;
    use crate::source::parse_cidr;

    fn exposures(lines: &[&str]) -> Vec<String> {
        let lists: PrefixLists = [
            (
                "pl-halves",
                vec![
                    parse_cidr("0.0.0.0/1").unwrap(),
                    parse_cidr("128.0.0.0/1").unwrap(),
                ],
            ),
            (
                "pl-office",
                vec![
                    parse_cidr("198.51.100.0/24").unwrap(),
                    parse_cidr("203.0.113.0/24").unwrap(),
                ],
            ),
            (
                "pl-wide",
                vec![
                    parse_cidr("0.0.0.0/0").unwrap(),
                    parse_cidr("8.8.8.0/24").unwrap(),
                ],
            ),
            (
                "pl-nines",
                parse_cidr("0.0.0.0/0")
                    .unwrap()
                    .subnets(9)
                    .unwrap()
                    .collect(),
            ),
        ]
        .into_iter()
        .collect();
        compute_exposures(&group(lines).rules, &lists)
            .into_iter()
            .map(|exposure| {
                let whole = if exposure.whole_rule { " whole" } else { "" };
                format!("tcp:{} udp:{}{whole}", exposure.tcp, exposure.udp)
            })
            .collect()
    }

    #[test]
    fn prefix_length_zero_is_open_to_the_world() {
        assert_eq!(exposures(&["tcp 22 0.0.0.0/0"]), ["tcp:22 udp:"]);
        assert_eq!(exposures(&["udp 22 1.2.3.4/0"]), ["tcp: udp:22"]);
        assert_eq!(exposures(&["tcp 20-25 ::/0"]), ["tcp:20-25 udp:"]);
        assert_eq!(exposures(&["-1 - ::/0"]), ["tcp:0-65535 udp:0-65535 whole"]);
        assert_eq!(exposures(&["47 - 0.0.0.0/0"]), ["tcp: udp: whole"]);
    }

    #[test]
    fn narrower_sources_next_to_a_broad_one_are_not_exposed() {
        assert_eq!(
            exposures(&[
                "tcp 22 0.0.0.0/0",
                "tcp 22 10.0.0.0/8",
                "tcp 22 198.51.100.7/32",
                "tcp 22 8.8.8.0/24",
                "tcp 22 sg-1"
            ]),
            [
                "tcp:22 udp:",
                "tcp: udp:",
                "tcp: udp:",
                "tcp: udp:",
                "tcp: udp:"
            ]
        );
        assert_eq!(
            exposures(&["tcp 22 ::/0", "tcp 22 0.0.0.0/1"]),
            ["tcp:22 udp:", "tcp: udp:"],
            "each address family is evaluated separately"
        );
    }

    #[test]
    fn two_halves_are_open_to_the_world_on_the_ports_they_share() {
        assert_eq!(
            exposures(&["tcp 20-25 0.0.0.0/1", "tcp 22-30 128.0.0.0/1"]),
            ["tcp:22-25 udp:", "tcp:22-25 udp:"]
        );
        assert_eq!(
            exposures(&["tcp 22 0.0.0.0/1", "udp 22 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp:"]
        );
        assert_eq!(
            exposures(&["tcp 22 ::/1", "tcp 22 8000::/1"]),
            ["tcp:22 udp:", "tcp: udp:"],
            "8000::/1 has no public addresses"
        );
    }

    #[test]
    fn all_traffic_counts_for_every_protocol_and_port() {
        assert_eq!(
            exposures(&["-1 - 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
            ["tcp:22 udp:", "tcp:22 udp:"]
        );
        assert_eq!(
            exposures(&["-1 - 0.0.0.0/1", "47 - 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
        assert_eq!(
            exposures(&["-1 - 0.0.0.0/1", "-1 - 128.0.0.0/1"]),
            [
                "tcp:0-65535 udp:0-65535 whole",
                "tcp:0-65535 udp:0-65535 whole"
            ]
        );
    }

    #[test]
    fn prefix_lists_are_evaluated_by_their_entries() {
        assert_eq!(exposures(&["tcp 22 pl-halves"]), ["tcp:22 udp:"]);
        assert_eq!(exposures(&["tcp 22 pl-office"]), ["tcp: udp:"]);
        assert_eq!(exposures(&["tcp 22 pl-unknown"]), ["tcp: udp:"]);
        assert_eq!(
            exposures(&["tcp 22 pl-wide"]),
            ["tcp:22 udp:"],
            "one broad entry is enough"
        );
        assert_eq!(
            exposures(&["tcp 22 0.0.0.0/0", "tcp 22 pl-office"]),
            ["tcp:22 udp:", "tcp: udp:"]
        );
    }

    #[test]
    fn without_a_broad_source_all_public_sources_are_exposed() {
        assert_eq!(
            exposures(&["tcp 22 pl-nines", "tcp 22 8.8.8.0/24", "tcp 22 10.1.0.0/16"]),
            ["tcp:22 udp:", "tcp:22 udp:", "tcp: udp:"]
        );
    }

    #[test]
    fn icmp_is_exposed_as_a_whole_rule() {
        assert_eq!(
            exposures(&["icmp 8 0.0.0.0/0", "icmpv6 - ::/0"]),
            ["tcp: udp: whole", "tcp: udp: whole"]
        );
        assert_eq!(
            exposures(&["icmp 8/-1 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp:"]
        );
        assert_eq!(
            exposures(&["icmp - 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
        assert_eq!(
            exposures(&["icmp 8/-1 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
        assert_eq!(
            exposures(&["icmp 8/0 0.0.0.0/1", "icmp 8/3 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp:"]
        );
        assert_eq!(
            exposures(&["-1 - 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
    }
}
