//! What the group allowed before the plan, port by port.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::address::{AddressBlock, AddressFamily};
use crate::group::{Ec2Ports, IngressRule, Traffic};
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};

/// The ports of a source that was not looked at, which does not happen.
static NO_PORTS: PortSet = PortSet::empty();

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
    sources: Vec<PriorSource<'a>>,
    /// The ports at which a source was allowed completely. Protocols without ports have all or
    /// none.
    known: BTreeMap<Source, BTreeMap<TrafficKind, PortSet>>,
}

/// The rules of the group with the same source.
#[derive(Debug)]
struct PriorSource<'a> {
    source: Source,
    /// Its blocks in ascending order.
    ranges: Vec<SourceRange>,
    rules: Vec<&'a IngressRule>,
}

/// A block of addresses and the ports that it could reach.
struct Part<'p> {
    range: SourceRange,
    ports: &'p PortSet,
}

/// An address family and the number of an address.
type Address = (AddressFamily, u128);

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

    const fn first_address(self) -> Address {
        (self.family, self.first)
    }

    const fn last_address(self) -> Address {
        (self.family, self.last)
    }
}

impl<'a> PriorAccess<'a> {
    pub(super) fn new(rules: &'a [IngressRule], lists: &'a PrefixLists) -> Self {
        let mut by_source: BTreeMap<Source, Vec<&IngressRule>> = BTreeMap::new();
        for rule in rules {
            let source = rule.source.without_owner();
            by_source.entry(source).or_default().push(rule);
        }
        let sources = by_source
            .into_iter()
            .map(|(source, rules)| PriorSource {
                ranges: address_ranges(&source, lists),
                source,
                rules,
            })
            .collect();
        Self {
            lists,
            sources,
            known: BTreeMap::new(),
        }
    }

    /// Whether a source is a prefix list whose entries are not known.
    pub(super) fn is_unresolved(&self, source: &Source) -> bool {
        let id = source.prefix_list_id();
        id.is_some_and(|id| self.lists.entries(id).is_none())
    }

    /// The ports of a protocol at which the group allowed every address of a source. A protocol
    /// without ports has all ports or none. `messages` are type and code for ICMP.
    pub(super) fn allowed_ports(
        &mut self,
        source: &Source,
        protocol: Protocol,
        messages: Ec2Ports,
    ) -> &PortSet {
        let kind = TrafficKind { protocol, messages };
        let by_kind = self.known.get(source);
        if !by_kind.is_some_and(|by_kind| by_kind.contains_key(&kind)) {
            let ports = self.compute_allowed_ports(source, kind);
            self.known
                .entry(source.clone())
                .or_default()
                .insert(kind, ports);
        }
        let by_kind = self.known.get(source);
        by_kind
            .and_then(|by_kind| by_kind.get(&kind))
            .unwrap_or(&NO_PORTS)
    }

    fn compute_allowed_ports(&self, source: &Source, kind: TrafficKind) -> PortSet {
        let wanted = merge_ranges(address_ranges(source, self.lists));
        let mut by_one_source: Vec<PortRange> = Vec::new();
        let mut partial_sources = Vec::new();
        for other in &self.sources {
            let is_same = other.source.same_source(source);
            if !is_same && !other.overlaps_any(&wanted) {
                continue;
            }
            let reached = other
                .rules
                .iter()
                .filter_map(|rule| kind.ports_reached_by(rule));
            if is_same || other.contains_all(&wanted) {
                by_one_source.extend(reached);
            } else {
                let ports: PortSet = reached.collect();
                partial_sources.push((other.ranges.as_slice(), ports));
            }
        }
        let parts = overlapping_parts(&wanted, &partial_sources);
        let by_several = ports_covered_by_parts(&wanted, &parts);
        by_several.union(&by_one_source.into_iter().collect())
    }
}

impl PriorSource<'_> {
    fn overlaps_any(&self, wanted: &[SourceRange]) -> bool {
        self.ranges.iter().any(|range| overlaps_any(wanted, *range))
    }

    /// Whether one block of the source contains all of the addresses.
    fn contains_all(&self, wanted: &[SourceRange]) -> bool {
        let mut ranges = self.ranges.iter();
        !wanted.is_empty() && ranges.any(|range| wanted.iter().all(|block| range.contains(*block)))
    }
}

