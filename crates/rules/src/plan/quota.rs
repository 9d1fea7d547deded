//! The rules quota: how many ingress rules a group may have, counted for IPv4 and IPv6 apart.

use super::{Order, Plan, Situation};
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
struct Weight {
    v4: usize,
    v6: usize,
}

impl Weight {
    fn of(rule: &IngressRule, lists: &PrefixLists) -> Self {
        let count = |v6: bool| lists.blocks(&rule.source).iter().filter(|net| net.addr().is_ipv6() == v6).count();
        match &rule.source {
            Source::Cidr(_) => Self { v4: count(false), v6: count(true) },
            Source::Group(_) => Self { v4: 1, v6: 1 },
            // An unresolved list weighs something, too.
            Source::PrefixList(_) => Self { v4: count(false).max(usize::from(count(true) == 0)), v6: count(true) },
        }
    }

    fn sum<'a>(rules: impl Iterator<Item = &'a IngressRule>, lists: &PrefixLists) -> Self {
        rules.map(|rule| Self::of(rule, lists)).fold(Self::default(), Self::plus)
    }

    fn plus(self, other: Self) -> Self {
        Self { v4: self.v4.saturating_add(other.v4), v6: self.v6.saturating_add(other.v6) }
    }

    /// Whether there is room for this beside what is there. A family that it does not weigh on is no matter.
    fn fits_beside(self, there: Self, quota: Quota) -> bool {
        let sum = self.plus(there);
        (self.v4 == 0 || sum.v4 <= quota.v4) && (self.v6 == 0 || sum.v6 <= quota.v6)
    }
}

/// The boxes, of those that are to be added, for which there is no room beside the boxes that stay. Those that come first
/// have their room first.
pub(super) fn without_room<'a>(
    stays: impl Iterator<Item = &'a IngressRule>,
    added: &[&IngressRule],
    situation: &Situation<'_>,
) -> Vec<IngressRule> {
    let mut used = Weight::sum(stays, situation.lists);
    let all = Weight::sum(added.iter().copied(), situation.lists);
    // Some dozens of protocol numbers that nobody speaks would fill the group to its quota, and the next rule that
    // somebody needs would have no room: the rest is kept whole or not at all.
    let keeps_rest = all.fits_beside(used, situation.quota);
    let mut lost = Vec::new();
    for rule in added {
        let weight = Weight::of(rule, situation.lists);
        if weight.fits_beside(used, situation.quota) && (keeps_rest || !is_rest(rule)) {
            used = used.plus(weight);
        } else {
            lost.push((*rule).clone());
        }
    }
    lost
}

/// Which comes first: the additions, unless there is no room for them beside what goes, or one of them has the content of
/// what goes (with another description or other tags), which EC2 would refuse as a twin.
pub(super) fn order(plan: &Plan, situation: &Situation<'_>) -> Order {
    let lists = situation.lists;
    let now = Weight::sum(situation.group.rules.iter(), lists);
    let added = Weight::sum(plan.additions.iter().map(|addition| &addition.ingress), lists);
    let goes = |rule: &IngressRule| plan.removals.iter().any(|removal| removal.ingress.same_content(rule));
    let twins = plan.additions.iter().any(|addition| goes(&addition.ingress));
    if added.fits_beside(now, situation.quota) && !twins { Order::AddFirst } else { Order::RemoveFirst }
}

fn is_rest(rule: &IngressRule) -> bool {
    rank(rule).0 == 2
}

/// What is worth keeping first: ports and ICMP, then the protocols of tunnels and VPNs, then the rest by number.
pub(super) fn rank(rule: &IngressRule) -> (u8, u8) {
    /// SCTP, GRE, ESP, AH, IPv6 and IPv4 in IP.
    const KNOWN: [u8; 6] = [132, 47, 50, 51, 41, 4];
    match rule.protocol() {
        Protocol::Other(number) if KNOWN.contains(&number) => (1, number),
        Protocol::Other(number) => (2, number),
        Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6 | Protocol::All => (0, 0),
    }
}
