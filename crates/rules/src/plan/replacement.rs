//! The rules that replace an offending rule: for the traffic that is kept and for trusted sources.

use std::collections::BTreeSet;

use super::access::PriorAccess;
use super::reason::SkipReason;
use super::types::{Purpose, SkippedAddition};
use crate::address::{AddressBlock, AddressFamily};
use crate::evaluate::Finding;
use crate::group::{Ec2Ports, IngressRule, RuleContent, Traffic};
use crate::policy::Action;
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};
use crate::traffic::{ProtocolSet, TrafficSet};

/// The protocols of tunnels that are kept of a narrowed rule for protocol `-1`: IPv4 and IPv6
/// encapsulation, GRE, ESP and AH.
const TUNNEL_PROTOCOLS: [u8; 5] = [4, 41, 47, 50, 51];

/// A rule of a drafted group.
#[derive(Debug, Clone)]
pub(super) struct DraftRule {
    pub(super) ingress: IngressRule,
    pub(super) origin: Origin,
}

/// Where a rule of a drafted group comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// The index in the original group of this rule, or of the rule that it replaces.
    pub(super) index: usize,
    /// The purpose of an added rule; `None` for a rule of the original group.
    pub(super) added_for: Option<Purpose>,
    /// Whether an exception names traffic of an added rule.
    pub(super) is_excepted: bool,
}

/// An offending rule of a drafted group.
pub(super) struct Offender<'a> {
    pub(super) rule: &'a IngressRule,
    pub(super) origin: Origin,
    pub(super) findings: &'a [&'a Finding],
    /// The traffic that exceptions about this rule name.
    pub(super) excepted: &'a TrafficSet,
}

/// Which rules for trusted sources may be added.
pub(super) struct TrustRules<'d, 'a> {
    pub(super) access: &'d mut PriorAccess<'a>,
    /// Rules that turned out to be forbidden.
    pub(super) forbidden: &'d BTreeSet<RuleContent>,
    /// Whether the limit of rounds is not reached.
    pub(super) may_be_added: bool,
}

/// What replaces an offending rule.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    pub(super) rules: Vec<DraftRule>,
    pub(super) skipped: Vec<SkippedAddition>,
    /// Protocol numbers that are not forbidden and that no rule keeps.
    pub(super) dropped_protocols: ProtocolSet,
}

/// Computes the rules that replace an offending rule.
pub(super) fn replacement_rules(
    offender: &Offender<'_>,
    lists: &PrefixLists,
    trust: &mut TrustRules<'_, '_>,
) -> Replacement {
    let mut replacement = Replacement::default();
    let kept = replacement.add_kept_traffic(offender, lists);
    if offender.origin.added_for == Some(Purpose::Trust) {
        let lost = TrafficSet::from(offender.rule.traffic()).difference(&kept);
        let lost_rules = rules_for_traffic(&lost, offender.rule, &offender.rule.source, lists);
        replacement.skip_all(lost_rules, SkipReason::TrustedSourceForbidden);
    }
    if !offender.is_revoked() {
        replacement.add_trusted_sources(offender, lists, trust);
    }
    replacement
}

impl Offender<'_> {
    fn is_revoked(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.policy_rule.action == Action::Revoke)
    }

    /// The traffic that the action leaves: what is not forbidden, and of a revoked rule only what
    /// exceptions name of it.
    fn allowed_traffic(&self) -> TrafficSet {
        let mut allowed = TrafficSet::from(self.rule.traffic());
        for finding in self.findings {
            allowed = allowed.difference(&finding.offending);
        }
        if self.is_revoked() {
            allowed.intersection(self.excepted)
        } else {
            allowed
        }
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

    fn names_traffic_of(&self, rule: &IngressRule) -> bool {
        let traffic = TrafficSet::from(rule.traffic());
        !self.excepted.is_empty() && !self.excepted.intersection(&traffic).is_empty()
    }

    /// The forbidden traffic that each trusted source keeps, in the order of the findings.
    fn trusted_traffic(&self) -> Vec<(&Source, TrafficSet)> {
        let mut trusted: Vec<(&Source, TrafficSet)> = Vec::new();
        for finding in self
            .findings
            .iter()
            .filter(|finding| finding.policy_rule.action == Action::Restrict)
        {
            for source in &finding.policy_rule.trusted {
                match trusted.iter_mut().find(|(known, _)| *known == source) {
                    Some((_, traffic)) => *traffic = traffic.union(&finding.offending),
                    None => trusted.push((source, finding.offending.clone())),
                }
            }
        }
        trusted
    }
}

