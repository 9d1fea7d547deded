//! Skipped additions: which of them take access away.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::reason::SkipReason;
use super::sort_key::full_sort_key;
use super::types::SkippedAddition;
use crate::group::{IngressRule, RuleContent, Traffic};
use crate::ports::{PortRange, PortSet};
use crate::protocol::Protocol;
use crate::source::Source;

/// Skipped additions without duplicates.
#[derive(Debug, Clone, Default)]
pub(super) struct SkippedAdditions {
    rules: BTreeMap<(RuleContent, SkipReason), IngressRule>,
}

impl SkippedAdditions {
    /// Adds a skipped addition. Of several with the same content, the choice of the one that is
    /// kept does not depend on their order.
    pub(super) fn insert(&mut self, skipped: SkippedAddition) {
        match self
            .rules
            .entry((skipped.ingress.content(), skipped.reason))
        {
            Entry::Vacant(entry) => {
                entry.insert(skipped.ingress);
            }
            Entry::Occupied(mut entry) => {
                if details(&skipped.ingress) < details(entry.get()) {
                    entry.insert(skipped.ingress);
                }
            }
        }
    }

    /// Those whose traffic is not allowed by the rules of a group, sorted.
    pub(super) fn without_allowed(self, rules: &[IngressRule]) -> Vec<SkippedAddition> {
        let sources = self.rules.values().map(|rule| rule.source.without_owner());
        let allowed = AllowedTraffic::new(rules, &sources.collect());
        let mut missing: Vec<SkippedAddition> = self
            .rules
            .into_iter()
            .filter(|(_, rule)| !allowed.includes(rule))
            .map(|((_, reason), ingress)| SkippedAddition { ingress, reason })
            .collect();
        missing.sort_by_cached_key(|it| (full_sort_key(&it.ingress), it.reason));
        missing
    }
}

/// What distinguishes rules with the same content.
fn details(rule: &IngressRule) -> impl Ord + '_ {
    (&rule.description, &rule.tags, &rule.id)
}

/// What the rules of a group allow to some sources.
struct AllowedTraffic {
    ranges: BTreeMap<(Source, Protocol), Vec<PortRange>>,
    /// ICMP rules are compared by content.
    contents: BTreeSet<RuleContent>,
}

impl AllowedTraffic {
    fn new(rules: &[IngressRule], sources: &BTreeSet<Source>) -> Self {
        let mut allowed = Self {
            ranges: BTreeMap::new(),
            contents: BTreeSet::new(),
        };
        for rule in rules {
            let source = rule.source.without_owner();
            if sources.contains(&source) {
                let range = rule.port_range().unwrap_or(PortRange::ALL);
                allowed
                    .ranges
                    .entry((source, rule.protocol()))
                    .or_default()
                    .push(range);
                allowed.contents.insert(rule.content());
            }
        }
        for ranges in allowed.ranges.values_mut() {
            *ranges = PortSet::from_iter(std::mem::take(ranges)).ranges().to_vec();
        }
        allowed
    }

    fn includes(&self, rule: &IngressRule) -> bool {
        let source = rule.source.without_owner();
        let allows_everything = self.ranges.contains_key(&(source.clone(), Protocol::All));
        match rule.traffic() {
            _ if allows_everything => true,
            Traffic::Tcp(wanted) | Traffic::Udp(wanted) => {
                let ranges = self.ranges.get(&(source, rule.protocol()));
                ranges.is_some_and(|ranges| includes_range(ranges, wanted))
            }
            Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) | Traffic::All => {
                self.contents.contains(&rule.content())
            }
        }
    }
}

/// Whether one of the ranges, which are in ascending order, contains the other range.
fn includes_range(ranges: &[PortRange], wanted: PortRange) -> bool {
    let next = ranges.partition_point(|range| range.last_port() < wanted.last_port());
    ranges
        .get(next)
        .is_some_and(|range| range.first_port() <= wanted.first_port())
}
