//! A second implementation of `docs/semantics.md`: slow, by brute force, and without the crates of the
//! project. For random groups, `audit` must have the same findings with the same offending ports.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests are built with overflow checks"
)]

mod addresses;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use addresses::{
    LANDMARKS, Range, blocks, canonical, covers, is_broad, is_public, public_blocks, range,
    touches_public,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sources::{COVERING, SOURCES};

/// An ingress rule: one protocol, one port range, one source.
#[derive(Debug, Clone)]
struct RuleSpec {
    /// The protocol as in the input: `TCP`, `6`, `-1`.
    protocol: &'static str,
    ports: (u16, u16),
    source: &'static str,
}

/// The listings that a group is in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Listing {
    Groups,
    Rules,
    Both,
}

/// The expected finding of one policy rule for one ingress rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Expected {
    group: String,
    protocol: String,
    ports: (Option<i64>, Option<i64>),
    source: String,
    rule: &'static str,
    severity: &'static str,
    action: &'static str,
    offending: String,
}

const RESTRICTED: [u32; 6] = [20, 21, 22, 3306, 3389, 4333];
const COMMON: [u32; 20] = [
    80, 443, 20, 21, 22, 23, 53, 3389, 25, 465, 587, 3306, 5432, 1521, 1433, 135, 137, 138, 139,
    445,
];