impl TrustRules<'_, '_> {
    /// Whether a rule for a trusted source may not be added: it is the offending rule itself, it
    /// turned out to be forbidden, or the limit of rounds is reached.
    fn forbids(&self, rule: &IngressRule, offender: &Offender<'_>) -> bool {
        !self.may_be_added
            || rule.same_content(offender.rule)
            || (!self.forbidden.is_empty() && self.forbidden.contains(&rule.content()))
    }
}

impl Replacement {
    /// Adds rules for the traffic that the action leaves. Returns the traffic.
    fn add_kept_traffic(&mut self, offender: &Offender<'_>, lists: &PrefixLists) -> TrafficSet {
        let mut kept = offender.allowed_traffic();
        let addable = offender.addable_protocols();
        self.dropped_protocols = kept.other_protocols.difference(addable);
        kept.other_protocols = kept.other_protocols.intersection(addable);
        let purpose = offender.origin.added_for.unwrap_or(Purpose::Keep);
        let rules = rules_for_traffic(&kept, offender.rule, &offender.rule.source, lists);
        self.add_all(rules, purpose, offender);
        kept
    }

    /// Adds rules for trusted sources at the ports where the group allowed all of their addresses.
    fn add_trusted_sources(
        &mut self,
        offender: &Offender<'_>,
        lists: &PrefixLists,
        trust: &mut TrustRules<'_, '_>,
    ) {
        let addable = offender.addable_protocols();
        for (source, mut traffic) in offender.trusted_traffic() {
            if !shares_family(source, &offender.rule.source, lists) {
                continue;
            }
            traffic.other_protocols = traffic.other_protocols.intersection(addable);
            if is_unresolved_list(source, lists) {
                let unknown = rules_for_traffic(&traffic, offender.rule, source, lists);
                self.skip_all(unknown, SkipReason::TrustedListUnresolved);
                continue;
            }
            for rule in rules_for_traffic(&traffic, offender.rule, source, lists) {
                let (inside, outside) = split_by_access(&rule, trust.access);
                self.skip_all(outside, SkipReason::TrustedSourceOutside);
                let (forbidden, addable): (Vec<_>, Vec<_>) = inside
                    .into_iter()
                    .partition(|part| trust.forbids(part, offender));
                self.skip_all(forbidden, SkipReason::TrustedSourceForbidden);
                self.add_all(addable, Purpose::Trust, offender);
            }
        }
    }

    fn add_all(
        &mut self,
        rules: impl IntoIterator<Item = IngressRule>,
        purpose: Purpose,
        offender: &Offender<'_>,
    ) {
        self.rules.extend(rules.into_iter().map(|ingress| {
            let origin = Origin {
                index: offender.origin.index,
                added_for: Some(purpose),
                is_excepted: offender.names_traffic_of(&ingress),
            };
            DraftRule { ingress, origin }
        }));
    }

    fn skip_all(&mut self, rules: impl IntoIterator<Item = IngressRule>, reason: SkipReason) {
        self.skipped.extend(
            rules
                .into_iter()
                .map(|ingress| SkippedAddition { ingress, reason }),
        );
    }
}

/// Splits a rule for a trusted source into rules for the ports where the group allowed all of its
/// addresses, and rules for the other ports. Security groups are taken on trust, because their
/// addresses are not known.
fn split_by_access(
    rule: &IngressRule,
    access: &mut PriorAccess<'_>,
) -> (Vec<IngressRule>, Vec<IngressRule>) {
    if matches!(rule.source, Source::Group(_)) {
        return (vec![rule.clone()], Vec::new());
    }
    let wanted = PortSet::from(rule.port_range().unwrap_or(PortRange::ALL));
    let inside = access.allowed_ports(rule);
    let outside = wanted.difference(&inside);
    (with_ports(rule, &inside), with_ports(rule, &outside))
}

