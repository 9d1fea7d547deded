//! Exposure: the part of each rule of a group that is open to the world, evaluated port by port.
//!
//! A port is open to the world for a protocol and an address family when the sources that reach it
//! together cover the public address space of the family. Rules for protocol `-1` count for every
//! protocol and port. Which of the sources are exposed depends on their rank, see
//! [`SourceRank`]: a source is exposed if the sources of its rank and all later ranks together
//! cover the public address space. The broad sources have the first rank. The others follow by the
//! length of their shortest public prefix.

mod axis;
mod coverage;
mod public_source;

use std::collections::{BTreeMap, HashMap};

use crate::address::AddressFamily;
use crate::group::{IngressRule, Traffic};
use crate::ports::{PortRange, PortSet};
use crate::source::{PrefixLists, Source};

use axis::{Axis, AxisRange, port_position};
use coverage::{OpenRanks, RankedMember, compute_open_ranks};
use public_source::{PublicSources, SourceRank};

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

/// A class of rules of a group with the same traffic and the same exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExposureClass(usize);

/// The exposure of each rule of a group.
#[derive(Debug, Clone, Default)]
pub struct Exposures {
    class_by_rule: Vec<ExposureClass>,
    exposure_by_class: Vec<Exposure>,
}

impl Exposures {
    /// The class of the rule with this index in the group.
    pub fn class_of(&self, rule_index: usize) -> Option<ExposureClass> {
        self.class_by_rule.get(rule_index).copied()
    }

    /// The exposure of the rules of a class.
    pub fn of_class(&self, class: ExposureClass) -> Option<&Exposure> {
        self.exposure_by_class.get(class.0)
    }
}

/// What the exposure of a rule depends on, besides the other rules of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ClassKey {
    traffic: Traffic,
    /// ICMP type and code.
    icmp_message: Option<AxisRange>,
    ranks: [Option<SourceRank>; 2],
    is_group_source: bool,
}

/// Computes the exposure of each rule of a group.
pub fn compute_exposures(rules: &[IngressRule], lists: &PrefixLists) -> Exposures {
    let sources = PublicSources::from_rules(rules, lists);
    let openness = Openness::compute(rules, &sources);
    let mut exposures = Exposures::default();
    let mut class_by_key: HashMap<ClassKey, ExposureClass> = HashMap::new();
    for (rule_index, rule) in rules.iter().enumerate() {
        let key = ClassKey {
            traffic: rule.traffic(),
            icmp_message: Axis::of_icmp(rule).and_then(|axis| axis.own_range_of(rule)),
            ranks: AddressFamily::BOTH.map(|family| sources.rank_of(rule_index, family)),
            is_group_source: matches!(rule.source, Source::Group(_)),
        };
        let class = *class_by_key.entry(key).or_insert_with(|| {
            let class = ExposureClass(exposures.exposure_by_class.len());
            exposures
                .exposure_by_class
                .push(openness.exposure_of(rule, key.ranks));
            class
        });
        exposures.class_by_rule.push(class);
    }
    exposures
}

/// What is open to the world in a group, by protocol axis and address family.
struct Openness(BTreeMap<(Axis, AddressFamily), OpenRanks>);

impl Openness {
    fn compute(rules: &[IngressRule], sources: &PublicSources) -> Self {
        let mut open_ranks = BTreeMap::new();
        for axis in Axis::ALL {
            if !rules.iter().any(|rule| axis.own_range_of(rule).is_some()) {
                continue;
            }
            for family in AddressFamily::BOTH {
                let members = axis_members(axis, family, rules, sources);
                let ranks = compute_open_ranks(family, &members);
                open_ranks.insert((axis, family), ranks);
            }
        }
        Self(open_ranks)
    }

    fn exposure_of(&self, rule: &IngressRule, ranks: [Option<SourceRank>; 2]) -> Exposure {
        let mut exposure = Exposure {
            broad: ranks.contains(&Some(SourceRank::BROAD)),
            ..Exposure::default()
        };
        for (family, rank) in AddressFamily::BOTH.into_iter().zip(ranks) {
            let Some(rank) = rank else {
                continue;
            };
            exposure.tcp = exposure
                .tcp
                .union(&self.open_ports(Axis::Tcp, family, rule, rank));
            exposure.udp = exposure
                .udp
                .union(&self.open_ports(Axis::Udp, family, rule, rank));
            exposure.whole_rule |= self.is_whole_rule_open(family, rule, rank);
        }
        exposure
    }

    fn open_ports(
        &self,
        axis: Axis,
        family: AddressFamily,
        rule: &IngressRule,
        rank: SourceRank,
    ) -> PortSet {
        let Some(range) = axis.own_range_of(rule) else {
            return PortSet::empty();
        };
        let Some(open_ranks) = self.0.get(&(axis, family)) else {
            return PortSet::empty();
        };
        open_ranks
            .open_within(range, rank)
            .filter_map(port_range_of_axis)
            .collect()
    }

    fn is_whole_rule_open(
        &self,
        family: AddressFamily,
        rule: &IngressRule,
        rank: SourceRank,
    ) -> bool {
        let Some((axis, position)) = Axis::whole_rule_position(rule) else {
            return false;
        };
        self.0
            .get(&(axis, family))
            .is_some_and(|open_ranks| open_ranks.is_open_at(position, rank))
    }
}

