//! The rules quota: which additions fit into it, and in which order a plan is applied.

use super::input::{PlanInput, Quota};
use super::types::{ApplyOrder, Plan};
use crate::group::IngressRule;
use crate::protocol::Protocol;
use crate::source::{PrefixLists, Source};

/// How much rules count towards the quota of each address family.
///
/// EC2 counts a CIDR block for its family, a security group for both, and a prefix list by its
/// entries.
#[derive(Debug, Clone, Copy, Default)]
struct QuotaUsage {
    v4: usize,
    v6: usize,
}

impl QuotaUsage {
    fn for_rule(rule: &IngressRule, lists: &PrefixLists) -> Self {
        let blocks = lists.source_blocks(&rule.source);
        let v6 = blocks.iter().filter(|net| net.addr().is_ipv6()).count();
        let v4 = blocks.len().saturating_sub(v6);
        match &rule.source {
            Source::Group(_) => Self { v4: 1, v6: 1 },
            // An unresolved or empty list is counted as one IPv4 rule, so that it is not free.
            Source::PrefixList(_) if blocks.is_empty() => Self { v4: 1, v6: 0 },
            Source::Cidr(_) | Source::PrefixList(_) => Self { v4, v6 },
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

    /// Whether this fits into the quota in addition to what is used. A family that this does not
    /// use is ignored, even if it is over its quota.
    fn fits_alongside(self, used: Self, quota: Quota) -> bool {
        let total = self.saturating_add(used);
        (self.v4 == 0 || total.v4 <= quota.v4) && (self.v6 == 0 || total.v6 <= quota.v6)
    }
}

/// The additions that do not fit into the quota in addition to the kept rules. Earlier additions
/// have precedence.
pub(super) fn additions_over_quota<'a>(
    kept: impl Iterator<Item = &'a IngressRule>,
    additions: &[&IngressRule],
    input: &PlanInput<'_>,
) -> Vec<IngressRule> {
    let mut used = QuotaUsage::for_rules(kept, input.lists);
    let total = QuotaUsage::for_rules(additions.iter().copied(), input.lists);
    // Uncommon protocols are kept all or none. Narrowing protocol -1 gives a rule for each of them,
    // and adding as many as possible would fill the quota with rules that nobody is likely to use.
    let all_fit = total.fits_alongside(used, input.quota);
    let mut over_quota = Vec::new();
    for &rule in additions {
        let usage = QuotaUsage::for_rule(rule, input.lists);
        let is_kept = all_fit || !is_uncommon_protocol(rule);
        if is_kept && usage.fits_alongside(used, input.quota) {
            used = used.saturating_add(usage);
        } else {
            over_quota.push(rule.clone());
        }
    }
    over_quota
}

/// Additions come first, except in two cases: they would exceed the quota together with the rules
/// to remove, or one has the same content as a rule to remove and differs in its description or
/// tags only. EC2 would reject such an addition as a duplicate.
pub(super) fn choose_order(plan: &Plan, input: &PlanInput<'_>) -> ApplyOrder {
    let added_rules = plan.additions.iter().map(|addition| &addition.ingress);
    let added = QuotaUsage::for_rules(added_rules.clone(), input.lists);
    let used = QuotaUsage::for_rules(input.group.rules.iter(), input.lists);
    let has_duplicate = plan
        .removals
        .iter()
        .map(|removal| &removal.ingress)
        .any(|removed| added_rules.clone().any(|rule| rule.same_content(removed)));
    if added.fits_alongside(used, input.quota) && !has_duplicate {
        ApplyOrder::AddFirst
    } else {
        ApplyOrder::RemoveFirst
    }
}

fn is_uncommon_protocol(rule: &IngressRule) -> bool {
    addition_priority(rule).0 == 2
}

/// The sort key of additions: ports and ICMP first, then protocols of tunnels and VPNs, then other
/// protocols by number.
pub(super) fn addition_priority(rule: &IngressRule) -> (u8, u8) {
    /// SCTP, GRE, ESP, AH, IPv6 in IP and IPv4 in IP.
    const COMMON_PROTOCOLS: [u8; 6] = [132, 47, 50, 51, 41, 4];
    match rule.protocol() {
        Protocol::Other(number) if COMMON_PROTOCOLS.contains(&number) => (1, number),
        Protocol::Other(number) => (2, number),
        Protocol::Tcp | Protocol::Udp | Protocol::Icmp | Protocol::Icmpv6 | Protocol::All => (0, 0),
    }
}
