//! What of each rule is open to the world, decided port by port over all rules of the group.
//!
//! A port is open to the world for a protocol and an address family when the sources of the group that reach it
//! together cover the public address space of the family; rules of protocol `-1` count for every protocol and port.
//! Of such a covering set the broad sources offend; if it has none, all members that touch public space do. A source
//! that holds no public address is never part of an opening.

use std::collections::BTreeSet;

use crate::address::{AddressBlock, AddressFamily, could_cover_public, covers_public};
use crate::group::{IngressRule, Traffic};
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::source::PrefixLists;

/// What of one rule is open to the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposure {
    /// The TCP ports through which the rule takes part in an opening.
    pub tcp: PortSet,
    /// The UDP ports through which the rule takes part in an opening.
    pub udp: PortSet,
    /// For `-1`, ICMP and other protocol numbers: whether the box as a whole takes part in an opening of its protocol.
    pub whole_rule: bool,
    /// Whether the source is broad: a prefix no longer than /8 (IPv4) or /16 (IPv6) that touches public space.
    pub broad: bool,
}

/// A lane is what one packet can be: one protocol. Rules of protocol `-1` run in every lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ProtocolClass {
    Tcp,
    Udp,
    Other(u8),
    /// ICMP with the type and code of one rule.
    Icmp(IcmpMessages),
    /// Rules of protocol `-1` by themselves.
    All,
}

/// Messages of ICMP or `ICMPv6`: protocol, type and code; -1 is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct IcmpMessages {
    protocol: Protocol,
    icmp_type: i32,
    code: i32,
}

impl IcmpMessages {
    fn from_rule(rule: &IngressRule) -> Option<Self> {
        let (kind, code) = rule.display_ports();
        let icmp = matches!(rule.traffic(), Traffic::Icmp | Traffic::Icmpv6);
        icmp.then_some(Self {
            protocol: rule.protocol(),
            icmp_type: kind.unwrap_or(-1),
            code: code.unwrap_or(-1),
        })
    }

    /// Whether all messages of the other are among these.
    fn includes_all(self, other: Self) -> bool {
        let any_or = |mine: i32, theirs: i32| mine == -1 || mine == theirs;
        self.protocol == other.protocol
            && any_or(self.icmp_type, other.icmp_type)
            && (self.icmp_type == -1 || any_or(self.code, other.code))
    }
}

impl ProtocolClass {
    /// The ports of this lane that a rule reaches.
    fn ports_reached_by(self, rule: &IngressRule) -> Option<PortRange> {
        match (self, rule.traffic()) {
            (Self::Tcp, Traffic::Tcp(span)) | (Self::Udp, Traffic::Udp(span)) => Some(span),
            (Self::Other(lane), Traffic::Other(number)) if lane == number => Some(PortRange::ALL),
            (Self::Icmp(lane), Traffic::Icmp | Traffic::Icmpv6) => IcmpMessages::from_rule(rule)
                .is_some_and(|messages| messages.includes_all(lane))
                .then_some(PortRange::ALL),
            (_, Traffic::All) => Some(PortRange::ALL),
            _ => None,
        }
    }
}

/// A rule in a lane: the ports it reaches there and its blocks of one family.
struct ClassMember<'a> {
    rule_index: usize,
    ports: PortRange,
    blocks: &'a [AddressBlock],
}

/// The exposure of each rule, in the order of the rules.
pub fn compute_exposures(rules: &[IngressRule], lists: &PrefixLists) -> Vec<Exposure> {
    let blocks: Vec<[Vec<AddressBlock>; 2]> = rules
        .iter()
        .map(|rule| public_blocks(rule, lists))
        .collect();
    let mut exposures: Vec<Exposure> = blocks.iter().map(initial_exposure).collect();
    for lane in protocol_classes(rules) {
        for family in [0, 1] {
            let members: Vec<_> = rules
                .iter()
                .zip(&blocks)
                .enumerate()
                .filter_map(|(index, (rule, both))| {
                    let span = lane.ports_reached_by(rule)?;
                    let blocks = both.get(family).filter(|blocks| !blocks.is_empty())?;
                    Some(ClassMember {
                        rule_index: index,
                        ports: span,
                        blocks,
                    })
                })
                .collect();
            for (index, open) in open_ports_by_rule(&members) {
                if let Some(exposure) = exposures.get_mut(index) {
                    record_open_ports(exposure, lane, rules.get(index), &open);
                }
            }
        }
    }
    exposures
}

