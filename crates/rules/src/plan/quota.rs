//! The rules quota: how many ingress rules a group may have, counted for IPv4 and IPv6 apart.

use super::{ApplyOrder, Plan, PlanInput};
use crate::group::IngressRule;
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};

/// How many ingress rules a group may have for each family.
///
/// Source: Amazon VPC quotas, "Inbound or outbound rules per security group", 60 by default; a group counts one for each
/// family, a prefix list its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Rules for IPv4.
    pub v4: usize,
    /// Rules for IPv6.
    pub v6: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self { v4: 60, v6: 60 }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct QuotaUsage {
    v4: usize,
    v6: usize,
}

impl QuotaUsage {
    fn for_rule(rule: &IngressRule, lists: &PrefixLists) -> Self {
        let count = |v6: bool| {
            lists
                .source_blocks(&rule.source)
                .iter()
                .filter(|net| net.addr().is_ipv6() == v6)
                .count()
        };
        match &rule.source {
            Source::Cidr(_) => Self {
                v4: count(false),
                v6: count(true),
            },
            Source::Group(_) => Self { v4: 1, v6: 1 },
            // An unresolved list weighs something, too.
            Source::PrefixList(_) => Self {
                v4: count(false).max(usize::from(count(true) == 0)),
                v6: count(true),
            },
        }
    }

    fn for_rules<'a>(rules: impl Iterator<Item = &'a IngressRule>, lists: &PrefixLists) -> Self {
        rules
            .map(|rule| Self::for_rule(rule, lists))
            .fold(Self::default(), Self::saturating_add)
    }

    fn saturating_add(self, other: Self) -> Self {
        Self {
            v4: self.v4.saturating_add(other.v4),
            v6: self.v6.saturating_add(other.v6),
        }
    }

    /// Whether there is room for this beside what is there. A family that it does not weigh on is no matter.
    fn fits_alongside(self, there: Self, quota: Quota) -> bool {
        let sum = self.saturating_add(there);
        (self.v4 == 0 || sum.v4 <= quota.v4) && (self.v6 == 0 || sum.v6 <= quota.v6)
    }
}

/// The boxes, of those that are to be added, for which there is no room beside the boxes that stay. Those that come first
/// have their room first.
pub(super) fn rules_over_quota<'a>(
    stays: impl Iterator<Item = &'a IngressRule>,
    added: &[&IngressRule],
    situation: &PlanInput<'_>,
) -> Vec<IngressRule> {
    let mut used = QuotaUsage::for_rules(stays, situation.lists);
    let all = QuotaUsage::for_rules(added.iter().copied(), situation.lists);
    // Some dozens of protocol numbers that nobody speaks would fill the group to its quota, and the next rule that
    // somebody needs would have no room: the rest is kept whole or not at all.
    let keeps_rest = all.fits_alongside(used, situation.quota);
    let mut lost = Vec::new();
    for rule in added {
        let weight = QuotaUsage::for_rule(rule, situation.lists);
        if weight.fits_alongside(used, situation.quota)
            && (keeps_rest || !is_uncommon_protocol(rule))
        {
            used = used.saturating_add(weight);
        } else {
            lost.push((*rule).clone());
        }
    }
    lost
}

/// Which comes first: the additions, unless there is no room for them beside what goes, or one of them has the content of
/// what goes (with another description or other tags), which EC2 would refuse as a twin.
pub(super) fn choose_order(plan: &Plan, situation: &PlanInput<'_>) -> ApplyOrder {
    let lists = situation.lists;
    let now = QuotaUsage::for_rules(situation.group.rules.iter(), lists);
    let added = QuotaUsage::for_rules(
        plan.additions.iter().map(|addition| &addition.ingress),
        lists,
    );
    let goes = |rule: &IngressRule| {
        plan.removals
            .iter()
            .any(|removal| removal.ingress.same_content(rule))
    };
    let twins = plan
        .additions
        .iter()
        .any(|addition| goes(&addition.ingress));
    if added.fits_alongside(now, situation.quota) && !twins {
        ApplyOrder::AddFirst
    } else {
        ApplyOrder::RemoveFirst
    }
}

fn is_uncommon_protocol(rule: &IngressRule) -> bool {
    addition_priority(rule).0 == 2
}

/// What is worth keeping first: ports and ICMP, then the protocols of tunnels and VPNs, then the rest by number.
pub(super) fn addition_priority(rule: &IngressRule) -> (u8, u8) {
    /// SCTP, GRE, ESP, AH, IPv6 and IPv4 in IP.
    const COMMON_PROTOCOLS: [u8; 6] = [132, 47, 50, 51, 41, 4];
    match rule.protocol() {
        Protocol::Other(number) if COMMON_PROTOCOLS.contains(&number) => (1, number),
        Protocol::Other(number) => (2, number),
        Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6 | Protocol::All => (0, 0),
    }
}
