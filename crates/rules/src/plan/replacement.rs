//! What replaces an offending rule: rules for the traffic that is kept and for trusted sources.

use std::borrow::Cow;

use super::access::PriorAccess;
use super::candidates::{Candidates, Disposition, Replaced};
use super::draft_rule::Origin;
use super::families::{Families, SourceFamilies};
use super::forbidden::ForbiddenTrust;
use super::reason::SkipReason;
use super::types::Purpose;
use crate::evaluate::Finding;
use crate::group::{Ec2Ports, IngressRule, Traffic};
use crate::policy::Action;
use crate::ports::PortSet;
use crate::protocol::Protocol;
use crate::source::Source;
use crate::traffic::{ProtocolSet, TrafficSet};

/// The protocols of tunnels that are kept of a narrowed rule for protocol `-1`: IPv4 and IPv6
/// encapsulation, GRE, ESP and AH.
const TUNNEL_PROTOCOLS: [u8; 5] = [4, 41, 47, 50, 51];

/// An offending rule of a drafted group.
pub(super) struct Offender<'r> {
    pub(super) rule: &'r IngressRule,
    pub(super) origin: Origin,
    pub(super) findings: &'r [&'r Finding],
    /// The traffic that exceptions about this rule name.
    pub(super) excepted: &'r TrafficSet,
    pub(super) order: OffenderOrder,
}

/// Which of several offending rules gives description and tags to equal replacements.
#[derive(Debug, Clone, Copy)]
pub(super) struct OffenderOrder {
    /// The index among the offending rules of the round.
    pub(super) number: usize,
    /// The rank that decides about additions. The lowest one wins.
    pub(super) rank: usize,
    /// The rank that decides about skipped additions.
    pub(super) skip_rank: usize,
}

/// Forbidden traffic of an offending rule.
struct ForbiddenTraffic<'r> {
    /// The sources that may keep it.
    trusted: &'r [Source],
    traffic: TrafficSet,
}

/// Computes the replacements of the offending rules of one round.
pub(super) struct Replacements<'d, 'a, 'r> {
    pub(super) access: &'d mut PriorAccess<'a>,
    pub(super) families: &'d mut SourceFamilies<'a>,
    /// Rules for trusted sources that turned out to be forbidden.
    pub(super) forbidden: &'d ForbiddenTrust,
    /// Whether the limit of rounds for trusted sources is not reached.
    pub(super) may_add_trust: bool,
    pub(super) candidates: Candidates<'r>,
}

impl<'r> Offender<'r> {
    fn is_revoked(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.policy_rule.action == Action::Revoke)
    }

    /// The traffic that the action leaves: what is not forbidden, and of a revoked rule only what
    /// exceptions name of it.
    fn allowed_traffic(&self, forbidden: &[ForbiddenTraffic<'r>]) -> TrafficSet {
        let mut allowed = TrafficSet::from(self.rule.traffic());
        for part in forbidden {
            allowed = allowed.difference(&part.traffic);
        }
        if self.is_revoked() {
            allowed.intersection(self.excepted)
        } else {
            allowed
        }
    }

    /// The forbidden traffic by the sources that keep it. Most policies trust the same sources in
    /// every policy rule.
    fn forbidden_traffic(&self) -> Vec<ForbiddenTraffic<'r>> {
        let mut forbidden: Vec<ForbiddenTraffic<'_>> = Vec::new();
        for finding in self.findings {
            let policy_rule = &finding.policy_rule;
            let trusted = match policy_rule.action {
                Action::Restrict => policy_rule.trusted.as_slice(),
                Action::Off | Action::Notify | Action::Narrow | Action::Revoke => &[],
            };
            match forbidden.iter_mut().find(|part| part.trusted == trusted) {
                Some(part) => part.traffic = part.traffic.union(&finding.offending),
                None => forbidden.push(ForbiddenTraffic {
                    trusted,
                    traffic: finding.offending.clone(),
                }),
            }
        }
        forbidden
    }

    /// The protocol numbers for which a rule may be added. A rule for protocol `-1` allows 252
    /// numbers that EC2 has no name for, and nearly all of them are unused.
    fn addable_protocols(&self) -> ProtocolSet {
        if self.rule.traffic() != Traffic::All {
            return ProtocolSet::all();
        }
        let tunnels = ProtocolSet::from_iter(TUNNEL_PROTOCOLS);
        let excepted = self.excepted.other_protocols;
        // An exception for every protocol names none of them.
        if excepted == ProtocolSet::all() {
            tunnels
        } else {
            tunnels.union(excepted)
        }
    }

    /// The protocols without ports of the traffic, with the port fields of a rule for each.
    fn protocols_without_ports(
        &self,
        traffic: &TrafficSet,
        families: Families,
    ) -> Vec<(Protocol, Ec2Ports)> {
        let mut protocols = Vec::new();
        if traffic.icmp && families.v4 {
            protocols.push((Protocol::Icmp, self.icmp_messages()));
        }
        if traffic.icmpv6 && families.v6 {
            protocols.push((Protocol::Icmpv6, self.icmp_messages()));
        }
        if !traffic.other_protocols.is_empty() {
            let numbers = traffic.other_protocols.numbers();
            protocols.extend(numbers.map(|it| (Protocol::Other(it), Ec2Ports::default())));
        }
        protocols
    }

    /// The type and code of the rule if it is for ICMP; otherwise all messages.
    fn icmp_messages(&self) -> Ec2Ports {
        match self.rule.traffic() {
            Traffic::Icmp | Traffic::Icmpv6 => self.rule.ec2_ports(),
            Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Other(_) | Traffic::All => Ec2Ports {
                from: Some(-1),
                to: Some(-1),
            },
        }
    }

    /// The replacement of this rule, without its traffic.
    fn replaced(&self, disposition: Disposition) -> Replaced {
        let order = match disposition {
            Disposition::Keep | Disposition::Trust => self.order.rank,
            Disposition::Skip(_) => self.order.skip_rank,
        };
        Replaced {
            order,
            offender: self.order.number,
            is_excepted: false,
        }
    }

    fn excepts_protocol(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Icmp => self.excepted.icmp,
            Protocol::Icmpv6 => self.excepted.icmpv6,
            Protocol::Other(number) => self.excepted.other_protocols.contains(number),
            Protocol::Tcp | Protocol::Udp | Protocol::All => false,
        }
    }

    fn excepted_ports(&self, protocol: Protocol) -> &'r PortSet {
        if protocol == Protocol::Udp {
            &self.excepted.udp
        } else {
            &self.excepted.tcp
        }
    }
}

