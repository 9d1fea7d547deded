//! The exposure of whole groups.

use super::*;
use crate::group::tests::group;
use crate::source::parse_cidr;
use ipnet::IpNet;

/// The subnets of blocks with these prefix lengths.
fn split(blocks: &[(&str, u8)]) -> Vec<IpNet> {
    blocks
        .iter()
        .flat_map(|(text, len)| parse_cidr(text).unwrap().subnets(*len).unwrap())
        .collect()
}

fn exposures(lines: &[&str]) -> Vec<String> {
    let lists: PrefixLists = [
        ("pl-halves", split(&[("0.0.0.0/0", 1)])),
        (
            "pl-office",
            split(&[("198.51.100.0/24", 24), ("203.0.113.0/24", 24)]),
        ),
        ("pl-wide", split(&[("0.0.0.0/0", 0), ("8.8.8.0/24", 24)])),
        ("pl-nines", split(&[("0.0.0.0/0", 9)])),
        ("pl-low", split(&[("0.0.0.0/1", 9)])),
        ("pl-high", split(&[("128.0.0.0/1", 9)])),
        ("pl-tens", split(&[("0.0.0.0/0", 10)])),
        ("pl-low-tens", split(&[("0.0.0.0/1", 10)])),
        (
            "pl-tens-and-private",
            split(&[("0.0.0.0/0", 10), ("10.0.0.0/8", 8)]),
        ),
        (
            "pl-tens-and-nine",
            split(&[("0.0.0.0/0", 10), ("8.0.0.0/9", 9)]),
        ),
    ]
    .into_iter()
    .collect();
    let rules = group(lines).rules;
    let exposures = compute_exposures(&rules, &lists);
    (0..rules.len())
        .map(|index| {
            let class = exposures.class_of(index).unwrap();
            let exposure = exposures.of_class(class).unwrap();
            let Exposure {
                open, all_traffic, ..
            } = exposure;
            let TrafficSet {
                tcp,
                udp,
                icmp,
                icmpv6,
                other_protocols,
            } = open;
            let is_open = [
                (*icmp && !all_traffic).then_some(" icmp"),
                (*icmpv6 && !all_traffic).then_some(" icmpv6"),
                all_traffic.then_some(" all"),
            ];
            let is_open: String = is_open.into_iter().flatten().collect();
            let others = match other_protocols.to_string() {
                numbers if numbers.is_empty() || *all_traffic => String::new(),
                numbers => format!(" {numbers}"),
            };
            format!("tcp:{tcp} udp:{udp}{is_open}{others}")
        })
        .collect()
}

#[test]
fn prefix_length_zero_is_open_to_the_world() {
    assert_eq!(exposures(&["tcp 22 0.0.0.0/0"]), ["tcp:22 udp:"]);
    assert_eq!(exposures(&["udp 22 1.2.3.4/0"]), ["tcp: udp:22"]);
    assert_eq!(exposures(&["tcp 20-25 ::/0"]), ["tcp:20-25 udp:"]);
    assert_eq!(exposures(&["-1 - ::/0"]), ["tcp:0-65535 udp:0-65535 all"]);
    assert_eq!(exposures(&["47 - 0.0.0.0/0"]), ["tcp: udp: 47"]);
}

#[test]
fn narrower_sources_next_to_a_broad_one_are_not_exposed() {
    assert_eq!(
        exposures(&[
            "tcp 22 0.0.0.0/0",
            "tcp 22 10.0.0.0/8",
            "tcp 22 198.51.100.7/32",
            "tcp 22 8.8.8.0/24",
            "tcp 22 sg-1"
        ]),
        [
            "tcp:22 udp:",
            "tcp: udp:",
            "tcp: udp:",
            "tcp: udp:",
            "tcp: udp:"
        ]
    );
    assert_eq!(
        exposures(&["tcp 22 ::/0", "tcp 22 0.0.0.0/1"]),
        ["tcp:22 udp:", "tcp: udp:"],
        "each address family is evaluated separately"
    );
}

#[test]
fn two_halves_are_open_to_the_world_on_their_common_ports() {
    assert_eq!(
        exposures(&["tcp 20-25 0.0.0.0/1", "tcp 22-30 128.0.0.0/1"]),
        ["tcp:22-25 udp:", "tcp:22-25 udp:"]
    );
    assert_eq!(
        exposures(&["tcp 22 0.0.0.0/1", "udp 22 128.0.0.0/1"]),
        ["tcp: udp:", "tcp: udp:"]
    );
    assert_eq!(
        exposures(&["tcp 22 ::/1", "tcp 22 8000::/1"]),
        ["tcp:22 udp:", "tcp: udp:"],
        "8000::/1 has no public addresses"
    );
}

