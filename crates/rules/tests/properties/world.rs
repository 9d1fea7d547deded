//! A small world in which every packet from every origin can be tried.
//!
//! Between two neighboring ends of blocks, all addresses behave alike, so one of them represents
//! the others; likewise for ports. The reach of a group is the set of (packet, origin) pairs it
//! allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use ipnet::IpNet;
use portcullis_rules::baseline::{COMMON_SERVICE_PORTS, HIGH_RISK_PORTS, RESTRICTED_COMMON_PORTS};
use portcullis_rules::{IngressRule, PrefixLists, Protocol, Source};

use crate::generate::{CIDRS, KNOWN_LISTS, NUMBERS, PORTS, lists};

/// A packet. Ports are ranges in which all ports behave alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Packet {
    Tcp(u16, u16),
    Udp(u16, u16),
    Icmp(i32, i32),
    Icmpv6(i32, i32),
    Other(u8),
}

/// The origin of a packet. Addresses are the first of a range in which all addresses behave alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    V4(u128),
    V6(u128),
    /// A member of a security group or of an unresolved prefix list.
    Named(String),
}

/// A set of small numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bits([u64; 16]);

impl Bits {
    pub(crate) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub(crate) fn contains(self, number: usize) -> bool {
        self.0[number / 64] & (1 << (number % 64)) != 0
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn is_subset_of(self, other: Self) -> bool {
        self.minus(other).is_empty()
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut bits = Self::default();
        numbers.into_iter().for_each(|number| bits.insert(number));
        bits
    }
}

pub(crate) struct World {
    pub(crate) packets: Vec<Packet>,
    pub(crate) origins: Vec<Origin>,
    /// The public origins of IPv4 and of IPv6.
    pub(crate) public: [Bits; 2],
    /// All origins of IPv4 and of IPv6.
    pub(crate) family: [Bits; 2],
    known_sources: BTreeMap<Source, Bits>,
}

/// The special-purpose IPv4 blocks that are not public, as defined in `docs/semantics.md`.
const SPECIAL_PURPOSE: [&str; 14] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::new);

/// Whether a block is IPv6, and its first and last address.
pub(crate) fn block_ends(net: &IpNet) -> (bool, u128, u128) {
    let number = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => u128::from(u32::from(v4)),
        std::net::IpAddr::V6(v6) => u128::from(v6),
    };
    (
        net.addr().is_ipv6(),
        number(net.network()),
        number(net.broadcast()),
    )
}

fn cidr(text: &str) -> IpNet {
    text.parse().unwrap()
}

impl World {
    fn new() -> Self {
        let lists = lists();
        let mut blocks: Vec<IpNet> = CIDRS
            .iter()
            .chain(&SPECIAL_PURPOSE)
            .map(|text| cidr(text))
            .collect();
        blocks.extend(KNOWN_LISTS.iter().flat_map(|id| lists.entries(id).unwrap()));
        let mut starts = BTreeSet::from([(false, 0), (true, 0)]);
        for (v6, low, high) in blocks.iter().map(block_ends) {
            starts.insert((v6, low));
            starts.extend(
                high.checked_add(1)
                    .filter(|&next| v6 || next < 1 << 32)
                    .map(|next| (v6, next)),
            );
        }
        let mut origins: Vec<_> = starts
            .iter()
            .map(|&(v6, start)| {
                if v6 {
                    Origin::V6(start)
                } else {
                    Origin::V4(start)
                }
            })
            .collect();
        origins.extend(["sg-a", "sg-b", "pl-unknown"].map(|name| Origin::Named(name.to_owned())));
        let mut world = Self {
            packets: packets(),
            origins,
            public: Default::default(),
            family: Default::default(),
            known_sources: BTreeMap::new(),
        };
        world.family = [
            world.origins_where(|origin| matches!(origin, Origin::V4(_))),
            world.origins_where(|origin| matches!(origin, Origin::V6(_))),
        ];
        let special = SPECIAL_PURPOSE.iter().fold(Bits::default(), |all, text| {
            all.or(world.origins_in(&cidr(text)))
        });
        world.public = [
            world.family[0].minus(special),
            world.origins_in(&cidr("2000::/3")),
        ];
        world.known_sources = world.find_known_sources(&lists);
        world
    }

    fn find_known_sources(&self, lists: &PrefixLists) -> BTreeMap<Source, Bits> {
        let all = |id: &str| {
            lists
                .entries(id)
                .unwrap()
                .iter()
                .fold(Bits::default(), |all, net| all.or(self.origins_in(net)))
        };
        let cidrs = CIDRS
            .iter()
            .map(|text| (Source::Cidr(cidr(text)), self.origins_in(&cidr(text))));
        cidrs
            .chain(KNOWN_LISTS.map(|id| (Source::PrefixList(id.to_owned()), all(id))))
            .collect()
    }

    fn origins_where(&self, matches: impl Fn(&Origin) -> bool) -> Bits {
        (0..self.origins.len())
            .filter(|&index| matches(&self.origins[index]))
            .collect()
    }

