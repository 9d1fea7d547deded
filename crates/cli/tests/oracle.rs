//! Section 1 of the design, read a second time: slowly, from the text, and without the crates of the project. What
//! `audit` says of random groups must be what this says, finding by finding, offending ports included.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests are built with overflow checks"
)]

mod sources;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sources::{MEETING, SOURCES};
use world::{
    LANDMARKS, Range, blocks, canonical, covers, is_broad, is_public, public_blocks, range,
    touches_public,
};

/// One ingress rule: protocol x ports x one source.
#[derive(Debug, Clone)]
struct Cell {
    /// As it is written into the input: `TCP`, `6`, `-1`.
    protocol: &'static str,
    ports: (u16, u16),
    source: &'static str,
}

/// In which listing a group comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Groups,
    Rules,
    Both,
}

/// What an audit should say of one rule of ours on one ingress rule.
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

/// The entries of a prefix list; `None` where nobody knows them.
fn entries(list: &str) -> Option<Vec<String>> {
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

/// `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a number.
fn protocol(text: &str) -> String {
    match text.to_lowercase().as_str() {
        "6" => "tcp".to_owned(),
        "17" => "udp".to_owned(),
        "1" => "icmp".to_owned(),
        "58" => "icmpv6".to_owned(),
        "-1" => "all".to_owned(),
        other => other.to_owned(),
    }
}

/// A group under judgement. What is costly to find out by force is found out once.
struct Oracle {
    protocols: Vec<String>,
    spans: Vec<(u32, u32)>,
    blocks: Vec<Vec<Range>>,
    broad: BTreeMap<(usize, bool), bool>,
    public: BTreeMap<(usize, bool), bool>,
    covered: BTreeMap<(Vec<usize>, bool), bool>,
}

impl Oracle {
    fn new(cells: &[Cell]) -> Self {
        let blocks: Vec<Vec<Range>> = cells
            .iter()
            .map(|cell| match cell.source {
                group if group.starts_with("sg-") => Vec::new(),
                list if list.starts_with("pl-") => entries(list)
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
            protocols: cells.iter().map(|cell| protocol(cell.protocol)).collect(),
            spans: cells
                .iter()
                .map(|cell| (cell.ports.0.into(), cell.ports.1.into()))
                .collect(),
            blocks,
            broad,
            public,
            covered: BTreeMap::new(),
        }
    }

    /// Whether a packet of this protocol to this port passes ingress rule `index` as far as its source is not asked.
    fn admits(&self, index: usize, packet: &str, port: u32) -> bool {
        let (from, to) = self.spans[index];
        match self.protocols[index].as_str() {
            "all" => true,
            own if own != packet => false,
            "tcp" | "udp" => from <= port && port <= to,
            _ => true,
        }
    }

    /// Whether `index` is one of those through which `among` let the world in.
    fn lets_in(&mut self, index: usize, among: &[usize]) -> bool {
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
        let among: Vec<usize> = (0..self.spans.len())
            .filter(|&i| self.admits(i, packet, port))
            .collect();
        among.contains(&index) && self.lets_in(index, &among)
    }

    /// Whether protocol -1 is open through this one, counting ingress rules of protocol -1 alone.
    fn is_all_open(&mut self, index: usize) -> bool {
        let among: Vec<usize> = (0..self.spans.len())
            .filter(|&i| self.protocols[i] == "all")
            .collect();
        self.lets_in(index, &among)
    }

    /// The first port of every stretch in which nothing changes.
    fn stretches(&self) -> Vec<u32> {
        let named = RESTRICTED
            .into_iter()
            .chain(COMMON)
            .flat_map(|port| [port, port + 1]);
        let written = self.spans.iter().flat_map(|&(from, to)| [from, to + 1]);
        let starts: BTreeSet<u32> = named
            .chain(written)
            .chain([0])
            .filter(|&port| port <= 65535)
            .collect();
        starts.into_iter().collect()
    }

    /// The ports, as stretches, that fulfil a condition.
    fn ports(&mut self, mut holds: impl FnMut(&mut Self, u32) -> bool) -> Vec<(u32, u32)> {
        let starts = self.stretches();
        let ends = starts
            .iter()
            .skip(1)
            .map(|start| start - 1)
            .chain([65535])
            .collect::<Vec<_>>();
        let mut found: Vec<(u32, u32)> = Vec::new();
        for (&start, end) in starts.iter().zip(ends) {
            if holds(self, start) {
                match found.last_mut() {
                    Some(last) if last.1 + 1 == start => last.1 = end,
                    _ => found.push((start, end)),
                }
            }
        }
        found
    }

    /// Every rule that fires on ingress rule `index`, with its offending ports.
    fn judge(&mut self, index: usize, source: &str) -> Vec<(&'static str, String)> {
        let own = self.protocols[index].clone();
        let packets: Vec<&str> = match own.as_str() {
            "all" => vec!["tcp", "udp"],
            "tcp" | "udp" => vec![own.as_str()],
            _ => vec![],
        };
        let open = |oracle: &mut Self, port| {
            packets
                .iter()
                .any(|packet| oracle.is_open(index, packet, port))
        };
        let (from, to) = self.spans[index];
        let all = own == "all";
        let in_span = move |port: u32| all || (from <= port && port <= to);
        let all_open = all && self.is_all_open(index);
        let open_ports = self.ports(open);
        let left = if packets.is_empty() {
            String::new()
        } else if all {
            if all_open {
                String::new()
            } else {
                "all".to_owned()
            }
        } else {
            write(&self.ports(|oracle, port| in_span(port) && !open(oracle, port)))
        };
        let restricted =
            self.ports(|oracle, port| RESTRICTED.contains(&port) && open(oracle, port));
        let uncommon = self.ports(|oracle, port| !COMMON.contains(&port) && open(oracle, port));
        let number_open = own.parse::<u8>().is_ok() && self.is_open(index, &own, 0);
        let when = |holds: bool, text: &str| {
            if holds {
                text.to_owned()
            } else {
                String::new()
            }
        };
        let several = open_ports
            .iter()
            .map(|(first, last)| last - first + 1)
            .sum::<u32>()
            > 1;
        let is_broad = self.broad[&(index, false)] || self.broad[&(index, true)];
        let is_range = !source.starts_with("sg-") && (all || from < to);
        [
            ("all-traffic", when(all_open, "all")),
            ("restricted-common-ports", write(&restricted)),
            ("uncommon-ports", write(&uncommon)),
            (
                "port-range",
                when(
                    several,
                    if all {
                        "all".to_owned()
                    } else {
                        write(&open_ports)
                    }
                    .as_str(),
                ),
            ),
            ("port-range-internal", when(is_range, &left)),
            ("broad-source", when(is_broad, &left)),
            ("other-protocols", when(number_open, "all")),
        ]
        .into_iter()
        .filter(|(_, offending)| !offending.is_empty())
        .collect()
    }
}

fn write(ports: &[(u32, u32)]) -> String {
    let spans = ports.iter().map(|(from, to)| {
        if from == to {
            from.to_string()
        } else {
            format!("{from}-{to}")
        }
    });
    spans.collect::<Vec<_>>().join(",")
}

fn expect(group: &str, cells: &[Cell]) -> Vec<Expected> {
    let mut oracle = Oracle::new(cells);
    let mut expected = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        for (rule, offending) in oracle.judge(index, cell.source) {
            let (severity, action) = match rule {
                "all-traffic" => ("critical", "revoke"),
                "restricted-common-ports" | "uncommon-ports" => ("high", "revoke"),
                "port-range" => ("low", "revoke"),
                "port-range-internal" => ("low", "notify"),
                _ => ("medium", "notify"),
            };
            let protocol = protocol(cell.protocol);
            let has_ports = matches!(protocol.as_str(), "tcp" | "udp");
            let port = |port: u16| has_ports.then_some(i64::from(port));
            let ports = (port(cell.ports.0), port(cell.ports.1));
            let (group, source) = (group.to_owned(), canonical(cell.source));
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

fn found(audit: &Value) -> Vec<Expected> {
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

/// A group as the two commands list it.
fn listings(id: &str, cells: &[Cell]) -> (Value, Vec<Value>) {
    let mut permissions = Vec::new();
    let mut rules = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let key = match cell.source {
            list if list.starts_with("pl-") => ["PrefixListIds", "PrefixListId", "PrefixListId"],
            group if group.starts_with("sg-") => {
                ["UserIdGroupPairs", "GroupId", "ReferencedGroupInfo"]
            }
            v6 if v6.contains(':') => ["Ipv6Ranges", "CidrIpv6", "CidrIpv6"],
            _ => ["IpRanges", "CidrIp", "CidrIpv4"],
        };
        let source = if key[1] == "GroupId" {
            json!({"GroupId": cell.source})
        } else {
            json!(cell.source)
        };
        let mut rule = json!({"SecurityGroupRuleId": format!("sgr-{index}"), "GroupId": id, "IsEgress": false,
            "IpProtocol": cell.protocol, key[2]: source});
        let mut permission = json!({"IpProtocol": cell.protocol, key[0]: [{key[1]: cell.source}]});
        for value in [&mut rule, &mut permission] {
            value["FromPort"] = cell.ports.0.into();
            value["ToPort"] = cell.ports.1.into();
        }
        rules.push(rule);
        permissions.push(permission);
    }
    (
        json!({"GroupId": id, "GroupName": "name", "VpcId": "vpc-1", "IpPermissions": permissions}),
        rules,
    )
}

fn document<'a>(groups: impl IntoIterator<Item = (String, &'a Case)>) -> Value {
    let (mut listed, mut rules, mut used) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (id, case) in groups {
        used.extend(case.cells.iter().map(|cell| cell.source));
        let (group, of_group) = listings(&id, &case.cells);
        if case.form != Form::Rules {
            listed.push(group);
        }
        if case.form != Form::Groups {
            rules.extend(of_group);
        }
    }
    let lists: Vec<_> = used
        .into_iter()
        .filter_map(|list| Some((list, entries(list)?)))
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
    cells: Vec<Cell>,
    form: Form,
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
    // Half the time few sources, so that they meet and together cover the world.
    let few = prop::collection::vec(select(SOURCES), 2..4).prop_flat_map(move |few| {
        let cell = (protocol.clone(), ports.clone(), select(few));
        let cell = cell.prop_map(|(protocol, ports, source)| Cell {
            protocol,
            ports,
            source,
        });
        prop::collection::vec(cell, 0..8)
    });
    let halves = select(MEETING);
    let protocol = select(&["tcp", "tcp", "udp", "-1", "47"][..]);
    let ports = select(
        &[
            (80_u16, 80_u16),
            (0, 65535),
            (8080, 8090),
            (22, 8085),
            (22, 22),
        ][..],
    );
    let meeting = halves.prop_flat_map(move |halves| {
        let cell = (protocol.clone(), ports.clone(), select(halves));
        let cell = cell.prop_map(|(protocol, ports, source)| Cell {
            protocol,
            ports,
            source,
        });
        prop::collection::vec(cell, 2..7)
    });
    let form = select(&[Form::Groups, Form::Rules, Form::Both][..]);
    (prop_oneof![few, meeting], form).prop_map(|(cells, form)| Case { cells, form })
}

fn audit(document: &Value) -> Value {
    let described =
        portcullis_cli::describe::decode_described_groups(document.to_string().as_bytes()).unwrap();
    let here = portcullis_rules::Context::default();
    let audit = portcullis_cli::audit::Audit::from_groups(
        &portcullis_rules::baseline::baseline_policy(),
        described,
        &here,
    );
    serde_json::to_value(audit.to_document()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_group_is_judged_as_the_design_says(case in case()) {
        let audit = audit(&document([("sg-1".to_owned(), &case)]));
        prop_assert_eq!(found(&audit), expect("sg-1", &case.cells));
        prop_assert_eq!(&audit["rules"], &json!(case.cells.len()));
        prop_assert_eq!(&audit["errors"], &json!([]));
        let unresolved = case.cells.iter().any(|cell| cell.source == "pl-unknown");
        let lists = if unresolved { json!(["pl-unknown"]) } else { json!([]) };
        prop_assert_eq!(&audit["unresolved_prefix_lists"], &lists);
    }
}

/// Two thousand groups in one document through the real command, from standard input.
#[test]
fn a_whole_account_is_judged_as_the_design_says() {
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
        .flat_map(|(index, case)| expect(&id(index), &case.cells))
        .collect();
    // A rule listing without rules tells of no group.
    let groups = cases
        .iter()
        .filter(|case| case.form != Form::Rules || !case.cells.is_empty())
        .count();
    assert_eq!(audit["groups"], groups);
    let found = found(&audit);
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
            "{rule} is hardly tried"
        );
    }
}

/// The world without a special block is the world; without one address more it is not, if that address is public.
#[test]
fn special_blocks_are_no_part_of_the_world() {
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
            let is_world = !is_public(first, false)
                && (last > u128::from(u32::MAX) || !is_public(last, false));
            assert_eq!(is_open((first, last)), is_world, "{special:?}");
        }
    }
}

/// Without a broad member all members of a covering set offend: in IPv6 that takes sixteen thousand entries.
#[test]
fn the_world_in_small_pieces_is_the_world() {
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
