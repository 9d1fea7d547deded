//! What the group allowed before the plan, port by port.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::address::{AddressBlock, AddressFamily};
use crate::group::{Ec2Ports, IngressRule, Traffic};
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};

/// A kind of traffic: a protocol, and for ICMP the type and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TrafficKind {
    protocol: Protocol,
    messages: Ec2Ports,
}

/// What the group allowed before the plan.
///
/// A trusted source may replace a removed rule only where the rules of the group, taken together,
/// allowed all of its addresses.
#[derive(Debug)]
pub(super) struct PriorAccess<'a> {
    lists: &'a PrefixLists,
    rules_by_source: BTreeMap<Source, Vec<&'a IngressRule>>,
    /// The ports at which a source was allowed completely. Protocols without ports have all or
    /// none.
    known: BTreeMap<(Source, TrafficKind), PortSet>,
}

/// A block of addresses and the ports that it could reach.
struct Part<'p> {
    range: SourceRange,
    ports: &'p PortSet,
}

/// An inclusive range of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SourceRange {
    family: AddressFamily,
    first: u128,
    last: u128,
}

impl SourceRange {
    fn from_net(net: &IpNet) -> Self {
        let block = AddressBlock::from_net(net);
        let (first, last) = block.bounds();
        Self {
            family: block.family(),
            first,
            last,
        }
    }

    fn overlaps(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.last && other.first <= self.last
    }

    fn contains(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last <= self.last
    }
}

impl<'a> PriorAccess<'a> {
    pub(super) fn new(rules: &'a [IngressRule], lists: &'a PrefixLists) -> Self {
        let mut rules_by_source: BTreeMap<Source, Vec<&IngressRule>> = BTreeMap::new();
        for rule in rules {
            let source = rule.source.without_owner();
            rules_by_source.entry(source).or_default().push(rule);
        }
        Self {
            lists,
            rules_by_source,
            known: BTreeMap::new(),
        }
    }

    /// The part of the ports of an added rule at which the group allowed every address of its
    /// source. A protocol without ports has all ports or none.
    pub(super) fn allowed_ports(&mut self, added: &IngressRule) -> PortSet {
        let kind = TrafficKind::of_rule(added);
        let key = (added.source.clone(), kind);
        if !self.known.contains_key(&key) {
            let ports = self.compute_allowed_ports(&added.source, kind);
            self.known.insert(key.clone(), ports);
        }
        let wanted = PortSet::from(added.port_range().unwrap_or(PortRange::ALL));
        self.known
            .get(&key)
            .map(|allowed| wanted.intersection(allowed))
            .unwrap_or_default()
    }

    fn compute_allowed_ports(&self, source: &Source, kind: TrafficKind) -> PortSet {
        let wanted = self.address_ranges(source);
        let mut by_one_source = PortSet::empty();
        let mut partial_sources = Vec::new();
        for (other, rules) in &self.rules_by_source {
            let reached = rules.iter().filter_map(|rule| kind.ports_reached_by(rule));
            let ports: PortSet = reached.collect();
            let ranges = self.address_ranges(other);
            let contains_all =
                |range: &SourceRange| wanted.iter().all(|block| range.contains(*block));
            if ports.is_empty() {
                continue;
            }
            let is_inside = !wanted.is_empty() && ranges.iter().any(contains_all);
            if is_inside || other.same_source(source) {
                by_one_source = by_one_source.union(&ports);
            } else {
                partial_sources.push((ranges, ports));
            }
        }
        let parts = overlapping_parts(&wanted, &partial_sources);
        let by_several = ports_covered_by_parts(&wanted, &parts, &by_one_source);
        by_one_source.union(&by_several.into_iter().collect())
    }

    /// The blocks of a source in ascending order.
    fn address_ranges(&self, source: &Source) -> Vec<SourceRange> {
        let nets = self.lists.source_blocks(source).iter();
        let mut ranges: Vec<SourceRange> = nets.map(SourceRange::from_net).collect();
        ranges.sort_unstable();
        ranges
    }
}

