//! Generated security group rules for property tests.

use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, PrefixLists};
use proptest::prelude::*;

const PROTOCOLS: [&str; 7] = ["tcp", "tcp", "udp", "icmp", "icmpv6", "all", "47"];
const PORTS: [&str; 8] = [
    "22",
    "80",
    "443",
    "20-25",
    "8080",
    "8080-8090",
    "0-65535",
    "3389",
];
const SOURCES: [&str; 16] = [
    "0.0.0.0/0",
    "::/0",
    "0.0.0.0/0",
    "::/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "::/1",
    "8000::/1",
    "2000::/3",
    "8.0.0.0/8",
    "8.8.8.0/24",
    "10.0.0.0/8",
    "pl-0123456789abcdef0",
    "pl-0fedcba9876543210",
    "pl-0aaaaaaaaaaaaaaaa",
    "sg-0bbbbbbbbbbbbbbbb",
];

/// The prefix lists of the sources: all addresses, two halves, and an office.
pub(super) fn lists() -> PrefixLists {
    let world = vec!["0.0.0.0/0", "::/0"];
    let halves = vec!["0.0.0.0/1", "128.0.0.0/1", "8.0.0.0/8"];
    let office = vec!["8.8.8.0/24"];
    [
        ("pl-0123456789abcdef0", world),
        ("pl-0fedcba9876543210", halves),
        ("pl-0aaaaaaaaaaaaaaaa", office),
    ]
    .into_iter()
    .map(|(id, entries)| {
        let entries = entries.into_iter().map(|net| parse_cidr(net).unwrap());
        (id, entries.collect())
    })
    .collect()
}

/// Any security group rule; many are open to the world.
pub(super) fn ingress_rules() -> impl Strategy<Value = IngressRule> {
    let words = (
        prop::sample::select(&PROTOCOLS[..]),
        prop::sample::select(&PORTS[..]),
        prop::sample::select(&SOURCES[..]),
    );
    words.prop_map(|(protocol, ports, source)| {
        let range = match protocol {
            "tcp" | "udp" => ports,
            "icmp" | "icmpv6" => "8/0",
            _ => "-",
        };
        format!("{protocol} {range} {source}").parse().unwrap()
    })
}