fn port_range_of_axis(range: AxisRange) -> Option<PortRange> {
    PortRange::new(port_position(range.first)?, port_position(range.last)?)
}

/// The rules that reach a protocol axis from public addresses of a family.
fn axis_members<'a>(
    axis: Axis,
    family: AddressFamily,
    rules: &[IngressRule],
    sources: &'a PublicSources,
) -> Vec<RankedMember<'a>> {
    let mut members = Vec::new();
    for (rule_index, rule) in rules.iter().enumerate() {
        let Some(source) = sources.public_source_of(rule_index, family) else {
            continue;
        };
        let range = axis.range_reached_by(rule);
        members.extend(range.map(|range| RankedMember { range, source }));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::tests::group;
    use crate::source::parse_cidr;
    use ipnet::IpNet;

    /// The subnets of blocks with these prefix lengths.
    fn split(blocks: &[(&str, u8)]) -> Vec<IpNet> {
        blocks
            .iter()
            .flat_map(|(text, len)| parse_cidr(text).unwrap().subnets(*len).unwrap())
            .collect()
    }

    fn exposures(lines: &[&str]) -> Vec<String> {
        let lists: PrefixLists = [
            ("pl-halves", split(&[("0.0.0.0/0", 1)])),
            (
                "pl-office",
                split(&[("198.51.100.0/24", 24), ("203.0.113.0/24", 24)]),
            ),
            ("pl-wide", split(&[("0.0.0.0/0", 0), ("8.8.8.0/24", 24)])),
            ("pl-nines", split(&[("0.0.0.0/0", 9)])),
            ("pl-low", split(&[("0.0.0.0/1", 9)])),
            ("pl-high", split(&[("128.0.0.0/1", 9)])),
            ("pl-tens", split(&[("0.0.0.0/0", 10)])),
            ("pl-low-tens", split(&[("0.0.0.0/1", 10)])),
            (
                "pl-tens-and-private",
                split(&[("0.0.0.0/0", 10), ("10.0.0.0/8", 8)]),
            ),
            (
                "pl-tens-and-nine",
                split(&[("0.0.0.0/0", 10), ("8.0.0.0/9", 9)]),
            ),
        ]
        .into_iter()
        .collect();
        let rules = group(lines).rules;
        let exposures = compute_exposures(&rules, &lists);
        (0..rules.len())
            .map(|index| {
                let class = exposures.class_of(index).unwrap();
                let exposure = exposures.of_class(class).unwrap();
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
    fn two_halves_are_open_to_the_world_on_their_common_ports() {
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
    fn narrow_sources_are_exposed_by_prefix_length_while_the_others_cover() {
        for (sources, expected) in [
            // The list offends, because the remaining sources do not cover without it.
            (&["pl-nines", "8.8.8.0/24", "10.1.0.0/16"][..], &[0][..]),
            // A broad source does not hide what covers without it.
            (&["8.0.0.0/8", "pl-nines"], &[0, 1]),
            (&["0.0.0.0/0", "pl-nines", "198.51.100.7/32"], &[0, 1]),
            (&["0.0.0.0/0", "pl-nines", "8.8.8.8/32"], &[0, 1]),
            // Lists of equal prefix lengths go together.
            (&["pl-low", "pl-high", "8.8.8.0/24"], &[0, 1]),
            (&["pl-nines", "pl-low"], &[0, 1]),
            (&["pl-nines", "pl-tens", "8.8.8.0/24"], &[0, 1]),
            // Without the nines, the tens cover only half.
            (&["pl-nines", "pl-low-tens"], &[0]),
            (&["0.0.0.0/0", "pl-low", "8.8.8.0/24"], &[0]),
            // A list counts by its shortest public entry; 10.0.0.0/8 is not public.
            (&["pl-nines", "pl-tens-and-private"], &[0, 1]),
            (&["pl-tens-and-nine", "pl-nines", "pl-tens"], &[0, 1, 2]),
            (&["pl-tens-and-nine", "pl-nines"], &[0, 1]),
            (&["128.0.0.0/1", "pl-low"], &[0]),
            (&["128.0.0.0/1", "pl-low", "pl-high"], &[0, 1, 2]),
        ] {
            let lines: Vec<_> = sources
                .iter()
                .map(|source| format!("tcp 22 {source}"))
                .collect();
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let exposed: Vec<_> = exposures(&lines)
                .iter()
                .enumerate()
                .filter(|(_, exposure)| *exposure == "tcp:22 udp:")
                .map(|(index, _)| index)
                .collect();
            assert_eq!(exposed, expected, "{sources:?}");
        }
    }

    #[test]
    fn the_order_of_exposed_sources_is_decided_for_each_port() {
        assert_eq!(
            exposures(&["tcp 20-30 pl-nines", "tcp 25 pl-tens", "-1 - 8.0.0.0/8"]),
            ["tcp:20-30 udp:", "tcp:25 udp:", "tcp:20-30 udp:"]
        );
        assert_eq!(
            exposures(&["icmp 8/-1 pl-nines", "icmp 8/0 pl-tens", "icmp - pl-nines"]),
            ["tcp: udp: whole", "tcp: udp: whole", "tcp: udp: whole"]
        );
        assert_eq!(
            exposures(&["47 - pl-nines", "-1 - pl-tens", "-1 - pl-low"]),
            [
                "tcp: udp: whole",
                "tcp:0-65535 udp:0-65535 whole",
                "tcp:0-65535 udp:0-65535 whole"
            ]
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
