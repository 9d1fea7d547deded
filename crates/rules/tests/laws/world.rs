//! A small world to try everything in: between two neighbouring ends of blocks or spans all addresses and all ports are
//! alike, so one of each stretch stands for it. Reach is a set of (packet, origin) pairs, found by asking for each pair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use ipnet::IpNet;
use portcullis_rules::baseline::{COMMON_SERVICE_PORTS, RESTRICTED_COMMON_PORTS};
use portcullis_rules::{IngressRule, PrefixLists, Protocol, Source};

use crate::generate::{CIDRS, NUMBERS, PORTS, lists};

/// What a packet is. Of ports it is a stretch in which all are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Packet {
    Tcp(u16, u16),
    Udp(u16, u16),
    Icmp(i32, i32),
    Icmpv6(i32, i32),
    Other(u8),
}

/// Where a packet comes from. Of addresses it is the first of a stretch in which all are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    V4(u128),
    V6(u128),
    /// A member of a group, or of a list that is not known.
    Named(String),
}

/// A set of small numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bits([u64; 12]);

impl Bits {
    pub(crate) fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    pub(crate) fn has(self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
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

    pub(crate) fn all_in(self, other: Self) -> bool {
        self.minus(other).is_empty()
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let mut bits = Self::default();
        places.into_iter().for_each(|place| bits.insert(place));
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
    from: BTreeMap<Source, Bits>,
}

/// What design section 1 leaves out of public IPv4.
const SPECIAL: [&str; 14] = [
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

/// First and last address of a block, and whether it is IPv6.
pub(crate) fn ends(net: &IpNet) -> (bool, u128, u128) {
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
            .chain(&SPECIAL)
            .map(|text| cidr(text))
            .collect();
        let known = [
            "pl-halves",
            "pl-office",
            "pl-mixed",
            "pl-world",
            "pl-low",
            "pl-high",
        ];
        blocks.extend(known.iter().flat_map(|id| lists.entries(id).unwrap()));
        let mut starts = BTreeSet::from([(false, 0), (true, 0)]);
        for (v6, low, high) in blocks.iter().map(ends) {
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
            from: BTreeMap::new(),
        };
        world.family = [
            world.places(|origin| matches!(origin, Origin::V4(_))),
            world.places(|origin| matches!(origin, Origin::V6(_))),
        ];
        let special = SPECIAL.iter().fold(Bits::default(), |all, text| {
            all.or(world.inside(&cidr(text)))
        });
        world.public = [
            world.family[0].minus(special),
            world.inside(&cidr("2000::/3")),
        ];
        world.from = world.known_sources(&lists);
        world
    }

    fn known_sources(&self, lists: &PrefixLists) -> BTreeMap<Source, Bits> {
        let all = |id: &str| {
            lists
                .entries(id)
                .unwrap()
                .iter()
                .fold(Bits::default(), |all, net| all.or(self.inside(net)))
        };
        let listed = [
            "pl-halves",
            "pl-office",
            "pl-mixed",
            "pl-world",
            "pl-low",
            "pl-high",
            "pl-empty",
        ];
        let cidrs = CIDRS
            .iter()
            .map(|text| (Source::Cidr(cidr(text)), self.inside(&cidr(text))));
        cidrs
            .chain(listed.map(|id| (Source::PrefixList(id.to_owned()), all(id))))
            .collect()
    }

    fn places(&self, wanted: impl Fn(&Origin) -> bool) -> Bits {
        (0..self.origins.len())
            .filter(|&place| wanted(&self.origins[place]))
            .collect()
    }

    /// The origins in a block.
    pub(crate) fn inside(&self, net: &IpNet) -> Bits {
        let (v6, low, high) = ends(net);
        self.places(|origin| match origin {
            Origin::V4(address) => !v6 && (low..=high).contains(address),
            Origin::V6(address) => v6 && (low..=high).contains(address),
            Origin::Named(_) => false,
        })
    }

    /// The origins that a source is.
    pub(crate) fn origins_of(&self, source: &Source) -> Bits {
        let name = match source {
            Source::Group(group) => group.group_id.clone(),
            Source::Cidr(_) | Source::PrefixList(_) => source.to_string(),
        };
        self.from
            .get(source)
            .copied()
            .unwrap_or_else(|| self.places(|origin| *origin == Origin::Named(name.clone())))
    }

    /// The packets that a rule lets in.
    pub(crate) fn packets_of(&self, rule: &IngressRule) -> Bits {
        (0..self.packets.len())
            .filter(|&place| lets_in(rule, self.packets[place]))
            .collect()
    }

    /// Who gets in with each packet. ICMP is spoken over IPv4 only, ICMPv6 over IPv6 only.
    pub(crate) fn reach(&self, rules: &[IngressRule]) -> Vec<Bits> {
        let parts: Vec<_> = rules
            .iter()
            .map(|rule| (self.packets_of(rule), self.origins_of(&rule.source)))
            .collect();
        self.reach_of(&parts)
    }

    /// The same for sets of packets from sets of origins.
    pub(crate) fn reach_of(&self, parts: &[(Bits, Bits)]) -> Vec<Bits> {
        let mut reach = vec![Bits::default(); self.packets.len()];
        for (packets, origins) in parts {
            for (place, packet) in self
                .packets
                .iter()
                .enumerate()
                .filter(|(place, _)| packets.has(*place))
            {
                let silent = match packet {
                    Packet::Icmp(..) => self.family[1],
                    Packet::Icmpv6(..) => self.family[0],
                    Packet::Tcp(..) | Packet::Udp(..) | Packet::Other(_) => Bits::default(),
                };
                reach[place] = reach[place].or(origins.minus(silent));
            }
        }
        reach
    }

    /// What is in one reach and not in another, in words.
    pub(crate) fn beyond(&self, more: &[Bits], less: &[Bits]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, packet) in self.packets.iter().enumerate() {
            let extra = more[place].minus(less[place]);
            let named = (0..self.origins.len()).filter(|&origin| extra.has(origin));
            found.extend(named.map(|origin| format!("{packet:?} from {:?}", self.origins[origin])));
        }
        found
    }
}

fn packets() -> Vec<Packet> {
    let ends = PORTS
        .iter()
        .chain(&COMMON_SERVICE_PORTS)
        .chain(&RESTRICTED_COMMON_PORTS);
    let starts: BTreeSet<u32> = ends
        .flat_map(|&port| [u32::from(port), u32::from(port) + 1])
        .chain([0])
        .collect();
    let starts: Vec<u32> = starts.into_iter().collect();
    let port = |number: u32| u16::try_from(number).unwrap();
    let stretches: Vec<_> = starts
        .windows(2)
        .map(|pair| (port(pair[0]), port(pair[1] - 1)))
        .collect();
    assert_eq!(stretches.last(), Some(&(65535, 65535)));
    let tcp = stretches.iter().map(|&(from, to)| Packet::Tcp(from, to));
    let udp = stretches.iter().map(|&(from, to)| Packet::Udp(from, to));
    // 13/5 and 8/7 are let in by no rule that names them, only by those for any type or any code.
    let icmp = [(3, 4), (8, 0), (8, 7), (13, 5)];
    tcp.chain(udp)
        .chain(icmp.map(|(kind, code)| Packet::Icmp(kind, code)))
        .chain([Packet::Icmpv6(13, 5)])
        .chain(NUMBERS.map(Packet::Other))
        .collect()
}

/// Whether a rule lets a packet in, from the fields as EC2 has them.
fn lets_in(rule: &IngressRule, packet: Packet) -> bool {
    let written = rule.ec2_ports();
    let (from, to) = (written.from.unwrap_or(-1), written.to.unwrap_or(-1));
    let ports =
        |low: u16, high: u16| from == -1 || (from <= i32::from(low) && i32::from(high) <= to);
    let message = |kind: i32, code: i32| from == -1 || (from == kind && (to == -1 || to == code));
    match (rule.protocol(), packet) {
        (Protocol::All, _) => true,
        (Protocol::Tcp, Packet::Tcp(low, high)) | (Protocol::Udp, Packet::Udp(low, high)) => {
            ports(low, high)
        }
        (Protocol::Icmp, Packet::Icmp(kind, code))
        | (Protocol::Icmpv6, Packet::Icmpv6(kind, code)) => message(kind, code),
        (Protocol::Other(mine), Packet::Other(number)) => mine == number,
        _ => false,
    }
}
