//! Exposure: the part of each rule of a group that is open to the world, evaluated port by port.
//!
//! A port is open to the world for a protocol and an address family when the sources that reach it
//! together cover the public address space of the family. Rules for protocol `-1` count for every
//! protocol and port. Which of the sources are exposed depends on their rank, see
//! `SourceRank`: a source is exposed if the sources of its rank and all later ranks together
//! cover the public address space. The broad sources have the first rank. The others follow by the
//! length of their shortest public prefix.

mod axis;
mod coverage;
mod public_source;

use std::collections::BTreeMap;

use crate::address::AddressFamily;
use crate::group::{IngressRule, Traffic};
use crate::ports::{PortRange, PortSet};
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

use axis::{ALL_TRAFFIC_POSITION, Axis, AxisRange, port_position, protocol_numbers};
use coverage::{OpenRanks, RankedMember, compute_open_ranks};
use public_source::{PublicSources, SourceRank};

/// The part of one rule that is open to the world, alone or together with other rules of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposure {
    /// The traffic that is open to the world. ICMP is included if one message that the rule allows
    /// is open.
    pub open: TrafficSet,
    /// For `-1`: whether the rules for protocol `-1` alone are open to the world.
    pub all_traffic: bool,
    /// Whether the source is broad: a prefix of /8 or shorter (IPv6: /16 or shorter) that contains
    /// public addresses.
    pub broad: bool,
}

impl Exposure {
    /// The TCP and UDP ports that are open to the world.
    pub fn open_ports(&self) -> TrafficSet {
        TrafficSet {
            tcp: self.open.tcp.clone(),
            udp: self.open.udp.clone(),
            ..TrafficSet::default()
        }
    }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    let mut class_by_key: BTreeMap<ClassKey, ExposureClass> = BTreeMap::new();
    for (rule_index, rule) in rules.iter().enumerate() {
        let key = ClassKey {
            traffic: rule.traffic(),
            icmp_message: Axis::of_icmp(rule).and_then(|axis| axis.range_reached_by(rule)),
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
            if !rules.iter().any(|rule| axis.is_needed_for(rule)) {
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
            let open = |axis| self.open_parts(axis, family, rule, rank);
            let numbers = open(Axis::Number);
            let all_traffic = numbers
                .iter()
                .any(|part| part.contains(ALL_TRAFFIC_POSITION));
            let open_in_family = TrafficSet {
                tcp: ports_of_parts(&open(Axis::Tcp)),
                udp: ports_of_parts(&open(Axis::Udp)),
                icmp: all_traffic || !open(Axis::Icmp).is_empty(),
                icmpv6: all_traffic || !open(Axis::Icmpv6).is_empty(),
                other_protocols: numbers.into_iter().flat_map(protocol_numbers).collect(),
            };
            exposure.open = exposure.open.union(&open_in_family);
            exposure.all_traffic |= all_traffic;
        }
        exposure
    }

    /// The parts of an axis that the rule reaches and that are open to the world.
    fn open_parts(
        &self,
        axis: Axis,
        family: AddressFamily,
        rule: &IngressRule,
        rank: SourceRank,
    ) -> Vec<AxisRange> {
        let reached = axis.range_reached_by(rule);
        match (reached, self.0.get(&(axis, family))) {
            (Some(range), Some(open_ranks)) => open_ranks.open_within(range, rank),
            _ => Vec::new(),
        }
    }
}

fn ports_of_parts(parts: &[AxisRange]) -> PortSet {
    parts
        .iter()
        .copied()
        .filter_map(port_range_of_axis)
        .collect()
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
mod tests;