/// The blocks of a source in ascending order.
fn address_ranges(source: &Source, lists: &PrefixLists) -> Vec<SourceRange> {
    let mut ranges: Vec<SourceRange> = lists
        .source_blocks(source)
        .iter()
        .map(SourceRange::from_net)
        .collect();
    ranges.sort_unstable();
    ranges
}

/// Merges blocks in ascending order that overlap.
fn merge_ranges(mut ranges: Vec<SourceRange>) -> Vec<SourceRange> {
    ranges.dedup_by(|range, previous| {
        let overlaps = range.overlaps(*previous);
        if overlaps {
            previous.last = previous.last.max(range.last);
        }
        overlaps
    });
    ranges
}

/// The blocks that overlap the wanted addresses and reach any port, in ascending order.
fn overlapping_parts<'p>(
    wanted: &[SourceRange],
    sources: &'p [(&[SourceRange], PortSet)],
) -> Vec<Part<'p>> {
    let mut parts = Vec::new();
    for (ranges, ports) in sources {
        if !ports.is_empty() {
            let overlapping = ranges.iter().filter(|range| overlaps_any(wanted, **range));
            parts.extend(overlapping.map(|&range| Part { range, ports }));
        }
    }
    parts.sort_unstable_by_key(|part| part.range);
    parts
}

/// Whether a range overlaps one of others, which are in ascending order and do not overlap each
/// other.
fn overlaps_any(ascending: &[SourceRange], range: SourceRange) -> bool {
    let before = |other: &SourceRange| (other.family, other.last) < (range.family, range.first);
    let next = ascending.partition_point(before);
    ascending
        .get(next)
        .is_some_and(|other| other.overlaps(range))
}

/// The ports at which the parts together cover the wanted addresses. Both are in ascending order,
/// and all parts overlap the wanted addresses.
///
/// The ports of each address are those of all parts that contain it. Between two ends of parts they
/// do not change.
fn ports_covered_by_parts(wanted: &[SourceRange], parts: &[Part<'_>]) -> PortSet {
    let mut covered: Option<PortSet> = None;
    let mut waiting = parts.iter().peekable();
    let mut active: Vec<&Part<'_>> = Vec::new();
    for address in starts_of_changes(wanted, parts) {
        while let Some(part) = waiting.next_if(|part| part.range.first_address() <= address) {
            active.push(part);
        }
        active.retain(|part| part.range.last_address() >= address);
        let reached = ports_of_parts(&active);
        let common = match covered {
            Some(covered) => covered.intersection(&reached),
            None => reached.into_owned(),
        };
        if common.is_empty() {
            return common;
        }
        covered = Some(common);
    }
    covered.unwrap_or_default()
}

/// The ports of several parts.
fn ports_of_parts<'p>(parts: &[&Part<'p>]) -> Cow<'p, PortSet> {
    if let [part] = parts {
        return Cow::Borrowed(part.ports);
    }
    let ranges = parts.iter().flat_map(|part| part.ports.ranges());
    Cow::Owned(ranges.copied().collect())
}

/// The wanted addresses at which parts start or end, and the first of each wanted range, in
/// ascending order.
fn starts_of_changes(wanted: &[SourceRange], parts: &[Part<'_>]) -> Vec<Address> {
    let mut starts: Vec<Address> = Vec::new();
    for range in parts.iter().map(|part| part.range) {
        starts.push(range.first_address());
        let next = range.last.checked_add(1);
        starts.extend(next.map(|next| (range.family, next)));
    }
    starts.retain(|&(family, address)| {
        let single = SourceRange {
            family,
            first: address,
            last: address,
        };
        overlaps_any(wanted, single)
    });
    starts.extend(wanted.iter().map(|range| range.first_address()));
    starts.sort_unstable();
    starts.dedup();
    starts
}

impl TrafficKind {
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