/// The blocks that overlap the wanted addresses, in ascending order.
fn overlapping_parts<'p>(
    wanted: &[SourceRange],
    sources: &'p [(Vec<SourceRange>, PortSet)],
) -> Vec<Part<'p>> {
    let mut parts = Vec::new();
    for (ranges, ports) in sources {
        let overlapping = ranges
            .iter()
            .filter(|range| wanted.iter().any(|block| range.overlaps(*block)));
        parts.extend(overlapping.map(|&range| Part { range, ports }));
    }
    parts.sort_unstable_by_key(|part| part.range);
    parts
}

impl TrafficKind {
    fn of_rule(rule: &IngressRule) -> Self {
        let messages = match rule.traffic() {
            Traffic::Icmp | Traffic::Icmpv6 => rule.ec2_ports(),
            Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Other(_) | Traffic::All => {
                Ec2Ports::default()
            }
        };
        Self {
            protocol: rule.protocol(),
            messages,
        }
    }

    /// The ports at which a rule allows this traffic; every port for protocols without ports.
    fn ports_reached_by(self, rule: &IngressRule) -> Option<PortRange> {
        match (rule.traffic(), self.protocol) {
            (Traffic::All, _) => Some(PortRange::ALL),
            (Traffic::Tcp(ports), Protocol::Tcp) | (Traffic::Udp(ports), Protocol::Udp) => {
                Some(ports)
            }
            (Traffic::Other(number), Protocol::Other(wanted)) => {
                (number == wanted).then_some(PortRange::ALL)
            }
            (Traffic::Icmp, Protocol::Icmp) | (Traffic::Icmpv6, Protocol::Icmpv6) => {
                includes_messages(rule.ec2_ports(), self.messages).then_some(PortRange::ALL)
            }
            _ => None,
        }
    }
}

/// Whether ICMP messages include other messages. -1 means any type or any code.
fn includes_messages(allowed: Ec2Ports, wanted: Ec2Ports) -> bool {
    let field = |value: Option<i32>| value.unwrap_or(-1);
    let includes_code = field(allowed.to) == -1 || field(allowed.to) == field(wanted.to);
    field(allowed.from) == -1 || (field(allowed.from) == field(wanted.from) && includes_code)
}

/// The ports, other than those that are known, at which the parts together cover the wanted
/// addresses. Both are in ascending order.
fn ports_covered_by_parts(
    wanted: &[SourceRange],
    parts: &[Part<'_>],
    known: &PortSet,
) -> Vec<PortRange> {
    let mut starts: BTreeSet<u16> = BTreeSet::new();
    for ports in parts.iter().map(|part| part.ports).chain([known]) {
        for range in ports.ranges() {
            starts.insert(range.first_port());
            starts.extend(range.last_port().checked_add(1));
        }
    }
    let nexts = starts.iter().skip(1).map(|start| start.saturating_sub(1));
    let ends = nexts.chain([u16::MAX]);
    let mut covered = Vec::new();
    for (&start, end) in starts.iter().zip(ends) {
        let open = parts.iter().filter(|part| part.ports.contains(start));
        if !known.contains(start) && covers_all(wanted, open.map(|part| part.range)) {
            covered.extend(PortRange::new(start, end));
        }
    }
    covered
}

/// Whether ranges in ascending order cover all of the wanted ranges, which are in ascending order,
/// too.
fn covers_all(wanted: &[SourceRange], ranges: impl Iterator<Item = SourceRange>) -> bool {
    let mut missing = wanted.iter().copied();
    let mut next = missing.next();
    let mut reached: Option<SourceRange> = None;
    for range in ranges {
        reached = match reached {
            Some(previous) if extends(previous, range) => Some(SourceRange {
                last: previous.last.max(range.last),
                ..previous
            }),
            _ => Some(range),
        };
        while next.is_some_and(|block| reached.is_some_and(|it| it.contains(block))) {
            next = missing.next();
        }
    }
    next.is_none() && !wanted.is_empty()
}

/// Whether a range starts inside or right after another one.
fn extends(previous: SourceRange, range: SourceRange) -> bool {
    previous.family == range.family && range.first <= previous.last.saturating_add(1)
}
