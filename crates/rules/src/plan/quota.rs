//! The rules quota and the order in which a plan is applied.

use std::collections::BTreeSet;

use super::input::{PlanInput, Quota};
use super::list_weight::prefix_list_weight;
use super::types::{ApplyOrder, Plan};
use crate::group::IngressRule;
use crate::source::{PrefixLists, Source};

/// How much rules count towards the quota of each address family.
///
/// EC2 counts a CIDR block for its family, a security group for both, and a prefix list by its
/// weight.
#[derive(Debug, Clone, Copy, Default)]
struct QuotaUsage {
    v4: usize,
    v6: usize,
}

impl QuotaUsage {
    fn for_rule(rule: &IngressRule, lists: &PrefixLists) -> Self {
        match &rule.source {
            Source::Cidr(net) if net.addr().is_ipv6() => Self { v4: 0, v6: 1 },
            Source::Cidr(_) => Self { v4: 1, v6: 0 },
            Source::Group(_) => Self { v4: 1, v6: 1 },
            Source::PrefixList(id) => Self::for_prefix_list(id, lists),
        }
    }

    /// A list has entries of one family. If it has none, or they are not known, it is counted for
    /// both.
    fn for_prefix_list(id: &str, lists: &PrefixLists) -> Self {
        let weight = prefix_list_weight(id, lists);
        let entries = lists.entries(id).unwrap_or_default();
        let weight_if = |counts: bool| if counts { weight } else { 0 };
        let has_v6 = entries.iter().any(|net| net.addr().is_ipv6());
        let has_v4 = entries.iter().any(|net| net.addr().is_ipv4());
        Self {
            v4: weight_if(has_v4 || !has_v6),
            v6: weight_if(has_v6 || !has_v4),
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
    /// use is ignored. A group that uses more than the quota proves that its quota is higher.
    fn fits_alongside(self, used: Self, quota: Quota) -> bool {
        let total = self.saturating_add(used);
        (self.v4 == 0 || total.v4 <= quota.v4.max(used.v4))
            && (self.v6 == 0 || total.v6 <= quota.v6.max(used.v6))
    }
}

/// Additions come first, except in two cases: there may be no room for them beside the rules to
/// remove, or one has the same content as a rule to remove and differs in its description or tags
/// only. EC2 would reject such an addition as a duplicate.
pub(super) fn choose_order(plan: &Plan, input: &PlanInput<'_>) -> ApplyOrder {
    let added_rules = plan.additions.iter().map(|addition| &addition.ingress);
    let added = QuotaUsage::for_rules(added_rules.clone(), input.lists);
    let used = QuotaUsage::for_rules(input.group.rules.iter(), input.lists);
    let removed_contents: BTreeSet<_> = plan
        .removals
        .iter()
        .map(|removal| removal.ingress.content())
        .collect();
    let mut added_contents = added_rules.map(IngressRule::content);
    let has_duplicate = added_contents.any(|content| removed_contents.contains(&content));
    if added.fits_alongside(used, input.quota) && !has_duplicate {
        ApplyOrder::AddFirst
    } else {
        ApplyOrder::RemoveFirst
    }
}
