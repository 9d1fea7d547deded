//! The rules that replace an offending rule: for the traffic that stays allowed and for trusted
//! sources.

use ipnet::IpNet;

use super::reason::SkipReason;
use super::types::{Purpose, SkippedAddition};
use crate::address::{AddressBlock, AddressFamily};
use crate::evaluate::Finding;
use crate::group::{Ec2Ports, IngressRule, Traffic};
use crate::policy::Action;
use crate::ports::PortRange;
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

/// A rule of a drafted group.
#[derive(Debug, Clone)]
pub(super) struct DraftRule {
    pub(super) ingress: IngressRule,
    /// The index in the original group of this rule, or of the rule that it replaces.
    pub(super) origin_index: usize,
    /// The purpose of an added rule; `None` for a rule of the original group.
    pub(super) added_for: Option<Purpose>,
}

/// What replaces an offending rule.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    pub(super) rules: Vec<DraftRule>,
    pub(super) skipped: Vec<SkippedAddition>,
}

/// Computes the rules that replace an offending rule. Without `add_trusted`, rules for trusted
/// sources are skipped.
pub(super) fn replacement_rules(
    offender: &DraftRule,
    findings: &[&Finding],
    lists: &PrefixLists,
    add_trusted: bool,
) -> Replacement {
    let removed = &offender.ingress;
    let offending = findings.iter().fold(TrafficSet::default(), |all, finding| {
        all.union(&finding.offending)
    });
    let is_revoked = findings
        .iter()
        .any(|finding| finding.policy_rule.action == Action::Revoke);
    let mut replacement = Replacement::default();
    if offender.added_for == Some(Purpose::Trust) {
        let lost = if is_revoked {
            removed.traffic().into()
        } else {
            offending.clone()
        };
        let lost_rules = rules_for_traffic(&lost, removed, &removed.source, lists);
        replacement.skip_all(lost_rules, SkipReason::TrustedSourceForbidden);
    }
    if is_revoked {
        return replacement;
    }
    let kept = TrafficSet::from(removed.traffic()).difference(&offending);
    let kept_rules = rules_for_traffic(&kept, removed, &removed.source, lists);
    let purpose = offender.added_for.unwrap_or(Purpose::Keep);
    replacement.add_all(kept_rules, purpose, offender.origin_index);
    for (source, traffic) in trusted_traffic(findings) {
        for rule in rules_for_traffic(&traffic, removed, &source, lists) {
            match source_containment(&removed.source, &source, lists) {
                // Either the limit of rounds is reached, or this is the offending rule itself.
                SourceContainment::Inside if !add_trusted || rule.same_content(removed) => {
                    replacement.skip_all([rule], SkipReason::TrustedSourceForbidden);
                }
                SourceContainment::Inside => {
                    replacement.add_all([rule], Purpose::Trust, offender.origin_index);
                }
                SourceContainment::Outside => {
                    replacement.skip_all([rule], SkipReason::TrustedSourceOutside);
                }
                SourceContainment::OtherFamily => {}
            }
        }
    }
    replacement
}

impl Replacement {
    fn add_all(
        &mut self,
        rules: impl IntoIterator<Item = IngressRule>,
        purpose: Purpose,
        origin_index: usize,
    ) {
        self.rules
            .extend(rules.into_iter().map(|ingress| DraftRule {
                ingress,
                origin_index,
                added_for: Some(purpose),
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

/// The forbidden traffic that each trusted source keeps, in the order of the findings.
fn trusted_traffic(findings: &[&Finding]) -> Vec<(Source, TrafficSet)> {
    let mut trusted: Vec<(Source, TrafficSet)> = Vec::new();
    for finding in findings
        .iter()
        .filter(|finding| finding.policy_rule.action == Action::Restrict)
    {
        for source in &finding.policy_rule.trusted {
            match trusted.iter_mut().find(|(known, _)| known == source) {
                Some((_, traffic)) => *traffic = traffic.union(&finding.offending),
                None => trusted.push((source.clone(), finding.offending.clone())),
            }
        }
    }
    trusted
}

/// How a trusted source relates to the source of a removed rule.
enum SourceContainment {
    Inside,
    Outside,
    OtherFamily,
}

/// Determines whether a rule for the trusted source may replace a rule for the removed source.
///
/// The trusted source must be inside the removed one, so that access is not widened. Security
/// groups are taken on trust, because their addresses are not known. A trusted source of the other
/// address family is ignored, because it does not lose access.
fn source_containment(
    removed: &Source,
    trusted: &Source,
    lists: &PrefixLists,
) -> SourceContainment {
    if matches!(trusted, Source::Group(_)) || trusted.same_source(removed) {
        return SourceContainment::Inside;
    }
    let outer = lists.source_blocks(removed);
    let inner = lists.source_blocks(trusted);
    if outer.is_empty() || inner.is_empty() {
        SourceContainment::Outside
    } else if inner.iter().all(|block| is_inside_any(block, outer)) {
        SourceContainment::Inside
    } else if inner.iter().any(|block| shares_family(block, outer)) {
        SourceContainment::Outside
    } else {
        SourceContainment::OtherFamily
    }
}

fn is_inside_any(block: &IpNet, outer: &[IpNet]) -> bool {
    outer.iter().any(|candidate| candidate.contains(block))
}

fn shares_family(block: &IpNet, others: &[IpNet]) -> bool {
    let family = address_family(block);
    others.iter().any(|other| address_family(other) == family)
}

fn address_family(block: &IpNet) -> AddressFamily {
    AddressBlock::from_net(block).family()
}

/// The fewest rules that allow the traffic from the source, with the description and tags of the
/// removed rule.
fn rules_for_traffic(
    traffic: &TrafficSet,
    removed: &IngressRule,
    source: &Source,
    lists: &PrefixLists,
) -> Vec<IngressRule> {
    let mut rules = Vec::new();
    for (protocol, ports) in protocols_and_ports(traffic, removed, source, lists) {
        if let Ok(mut rule) = IngressRule::new(protocol, ports, source.clone()) {
            rule.description.clone_from(&removed.description);
            rule.tags.clone_from(&removed.tags);
            rules.push(rule);
        }
    }
    rules
}

fn protocols_and_ports(
    traffic: &TrafficSet,
    removed: &IngressRule,
    source: &Source,
    lists: &PrefixLists,
) -> Vec<(Protocol, Ec2Ports)> {
    if *traffic == TrafficSet::all() {
        return vec![(Protocol::All, Ec2Ports::default())];
    }
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
    let others = traffic.other_protocols.numbers();
    parts.extend(others.map(|number| (Protocol::Other(number), Ec2Ports::default())));
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
    blocks.is_empty() || blocks.iter().any(|block| address_family(block) == family)
}
