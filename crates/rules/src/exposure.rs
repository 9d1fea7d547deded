//! What of each rule is open to the world, decided port by port over all rules of the group.
//!
//! A port is open to the world for a protocol and an address family when the sources of the group that reach it
//! together cover the public address space of the family; rules of protocol `-1` count for every protocol and port.
//! Of such a covering set the broad sources offend; if it has none, all members that touch public space do. A source
//! that holds no public address is never part of an opening.

use std::collections::BTreeSet;

use crate::address::{Block, Family, could_cover_public, covers_public};
use crate::group::{IngressRule, Traffic};
use crate::ports::{PortSet, PortSpan};
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
    pub whole: bool,
    /// Whether the source is broad: a prefix no longer than /8 (IPv4) or /16 (IPv6) that touches public space.
    pub broad: bool,
}

/// A lane is what one packet can be: one protocol. Rules of protocol `-1` run in every lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Tcp,
    Udp,
    Other(u8),
    /// ICMP with the type and code of one rule.
    Icmp(Icmp),
    /// Rules of protocol `-1` by themselves.
    Everything,
}

/// Messages of ICMP or `ICMPv6`: protocol, type and code; -1 is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Icmp {
    protocol: Protocol,
    kind: i32,
    code: i32,
}

impl Icmp {
    fn of(rule: &IngressRule) -> Option<Self> {
        let (kind, code) = rule.shown_ports();
        let icmp = matches!(rule.traffic(), Traffic::Icmp | Traffic::Icmpv6);
        icmp.then_some(Self { protocol: rule.protocol(), kind: kind.unwrap_or(-1), code: code.unwrap_or(-1) })
    }

    /// Whether all messages of the other are among these.
    fn holds(self, other: Self) -> bool {
        let any_or = |mine: i32, theirs: i32| mine == -1 || mine == theirs;
        self.protocol == other.protocol
            && any_or(self.kind, other.kind)
            && (self.kind == -1 || any_or(self.code, other.code))
    }
}

impl Lane {
    /// The ports of this lane that a rule reaches.
    fn span(self, rule: &IngressRule) -> Option<PortSpan> {
        match (self, rule.traffic()) {
            (Self::Tcp, Traffic::Tcp(span)) | (Self::Udp, Traffic::Udp(span)) => Some(span),
            (Self::Other(lane), Traffic::Other(number)) if lane == number => Some(PortSpan::ALL),
            (Self::Icmp(lane), Traffic::Icmp | Traffic::Icmpv6) => {
                Icmp::of(rule).is_some_and(|messages| messages.holds(lane)).then_some(PortSpan::ALL)
            }
            (_, Traffic::Everything) => Some(PortSpan::ALL),
            _ => None,
        }
    }
}

/// A rule in a lane: the ports it reaches there and its blocks of one family.
struct Member<'a> {
    rule: usize,
    span: PortSpan,
    blocks: &'a [Block],
}

/// The exposure of each rule, in the order of the rules.
pub fn exposures(rules: &[IngressRule], lists: &PrefixLists) -> Vec<Exposure> {
    let blocks: Vec<[Vec<Block>; 2]> = rules.iter().map(|rule| public_blocks(rule, lists)).collect();
    let mut exposures: Vec<Exposure> = blocks.iter().map(breadth).collect();
    for lane in lanes(rules) {
        for family in [0, 1] {
            let members: Vec<_> = rules
                .iter()
                .zip(&blocks)
                .enumerate()
                .filter_map(|(index, (rule, both))| {
                    let span = lane.span(rule)?;
                    let blocks = both.get(family).filter(|blocks| !blocks.is_empty())?;
                    Some(Member { rule: index, span, blocks })
                })
                .collect();
            for (index, open) in openings(&members) {
                if let Some(exposure) = exposures.get_mut(index) {
                    note(exposure, lane, rules.get(index), &open);
                }
            }
        }
    }
    exposures
}

