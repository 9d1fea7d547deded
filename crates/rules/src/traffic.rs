//! Sets of traffic: what a security group rule allows, a policy rule forbids or an exception
//! exempts.

use std::fmt;

use crate::group::Traffic;
use crate::ports::PortSet;

/// A set of protocol numbers other than those of TCP, UDP, ICMP and `ICMPv6`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ProtocolSet([u64; 4]);

/// The protocols that EC2 refers to by name: icmp, tcp, udp, icmpv6.
const NAMED_PROTOCOLS: [u8; 4] = [1, 6, 17, 58];

impl ProtocolSet {
    /// The empty set.
    pub const fn empty() -> Self {
        Self([0; 4])
    }

    /// Every protocol number that EC2 has no name for.
    pub fn all() -> Self {
        (0..=u8::MAX).collect()
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == [0; 4]
    }

    /// Whether the set contains this number.
    pub fn contains(self, number: u8) -> bool {
        self.0
            .get(usize::from(number >> 6))
            .is_some_and(|word| word & (1 << (number & 63)) != 0)
    }

    /// The numbers in ascending order.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |&number| self.contains(number))
    }

    /// The numbers in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        self.combine_words(other, |a, b| a | b)
    }

    /// The numbers in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        self.combine_words(other, |a, b| a & b)
    }

    /// The numbers of this set that are not in the other.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        self.combine_words(other, |a, b| a & !b)
    }

    fn combine_words(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        for (mine, theirs) in words.iter_mut().zip(other.0) {
            *mine = combine(*mine, theirs);
        }
        Self(words)
    }
}

impl FromIterator<u8> for ProtocolSet {
    /// Ignores TCP, UDP, ICMP and `ICMPv6`, which are separate fields of a [`TrafficSet`].
    fn from_iter<I: IntoIterator<Item = u8>>(numbers: I) -> Self {
        let mut set = Self::empty();
        for number in numbers
            .into_iter()
            .filter(|number| !NAMED_PROTOCOLS.contains(number))
        {
            if let Some(word) = set.0.get_mut(usize::from(number >> 6)) {
                *word |= 1 << (number & 63);
            }
        }
        set
    }
}

/// A set of traffic: ports and protocols, regardless of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TrafficSet {
    /// TCP ports.
    pub tcp: PortSet,
    /// UDP ports.
    pub udp: PortSet,
    /// ICMP. Types and codes are not distinguished.
    pub icmp: bool,
    /// `ICMPv6`. Types and codes are not distinguished.
    pub icmpv6: bool,
    /// Other protocol numbers.
    pub other_protocols: ProtocolSet,
}

impl TrafficSet {
    /// Every protocol and every port.
    pub fn all() -> Self {
        Self {
            tcp: PortSet::all(),
            udp: PortSet::all(),
            icmp: true,
            icmpv6: true,
            other_protocols: ProtocolSet::all(),
        }
    }

    /// The same ports for TCP and UDP.
    pub fn tcp_and_udp(ports: PortSet) -> Self {
        Self {
            tcp: ports.clone(),
            udp: ports,
            ..Self::default()
        }
    }

    /// These TCP ports.
    pub fn tcp(ports: PortSet) -> Self {
        Self {
            tcp: ports,
            ..Self::default()
        }
    }

    /// These UDP ports.
    pub fn udp(ports: PortSet) -> Self {
        Self {
            udp: ports,
            ..Self::default()
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The traffic in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            tcp: self.tcp.union(&other.tcp),
            udp: self.udp.union(&other.udp),
            icmp: self.icmp || other.icmp,
            icmpv6: self.icmpv6 || other.icmpv6,
            other_protocols: self.other_protocols.union(other.other_protocols),
        }
    }

