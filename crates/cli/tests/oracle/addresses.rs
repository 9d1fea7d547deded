//! Addresses, by brute force: which ones are public, and which blocks together cover them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::LazyLock;

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

/// Blocks of exactly the public IPv4 addresses.
pub(super) fn public_blocks() -> Vec<String> {
    let firsts = LANDMARKS.0.iter().map(|special| special.last + 1);
    let lasts = LANDMARKS.0.iter().skip(1).map(|special| special.first - 1);
    firsts
        .zip(lasts)
        .flat_map(|(first, last)| blocks(first, last))
        .collect()
}

/// The fewest blocks for the IPv4 addresses from the first to the last.
pub(super) fn blocks(mut first: u128, last: u128) -> Vec<String> {
    let mut blocks = Vec::new();
    while first <= last {
        let is_aligned = |length: &u32| {
            let size = 1_u128 << (32 - length);
            first.is_multiple_of(size) && first + size - 1 <= last
        };
        let length = (0..=32).find(is_aligned).unwrap();
        blocks.push(format!(
            "{}/{length}",
            std::net::Ipv4Addr::from(u32::try_from(first).unwrap())
        ));
        first += 1 << (32 - length);
    }
    blocks
}

/// A block of addresses: first and last address as numbers, prefix length and family.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) first: u128,
    pub(super) last: u128,
    pub(super) length: u32,
    pub(super) v6: bool,
}

pub(super) fn range(cidr: &str) -> Range {
    let (address, length) = cidr.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    let (number, width, v6) = match address.parse().unwrap() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32, false),
        IpAddr::V6(v6) => (u128::from(v6), 128, true),
    };
    let free = width - length;
    let host = if free == 128 {
        u128::MAX
    } else {
        (1 << free) - 1
    };
    Range {
        first: number & !host,
        last: number | host,
        length,
        v6,
    }
}

pub(super) fn canonical(source: &str) -> String {
    if !source.contains('/') {
        return source.to_owned();
    }
    let Range {
        first, length, v6, ..
    } = range(source);
    let address = if v6 {
        IpAddr::V6(first.into())
    } else {
        IpAddr::V4(u32::try_from(first).unwrap().into())
    };
    format!("{address}/{length}")
}

/// The special IPv4 blocks, and the block of public IPv6 addresses.
pub(super) static LANDMARKS: LazyLock<(Vec<Range>, Range)> = LazyLock::new(|| {
    (
        SPECIAL.iter().map(|cidr| range(cidr)).collect(),
        range("2000::/3"),
    )
});

pub(super) fn is_public(address: u128, v6: bool) -> bool {
    let (special, global) = &*LANDMARKS;
    let within = |block: &Range| block.first <= address && address <= block.last;
    if v6 {
        within(global)
    } else {
        !special.iter().any(within)
    }
}

/// The first address of every range in which all addresses are equivalent: all public or none, and
/// in the same blocks.
fn samples(blocks: &[Range], v6: bool) -> BTreeSet<u128> {
    let (special, global) = &*LANDMARKS;
    let landmarks = if v6 {
        std::slice::from_ref(global)
    } else {
        special
    };
    let mut samples = BTreeSet::from([0]);
    for block in landmarks.iter().chain(blocks) {
        samples.insert(block.first);
        samples.extend(block.last.checked_add(1));
    }
    samples.retain(|&address| v6 || address <= u128::from(u32::MAX));
    samples
}

pub(super) fn covers(blocks: &[Range], v6: bool) -> bool {
    samples(blocks, v6)
        .into_iter()
        .filter(|&address| is_public(address, v6))
        .all(|address| {
            blocks
                .iter()
                .any(|block| block.first <= address && address <= block.last)
        })
}

pub(super) fn touches_public(block: Range) -> bool {
    samples(&[block], block.v6).into_iter().any(|address| {
        block.first <= address && address <= block.last && is_public(address, block.v6)
    })
}

pub(super) fn is_broad(block: Range) -> bool {
    block.length <= if block.v6 { 16 } else { 8 } && touches_public(block)
}
