//! Public address space, and the part of it that address blocks cover.

use ipnet::IpNet;

/// An IP address family. Each family is evaluated separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    /// Both families.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The longest prefix that still counts as broad: /8 for IPv4, /16 for IPv6.
    pub const fn broad_prefix_len(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 16,
        }
    }

    /// The public address space of the family as ascending inclusive ranges.
    ///
    /// IPv4: everything except the special-purpose blocks of the IANA registry that are not
    /// reachable from the internet. IPv6: `2000::/3`, the global unicast addresses.
    const fn public_ranges(self) -> &'static [(u128, u128)] {
        match self {
            Self::V4 => &PUBLIC_V4,
            Self::V6 => &PUBLIC_V6,
        }
    }

    fn public_address_count(self) -> u128 {
        self.public_ranges().iter().fold(0, |sum, &(low, high)| {
            sum.saturating_add(address_count(low, high))
        })
    }
}

const PUBLIC_V4: [(u128, u128); 12] = [
    (0x0100_0000, 0x09FF_FFFF), // after 0.0.0.0/8
    (0x0B00_0000, 0x643F_FFFF), // after 10.0.0.0/8
    (0x6480_0000, 0x7EFF_FFFF), // after 100.64.0.0/10
    (0x8000_0000, 0xA9FD_FFFF), // after 127.0.0.0/8
    (0xA9FF_0000, 0xAC0F_FFFF), // after 169.254.0.0/16
    (0xAC20_0000, 0xBFFF_FFFF), // after 172.16.0.0/12
    (0xC000_0100, 0xC000_01FF), // after 192.0.0.0/24
    (0xC000_0300, 0xC0A7_FFFF), // after 192.0.2.0/24
    (0xC0A9_0000, 0xC611_FFFF), // after 192.168.0.0/16
    (0xC614_0000, 0xC633_63FF), // after 198.18.0.0/15
    (0xC633_6500, 0xCB00_70FF), // after 198.51.100.0/24
    (0xCB00_7200, 0xDFFF_FFFF), // after 203.0.113.0/24, up to 224.0.0.0/4 and 240.0.0.0/4
];

const PUBLIC_V6: [(u128, u128); 1] = [(0x2000 << 112, (0x4000 << 112) - 1)];

const fn address_count(low: u128, high: u128) -> u128 {
    high.saturating_sub(low).saturating_add(1)
}

/// A block of addresses of one family, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressBlock {
    low: u128,
    high: u128,
    prefix_len: u8,
    family: AddressFamily,
}

impl AddressBlock {
    /// The block of a CIDR.
    pub fn from_net(net: &IpNet) -> Self {
        let (low, high, family) = match net {
            IpNet::V4(v4) => (
                u128::from(u32::from(v4.network())),
                u128::from(u32::from(v4.broadcast())),
                AddressFamily::V4,
            ),
            IpNet::V6(v6) => (
                u128::from(v6.network()),
                u128::from(v6.broadcast()),
                AddressFamily::V6,
            ),
        };
        Self {
            low,
            high,
            prefix_len: net.prefix_len(),
            family,
        }
    }

    /// The address family.
    pub const fn family(self) -> AddressFamily {
        self.family
    }

    /// The first and last address, as numbers.
    pub(crate) const fn bounds(self) -> (u128, u128) {
        (self.low, self.high)
    }

    /// Whether the block contains any public address.
    pub fn touches_public(self) -> bool {
        self.family
            .public_ranges()
            .iter()
            .any(|&(low, high)| self.low <= high && low <= self.high)
    }

    /// The length of the prefix, in bits.
    pub const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether the block is a broad source: a prefix of /8 or shorter (IPv6: /16 or shorter) that
    /// contains public addresses.
    pub fn is_broad(self) -> bool {
        self.prefix_len <= self.family.broad_prefix_len() && self.touches_public()
    }
}

/// A range of public addresses of one family: the first one, and the one after the last.
///
/// Addresses are numbered within the public address space, which has no gaps in this numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicRange {
    /// The number of the first address.
    pub start: u128,
    /// The number of the first address after the range.
    pub end: u128,
}

impl PublicRange {
    /// The whole public address space of a family.
    pub fn all(family: AddressFamily) -> Self {
        Self {
            start: 0,
            end: family.public_address_count(),
        }
    }

    /// The number of addresses.
    pub const fn address_count(self) -> u128 {
        self.end.saturating_sub(self.start)
    }
}

