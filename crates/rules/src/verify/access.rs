//! The access that a group allows, to compare with the rules that a plan adds.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::group::{IngressRule, SecurityGroup, Traffic};
use crate::policy::{Action, Policy, PolicyRule};
use crate::source::{PrefixLists, Source};

/// The access that the group allowed before the plan.
pub(super) struct AllowedAccess<'a> {
    policy: &'a Policy,
    group: &'a SecurityGroup,
    lists: &'a PrefixLists,
    rules_by_source: RulesBySource<'a>,
    /// The ports that are allowed from sources and protocols that were looked at already.
    ports_by_source: BTreeMap<(Source, PortProtocol, Origins), AllowedPorts>,
}

/// The protocols with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PortProtocol {
    Tcp,
    Udp,
}

/// Which rules of the group count for the access from a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origins {
    /// Those with the same source.
    SameSource,
    /// Any rules: a trusted group may use every port that was open to any source.
    Any,
    /// The rules that together allow each address of the source.
    Covering,
}

/// The rules of a group by source, without the owners of groups.
type RulesBySource<'a> = BTreeMap<Source, Vec<&'a IngressRule>>;

/// Inclusive ranges of ports in ascending order. They neither overlap nor touch.
type AllowedPorts = Vec<(u16, u16)>;

impl<'a> AllowedAccess<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        group: &'a SecurityGroup,
        lists: &'a PrefixLists,
    ) -> Self {
        let mut rules_by_source = RulesBySource::new();
        for rule in &group.rules {
            let source = rule.source.without_owner();
            rules_by_source.entry(source).or_default().push(rule);
        }
        Self {
            policy,
            group,
            lists,
            rules_by_source,
            ports_by_source: BTreeMap::new(),
        }
    }

    /// Whether the group allowed everything that the added rule allows: every port, from every
    /// address.
    pub(super) fn includes(&mut self, added: &IngressRule) -> bool {
        let other_origins = if is_trusted_group(&added.source, self.policy) {
            Origins::Any
        } else {
            Origins::Covering
        };
        match port_protocol_and_bounds(added) {
            Some((protocol, bounds)) => {
                self.includes_ports(added, protocol, bounds, Origins::SameSource)
                    || self.includes_ports(added, protocol, bounds, other_origins)
            }
            None => self.includes_whole_rule(added, other_origins),
        }
    }

    fn includes_ports(
        &mut self,
        added: &IngressRule,
        protocol: PortProtocol,
        (first, last): (u16, u16),
        origins: Origins,
    ) -> bool {
        let key = (added.source.without_owner(), protocol, origins);
        if !self.ports_by_source.contains_key(&key) {
            let ports = self.allowed_ports(&key.0, protocol, origins);
            self.ports_by_source.insert(key.clone(), ports);
        }
        let Some(ports) = self.ports_by_source.get(&key) else {
            return false;
        };
        let next = ports.partition_point(|&(_, end)| end < first);
        ports
            .get(next)
            .is_some_and(|&(start, end)| start <= first && last <= end)
    }

    fn allowed_ports(
        &self,
        source: &Source,
        protocol: PortProtocol,
        origins: Origins,
    ) -> AllowedPorts {
        match origins {
            Origins::SameSource => {
                let rules = self.rules_by_source.get(source);
                ports_of_any(rules.into_iter().flatten().copied(), protocol)
            }
            Origins::Any => ports_of_any(&self.group.rules, protocol),
            Origins::Covering => {
                ports_from_everywhere(source, &self.rules_by_source, protocol, self.lists)
            }
        }
    }

    /// The same for a rule without ports.
    fn includes_whole_rule(&self, added: &IngressRule, other_origins: Origins) -> bool {
        let same_source = self.rules_by_source.get(&added.source.without_owner());
        let mut same_source = same_source.into_iter().flatten();
        if same_source.any(|rule| allows_all_traffic_of(rule, added)) {
            return true;
        }
        let allowing: Vec<&IngressRule> = self
            .group
            .rules
            .iter()
            .filter(|rule| allows_all_traffic_of(rule, added))
            .collect();
        match other_origins {
            Origins::Any => !allowing.is_empty(),
            Origins::SameSource | Origins::Covering => {
                is_source_covered(&added.source, &allowing, self.lists)
            }
        }
    }
}

