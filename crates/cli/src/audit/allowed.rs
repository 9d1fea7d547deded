//! What is open to the world and forbidden by no policy rule, counted over all groups.

use std::collections::BTreeMap;

use portcullis_rules::TrafficSet;
use portcullis_rules::group::Traffic;

/// The traffic that security group rules open to the world and that no policy rule forbids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenAndAllowed {
    /// The number of security group rules, by traffic and group id. A group that is on two pages
    /// of a listing counts once.
    rules_by_group: BTreeMap<Traffic, BTreeMap<String, usize>>,
}

/// Traffic that is open to the world and allowed, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowedTraffic {
    /// The protocol, with one range of ports for TCP and UDP.
    pub traffic: Traffic,
    /// How many security group rules open it.
    pub rules: usize,
    /// How many groups these rules belong to.
    pub groups: usize,
}

impl OpenAndAllowed {
    /// Adds the allowed traffic of the security group rules of one group.
    pub fn add_group<'a>(
        &mut self,
        group_id: &str,
        allowed_by_rule: impl IntoIterator<Item = &'a TrafficSet>,
    ) {
        let mut counts: BTreeMap<Traffic, usize> = BTreeMap::new();
        for allowed in allowed_by_rule {
            for traffic in split_traffic(allowed) {
                let count = counts.entry(traffic).or_default();
                *count = count.saturating_add(1);
            }
        }
        for (traffic, count) in counts {
            self.rules_by_group
                .entry(traffic)
                .or_default()
                .insert(group_id.to_owned(), count);
        }
    }

    /// Adds the allowed traffic of other groups.
    pub fn merge(&mut self, other: Self) {
        for (traffic, by_group) in other.rules_by_group {
            self.rules_by_group
                .entry(traffic)
                .or_default()
                .extend(by_group);
        }
    }

    /// The traffic, ordered by protocol and ports.
    pub fn entries(&self) -> impl Iterator<Item = AllowedTraffic> {
        self.rules_by_group
            .iter()
            .map(|(traffic, by_group)| AllowedTraffic {
                traffic: *traffic,
                rules: by_group.values().copied().fold(0, usize::saturating_add),
                groups: by_group.len(),
            })
    }
}

/// The parts of a set of traffic: one for each range of ports and each protocol without ports, or
/// one for all traffic.
fn split_traffic(set: &TrafficSet) -> Vec<Traffic> {
    if *set == TrafficSet::all() {
        return vec![Traffic::All];
    }
    let tcp = set.tcp.ranges().iter().copied().map(Traffic::Tcp);
    let udp = set.udp.ranges().iter().copied().map(Traffic::Udp);
    let mut parts: Vec<_> = tcp.chain(udp).collect();
    if set.icmp {
        parts.push(Traffic::Icmp);
    }
    if set.icmpv6 {
        parts.push(Traffic::Icmpv6);
    }
    parts.extend(set.other_protocols.numbers().map(Traffic::Other));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_rules::PortRange;
    use proptest::prelude::*;

    fn tcp(from: u16, to: u16) -> TrafficSet {
        TrafficSet::tcp(PortRange::new(from, to).unwrap().into())
    }

    fn entries(allowed: &OpenAndAllowed) -> Vec<(Traffic, usize, usize)> {
        let entries = allowed.entries();
        entries
            .map(|entry| (entry.traffic, entry.rules, entry.groups))
            .collect()
    }

    #[test]
    fn rules_and_groups_are_counted() {
        let web = Traffic::Tcp(PortRange::single(443));
        let mut allowed = OpenAndAllowed::default();
        allowed.add_group("sg-1", [&tcp(443, 443), &tcp(443, 443)]);
        let mut other = OpenAndAllowed::default();
        other.add_group("sg-2", [&tcp(443, 443), &TrafficSet::all()]);
        // The same group on another page.
        other.add_group("sg-1", [&tcp(443, 443), &tcp(443, 443)]);
        allowed.merge(other);
        assert_eq!(entries(&allowed), [(web, 3, 2), (Traffic::All, 1, 1)]);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(
            ports in prop::collection::vec((any::<u16>(), any::<u16>()), 0..4),
            icmp in any::<bool>(),
            number in any::<u8>(),
        ) {
            let mut set = ports.iter().fold(TrafficSet::default(), |all, (a, b)| {
                let range = PortRange::new(*a.min(b), *a.max(b)).unwrap();
                all.union(&Traffic::Tcp(range).into()).union(&Traffic::Udp(range).into())
            });
            set.icmp = icmp;
            set.other_protocols = [number].into_iter().collect();
            for whole in [set.clone(), set.complement()] {
                let parts = split_traffic(&whole);
                let joined = parts.into_iter().fold(TrafficSet::default(), |all, part| {
                    all.union(&part.into())
                });
                prop_assert_eq!(joined, whole);
            }
        }
    }
}
