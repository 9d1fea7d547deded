//! Findings that an earlier audit has reported already.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::{Finding, PortRange, PortSet, TrafficSet};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Audit;
use super::opening::GroupFinding;

/// An earlier result of `audit --format json`.
#[derive(Debug, Deserialize)]
pub struct EarlierAudit {
    version: u32,
    findings: Vec<EarlierFinding>,
    #[serde(default = "complete_by_default")]
    complete: bool,
    /// Not null if a filter hid some findings.
    filter: Option<IgnoredAny>,
    /// Not null if the earlier audit hid findings that were known even then.
    known: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct EarlierFinding {
    group_id: String,
    region: Option<String>,
    security_group_rule_id: Option<String>,
    protocol: String,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: String,
    rule: String,
    offending_ports: String,
    exempt: Option<String>,
}

const fn complete_by_default() -> bool {
    true
}

/// The findings of an audit that are not known, and counts of the others.
#[derive(Debug)]
pub struct NewFindings<'a> {
    /// The new findings, in the order of the audit.
    pub findings: Vec<GroupFinding<'a>>,
    /// How many findings are known.
    pub hidden: usize,
    /// How many known findings are gone. `None` if the audit is incomplete, so that nothing can be
    /// concluded from the absence of a finding.
    pub gone: Option<usize>,
}

impl<'a> NewFindings<'a> {
    /// All findings of an audit.
    pub fn all(audit: &'a Audit) -> Self {
        let findings = audit.iter_findings();
        Self {
            findings: findings
                .map(|(group, finding)| GroupFinding { group, finding })
                .collect(),
            hidden: 0,
            gone: None,
        }
    }
}

impl EarlierAudit {
    /// Decodes an earlier result.
    ///
    /// # Errors
    /// When it is not JSON, or not the result of an audit.
    pub fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        let earlier: Self = serde_json::from_slice(bytes)?;
        if earlier.version == 1 {
            Ok(earlier)
        } else {
            let message = format!("unknown version {}", earlier.version);
            Err(serde::de::Error::custom(message))
        }
    }

    /// Why findings that existed at the time may be missing from the earlier result. They are then
    /// shown as new.
    pub fn reason_for_missing_findings(&self) -> Option<&'static str> {
        if self.filter.is_some() {
            Some("was written with filters")
        } else if self.known.is_some() {
            Some("was itself written with `--known`")
        } else if !self.complete {
            Some("is incomplete")
        } else {
            None
        }
    }

    /// The findings of an audit that are not in this result.
    pub fn new_findings<'a>(&self, audit: &'a Audit) -> NewFindings<'a> {
        let index = EarlierIndex::new(&self.findings);
        let mut found = BTreeSet::new();
        let mut new = NewFindings {
            findings: Vec::new(),
            hidden: 0,
            gone: None,
        };
        for (group, finding) in audit.iter_findings() {
            let candidates = index.candidates(&group.id, finding);
            found.extend(candidates.iter().copied());
            let is_known = candidates.iter().any(|position| {
                let earlier = self.findings.get(*position);
                earlier.is_some_and(|earlier| earlier.covers(finding))
            });
            if is_known {
                new.hidden = new.hidden.saturating_add(1);
            } else {
                new.findings.push(GroupFinding { group, finding });
            }
        }
        if !audit.is_incomplete() {
            new.gone = Some(self.count_gone(audit, &found));
        }
        new
    }

    /// How many findings are not in the audit, although it covers their regions.
    fn count_gone(&self, audit: &Audit, found: &BTreeSet<usize>) -> usize {
        let regions: BTreeSet<_> = audit.regions.iter().map(|region| &region.name).collect();
        let is_audited = |region: &Option<String>| match region {
            Some(region) => regions.is_empty() || regions.contains(region),
            None => true,
        };
        self.findings
            .iter()
            .enumerate()
            .filter(|(position, finding)| !found.contains(position) && is_audited(&finding.region))
            .count()
    }
}

impl EarlierFinding {
    /// Whether this finding includes everything that the other one reports.
    fn covers(&self, finding: &Finding) -> bool {
        let was_exempt = self.exempt.is_some();
        let is_counted_again = was_exempt && finding.exempted_by.is_none();
        !is_counted_again && covers_traffic(&self.offending_ports, &finding.offending)
    }

    /// Whether the security group rule of the other finding, which has the same id, allows no more
    /// than this one did.
    fn is_wider_than(&self, finding: &Finding) -> bool {
        let ingress = &finding.ingress;
        let (from, to) = ingress.display_ports();
        let has_range = match (self.from_port, self.to_port, from, to) {
            (Some(first), Some(last), Some(from), Some(to)) => first <= from && to <= last,
            (first, last, from, to) => (first, last) == (from, to),
        };
        has_range
            && self.protocol == ingress.protocol().to_string()
            && self.source == ingress.source.to_string()
    }
}

