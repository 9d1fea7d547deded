//! The expected findings of a group, by brute force.

use std::collections::{BTreeMap, BTreeSet};

use super::addresses::{Range, canonical, covers, is_broad, range, touches_public};
use super::inputs::{RuleSpec, prefix_list_entries};

/// The expected finding of one policy rule for one ingress rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExpectedFinding {
    pub(super) group: String,
    pub(super) protocol: String,
    pub(super) ports: (Option<i64>, Option<i64>),
    pub(super) source: String,
    pub(super) rule: &'static str,
    pub(super) severity: &'static str,
    pub(super) action: &'static str,
    pub(super) offending: String,
}

const RESTRICTED: [u32; 6] = [20, 21, 22, 3306, 3389, 4333];
const HIGH_RISK: [u32; 9] = [23, 135, 137, 138, 139, 445, 1433, 1521, 5432];
const COMMON: [u32; 20] = [
    80, 443, 20, 21, 22, 23, 53, 3389, 25, 465, 587, 3306, 5432, 1521, 1433, 135, 137, 138, 139,
    445,
];

/// The protocol in canonical form: `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a number.
fn canonical_protocol(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        "-1" => "all".to_owned(),
        other => other.to_owned(),
    }
}

/// The evaluation of one group. Results that are expensive to compute are cached.
struct Oracle {
    protocols: Vec<String>,
    port_ranges: Vec<(u32, u32)>,
    blocks: Vec<Vec<Range>>,
    broad: BTreeMap<(usize, bool), bool>,
    /// The shortest prefix of a block with public addresses.
    shortest: BTreeMap<(usize, bool), u32>,
    /// The rules that open the world, of those that allow a packet.
    opening: BTreeMap<(Vec<usize>, bool), BTreeSet<usize>>,
}

impl Oracle {
    fn new(rules: &[RuleSpec]) -> Self {
        let blocks: Vec<Vec<Range>> = rules
            .iter()
            .map(|rule| match rule.source {
                group if group.starts_with("sg-") => Vec::new(),
                list if list.starts_with("pl-") => prefix_list_entries(list)
                    .unwrap_or_default()
                    .iter()
                    .map(|entry| range(entry))
                    .collect(),
                cidr => vec![range(cidr)],
            })
            .collect();
        let (mut broad, mut shortest) = (BTreeMap::new(), BTreeMap::new());
        for (index, blocks) in blocks.iter().enumerate() {
            for v6 in [false, true] {
                let family = || blocks.iter().filter(|block| block.v6 == v6);
                broad.insert((index, v6), family().any(|block| is_broad(*block)));
                let public = family().filter(|block| touches_public(**block));
                if let Some(length) = public.map(|block| block.length).min() {
                    shortest.insert((index, v6), length);
                }
            }
        }
        Self {
            protocols: rules
                .iter()
                .map(|rule| canonical_protocol(rule.protocol))
                .collect(),
            port_ranges: rules
                .iter()
                .map(|rule| (rule.ports.0.into(), rule.ports.1.into()))
                .collect(),
            blocks,
            broad,
            shortest,
            opening: BTreeMap::new(),
        }
    }

    /// Whether ingress rule `index` allows a packet of this protocol to this port, from its source.
    fn allows_packet(&self, index: usize, packet: &str, port: u32) -> bool {
        let (from, to) = self.port_ranges[index];
        match self.protocols[index].as_str() {
            "all" => true,
            own if own != packet => false,
            "tcp" | "udp" => from <= port && port <= to,
            _ => true,
        }
    }

    /// Whether the rules `among` are together open to the world, and `index` is one that makes them
    /// so.
    fn opens_to_world(&mut self, index: usize, among: &[usize]) -> bool {
        [false, true].into_iter().any(|v6| {
            let key = (among.to_vec(), v6);
            if !self.opening.contains_key(&key) {
                let opening = self.rules_that_open(among, v6);
                self.opening.insert(key.clone(), opening);
            }
            self.opening[&key].contains(&index)
        })
    }