#[test]
fn all_traffic_counts_for_every_protocol_and_port() {
    assert_eq!(
        exposures(&["-1 - 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
        ["tcp:22 udp:", "tcp:22 udp:"]
    );
    assert_eq!(
        exposures(&["-1 - 0.0.0.0/1", "47 - 128.0.0.0/1"]),
        ["tcp: udp: 47", "tcp: udp: 47"]
    );
    assert_eq!(
        exposures(&["-1 - 0.0.0.0/1", "-1 - 128.0.0.0/1"]),
        ["tcp:0-65535 udp:0-65535 all", "tcp:0-65535 udp:0-65535 all"]
    );
}

#[test]
fn prefix_lists_are_evaluated_by_their_entries() {
    assert_eq!(exposures(&["tcp 22 pl-halves"]), ["tcp:22 udp:"]);
    assert_eq!(exposures(&["tcp 22 pl-office"]), ["tcp: udp:"]);
    assert_eq!(exposures(&["tcp 22 pl-unknown"]), ["tcp: udp:"]);
    assert_eq!(
        exposures(&["tcp 22 pl-wide"]),
        ["tcp:22 udp:"],
        "one broad entry is enough"
    );
    assert_eq!(
        exposures(&["tcp 22 0.0.0.0/0", "tcp 22 pl-office"]),
        ["tcp:22 udp:", "tcp: udp:"]
    );
}

#[test]
fn narrow_sources_are_exposed_by_prefix_length_while_the_others_cover() {
    for (sources, expected) in [
        // The list offends, because the remaining sources do not cover without it.
        (&["pl-nines", "8.8.8.0/24", "10.1.0.0/16"][..], &[0][..]),
        // A broad source does not hide what covers without it.
        (&["8.0.0.0/8", "pl-nines"], &[0, 1]),
        (&["0.0.0.0/0", "pl-nines", "198.51.100.7/32"], &[0, 1]),
        (&["0.0.0.0/0", "pl-nines", "8.8.8.8/32"], &[0, 1]),
        // Lists of equal prefix lengths go together.
        (&["pl-low", "pl-high", "8.8.8.0/24"], &[0, 1]),
        (&["pl-nines", "pl-low"], &[0, 1]),
        (&["pl-nines", "pl-tens", "8.8.8.0/24"], &[0, 1]),
        // Without the nines, the tens cover only half.
        (&["pl-nines", "pl-low-tens"], &[0]),
        (&["0.0.0.0/0", "pl-low", "8.8.8.0/24"], &[0]),
        // A list counts by its shortest public entry; 10.0.0.0/8 is not public.
        (&["pl-nines", "pl-tens-and-private"], &[0, 1]),
        (&["pl-tens-and-nine", "pl-nines", "pl-tens"], &[0, 1, 2]),
        (&["pl-tens-and-nine", "pl-nines"], &[0, 1]),
        (&["128.0.0.0/1", "pl-low"], &[0]),
        (&["128.0.0.0/1", "pl-low", "pl-high"], &[0, 1, 2]),
    ] {
        let lines: Vec<_> = sources
            .iter()
            .map(|source| format!("tcp 22 {source}"))
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let exposed: Vec<_> = exposures(&lines)
            .iter()
            .enumerate()
            .filter(|(_, exposure)| *exposure == "tcp:22 udp:")
            .map(|(index, _)| index)
            .collect();
        assert_eq!(exposed, expected, "{sources:?}");
    }
}

#[test]
fn the_order_of_exposed_sources_is_decided_for_each_port() {
    assert_eq!(
        exposures(&["tcp 20-30 pl-nines", "tcp 25 pl-tens", "-1 - 8.0.0.0/8"]),
        ["tcp:20-30 udp:", "tcp:25 udp:", "tcp:20-30 udp:"]
    );
    assert_eq!(
        exposures(&["icmp 8/-1 pl-nines", "icmp 8/0 pl-tens", "icmp - pl-nines"]),
        ["tcp: udp: icmp", "tcp: udp: icmp", "tcp: udp: icmp"]
    );
    assert_eq!(
        exposures(&["47 - pl-nines", "-1 - pl-tens", "-1 - pl-low"]),
        [
            "tcp: udp: 47",
            "tcp:0-65535 udp:0-65535 all",
            "tcp:0-65535 udp:0-65535 all"
        ]
    );
}

#[test]
fn icmp_is_exposed_where_one_message_is() {
    assert_eq!(
        exposures(&["icmp 8 0.0.0.0/0", "icmpv6 - ::/0"]),
        ["tcp: udp: icmp", "tcp: udp: icmpv6"]
    );
    assert_eq!(
        exposures(&["icmp 8/-1 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]),
        ["tcp: udp:", "tcp: udp:"]
    );
    assert_eq!(
        exposures(&["icmp - 0.0.0.0/1", "icmp 3/4 128.0.0.0/1"]),
        ["tcp: udp: icmp", "tcp: udp: icmp"]
    );
    assert_eq!(
        exposures(&["icmp 8/-1 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]),
        ["tcp: udp: icmp", "tcp: udp: icmp"]
    );
    assert_eq!(
        exposures(&["icmp 8/0 0.0.0.0/1", "icmp 8/3 128.0.0.0/1"]),
        ["tcp: udp:", "tcp: udp:"]
    );
    assert_eq!(
        exposures(&["-1 - 0.0.0.0/1", "icmp 8/0 128.0.0.0/1"]),
        ["tcp: udp: icmp", "tcp: udp: icmp"]
    );
}
