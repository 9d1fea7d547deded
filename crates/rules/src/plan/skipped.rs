//! Skipped additions: which of them take access away.

use std::collections::{HashMap, HashSet};

use super::sort_key::full_sort_key;
use super::types::SkippedAddition;
use crate::group::{IngressRule, RuleContent, Traffic};
use crate::source::Source;
use crate::traffic::TrafficSet;

/// What the rules of a group allow, by source.
struct AllowedTraffic {
    by_source: HashMap<Source, TrafficSet>,
    /// A traffic set does not distinguish ICMP messages, so ICMP rules are compared by content.
    icmp_rules: HashSet<RuleContent>,
}

/// The skipped additions whose traffic is not allowed by rules of the group, sorted and without
/// duplicates.
pub(super) fn needed_additions(
    mut skipped: Vec<SkippedAddition>,
    rules: &[IngressRule],
) -> Vec<SkippedAddition> {
    skipped.sort_by_cached_key(|addition| (full_sort_key(&addition.ingress), addition.reason));
    skipped.dedup_by(|second, first| {
        second.ingress.same_content(&first.ingress) && second.reason == first.reason
    });
    if skipped.is_empty() {
        return skipped;
    }
    let sources = skipped.iter().map(|it| it.ingress.source.without_owner());
    let allowed = AllowedTraffic::new(rules, &sources.collect());
    skipped.retain(|addition| !allowed.includes(&addition.ingress));
    skipped
}

impl AllowedTraffic {
    /// What the rules allow to these sources.
    fn new(rules: &[IngressRule], sources: &HashSet<Source>) -> Self {
        let mut allowed = Self {
            by_source: HashMap::new(),
            icmp_rules: HashSet::new(),
        };
        for rule in rules {
            let source = rule.source.without_owner();
            if !sources.contains(&source) {
                continue;
            }
            if matches!(rule.traffic(), Traffic::Icmp | Traffic::Icmpv6) {
                allowed.icmp_rules.insert(rule.content());
            } else {
                let traffic = allowed.by_source.entry(source).or_default();
                *traffic = traffic.union(&rule.traffic().into());
            }
        }
        allowed
    }

    fn includes(&self, rule: &IngressRule) -> bool {
        let wanted = TrafficSet::from(rule.traffic());
        let by_source = self.by_source.get(&rule.source.without_owner());
        self.icmp_rules.contains(&rule.content())
            || by_source.is_some_and(|allowed| wanted.difference(allowed).is_empty())
    }
}