/// The forbidden traffic that each trusted source keeps.
fn traffic_by_trusted_source<'f, 'r>(
    forbidden: &'f [ForbiddenTraffic<'r>],
) -> Vec<(&'r Source, Cow<'f, TrafficSet>)> {
    let mut by_source: Vec<(&Source, Cow<'_, TrafficSet>)> = Vec::new();
    for part in forbidden {
        for source in part.trusted {
            match by_source.iter_mut().find(|(known, _)| *known == source) {
                Some((_, traffic)) => *traffic = Cow::Owned(traffic.union(&part.traffic)),
                None => by_source.push((source, Cow::Borrowed(&part.traffic))),
            }
        }
    }
    by_source
}

/// The protocols with ports, and the ports of the traffic.
fn protocols_with_ports(traffic: &TrafficSet) -> [(Protocol, &PortSet); 2] {
    [(Protocol::Tcp, &traffic.tcp), (Protocol::Udp, &traffic.udp)]
}

impl<'r> Replacements<'_, '_, 'r> {
    /// Adds what replaces an offending rule. Returns the protocol numbers that are not forbidden
    /// and that no rule keeps.
    pub(super) fn replace(&mut self, offender: &Offender<'r>) -> ProtocolSet {
        let forbidden = offender.forbidden_traffic();
        let mut kept = offender.allowed_traffic(&forbidden);
        let addable = offender.addable_protocols();
        let dropped = kept.other_protocols.difference(addable);
        kept.other_protocols = kept.other_protocols.intersection(addable);
        let is_trust_rule = offender.origin.added_for == Some(Purpose::Trust);
        let disposition = if is_trust_rule {
            Disposition::Trust
        } else {
            Disposition::Keep
        };
        let source = &offender.rule.source;
        self.add_traffic(offender, source, &kept, disposition);
        if is_trust_rule {
            let lost = TrafficSet::from(offender.rule.traffic()).difference(&kept);
            let disposition = Disposition::Skip(SkipReason::TrustedSourceForbidden);
            self.add_traffic(offender, source, &lost, disposition);
        }
        if !offender.is_revoked() {
            self.add_trusted_sources(offender, &forbidden);
        }
        dropped
    }

    /// Adds the fewest rules that allow the traffic from the source.
    fn add_traffic(
        &mut self,
        offender: &Offender<'r>,
        source: &'r Source,
        traffic: &TrafficSet,
        disposition: Disposition,
    ) {
        for (protocol, ports) in protocols_with_ports(traffic) {
            self.add_ports(offender, source, (protocol, ports), disposition);
        }
        let families = self.families.find(source);
        for protocol in offender.protocols_without_ports(traffic, families) {
            self.add_without_ports(offender, source, protocol, disposition);
        }
    }

    fn add_ports(
        &mut self,
        offender: &Offender<'r>,
        source: &'r Source,
        (protocol, ports): (Protocol, &PortSet),
        disposition: Disposition,
    ) {
        if ports.is_empty() {
            return;
        }
        self.candidates.of_source(source).add_ports(
            disposition,
            protocol,
            ports,
            offender.excepted_ports(protocol),
            offender.replaced(disposition),
        );
    }

    fn add_without_ports(
        &mut self,
        offender: &Offender<'r>,
        source: &'r Source,
        (protocol, fields): (Protocol, Ec2Ports),
        disposition: Disposition,
    ) {
        let replaced = Replaced {
            is_excepted: offender.excepts_protocol(protocol),
            ..offender.replaced(disposition)
        };
        self.candidates.of_source(source).add_without_ports(
            disposition,
            protocol,
            fields,
            replaced,
        );
    }

    /// Adds rules for trusted sources at the ports where the group allowed all of their addresses.
    fn add_trusted_sources(&mut self, offender: &Offender<'r>, forbidden: &[ForbiddenTraffic<'r>]) {
        let addable = offender.addable_protocols();
        let removed_families = self.families.find(&offender.rule.source);
        for (source, traffic) in traffic_by_trusted_source(forbidden) {
            // A trusted source of the other family does not lose access.
            let families = self.families.find(source);
            if !families.overlap(removed_families) {
                continue;
            }
            let numbers = traffic.other_protocols.intersection(addable);
            if self.access.is_unresolved(source) {
                let lost = TrafficSet {
                    other_protocols: numbers,
                    ..traffic.into_owned()
                };
                let disposition = Disposition::Skip(SkipReason::TrustedListUnresolved);
                self.add_traffic(offender, source, &lost, disposition);
                continue;
            }
            for protocol_ports in protocols_with_ports(&traffic) {
                self.add_trusted_ports(offender, source, protocol_ports);
            }
            let without_ports = TrafficSet {
                icmp: traffic.icmp,
                icmpv6: traffic.icmpv6,
                other_protocols: numbers,
                ..TrafficSet::default()
            };
            for protocol in offender.protocols_without_ports(&without_ports, families) {
                self.add_trusted_protocol(offender, source, protocol);
            }
        }
    }

    /// Adds rules for a trusted source at these ports. Security groups are taken on trust, because
    /// their addresses are not known.
    fn add_trusted_ports(
        &mut self,
        offender: &Offender<'r>,
        source: &'r Source,
        (protocol, ports): (Protocol, &PortSet),
    ) {
        if ports.is_empty() {
            return;
        }
        let inside = if matches!(source, Source::Group(_)) {
            Cow::Borrowed(ports)
        } else {
            let allowed = self
                .access
                .allowed_ports(source, protocol, Ec2Ports::default());
            let outside = ports.difference(allowed);
            let inside = ports.intersection(allowed);
            let disposition = Disposition::Skip(SkipReason::TrustedSourceOutside);
            self.add_ports(offender, source, (protocol, &outside), disposition);
            Cow::Owned(inside)
        };
        let forbidden = self.forbidden_ports(offender, source, protocol, &inside);
        let addable = if forbidden.is_empty() {
            inside
        } else {
            Cow::Owned(inside.difference(&forbidden))
        };
        let disposition = Disposition::Skip(SkipReason::TrustedSourceForbidden);
        self.add_ports(offender, source, (protocol, &forbidden), disposition);
        self.add_ports(offender, source, (protocol, &addable), Disposition::Trust);
    }

    /// The ranges of ports for which no rule for a trusted source may be added: it would be the
    /// offending rule itself, it turned out to be forbidden, or the limit of rounds is reached.
    fn forbidden_ports(
        &self,
        offender: &Offender<'r>,
        source: &Source,
        protocol: Protocol,
        ports: &PortSet,
    ) -> PortSet {
        if !self.may_add_trust {
            return ports.clone();
        }
        let mut forbidden = self.forbidden.ranges_of(source, protocol, ports);
        if offender.rule.protocol() == protocol && offender.rule.source.same_source(source) {
            let own_range = offender.rule.port_range();
            forbidden.extend(own_range.filter(|own| ports.has_range(*own)));
        }
        forbidden.into_iter().collect()
    }

    fn add_trusted_protocol(
        &mut self,
        offender: &Offender<'r>,
        source: &'r Source,
        (protocol, fields): (Protocol, Ec2Ports),
    ) {
        let is_allowed = matches!(source, Source::Group(_))
            || !self
                .access
                .allowed_ports(source, protocol, fields)
                .is_empty();
        let disposition = if !is_allowed {
            Disposition::Skip(SkipReason::TrustedSourceOutside)
        } else if self.is_forbidden(offender, source, (protocol, fields)) {
            Disposition::Skip(SkipReason::TrustedSourceForbidden)
        } else {
            Disposition::Trust
        };
        self.add_without_ports(offender, source, (protocol, fields), disposition);
    }

    /// The same as [`forbidden_ports`](Self::forbidden_ports) for a protocol without ports.
    fn is_forbidden(
        &self,
        offender: &Offender<'r>,
        source: &Source,
        (protocol, fields): (Protocol, Ec2Ports),
    ) -> bool {
        // A rule for the same protocol has the port fields of the offending rule.
        let is_offending_rule =
            offender.rule.protocol() == protocol && offender.rule.source.same_source(source);
        !self.may_add_trust
            || is_offending_rule
            || self.forbidden.contains(source, protocol, fields)
    }
}
