//! Rules for trusted sources that turned out to be forbidden.

use std::collections::{BTreeMap, BTreeSet};

use crate::group::{Ec2Ports, IngressRule};
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::source::Source;

/// Rules for trusted sources that were added and turned out to be forbidden.
#[derive(Debug, Clone, Default)]
pub(super) struct ForbiddenTrust {
    by_source: BTreeMap<Source, ForbiddenRules>,
}

/// The forbidden rules of one source.
#[derive(Debug, Clone, Default)]
struct ForbiddenRules {
    ranges: BTreeSet<(Protocol, PortRange)>,
    /// The protocols without ports, and for ICMP type and code.
    others: BTreeSet<(Protocol, Ec2Ports)>,
}

impl ForbiddenTrust {
    pub(super) fn insert(&mut self, rule: &IngressRule) {
        let source = rule.source.without_owner();
        let rules = self.by_source.entry(source).or_default();
        let protocol = rule.protocol();
        match rule.port_range() {
            Some(range) => rules.ranges.insert((protocol, range)),
            None => rules
                .others
                .insert((protocol, comparable_fields(protocol, rule.ec2_ports()))),
        };
    }

    /// The ranges of the set for which a rule is forbidden.
    pub(super) fn ranges_of(
        &self,
        source: &Source,
        protocol: Protocol,
        ports: &PortSet,
    ) -> Vec<PortRange> {
        let Some(rules) = self.find_source(source) else {
            return Vec::new();
        };
        let ranges = ports.ranges();
        if ranges.len() < rules.ranges.len() {
            ranges
                .iter()
                .copied()
                .filter(|&range| rules.ranges.contains(&(protocol, range)))
                .collect()
        } else {
            let of_protocol = rules.ranges.iter().filter(|rule| rule.0 == protocol);
            of_protocol
                .map(|&(_, range)| range)
                .filter(|&range| ports.has_range(range))
                .collect()
        }
    }

    /// Whether a rule for a protocol without ports is forbidden.
    pub(super) fn contains(&self, source: &Source, protocol: Protocol, fields: Ec2Ports) -> bool {
        let key = (protocol, comparable_fields(protocol, fields));
        self.find_source(source)
            .is_some_and(|rules| rules.others.contains(&key))
    }

    fn find_source(&self, source: &Source) -> Option<&ForbiddenRules> {
        if self.by_source.is_empty() {
            return None;
        }
        self.by_source.get(&source.without_owner())
    }
}

/// The port fields of a rule for a protocol without ports, so that rules with the same content have
/// the same fields.
fn comparable_fields(protocol: Protocol, fields: Ec2Ports) -> Ec2Ports {
    match protocol {
        Protocol::Icmp | Protocol::Icmpv6 => Ec2Ports {
            from: Some(fields.from.unwrap_or(-1)),
            to: Some(fields.to.unwrap_or(-1)),
        },
        Protocol::Tcp | Protocol::Udp | Protocol::Other(_) | Protocol::All => Ec2Ports::default(),
    }
}
