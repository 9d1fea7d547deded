//! Protocol axes: the positions at which the openness of a protocol can change.
//!
//! Ports, ICMP messages and protocol numbers are positions on an axis. A rule reaches a range of
//! positions, so that the openness of each axis can be computed in one sweep over it.

use crate::group::{IngressRule, Traffic};

/// An axis of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Axis {
    /// TCP ports.
    Tcp,
    /// UDP ports.
    Udp,
    /// ICMP messages, ordered by type and code.
    Icmp,
    /// `ICMPv6` messages, ordered by type and code.
    Icmpv6,
    /// Protocol numbers, and a last position that only rules for protocol `-1` reach.
    Number,
}

/// An inclusive range of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AxisRange {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl AxisRange {
    const ALL: Self = Self {
        first: 0,
        last: u64::MAX,
    };

    pub(super) const fn contains(self, position: u64) -> bool {
        self.first <= position && position <= self.last
    }

    const fn single(position: u64) -> Self {
        Self {
            first: position,
            last: position,
        }
    }
}

/// The position on [`Axis::Number`] that only rules for protocol `-1` reach.
pub(super) const ALL_TRAFFIC_POSITION: u64 = 256;

/// In the fields of ICMP rules: any type, or any code.
const ANY: i32 = -1;

impl Axis {
    pub(super) const ALL: [Self; 5] =
        [Self::Tcp, Self::Udp, Self::Icmp, Self::Icmpv6, Self::Number];

    /// The axis of an ICMP rule.
    pub(super) fn of_icmp(rule: &IngressRule) -> Option<Self> {
        match rule.traffic() {
            Traffic::Icmp => Some(Self::Icmp),
            Traffic::Icmpv6 => Some(Self::Icmpv6),
            Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Other(_) | Traffic::All => None,
        }
    }

    /// Whether the rule makes it necessary to compute this axis. All messages and protocol numbers
    /// that only rules for protocol `-1` reach are the same, so these rules need
    /// [`ALL_TRAFFIC_POSITION`] and no ICMP axis.
    pub(super) const fn is_needed_for(self, rule: &IngressRule) -> bool {
        match rule.traffic() {
            Traffic::Tcp(_) => matches!(self, Self::Tcp),
            Traffic::Udp(_) => matches!(self, Self::Udp),
            Traffic::Icmp => matches!(self, Self::Icmp),
            Traffic::Icmpv6 => matches!(self, Self::Icmpv6),
            Traffic::Other(_) => matches!(self, Self::Number),
            Traffic::All => matches!(self, Self::Tcp | Self::Udp | Self::Number),
        }
    }

    /// The positions of this axis that the rule reaches.
    pub(super) fn range_reached_by(self, rule: &IngressRule) -> Option<AxisRange> {
        match (self, rule.traffic()) {
            (Self::Tcp | Self::Udp, Traffic::All) => Some(AxisRange {
                first: 0,
                last: u16::MAX.into(),
            }),
            (_, Traffic::All) => Some(AxisRange::ALL),
            (Self::Tcp, Traffic::Tcp(ports)) | (Self::Udp, Traffic::Udp(ports)) => {
                Some(AxisRange {
                    first: ports.first_port().into(),
                    last: ports.last_port().into(),
                })
            }
            (Self::Icmp, Traffic::Icmp) | (Self::Icmpv6, Traffic::Icmpv6) => {
                Some(icmp_range(icmp_message_of(rule)))
            }
            (Self::Number, Traffic::Other(number)) => Some(AxisRange::single(number.into())),
            _ => None,
        }
    }
}

/// The protocol numbers in a range of [`Axis::Number`].
pub(super) fn protocol_numbers(range: AxisRange) -> impl Iterator<Item = u8> {
    let last = range.last.min(u8::MAX.into());
    (range.first..=last).filter_map(|position| u8::try_from(position).ok())
}

/// The port at a position of a port axis.
pub(super) fn port_position(position: u64) -> Option<u16> {
    u16::try_from(position).ok()
}

fn icmp_message_of(rule: &IngressRule) -> (i32, i32) {
    let (icmp_type, code) = rule.display_ports();
    (icmp_type.unwrap_or(ANY), code.unwrap_or(ANY))
}

/// The position of a message. "Any code of a type" and "any type" have positions of their own.
fn icmp_position(icmp_type: i32, code: i32) -> u64 {
    (u64::from(order_preserving(icmp_type)) << 32) | u64::from(order_preserving(code))
}

/// The messages that a rule for this type and code allows.
fn icmp_range((icmp_type, code): (i32, i32)) -> AxisRange {
    if icmp_type == ANY {
        AxisRange::ALL
    } else if code == ANY {
        AxisRange {
            first: icmp_position(icmp_type, i32::MIN),
            last: icmp_position(icmp_type, i32::MAX),
        }
    } else {
        AxisRange::single(icmp_position(icmp_type, code))
    }
}

/// Maps signed to unsigned numbers in the same order.
const fn order_preserving(number: i32) -> u32 {
    number.cast_unsigned() ^ (1 << 31)
}