/// The blocks of a rule's source that touch public space, IPv4 and IPv6.
fn public_blocks(rule: &IngressRule, lists: &PrefixLists) -> [Vec<AddressBlock>; 2] {
    let (v4, v6) = lists
        .source_blocks(&rule.source)
        .iter()
        .map(AddressBlock::from_net)
        .filter(|block| block.touches_public())
        .partition(|block| block.family() == AddressFamily::V4);
    [v4, v6]
}

fn initial_exposure(blocks: &[Vec<AddressBlock>; 2]) -> Exposure {
    Exposure {
        broad: blocks.iter().flatten().any(|block| block.is_broad()),
        ..Exposure::default()
    }
}

fn protocol_classes(rules: &[IngressRule]) -> BTreeSet<ProtocolClass> {
    let mut lanes = BTreeSet::new();
    for rule in rules {
        match rule.traffic() {
            Traffic::Tcp(_) => lanes.extend([ProtocolClass::Tcp]),
            Traffic::Udp(_) => lanes.extend([ProtocolClass::Udp]),
            Traffic::Other(number) => lanes.extend([ProtocolClass::Other(number)]),
            Traffic::All => {
                lanes.extend([ProtocolClass::Tcp, ProtocolClass::Udp, ProtocolClass::All])
            }
            Traffic::Icmp | Traffic::Icmpv6 => {
                lanes.extend(IcmpMessages::from_rule(rule).map(ProtocolClass::Icmp))
            }
        }
    }
    lanes
}