/// The blocks of a rule's source that touch public space, IPv4 and IPv6.
fn public_blocks(rule: &IngressRule, lists: &PrefixLists) -> [Vec<Block>; 2] {
    let (v4, v6) = lists
        .blocks(&rule.source)
        .iter()
        .map(Block::of)
        .filter(|block| block.touches_public())
        .partition(|block| block.family() == Family::V4);
    [v4, v6]
}

fn breadth(blocks: &[Vec<Block>; 2]) -> Exposure {
    Exposure { broad: blocks.iter().flatten().any(|block| block.is_broad()), ..Exposure::default() }
}

fn lanes(rules: &[IngressRule]) -> BTreeSet<Lane> {
    let mut lanes = BTreeSet::new();
    for rule in rules {
        match rule.traffic() {
            Traffic::Tcp(_) => lanes.extend([Lane::Tcp]),
            Traffic::Udp(_) => lanes.extend([Lane::Udp]),
            Traffic::Other(number) => lanes.extend([Lane::Other(number)]),
            Traffic::Everything => lanes.extend([Lane::Tcp, Lane::Udp, Lane::Everything]),
            Traffic::Icmp | Traffic::Icmpv6 => lanes.extend(Icmp::of(rule).map(Lane::Icmp)),
        }
    }
    lanes
}