    /// The origins inside a block.
    pub(crate) fn origins_in(&self, net: &IpNet) -> Bits {
        let (v6, low, high) = block_ends(net);
        self.origins_where(|origin| match origin {
            Origin::V4(address) => !v6 && (low..=high).contains(address),
            Origin::V6(address) => v6 && (low..=high).contains(address),
            Origin::Named(_) => false,
        })
    }

    /// The origins of a source.
    pub(crate) fn origins_of(&self, source: &Source) -> Bits {
        if let (Source::Cidr(net), false) = (source, self.known_sources.contains_key(source)) {
            return self.origins_in(net);
        }
        let name = match source {
            Source::Group(group) => group.group_id.clone(),
            Source::Cidr(_) | Source::PrefixList(_) => source.to_string(),
        };
        self.known_sources
            .get(source)
            .copied()
            .unwrap_or_else(|| self.origins_where(|origin| *origin == Origin::Named(name.clone())))
    }

    /// The packets that a rule allows.
    pub(crate) fn packets_of(&self, rule: &IngressRule) -> Bits {
        (0..self.packets.len())
            .filter(|&index| allows_packet(rule, self.packets[index]))
            .collect()
    }

    /// The allowed origins for each packet. ICMP exists for IPv4 only, ICMPv6 for IPv6 only.
    pub(crate) fn reach(&self, rules: &[IngressRule]) -> Vec<Bits> {
        let parts: Vec<_> = rules
            .iter()
            .map(|rule| (self.packets_of(rule), self.origins_of(&rule.source)))
            .collect();
        self.reach_of(&parts)
    }

    /// The allowed origins for each packet, for pairs of packets and origins.
    pub(crate) fn reach_of(&self, parts: &[(Bits, Bits)]) -> Vec<Bits> {
        let mut reach = vec![Bits::default(); self.packets.len()];
        for (packets, origins) in parts {
            for (index, packet) in self
                .packets
                .iter()
                .enumerate()
                .filter(|(index, _)| packets.contains(*index))
            {
                let impossible = match packet {
                    Packet::Icmp(..) => self.family[1],
                    Packet::Icmpv6(..) => self.family[0],
                    Packet::Tcp(..) | Packet::Udp(..) | Packet::Other(_) => Bits::default(),
                };
                reach[index] = reach[index].or(origins.minus(impossible));
            }
        }
        reach
    }

    /// Descriptions of the pairs that are in one reach and not in another.
    pub(crate) fn beyond(&self, more: &[Bits], less: &[Bits]) -> Vec<String> {
        let mut found = Vec::new();
        for (index, packet) in self.packets.iter().enumerate() {
            let extra = more[index].minus(less[index]);
            let origins = (0..self.origins.len()).filter(|&origin| extra.contains(origin));
            found.extend(
                origins.map(|origin| format!("{packet:?} from {:?}", self.origins[origin])),
            );
        }
        found
    }
}

fn packets() -> Vec<Packet> {
    let ends = PORTS
        .iter()
        .chain(&COMMON_SERVICE_PORTS)
        .chain(&HIGH_RISK_PORTS)
        .chain(&RESTRICTED_COMMON_PORTS);
    let port_starts: BTreeSet<u32> = ends
        .flat_map(|&port| [u32::from(port), u32::from(port) + 1])
        .chain([0])
        .collect();
    let starts: Vec<u32> = port_starts.into_iter().collect();
    let port = |number: u32| u16::try_from(number).unwrap();
    let ranges: Vec<_> = starts
        .windows(2)
        .map(|pair| (port(pair[0]), port(pair[1] - 1)))
        .collect();
    assert_eq!(ranges.last(), Some(&(65535, 65535)));
    let tcp = ranges.iter().map(|&(from, to)| Packet::Tcp(from, to));
    let udp = ranges.iter().map(|&(from, to)| Packet::Udp(from, to));
    // No rule is for exactly 13/5 or 8/7. Only rules for any type or any code allow them.
    let icmp = [(3, 4), (8, 0), (8, 7), (13, 5)];
    tcp.chain(udp)
        .chain(icmp.map(|(icmp_type, code)| Packet::Icmp(icmp_type, code)))
        .chain([Packet::Icmpv6(13, 5)])
        .chain(NUMBERS.map(Packet::Other))
        .collect()
}

/// Whether a rule allows a packet, according to the fields of EC2.
fn allows_packet(rule: &IngressRule, packet: Packet) -> bool {
    let fields = rule.ec2_ports();
    let (from, to) = (fields.from.unwrap_or(-1), fields.to.unwrap_or(-1));
    let allows_ports =
        |low: u16, high: u16| from == -1 || (from <= i32::from(low) && i32::from(high) <= to);
    let allows_message =
        |icmp_type: i32, code: i32| from == -1 || (from == icmp_type && (to == -1 || to == code));
    match (rule.protocol(), packet) {
        (Protocol::All, _) => true,
        (Protocol::Tcp, Packet::Tcp(low, high)) | (Protocol::Udp, Packet::Udp(low, high)) => {
            allows_ports(low, high)
        }
        (Protocol::Icmp, Packet::Icmp(icmp_type, code))
        | (Protocol::Icmpv6, Packet::Icmpv6(icmp_type, code)) => allows_message(icmp_type, code),
        (Protocol::Other(allowed), Packet::Other(number)) => allowed == number,
        _ => false,
    }
}