/// The ports, by rule, through which members take part in an opening.
fn open_ports_by_rule(members: &[ClassMember<'_>]) -> Vec<(usize, PortSet)> {
    let Some(family) = members
        .iter()
        .flat_map(|member| member.blocks)
        .map(|block| block.family())
        .next()
    else {
        return Vec::new();
    };
    if !could_cover_public(
        family,
        members
            .iter()
            .flat_map(|member| member.blocks.iter().copied()),
    ) {
        return Vec::new();
    }
    let mut open: Vec<Vec<PortRange>> = members.iter().map(|_| Vec::new()).collect();
    for segment in port_segments(members) {
        let offenders = offending_members(family, members, segment);
        for (spans, offends) in open.iter_mut().zip(offenders) {
            spans.extend(offends.then_some(segment));
        }
    }
    members
        .iter()
        .zip(open)
        .map(|(member, spans)| (member.rule_index, spans.into_iter().collect()))
        .collect()
}

/// The spans of ports between which no member starts or ends.
fn port_segments(members: &[ClassMember<'_>]) -> Vec<PortRange> {
    let cuts: BTreeSet<u32> = members
        .iter()
        .flat_map(|member| {
            [
                u32::from(member.ports.first_port()),
                u32::from(member.ports.last_port()).saturating_add(1),
            ]
        })
        .collect();
    let ends = cuts.iter().skip(1).map(|cut| cut.saturating_sub(1));
    let port = |number: u32| u16::try_from(number).ok();
    cuts.iter()
        .zip(ends)
        .filter_map(|(&from, to)| PortRange::new(port(from)?, port(to)?))
        .collect()
}

/// For each member, whether it offends within a segment.
fn offending_members(
    family: AddressFamily,
    members: &[ClassMember<'_>],
    segment: PortRange,
) -> Vec<bool> {
    let reaches = |member: &&ClassMember<'_>| member.ports.contains(segment.first_port());
    let mut blocks: Vec<AddressBlock> = members
        .iter()
        .filter(reaches)
        .flat_map(|member| member.blocks)
        .copied()
        .collect();
    if !covers_public(family, &mut blocks) {
        return vec![false; members.len()];
    }
    let any_broad = blocks.iter().any(|block| block.is_broad());
    members
        .iter()
        .map(|member| {
            reaches(&member) && (!any_broad || member.blocks.iter().any(|block| block.is_broad()))
        })
        .collect()
}

fn record_open_ports(
    exposure: &mut Exposure,
    lane: ProtocolClass,
    rule: Option<&IngressRule>,
    open: &PortSet,
) {
    // A rule that runs in a lane of another kind only helps to cover there: -1 in the lane of a protocol, all of ICMP in
    // the lane of one message.
    let own = match lane {
        ProtocolClass::Tcp | ProtocolClass::Udp | ProtocolClass::All => true,
        ProtocolClass::Other(_) => rule.is_some_and(|rule| rule.traffic() != Traffic::All),
        ProtocolClass::Icmp(messages) => rule.and_then(IcmpMessages::from_rule) == Some(messages),
    };
    match lane {
        ProtocolClass::Tcp => exposure.tcp = exposure.tcp.union(open),
        ProtocolClass::Udp => exposure.udp = exposure.udp.union(open),
        ProtocolClass::Other(_) | ProtocolClass::Icmp(_) | ProtocolClass::All => {
            exposure.whole_rule |= own && !open.is_empty()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::group;
    use crate::source::parse_cidr;

    fn open(lines: &[&str]) -> Vec<String> {
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
    fn prefix_length_zero_is_the_world() {
        assert_eq!(open(&["tcp 22 0.0.0.0/0"]), ["tcp:22 udp:"]);
        assert_eq!(open(&["udp 22 1.2.3.4/0"]), ["tcp: udp:22"]);
        assert_eq!(open(&["tcp 20-25 ::/0"]), ["tcp:20-25 udp:"]);
        assert_eq!(open(&["-1 - ::/0"]), ["tcp:0-65535 udp:0-65535 whole"]);
        assert_eq!(open(&["47 - 0.0.0.0/0"]), ["tcp: udp: whole"]);
    }

    #[test]
    fn what_stands_beside_an_opening_is_not_part_of_it() {
        assert_eq!(
            open(&[
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
            open(&["tcp 22 ::/0", "tcp 22 0.0.0.0/1"]),
            ["tcp:22 udp:", "tcp: udp:"],
            "families are apart"
        );
    }

    #[test]
    fn halves_are_the_world_where_they_meet() {
        assert_eq!(
            open(&["tcp 20-25 0.0.0.0/1", "tcp 22-30 128.0.0.0/1"]),
            ["tcp:22-25 udp:", "tcp:22-25 udp:"]
        );
        assert_eq!(
            open(&["tcp 22 0.0.0.0/1", "udp 22 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp:"]
        );
        assert_eq!(
            open(&["tcp 22 ::/1", "tcp 22 8000::/1"]),
            ["tcp:22 udp:", "tcp: udp:"],
            "8000::/1 is not public"
        );
    }

    #[test]
    fn all_traffic_counts_for_every_protocol_and_port() {
        assert_eq!(
            open(&["-1 - 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
            ["tcp:22 udp:", "tcp:22 udp:"]
        );
        assert_eq!(
            open(&["-1 - 0.0.0.0/1", "47 - 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
        assert_eq!(
            open(&["-1 - 0.0.0.0/1", "-1 - 128.0.0.0/1"]),
            [
                "tcp:0-65535 udp:0-65535 whole",
                "tcp:0-65535 udp:0-65535 whole"
            ]
        );
    }

    #[test]
    fn a_prefix_list_is_its_entries() {
        assert_eq!(open(&["tcp 22 pl-halves"]), ["tcp:22 udp:"]);
        assert_eq!(open(&["tcp 22 pl-office"]), ["tcp: udp:"]);
        assert_eq!(open(&["tcp 22 pl-unknown"]), ["tcp: udp:"]);
        assert_eq!(
            open(&["tcp 22 pl-wide"]),
            ["tcp:22 udp:"],
            "one broad entry is enough"
        );
        assert_eq!(
            open(&["tcp 22 0.0.0.0/0", "tcp 22 pl-office"]),
            ["tcp:22 udp:", "tcp: udp:"]
        );
    }

    #[test]
    fn without_a_broad_member_all_members_that_touch_public_space_offend() {
        assert_eq!(
            open(&["tcp 22 pl-nines", "tcp 22 8.8.8.0/24", "tcp 22 10.1.0.0/16"]),
            ["tcp:22 udp:", "tcp:22 udp:", "tcp: udp:"]
        );
    }

    #[test]
    fn icmp_is_never_a_port() {
        assert_eq!(
            open(&["icmp 8 0.0.0.0/0", "icmpv6 - ::/0"]),
            ["tcp: udp: whole", "tcp: udp: whole"]
        );
        assert_eq!(
            open(&["icmp 8/-1 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp:"]
        );
        assert_eq!(
            open(&["icmp - 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
        assert_eq!(
            open(&["icmp 8/-1 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
        assert_eq!(
            open(&["icmp 8/0 0.0.0.0/1", "icmp 8/3 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp:"]
        );
        assert_eq!(
            open(&["-1 - 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]),
            ["tcp: udp:", "tcp: udp: whole"]
        );
    }
}