/// The ports, by rule, through which members take part in an opening.
fn openings(members: &[Member<'_>]) -> Vec<(usize, PortSet)> {
    let Some(family) = members.iter().flat_map(|member| member.blocks).map(|block| block.family()).next() else {
        return Vec::new();
    };
    if !could_cover_public(family, members.iter().flat_map(|member| member.blocks.iter().copied())) {
        return Vec::new();
    }
    let mut open: Vec<Vec<PortSpan>> = members.iter().map(|_| Vec::new()).collect();
    for segment in segments(members) {
        let offenders = offenders(family, members, segment);
        for (spans, offends) in open.iter_mut().zip(offenders) {
            spans.extend(offends.then_some(segment));
        }
    }
    members.iter().zip(open).map(|(member, spans)| (member.rule, spans.into_iter().collect())).collect()
}

/// The spans of ports between which no member starts or ends.
fn segments(members: &[Member<'_>]) -> Vec<PortSpan> {
    let cuts: BTreeSet<u32> = members
        .iter()
        .flat_map(|member| [u32::from(member.span.from()), u32::from(member.span.to()).saturating_add(1)])
        .collect();
    let ends = cuts.iter().skip(1).map(|cut| cut.saturating_sub(1));
    let port = |number: u32| u16::try_from(number).ok();
    cuts.iter().zip(ends).filter_map(|(&from, to)| PortSpan::new(port(from)?, port(to)?)).collect()
}

/// For each member, whether it offends within a segment.
fn offenders(family: Family, members: &[Member<'_>], segment: PortSpan) -> Vec<bool> {
    let reaches = |member: &&Member<'_>| member.span.contains(segment.from());
    let mut blocks: Vec<Block> = members.iter().filter(reaches).flat_map(|member| member.blocks).copied().collect();
    if !covers_public(family, &mut blocks) {
        return vec![false; members.len()];
    }
    let any_broad = blocks.iter().any(|block| block.is_broad());
    members
        .iter()
        .map(|member| reaches(&member) && (!any_broad || member.blocks.iter().any(|block| block.is_broad())))
        .collect()
}

fn note(exposure: &mut Exposure, lane: Lane, rule: Option<&IngressRule>, open: &PortSet) {
    // A rule that runs in a lane of another kind only helps to cover there: -1 in the lane of a protocol, all of ICMP in
    // the lane of one message.
    let own = match lane {
        Lane::Tcp | Lane::Udp | Lane::Everything => true,
        Lane::Other(_) => rule.is_some_and(|rule| rule.traffic() != Traffic::Everything),
        Lane::Icmp(messages) => rule.and_then(Icmp::of) == Some(messages),
    };
    match lane {
        Lane::Tcp => exposure.tcp = exposure.tcp.union(open),
        Lane::Udp => exposure.udp = exposure.udp.union(open),
        Lane::Other(_) | Lane::Icmp(_) | Lane::Everything => exposure.whole |= own && !open.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::group;
    use crate::source::parse_cidr;

    fn open(lines: &[&str]) -> Vec<String> {
        let lists: PrefixLists = [
            ("pl-halves", vec![parse_cidr("0.0.0.0/1").unwrap(), parse_cidr("128.0.0.0/1").unwrap()]),
            ("pl-office", vec![parse_cidr("198.51.100.0/24").unwrap(), parse_cidr("203.0.113.0/24").unwrap()]),
            ("pl-wide", vec![parse_cidr("0.0.0.0/0").unwrap(), parse_cidr("8.8.8.0/24").unwrap()]),
            ("pl-nines", parse_cidr("0.0.0.0/0").unwrap().subnets(9).unwrap().collect()),
        ]
        .into_iter()
        .collect();
        exposures(&group(lines).rules, &lists)
            .into_iter()
            .map(|exposure| {
                let whole = if exposure.whole { " whole" } else { "" };
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
            ["tcp:22 udp:", "tcp: udp:", "tcp: udp:", "tcp: udp:", "tcp: udp:"]
        );
        assert_eq!(open(&["tcp 22 ::/0", "tcp 22 0.0.0.0/1"]), ["tcp:22 udp:", "tcp: udp:"], "families are apart");
    }

    #[test]
    fn halves_are_the_world_where_they_meet() {
        assert_eq!(open(&["tcp 20-25 0.0.0.0/1", "tcp 22-30 128.0.0.0/1"]), ["tcp:22-25 udp:", "tcp:22-25 udp:"]);
        assert_eq!(open(&["tcp 22 0.0.0.0/1", "udp 22 128.0.0.0/1"]), ["tcp: udp:", "tcp: udp:"]);
        assert_eq!(open(&["tcp 22 ::/1", "tcp 22 8000::/1"]), ["tcp:22 udp:", "tcp: udp:"], "8000::/1 is not public");
    }

    #[test]
    fn all_traffic_counts_for_every_protocol_and_port() {
        assert_eq!(open(&["-1 - 0.0.0.0/1", "tcp 22 128.0.0.0/1"]), ["tcp:22 udp:", "tcp:22 udp:"]);
        assert_eq!(open(&["-1 - 0.0.0.0/1", "47 - 128.0.0.0/1"]), ["tcp: udp:", "tcp: udp: whole"]);
        assert_eq!(
            open(&["-1 - 0.0.0.0/1", "-1 - 128.0.0.0/1"]),
            ["tcp:0-65535 udp:0-65535 whole", "tcp:0-65535 udp:0-65535 whole"]
        );
    }

    #[test]
    fn a_prefix_list_is_its_entries() {
        assert_eq!(open(&["tcp 22 pl-halves"]), ["tcp:22 udp:"]);
        assert_eq!(open(&["tcp 22 pl-office"]), ["tcp: udp:"]);
        assert_eq!(open(&["tcp 22 pl-unknown"]), ["tcp: udp:"]);
        assert_eq!(open(&["tcp 22 pl-wide"]), ["tcp:22 udp:"], "one broad entry is enough");
        assert_eq!(open(&["tcp 22 0.0.0.0/0", "tcp 22 pl-office"]), ["tcp:22 udp:", "tcp: udp:"]);
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
        assert_eq!(open(&["icmp 8 0.0.0.0/0", "icmpv6 - ::/0"]), ["tcp: udp: whole", "tcp: udp: whole"]);
        assert_eq!(open(&["icmp 8/-1 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]), ["tcp: udp:", "tcp: udp:"]);
        assert_eq!(open(&["icmp - 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]), ["tcp: udp:", "tcp: udp: whole"]);
        assert_eq!(open(&["icmp 8/-1 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]), ["tcp: udp:", "tcp: udp: whole"]);
        assert_eq!(open(&["icmp 8/0 0.0.0.0/1", "icmp 8/3 128.0.0.0/1"]), ["tcp: udp:", "tcp: udp:"]);
        assert_eq!(open(&["-1 - 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]), ["tcp: udp:", "tcp: udp: whole"]);
    }
}