/// The rule with other ports: one rule for each range. A rule without ports stays as it is.
fn with_ports(rule: &IngressRule, ports: &PortSet) -> Vec<IngressRule> {
    let mut rules = Vec::new();
    for &range in ports.ranges() {
        let ec2_ports = match rule.port_range() {
            Some(_) => ec2_ports_from_range(range),
            None => rule.ec2_ports(),
        };
        rules.extend(new_rule(rule.protocol(), ec2_ports, &rule.source, rule));
    }
    rules
}

/// Whether a source is a prefix list whose entries are not known.
fn is_unresolved_list(source: &Source, lists: &PrefixLists) -> bool {
    let id = source.prefix_list_id();
    id.is_some_and(|id| lists.entries(id).is_none())
}

/// Whether two sources can have addresses of the same family. A trusted source of the other family
/// does not lose access when a rule is removed.
fn shares_family(one: &Source, other: &Source, lists: &PrefixLists) -> bool {
    AddressFamily::BOTH.into_iter().any(|family| {
        may_contain_family(one, family, lists) && may_contain_family(other, family, lists)
    })
}

/// The fewest rules that allow the traffic from the source, with the description and tags of the
/// removed rule.
fn rules_for_traffic(
    traffic: &TrafficSet,
    removed: &IngressRule,
    source: &Source,
    lists: &PrefixLists,
) -> Vec<IngressRule> {
    protocols_and_ports(traffic, removed, source, lists)
        .into_iter()
        .filter_map(|(protocol, ports)| new_rule(protocol, ports, source, removed))
        .collect()
}

fn new_rule(
    protocol: Protocol,
    ports: Ec2Ports,
    source: &Source,
    removed: &IngressRule,
) -> Option<IngressRule> {
    let mut rule = IngressRule::new(protocol, ports, source.clone()).ok()?;
    rule.description.clone_from(&removed.description);
    rule.tags = removed
        .tags
        .iter()
        .filter(|(key, _)| !is_reserved_tag(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Some(rule)
}

/// Whether only AWS may set tags with this key.
fn is_reserved_tag(key: &str) -> bool {
    key.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

fn protocols_and_ports(
    traffic: &TrafficSet,
    removed: &IngressRule,
    source: &Source,
    lists: &PrefixLists,
) -> Vec<(Protocol, Ec2Ports)> {
    let mut parts = Vec::new();
    for (protocol, ports) in [(Protocol::Tcp, &traffic.tcp), (Protocol::Udp, &traffic.udp)] {
        parts.extend(
            ports
                .ranges()
                .iter()
                .map(|&range| (protocol, ec2_ports_from_range(range))),
        );
    }
    if traffic.icmp && may_contain_family(source, AddressFamily::V4, lists) {
        parts.push((Protocol::Icmp, icmp_messages(removed)));
    }
    if traffic.icmpv6 && may_contain_family(source, AddressFamily::V6, lists) {
        parts.push((Protocol::Icmpv6, icmp_messages(removed)));
    }
    if !traffic.other_protocols.is_empty() {
        let others = traffic.other_protocols.numbers();
        parts.extend(others.map(|number| (Protocol::Other(number), Ec2Ports::default())));
    }
    parts
}

fn ec2_ports_from_range(range: PortRange) -> Ec2Ports {
    Ec2Ports {
        from: Some(range.first_port().into()),
        to: Some(range.last_port().into()),
    }
}

/// The type and code of the removed rule if it is for ICMP; otherwise all messages.
fn icmp_messages(removed: &IngressRule) -> Ec2Ports {
    match removed.traffic() {
        Traffic::Icmp | Traffic::Icmpv6 => removed.ec2_ports(),
        Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Other(_) | Traffic::All => Ec2Ports {
            from: Some(-1),
            to: Some(-1),
        },
    }
}

/// Whether the source can have addresses of the family. Security groups and unresolved lists can
/// have any.
fn may_contain_family(source: &Source, family: AddressFamily, lists: &PrefixLists) -> bool {
    let blocks = lists.source_blocks(source);
    blocks.is_empty()
        || blocks
            .iter()
            .any(|block| AddressBlock::from_net(block).family() == family)
}
