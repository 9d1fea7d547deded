//! Random security groups, and the documents that list them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::addresses::public_blocks;
use super::sources::{COVERING, SOURCES};

/// An ingress rule: one protocol, one port range, one source.
#[derive(Debug, Clone)]
pub(super) struct RuleSpec {
    /// The protocol as in the input: `TCP`, `6`, `-1`.
    pub(super) protocol: &'static str,
    pub(super) ports: (u16, u16),
    pub(super) source: &'static str,
}

/// The listings that a group is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Listing {
    Groups,
    Rules,
    Both,
}

/// Ports next to the limits of the policy rules, and others.
const PORTS: [u16; 18] = [
    0, 19, 20, 21, 22, 23, 24, 79, 80, 81, 443, 3306, 3389, 4333, 8080, 8090, 65534, 65535,
];

/// The entries of a prefix list; `None` if they are unknown.
pub(super) fn prefix_list_entries(list: &str) -> Option<Vec<String>> {
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
        "pl-everything" => texts(&["0.0.0.0/0", "::/0"]),
        _ => return None,
    })
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
        let mut listed_rule = json!({
            "SecurityGroupRuleId": format!("sgr-{index}"),
            "GroupId": id,
            "IsEgress": false,
            "IpProtocol": rule.protocol,
            key[2]: source,
        });
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

/// A document with these groups and the prefix lists that they use.
pub(super) fn document<'a>(groups: impl IntoIterator<Item = (String, &'a Case)>) -> Value {
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
pub(super) struct Case {
    pub(super) rules: Vec<RuleSpec>,
    pub(super) listing: Listing,
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

pub(super) fn case() -> impl Strategy<Value = Case> {
    let protocol = select(
        &[
            "tcp", "tcp", "TCP", "6", "udp", "17", "-1", "-1", "icmp", "icmpv6", "47", "47", "50",
            "0",
        ][..],
    );
    let port = prop_oneof![
        3 => select(&PORTS[..]),
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