/// The public addresses of blocks of one family, as the fewest ranges in ascending order.
pub fn public_ranges_of_blocks(family: AddressFamily, blocks: &[AddressBlock]) -> Vec<PublicRange> {
    let mut ranges: Vec<PublicRange> = blocks
        .iter()
        .map(|block| PublicRange {
            start: public_addresses_below(family, block.low),
            end: public_addresses_below(family, block.high.saturating_add(1)),
        })
        .filter(|range| range.start < range.end)
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<PublicRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Whether blocks of one family together cover its whole public address space.
pub fn covers_public(family: AddressFamily, blocks: &[AddressBlock]) -> bool {
    public_ranges_of_blocks(family, blocks) == [PublicRange::all(family)]
}

/// The number of public addresses that are less than this address.
fn public_addresses_below(family: AddressFamily, address: u128) -> u128 {
    let mut count: u128 = 0;
    for &(low, high) in family.public_ranges() {
        if address <= low {
            break;
        }
        let last = high.min(address.saturating_sub(1));
        count = count.saturating_add(address_count(low, last));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse_cidr;
    use proptest::prelude::*;

    const SPECIAL_V4: [&str; 14] = [
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

    fn block(text: &str) -> AddressBlock {
        AddressBlock::from_net(&parse_cidr(text).unwrap())
    }

    fn covers(texts: &[&str]) -> bool {
        let blocks: Vec<_> = texts.iter().map(|text| block(text)).collect();
        covers_public(blocks[0].family(), &blocks)
    }

    #[test]
    fn public_ipv4_is_the_complement_of_the_special_purpose_blocks() {
        let mut next: u128 = 0;
        let mut gaps = Vec::new();
        for special in SPECIAL_V4.map(block) {
            if special.low > next {
                gaps.push((next, special.low.saturating_sub(1)));
            }
            next = special.high.saturating_add(1);
        }
        assert_eq!(next, 1 << 32);
        assert_eq!(gaps, PUBLIC_V4);
    }

    #[test]
    fn different_blocks_can_cover_all_public_addresses() {
        assert!(covers(&["0.0.0.0/0"]));
        assert!(covers(&["128.0.0.0/1", "0.0.0.0/1"]));
        assert!(covers(&["::/1", "8000::/1"]));
        assert!(covers(&["2000::/3"]));
        assert!(covers(&["::/1"]), "2000::/3 is inside ::/1");
        assert!(covers(&["2000::/4", "3000::/4", "fd00::/8"]));
    }

    #[test]
    fn blocks_with_a_public_gap_do_not_cover() {
        assert!(!covers(&["0.0.0.0/1"]));
        assert!(!covers(&["8000::/1"]));
        assert!(!covers(&["2000::/4"]));
        assert!(
            !covers(&["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/4"]),
            "208.0.0.0/4 is missing"
        );
        assert!(
            covers(&["0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"]),
            "the missing block is not public"
        );
    }

    #[test]
    fn public_ranges_are_numbered_without_gaps() {
        let ranges = |texts: &[&str]| {
            let blocks: Vec<_> = texts.iter().map(|text| block(text)).collect();
            public_ranges_of_blocks(AddressFamily::V4, &blocks)
                .iter()
                .map(|range| (range.start, range.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(ranges(&["1.0.0.0/24"]), [(0, 256)]);
        assert_eq!(ranges(&["10.0.0.0/8", "0.0.0.0/8"]), []);
        assert_eq!(ranges(&["11.0.0.0/8", "9.0.0.0/8"]), [(8 << 24, 10 << 24)]);
        assert_eq!(
            ranges(&["1.0.1.0/24", "1.0.3.0/24"]),
            [(256, 512), (768, 1024)]
        );
        let last = PublicRange::all(AddressFamily::V4).end;
        assert_eq!(ranges(&["223.255.255.0/24"]), [(last - 256, last)]);
    }

    #[test]
    fn broad_blocks_have_a_short_prefix_and_public_addresses() {
        for text in [
            "0.0.0.0/0",
            "0.0.0.0/1",
            "52.0.0.0/8",
            "8.0.0.0/6",
            "::/0",
            "2000::/16",
            "2000::/3",
        ] {
            assert!(block(text).is_broad(), "{text}");
        }
        for text in [
            "10.0.0.0/8",
            "52.0.0.0/9",
            "240.0.0.0/4",
            "127.0.0.0/8",
            "2600::/17",
            "fc00::/7",
            "8000::/1",
        ] {
            assert!(!block(text).is_broad(), "{text}");
        }
    }

    proptest! {
        /// Splitting a block in two does not matter; removing any public block leaves a gap.
        #[test]
        fn coverage_depends_on_the_union_only(
            splits in prop::collection::vec(0..16_usize, 0..12),
            removed_index in 0..16_usize,
        ) {
            let mut nets = vec![parse_cidr("0.0.0.0/0").unwrap()];
            for split in splits {
                let net = nets.remove(split.checked_rem(nets.len()).unwrap());
                nets.extend(net.subnets(net.prefix_len().saturating_add(1)).unwrap());
            }
            let mut blocks: Vec<_> = nets.iter().map(AddressBlock::from_net).collect();
            prop_assert!(covers_public(AddressFamily::V4, &blocks));
            let removed = blocks.remove(removed_index.checked_rem(blocks.len()).unwrap());
            prop_assert_eq!(
                covers_public(AddressFamily::V4, &blocks),
                !removed.touches_public()
            );
        }
    }
}