    /// The rules that open the world: first the broad ones, then, while the rest still covers it,
    /// those with the shortest prefix.
    fn rules_that_open(&self, among: &[usize], v6: bool) -> BTreeSet<usize> {
        let covers_world = |rules: &[usize]| {
            let blocks: Vec<Range> = rules
                .iter()
                .flat_map(|&index| &self.blocks[index])
                .copied()
                .filter(|block| block.v6 == v6)
                .collect();
            covers(&blocks, v6)
        };
        let mut rest: Vec<usize> = among.to_vec();
        rest.retain(|&index| self.shortest.contains_key(&(index, v6)));
        let mut opening = BTreeSet::new();
        if !covers_world(&rest) {
            return opening;
        }
        opening.extend(rest.iter().filter(|&&index| self.broad[&(index, v6)]));
        rest.retain(|index| !opening.contains(index));
        while covers_world(&rest) {
            let shortest = rest.iter().map(|&index| self.shortest[&(index, v6)]).min();
            let (first, others) = rest
                .iter()
                .partition(|&&index| Some(self.shortest[&(index, v6)]) == shortest);
            let first: Vec<usize> = first;
            opening.extend(first);
            rest = others;
        }
        opening
    }

    fn is_open(&mut self, index: usize, packet: &str, port: u32) -> bool {
        let among: Vec<usize> = (0..self.port_ranges.len())
            .filter(|&i| self.allows_packet(i, packet, port))
            .collect();
        among.contains(&index) && self.opens_to_world(index, &among)
    }

    /// Whether this rule opens protocol -1 to the world, considering only rules of protocol -1.
    fn is_all_open(&mut self, index: usize) -> bool {
        let among: Vec<usize> = (0..self.port_ranges.len())
            .filter(|&i| self.protocols[i] == "all")
            .collect();
        self.opens_to_world(index, &among)
    }

    /// The first port of every range in which all ports are equivalent.
    fn range_starts(&self) -> Vec<u32> {
        let named = RESTRICTED
            .into_iter()
            .chain(HIGH_RISK)
            .chain(COMMON)
            .flat_map(|port| [port, port + 1]);
        let written = self
            .port_ranges
            .iter()
            .flat_map(|&(from, to)| [from, to + 1]);
        let starts: BTreeSet<u32> = named
            .chain(written)
            .chain([0])
            .filter(|&port| port <= 65535)
            .collect();
        starts.into_iter().collect()
    }

    /// The ports that meet a condition, as ranges.
    fn ports_where(
        &mut self,
        mut condition: impl FnMut(&mut Self, u32) -> bool,
    ) -> Vec<(u32, u32)> {
        let starts = self.range_starts();
        let ends = starts
            .iter()
            .skip(1)
            .map(|start| start - 1)
            .chain([65535])
            .collect::<Vec<_>>();
        let mut found: Vec<(u32, u32)> = Vec::new();
        for (&start, end) in starts.iter().zip(ends) {
            if condition(self, start) {
                match found.last_mut() {
                    Some(last) if last.1 + 1 == start => last.1 = end,
                    _ => found.push((start, end)),
                }
            }
        }
        found
    }