/// Whether the source is a security group that a policy rule with the action `restrict` trusts. The
/// policy author vouches for such groups, whose addresses are not known.
fn is_trusted_group(source: &Source, policy: &Policy) -> bool {
    matches!(source, Source::Group(_))
        && policy.rules.iter().any(|rule| {
            can_restrict(rule, policy)
                && rule
                    .trusted
                    .iter()
                    .any(|trusted| trusted.same_source(source))
        })
}

/// Whether the action of the rule is `restrict`, for all groups or by an override for some.
fn can_restrict(rule: &PolicyRule, policy: &Policy) -> bool {
    rule.action == Action::Restrict
        || policy
            .overrides
            .iter()
            .filter_map(|candidate| candidate.rule_overrides.get(&rule.id))
            .any(|change| change.action == Some(Action::Restrict))
}

/// The protocol of a TCP or UDP rule, with its first and last port.
fn port_protocol_and_bounds(rule: &IngressRule) -> Option<(PortProtocol, (u16, u16))> {
    match rule.traffic() {
        Traffic::Tcp(ports) => Some((PortProtocol::Tcp, (ports.first_port(), ports.last_port()))),
        Traffic::Udp(ports) => Some((PortProtocol::Udp, (ports.first_port(), ports.last_port()))),
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) | Traffic::All => None,
    }
}

/// The first and last port of a protocol that a rule allows.
fn allowed_port_bounds(rule: &IngressRule, protocol: PortProtocol) -> Option<(u16, u16)> {
    match port_protocol_and_bounds(rule) {
        Some((allowed, bounds)) => (allowed == protocol).then_some(bounds),
        None => (rule.traffic() == Traffic::All).then_some((0, u16::MAX)),
    }
}

/// The ports that at least one of the rules allows.
fn ports_of_any<'r>(
    rules: impl IntoIterator<Item = &'r IngressRule>,
    protocol: PortProtocol,
) -> AllowedPorts {
    let mut ranges: Vec<(u16, u16)> = rules
        .into_iter()
        .filter_map(|rule| allowed_port_bounds(rule, protocol))
        .collect();
    ranges.sort_unstable();
    merge_port_ranges(&ranges)
}