/// Whether ports as an audit prints them include this traffic.
fn covers_traffic(printed: &str, traffic: &TrafficSet) -> bool {
    let now = traffic.to_string();
    if printed == "all" || printed == now {
        return true;
    }
    let ports = traffic.tcp.union(&traffic.udp);
    match parse_ports(printed) {
        Some(known) if now != "all" => ports.difference(&known).is_empty(),
        Some(_) | None => false,
    }
}

/// Ports as an audit prints them: `20-22,3306`.
fn parse_ports(text: &str) -> Option<PortSet> {
    text.split(',')
        .map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            PortRange::new(from.parse().ok()?, to.parse().ok()?)
        })
        .collect::<Option<Vec<_>>>()
        .map(PortSet::from_iter)
}

/// What identifies a finding: group, protocol, ports, source and policy rule.
type FindingKey = (String, String, Option<i32>, Option<i32>, String, String);

/// The positions of earlier findings by what identifies them.
struct EarlierIndex<'a> {
    by_content: BTreeMap<FindingKey, Vec<usize>>,
    /// By the id of the security group rule and the policy rule.
    by_rule_id: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    findings: &'a [EarlierFinding],
}

impl<'a> EarlierIndex<'a> {
    fn new(findings: &'a [EarlierFinding]) -> Self {
        let mut index = Self {
            by_content: BTreeMap::new(),
            by_rule_id: BTreeMap::new(),
            findings,
        };
        for (position, finding) in findings.iter().enumerate() {
            let key = (
                finding.group_id.clone(),
                finding.protocol.clone(),
                finding.from_port,
                finding.to_port,
                finding.source.clone(),
                finding.rule.clone(),
            );
            index.by_content.entry(key).or_default().push(position);
            if let Some(id) = &finding.security_group_rule_id {
                let key = (id.as_str(), finding.rule.as_str());
                index.by_rule_id.entry(key).or_default().push(position);
            }
        }
        index
    }

    /// The earlier findings with the same content, and those about the same security group rule
    /// when it was at least as wide.
    fn candidates(&self, group_id: &str, finding: &Finding) -> Vec<usize> {
        let ingress = &finding.ingress;
        let (from, to) = ingress.display_ports();
        let key = (
            group_id.to_owned(),
            ingress.protocol().to_string(),
            from,
            to,
            ingress.source.to_string(),
            finding.policy_rule.id.clone(),
        );
        let mut candidates = self.by_content.get(&key).cloned().unwrap_or_default();
        let Some(id) = &ingress.id else {
            return candidates;
        };
        let key = (id.as_str(), finding.policy_rule.id.as_str());
        for position in self.by_rule_id.get(&key).into_iter().flatten() {
            let earlier = self.findings.get(*position);
            if earlier.is_some_and(|earlier| earlier.is_wider_than(finding)) {
                candidates.push(*position);
            }
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_rules::group::Traffic;
    use proptest::prelude::*;

    fn tcp(ranges: &[(u16, u16)]) -> TrafficSet {
        let ranges = ranges.iter();
        TrafficSet::tcp(
            ranges
                .map(|(a, b)| PortRange::new(*a.min(b), *a.max(b)).unwrap())
                .collect(),
        )
    }

    #[test]
    fn printed_ports_cover_the_same_or_less() {
        let ssh = tcp(&[(20, 22), (3306, 3306)]);
        assert!(covers_traffic("20-22,3306", &ssh));
        assert!(covers_traffic("all", &ssh));
        assert!(covers_traffic("0-65535", &ssh));
        assert!(!covers_traffic("20-22", &ssh));
        assert!(!covers_traffic("", &ssh) && !covers_traffic("x-y", &ssh));
        assert!(covers_traffic("all", &Traffic::Other(50).into()));
        assert!(!covers_traffic("0-65535", &TrafficSet::all()));
    }

    proptest! {
        #[test]
        fn every_traffic_covers_itself(
            ranges in prop::collection::vec((any::<u16>(), any::<u16>()), 1..4),
            other in prop::collection::vec((any::<u16>(), any::<u16>()), 1..4),
        ) {
            let (one, two) = (tcp(&ranges), tcp(&other));
            prop_assert!(covers_traffic(&one.to_string(), &one));
            prop_assert!(covers_traffic(&one.union(&two).to_string(), &two));
            let is_subset = two.difference(&one).is_empty();
            prop_assert_eq!(covers_traffic(&one.to_string(), &two), is_subset);
        }
    }
}