    /// The traffic in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            tcp: self.tcp.intersection(&other.tcp),
            udp: self.udp.intersection(&other.udp),
            icmp: self.icmp && other.icmp,
            icmpv6: self.icmpv6 && other.icmpv6,
            other_protocols: self.other_protocols.intersection(other.other_protocols),
        }
    }

    /// The traffic of this set that is not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            tcp: self.tcp.difference(&other.tcp),
            udp: self.udp.difference(&other.udp),
            icmp: self.icmp && !other.icmp,
            icmpv6: self.icmpv6 && !other.icmpv6,
            other_protocols: self.other_protocols.difference(other.other_protocols),
        }
    }

    /// The traffic that is not in this set.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::all().difference(self)
    }

    fn has_more_than_ports(&self) -> bool {
        self.icmp || self.icmpv6 || !self.other_protocols.is_empty()
    }
}

impl From<Traffic> for TrafficSet {
    fn from(traffic: Traffic) -> Self {
        match traffic {
            Traffic::Tcp(ports) => Self::tcp(ports.into()),
            Traffic::Udp(ports) => Self::udp(ports.into()),
            Traffic::Icmp => Self {
                icmp: true,
                ..Self::default()
            },
            Traffic::Icmpv6 => Self {
                icmpv6: true,
                ..Self::default()
            },
            Traffic::Other(number) => Self {
                other_protocols: ProtocolSet::from_iter([number]),
                ..Self::default()
            },
            Traffic::All => Self::all(),
        }
    }
}

impl fmt::Display for TrafficSet {
    /// TCP and UDP ports, merged and in ascending order: `20-22,3306`. `all` for protocols without
    /// ports, and for every port together with such protocols.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.tcp.union(&self.udp);
        let shows_all = ports.is_empty() || (self.tcp.is_all() && self.udp.is_all());
        if self.has_more_than_ports() && shows_all {
            f.write_str("all")
        } else {
            write!(f, "{ports}")
        }
    }
}

impl fmt::Display for ProtocolSet {
    /// Numbers and ranges of numbers in ascending order: `0,2-3,5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for number in self.numbers() {
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        for (position, (first, last)) in ranges.into_iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortRange;

    fn port_range(from: u16, to: u16) -> PortSet {
        PortRange::new(from, to).unwrap().into()
    }

    #[test]
    fn named_protocols_are_not_in_protocol_sets() {
        let all = ProtocolSet::all();
        assert_eq!(all.numbers().count(), 252);
        assert!(
            !all.contains(6)
                && !all.contains(58)
                && all.contains(47)
                && all.contains(255)
                && all.contains(0)
        );
        assert_eq!(
            ProtocolSet::from_iter([47, 6, 255])
                .numbers()
                .collect::<Vec<_>>(),
            [47, 255]
        );
    }

    #[test]
    fn protocol_sets_display_as_ranges() {
        let display = |numbers: &[u8]| numbers.iter().copied().collect::<ProtocolSet>().to_string();
        assert_eq!(display(&[]), "");
        assert_eq!(display(&[47]), "47");
        assert_eq!(display(&[5, 2, 3, 0, 254, 255]), "0,2-3,5,254-255");
        let all = "0,2-5,7-16,18-57,59-255";
        assert_eq!(ProtocolSet::all().to_string(), all);
    }

    #[test]
    fn a_set_and_its_complement_are_everything() {
        let part = TrafficSet {
            tcp: port_range(22, 25),
            icmp: true,
            other_protocols: ProtocolSet::from_iter([47]),
            ..TrafficSet::default()
        };
        assert_eq!(part.complement().union(&part), TrafficSet::all());
        assert!(part.complement().intersection(&part).is_empty());
        assert!(part.difference(&TrafficSet::all()).is_empty());
    }

    #[test]
    fn displays_as_ports_or_all() {
        assert_eq!(
            TrafficSet::tcp(port_range(22, 25))
                .union(&TrafficSet::udp(port_range(26, 26)))
                .to_string(),
            "22-26"
        );
        assert_eq!(TrafficSet::all().to_string(), "all");
        assert_eq!(TrafficSet::from(Traffic::Other(47)).to_string(), "all");
        assert_eq!(
            TrafficSet::all()
                .difference(&TrafficSet::tcp(port_range(0, 79)))
                .to_string(),
            "0-65535"
        );
    }
}