/// Merges ranges in ascending order that overlap or touch.
fn merge_port_ranges(ranges: &[(u16, u16)]) -> AllowedPorts {
    let mut merged = AllowedPorts::new();
    for &(start, end) in ranges {
        match merged.last_mut() {
            Some((_, last)) if start <= last.saturating_add(1) => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// The ports that the rules together allow from every address of the source.
///
/// The addresses of the source are cut at the ends of all blocks into parts. A sweep over the ports
/// counts by how many rules each part is allowed.
fn ports_from_everywhere(
    source: &Source,
    rules_by_source: &RulesBySource<'_>,
    protocol: PortProtocol,
    lists: &PrefixLists,
) -> AllowedPorts {
    let wanted = merge_address_ranges(address_ranges_of(source, lists));
    if wanted.is_empty() {
        return AllowedPorts::new();
    }
    let mut sources: Vec<Vec<AddressRange>> = Vec::new();
    let mut changes: Vec<(u32, PortChange, usize)> = Vec::new();
    for (allowed_source, rules) in rules_by_source {
        let mut ranges = merge_address_ranges(address_ranges_of(allowed_source, lists));
        ranges.retain(|range| overlaps_any(*range, &wanted));
        if ranges.is_empty() {
            continue;
        }
        for (first, last) in ports_of_any(rules.iter().copied(), protocol) {
            let end = u32::from(last).saturating_add(1);
            changes.push((first.into(), PortChange::Start, sources.len()));
            changes.push((end, PortChange::End, sources.len()));
        }
        sources.push(ranges);
    }
    changes.sort_unstable();
    let parts = AddressParts::new(&wanted, sources.iter().flatten());
    covered_ports(parts, &sources, &changes)
}

/// The ports at which every part is allowed. The changes are in ascending order of ports and refer
/// to the sources by index.
fn covered_ports(
    mut parts: AddressParts,
    sources: &[Vec<AddressRange>],
    changes: &[(u32, PortChange, usize)],
) -> AllowedPorts {
    let mut covered = Vec::new();
    let mut covered_since: Option<u32> = None;
    for changes_at_port in changes.chunk_by(|one, two| one.0 == two.0) {
        for &(_, change, index) in changes_at_port {
            for &range in sources.get(index).into_iter().flatten() {
                parts.apply(range, change);
            }
        }
        let port = changes_at_port.first().map_or(0, |change| change.0);
        match (covered_since, parts.is_covered()) {
            (None, true) => covered_since = Some(port),
            (Some(start), false) => {
                covered.extend(port_range_between(start, port));
                covered_since = None;
            }
            _ => {}
        }
    }
    merge_port_ranges(&covered)
}

/// The ports from `start` up to the one before `end`.
fn port_range_between(start: u32, end: u32) -> Option<(u16, u16)> {
    let last = end.checked_sub(1)?;
    Some((u16::try_from(start).ok()?, u16::try_from(last).ok()?))
}

/// Whether a source starts or ends to be allowed at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PortChange {
    Start,
    End,
}

/// The parts of the addresses of a source, with the number of sources that contain each of
/// them and that are allowed.
struct AddressParts {
    /// The first address of each part, ascending, and the number of sources.
    parts: Vec<(AddressStart, u32)>,
    uncovered_count: usize,
}

/// Whether an address is of IPv6, and its number.
type AddressStart = (bool, u128);

impl AddressParts {
    /// The parts of these ranges, which are disjoint and in ascending order, cut at the ends of
    /// other ranges.
    fn new<'r>(wanted: &'r [AddressRange], cuts: impl Iterator<Item = &'r AddressRange>) -> Self {
        let mut starts: Vec<AddressStart> = Vec::new();
        for range in wanted.iter().chain(cuts) {
            starts.push((range.is_ipv6, range.first));
            let next = range.last.checked_add(1);
            starts.extend(next.map(|next| (range.is_ipv6, next)));
        }
        starts.sort_unstable();
        starts.dedup();
        starts.retain(|&(is_ipv6, address)| {
            overlaps_any(AddressRange::single(is_ipv6, address), wanted)
        });
        Self {
            uncovered_count: starts.len(),
            parts: starts.into_iter().map(|start| (start, 0)).collect(),
        }
    }

    fn is_covered(&self) -> bool {
        self.uncovered_count == 0
    }

    fn apply(&mut self, range: AddressRange, change: PortChange) {
        let is_before = |&(start, _): &(AddressStart, u32)| start < (range.is_ipv6, range.first);
        let first = self.parts.partition_point(is_before);
        for ((is_ipv6, address), count) in self.parts.iter_mut().skip(first) {
            if !range.contains(*is_ipv6, *address) {
                break;
            }
            let was_covered = *count > 0;
            *count = match change {
                PortChange::Start => count.saturating_add(1),
                PortChange::End => count.saturating_sub(1),
            };
            match (was_covered, *count > 0) {
                (false, true) => self.uncovered_count = self.uncovered_count.saturating_sub(1),
                (true, false) => self.uncovered_count = self.uncovered_count.saturating_add(1),
                _ => {}
            }
        }
    }
}

/// Whether a rule allows all traffic of an added rule without ports.
fn allows_all_traffic_of(rule: &IngressRule, added: &IngressRule) -> bool {
    match (rule.traffic(), added.traffic()) {
        (Traffic::All, _) => true,
        (Traffic::Other(allowed), Traffic::Other(number)) => allowed == number,
        (Traffic::Icmp, Traffic::Icmp) | (Traffic::Icmpv6, Traffic::Icmpv6) => {
            let ((allowed_type, allowed_code), (icmp_type, code)) =
                (rule.display_ports(), added.display_ports());
            let includes_code = allowed_code == Some(-1) || allowed_code == code;
            allowed_type == Some(-1) || (allowed_type == icmp_type && includes_code)
        }
        _ => false,
    }
}

/// Whether every address of the source is inside the union of the sources of the rules.
fn is_source_covered(source: &Source, allowing: &[&IngressRule], lists: &PrefixLists) -> bool {
    let mut allowed: Vec<AddressRange> = allowing
        .iter()
        .flat_map(|rule| address_ranges_of(&rule.source, lists))
        .collect();
    allowed.sort_unstable();
    let wanted = address_ranges_of(source, lists);
    !wanted.is_empty() && wanted.iter().all(|range| range.is_covered_by(&allowed))
}

fn address_ranges_of(source: &Source, lists: &PrefixLists) -> Vec<AddressRange> {
    lists
        .source_blocks(source)
        .iter()
        .map(AddressRange::from_net)
        .collect()
}

/// Sorts ranges, and merges those that overlap or touch.
fn merge_address_ranges(mut ranges: Vec<AddressRange>) -> Vec<AddressRange> {
    ranges.sort_unstable();
    let mut merged: Vec<AddressRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.overlaps_or_touches(range) => {
                last.last = last.last.max(range.last);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Whether the range overlaps one of these, which are disjoint and in ascending order.
fn overlaps_any(range: AddressRange, others: &[AddressRange]) -> bool {
    let is_before =
        |other: &AddressRange| (other.is_ipv6, other.last) < (range.is_ipv6, range.first);
    let next = others.partition_point(is_before);
    others.get(next).is_some_and(|other| other.overlaps(range))
}

/// The addresses of a CIDR block as numbers. Deliberately not the type that the evaluation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct AddressRange {
    is_ipv6: bool,
    first: u128,
    last: u128,
}

impl AddressRange {
    fn from_net(net: &IpNet) -> Self {
        let (first, last) = match net {
            IpNet::V4(v4) => (
                u32::from(v4.network()).into(),
                u32::from(v4.broadcast()).into(),
            ),
            IpNet::V6(v6) => (v6.network().into(), v6.broadcast().into()),
        };
        Self {
            is_ipv6: matches!(net, IpNet::V6(_)),
            first,
            last,
        }
    }

    const fn single(is_ipv6: bool, address: u128) -> Self {
        Self {
            is_ipv6,
            first: address,
            last: address,
        }
    }

    fn contains(self, is_ipv6: bool, address: u128) -> bool {
        self.is_ipv6 == is_ipv6 && self.first <= address && address <= self.last
    }

    fn overlaps(self, other: Self) -> bool {
        self.is_ipv6 == other.is_ipv6 && self.first <= other.last && other.first <= self.last
    }

    /// Whether a range that does not start before this one starts inside or right after it.
    fn overlaps_or_touches(self, next: Self) -> bool {
        self.is_ipv6 == next.is_ipv6 && next.first <= self.last.saturating_add(1)
    }

    /// Whether the union of the allowed ranges, in ascending order, contains this range.
    fn is_covered_by(self, allowed: &[Self]) -> bool {
        // The first address that is not known to be covered; `None` after the last possible
        // address.
        let mut next = Some(self.first);
        for range in allowed.iter().filter(|range| range.is_ipv6 == self.is_ipv6) {
            match next {
                Some(address) if address <= self.last => {
                    if range.first <= address && address <= range.last {
                        next = range.last.checked_add(1);
                    }
                }
                _ => break,
            }
        }
        next.is_none_or(|address| address > self.last)
    }
}