    /// Every policy rule with a finding for ingress rule `index`, and the offending ports.
    fn evaluate_rule(&mut self, index: usize, source: &str) -> Vec<(&'static str, String)> {
        let protocol = self.protocols[index].clone();
        let is_all = protocol == "all";
        let is_all_open = is_all && self.is_all_open(index);
        let open_ports = self.ports_where(|oracle, port| oracle.is_port_open(index, port));
        let restricted = self.ports_where(|oracle, port| {
            RESTRICTED.contains(&port) && oracle.is_port_open(index, port)
        });
        let high_risk = self.ports_where(|oracle, port| {
            HIGH_RISK.contains(&port) && oracle.is_port_open(index, port)
        });
        let uncommon = self.ports_where(|oracle, port| {
            !COMMON.contains(&port) && oracle.is_port_open(index, port)
        });
        let private = self.private_ports(index, is_all_open);
        let is_other_open = protocol.parse::<u8>().is_ok() && self.is_open(index, &protocol, 0);
        let open_count: u32 = open_ports
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum();
        let several = if is_all {
            "all".to_owned()
        } else {
            format_ports(&open_ports)
        };
        let is_broad = self.broad[&(index, false)] || self.broad[&(index, true)];
        let (from, to) = self.port_ranges[index];
        let has_several_ports = !source.starts_with("sg-") && (is_all || from < to);
        [
            ("all-traffic", is_all_open, "all".to_owned()),
            ("restricted-common-ports", true, format_ports(&restricted)),
            ("high-risk-ports", true, format_ports(&high_risk)),
            ("uncommon-ports", true, format_ports(&uncommon)),
            ("port-range", open_count > 1, several),
            ("port-range-internal", has_several_ports, private.clone()),
            ("broad-source", is_broad, private),
            ("other-protocols", is_other_open, "all".to_owned()),
        ]
        .into_iter()
        .filter(|(_, applies, offending)| *applies && !offending.is_empty())
        .map(|(rule, _, offending)| (rule, offending))
        .collect()
    }

    /// Whether ingress rule `index` opens a TCP or UDP port to the world.
    fn is_port_open(&mut self, index: usize, port: u32) -> bool {
        let packets: &[&str] = match self.protocols[index].as_str() {
            "all" => &["tcp", "udp"],
            "tcp" => &["tcp"],
            "udp" => &["udp"],
            _ => &[],
        };
        packets
            .iter()
            .any(|packet| self.is_open(index, packet, port))
    }

    /// The ports of ingress rule `index` that are not open to the world.
    fn private_ports(&mut self, index: usize, is_all_open: bool) -> String {
        let (from, to) = self.port_ranges[index];
        match self.protocols[index].as_str() {
            "all" if is_all_open => String::new(),
            "all" => "all".to_owned(),
            "tcp" | "udp" => format_ports(&self.ports_where(|oracle, port| {
                (from..=to).contains(&port) && !oracle.is_port_open(index, port)
            })),
            _ => String::new(),
        }
    }
}

fn format_ports(ports: &[(u32, u32)]) -> String {
    let ranges = ports.iter().map(|(from, to)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}-{to}")
        }
    });
    ranges.collect::<Vec<_>>().join(",")
}

/// The findings of a group, sorted.
pub(super) fn expected_findings(group: &str, rules: &[RuleSpec]) -> Vec<ExpectedFinding> {
    let mut oracle = Oracle::new(rules);
    let mut expected = Vec::new();
    for (index, ingress) in rules.iter().enumerate() {
        for (rule, offending) in oracle.evaluate_rule(index, ingress.source) {
            let (severity, action) = match rule {
                "all-traffic" => ("critical", "revoke"),
                "restricted-common-ports" | "high-risk-ports" | "uncommon-ports" => {
                    ("high", "revoke")
                }
                "port-range" => ("low", "revoke"),
                "port-range-internal" => ("low", "notify"),
                _ => ("medium", "notify"),
            };
            let protocol = canonical_protocol(ingress.protocol);
            let has_ports = matches!(protocol.as_str(), "tcp" | "udp");
            let port = |port: u16| has_ports.then_some(i64::from(port));
            let ports = (port(ingress.ports.0), port(ingress.ports.1));
            let (group, source) = (group.to_owned(), canonical(ingress.source));
            expected.push(ExpectedFinding {
                group,
                protocol,
                ports,
                source,
                rule,
                severity,
                action,
                offending,
            });
        }
    }
    expected.sort();
    expected
}