/// The entries of a prefix list; `None` if they are unknown.
fn prefix_list_entries(list: &str) -> Option<Vec<String>> {
    let nines = |range: std::ops::Range<u32>| {
        range
            .map(|n| format!("{}.{}.0.0/9", n / 2, n % 2 * 128))
            .collect()
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Some(match list {
        "pl-halves" => texts(&["0.0.0.0/1", "128.0.0.0/1"]),
        "pl-low-and-private" => texts(&["0.0.0.0/2", "10.0.0.0/8", "192.168.1.0/24"]),
        "pl-dual" => texts(&["64.0.0.0/2", "2000::/4", "fd00::/8"]),
        "pl-nines" => nines(0..512),
        "pl-nines-low" => nines(0..300),
        "pl-nines-high" => nines(280..512),
        "pl-seventeens" => (0x2000_u32..0x2010)
            .map(|n| format!("{n:x}:8000::/17"))
            .collect(),
        "pl-public" => public_blocks(),
        "pl-nearly-public" => public_blocks()
            .into_iter()
            .filter(|block| block != "192.0.1.0/24")
            .collect(),
        "pl-empty" => Vec::new(),
        _ => return None,
    })
}

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
    public: BTreeMap<(usize, bool), bool>,
    covered: BTreeMap<(Vec<usize>, bool), bool>,
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
        let (mut broad, mut public) = (BTreeMap::new(), BTreeMap::new());
        for (index, blocks) in blocks.iter().enumerate() {
            for v6 in [false, true] {
                let family = || blocks.iter().filter(|block| block.v6 == v6);
                broad.insert((index, v6), family().any(|block| is_broad(*block)));
                public.insert((index, v6), family().any(|block| touches_public(*block)));
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
            public,
            covered: BTreeMap::new(),
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

    /// Whether the rules `among` are together open to the world, and `index` is one that makes them so.
    fn opens_to_world(&mut self, index: usize, among: &[usize]) -> bool {
        [false, true].into_iter().any(|v6| {
            let blocks: Vec<Range> = among
                .iter()
                .flat_map(|&i| &self.blocks[i])
                .copied()
                .filter(|block| block.v6 == v6)
                .collect();
            if !*self
                .covered
                .entry((among.to_vec(), v6))
                .or_insert_with(|| covers(&blocks, v6))
            {
                return false;
            }
            let any_broad = among.iter().any(|&i| self.broad[&(i, v6)]);
            if any_broad {
                self.broad[&(index, v6)]
            } else {
                self.public[&(index, v6)]
            }
        })
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

fn expected_findings(group: &str, rules: &[RuleSpec]) -> Vec<Expected> {
    let mut oracle = Oracle::new(rules);
    let mut expected = Vec::new();
    for (index, ingress) in rules.iter().enumerate() {
        for (rule, offending) in oracle.evaluate_rule(index, ingress.source) {
            let (severity, action) = match rule {
                "all-traffic" => ("critical", "revoke"),
                "restricted-common-ports" | "uncommon-ports" => ("high", "revoke"),
                "port-range" => ("low", "revoke"),
                "port-range-internal" => ("low", "notify"),
                _ => ("medium", "notify"),
            };
            let protocol = canonical_protocol(ingress.protocol);
            let has_ports = matches!(protocol.as_str(), "tcp" | "udp");
            let port = |port: u16| has_ports.then_some(i64::from(port));
            let ports = (port(ingress.ports.0), port(ingress.ports.1));
            let (group, source) = (group.to_owned(), canonical(ingress.source));
            expected.push(Expected {
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

fn actual_findings(audit: &Value) -> Vec<Expected> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let known =
        |value: &Value, of: &[&'static str]| *of.iter().find(|known| value == **known).unwrap();
    let rules = [
        "all-traffic",
        "restricted-common-ports",
        "uncommon-ports",
        "port-range",
        "port-range-internal",
        "broad-source",
        "other-protocols",
    ];
    audit["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| Expected {
            group: text(finding, "group_id"),
            protocol: text(finding, "protocol"),
            ports: (finding["from_port"].as_i64(), finding["to_port"].as_i64()),
            source: text(finding, "source"),
            rule: known(&finding["rule"], &rules),
            severity: known(&finding["severity"], &["critical", "high", "medium", "low"]),
            action: known(&finding["action"], &["revoke", "notify"]),
            offending: text(finding, "offending_ports"),
        })
        .collect()
}

/// A group in the two listings.
fn listings(id: &str, rules: &[RuleSpec]) -> (Value, Vec<Value>) {
    let mut permissions = Vec::new();
    let mut listed_rules = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let key = match rule.source {
            list if list.starts_with("pl-") => ["PrefixListIds", "PrefixListId", "PrefixListId"],
            group if group.starts_with("sg-") => {
                ["UserIdGroupPairs", "GroupId", "ReferencedGroupInfo"]
            }
            v6 if v6.contains(':') => ["Ipv6Ranges", "CidrIpv6", "CidrIpv6"],
            _ => ["IpRanges", "CidrIp", "CidrIpv4"],
        };
        let source = if key[1] == "GroupId" {
            json!({"GroupId": rule.source})
        } else {
            json!(rule.source)
        };
        let mut listed_rule = json!({"SecurityGroupRuleId": format!("sgr-{index}"), "GroupId": id, "IsEgress": false,
            "IpProtocol": rule.protocol, key[2]: source});
        let mut permission = json!({"IpProtocol": rule.protocol, key[0]: [{key[1]: rule.source}]});
        for value in [&mut listed_rule, &mut permission] {
            value["FromPort"] = rule.ports.0.into();
            value["ToPort"] = rule.ports.1.into();
        }
        listed_rules.push(listed_rule);
        permissions.push(permission);
    }
    (
        json!({"GroupId": id, "GroupName": "name", "VpcId": "vpc-1", "IpPermissions": permissions}),
        listed_rules,
    )
}

fn document<'a>(groups: impl IntoIterator<Item = (String, &'a Case)>) -> Value {
    let (mut listed, mut rules, mut used) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (id, case) in groups {
        used.extend(case.rules.iter().map(|rule| rule.source));
        let (group, of_group) = listings(&id, &case.rules);
        if case.listing != Listing::Rules {
            listed.push(group);
        }
        if case.listing != Listing::Groups {
            rules.extend(of_group);
        }
    }
    let lists: Vec<_> = used
        .into_iter()
        .filter_map(|list| Some((list, prefix_list_entries(list)?)))
        .map(|(list, entries)| {
            let entries: Vec<_> = entries.iter().map(|cidr| json!({"Cidr": cidr})).collect();
            json!({"PrefixListId": list, "Entries": entries})
        })
        .collect();
    json!({"SecurityGroups": listed, "SecurityGroupRules": rules, "PrefixLists": lists})
}

/// A random group.
#[derive(Debug, Clone)]
struct Case {
    rules: Vec<RuleSpec>,
    listing: Listing,
}

fn rule_spec(
    protocol: impl Strategy<Value = &'static str>,
    ports: impl Strategy<Value = (u16, u16)>,
    sources: Vec<&'static str>,
) -> impl Strategy<Value = RuleSpec> {
    (protocol, ports, select(sources)).prop_map(|(protocol, ports, source)| RuleSpec {
        protocol,
        ports,
        source,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let protocol = select(
        &[
            "tcp", "tcp", "TCP", "6", "udp", "17", "-1", "-1", "icmp", "icmpv6", "47", "47", "50",
            "0",
        ][..],
    );
    let port = prop_oneof![
        3 => select(&[0_u16, 19, 20, 21, 22, 23, 24, 79, 80, 81, 443, 3306, 3389, 4333, 8080, 8090, 65534, 65535][..]),
        1 => any::<u16>(),
    ];
    let ports = prop_oneof![
        2 => port.clone().prop_map(|port| (port, port)),
        2 => (port.clone(), port).prop_map(|(a, b)| (a.min(b), a.max(b))),
        1 => Just((0, 65535)),
    ];
    // Few sources, so that several rules have the same one.
    let few = prop::collection::vec(select(SOURCES), 2..4).prop_flat_map(move |sources| {
        let rule = rule_spec(protocol.clone(), ports.clone(), sources);
        prop::collection::vec(rule, 0..8)
    });
    let covering_protocol = select(&["tcp", "tcp", "udp", "-1", "47"][..]);
    let covering_ports = select(
        &[
            (80_u16, 80_u16),
            (0, 65535),
            (8080, 8090),
            (22, 8085),
            (22, 22),
        ][..],
    );
    // Sources that together cover the internet, or nearly.
    let covering = select(COVERING).prop_flat_map(move |sources| {
        let rule = rule_spec(
            covering_protocol.clone(),
            covering_ports.clone(),
            sources.to_vec(),
        );
        prop::collection::vec(rule, 2..7)
    });
    let listing = select(&[Listing::Groups, Listing::Rules, Listing::Both][..]);
    (prop_oneof![few, covering], listing).prop_map(|(rules, listing)| Case { rules, listing })
}

fn audit(document: &Value) -> Value {
    let described =
        portcullis_cli::describe::decode_described_groups(document.to_string().as_bytes()).unwrap();
    let context = portcullis_rules::Context::default();
    let audit = portcullis_cli::audit::Audit::from_groups(
        &portcullis_rules::baseline::baseline_policy(),
        described,
        &context,
    );
    serde_json::to_value(portcullis_cli::audit::json::AuditV1::new(&audit)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_groups_have_the_expected_findings(case in case()) {
        let audit = audit(&document([("sg-1".to_owned(), &case)]));
        prop_assert_eq!(actual_findings(&audit), expected_findings("sg-1", &case.rules));
        prop_assert_eq!(&audit["rules"], &json!(case.rules.len()));
        prop_assert_eq!(&audit["errors"], &json!([]));
        let unresolved = case.rules.iter().any(|rule| rule.source == "pl-unknown");
        let lists = if unresolved { json!(["pl-unknown"]) } else { json!([]) };
        prop_assert_eq!(&audit["unresolved_prefix_lists"], &lists);
    }
}

/// Two thousand groups in one document, evaluated by the real command.
#[test]
fn an_account_of_random_groups_has_the_expected_findings() {
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Case> = (0..2000)
        .map(|_| case().new_tree(&mut runner).unwrap().current())
        .collect();
    let id = |index: usize| format!("sg-{index:05}");
    let document = document(
        cases
            .iter()
            .enumerate()
            .map(|(index, case)| (id(index), case)),
    );
    let run = crate::common::portcullis_with(
        document.to_string().as_bytes(),
        &["audit", "--input", "-", "--format", "json"],
    );
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    let audit = run.json();
    let expected: Vec<_> = cases
        .iter()
        .enumerate()
        .flat_map(|(index, case)| expected_findings(&id(index), &case.rules))
        .collect();
    // A group without rules does not occur in the listing of rules.
    let groups = cases
        .iter()
        .filter(|case| case.listing != Listing::Rules || !case.rules.is_empty())
        .count();
    assert_eq!(audit["groups"], groups);
    let found = actual_findings(&audit);
    let differs = found
        .iter()
        .zip(&expected)
        .find(|(found, expected)| found != expected);
    assert_eq!(differs, None);
    assert_eq!(found.len(), expected.len());
    for rule in [
        "all-traffic",
        "port-range",
        "port-range-internal",
        "broad-source",
        "other-protocols",
    ] {
        assert!(
            expected
                .iter()
                .filter(|expected| expected.rule == rule)
                .count()
                > 50,
            "{rule} has too few findings"
        );
    }
}

/// A source that lacks a special block is open to the world. One that lacks a public address next to
/// the block, too, is not.
#[test]
fn special_blocks_are_not_required_to_be_open_to_the_world() {
    let is_open = |gap: (u128, u128)| {
        let end = u128::from(u32::MAX);
        let before = gap
            .0
            .checked_sub(1)
            .map(|last| blocks(0, last))
            .unwrap_or_default();
        let entries = before.into_iter().chain(blocks(gap.1 + 1, end));
        let entries: Vec<_> = entries.map(|cidr| json!({"Cidr": cidr})).collect();
        let rule = json!({"GroupId": "sg-1", "IsEgress": false, "IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080,
            "PrefixListId": "pl-1"});
        let lists = json!([{"PrefixListId": "pl-1", "Entries": entries}]);
        let audit = audit(&json!({"SecurityGroupRules": [rule], "PrefixLists": lists}));
        audit["findings"][0]["rule"] == "uncommon-ports"
    };
    for special in &LANDMARKS.0 {
        assert!(is_open((special.first, special.last)), "{special:?}");
        for (first, last) in [
            (special.first.saturating_sub(1), special.last),
            (special.first, special.last + 1),
        ] {
            let is_open_to_world = !is_public(first, false)
                && (last > u128::from(u32::MAX) || !is_public(last, false));
            assert_eq!(is_open((first, last)), is_open_to_world, "{special:?}");
        }
    }
}

/// Narrow blocks that together cover the internet are open to the world. In IPv6, that takes sixteen
/// thousand entries.
#[test]
fn narrow_blocks_that_cover_the_internet_are_open_to_the_world() {
    let entries: Vec<_> = (0..1_u32 << 14)
        .map(|n| {
            let top = (0x2000_u128 << 112) + (u128::from(n) << 111);
            json!({"Cidr": format!("{}/17", std::net::Ipv6Addr::from(top))})
        })
        .collect();
    let rule = json!({"GroupId": "sg-1", "IsEgress": false, "IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080,
        "PrefixListId": "pl-world"});
    let document = |entries: &[Value]| json!({"SecurityGroupRules": [rule], "PrefixLists": [{"PrefixListId": "pl-world", "Entries": entries}]});
    assert_eq!(
        audit(&document(&entries))["findings"][0]["rule"],
        "uncommon-ports"
    );
    assert_eq!(audit(&document(&entries[1..]))["findings"], json!([]));
}
