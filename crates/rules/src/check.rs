//! The kinds of check. A policy gives each its parameters, severity and action.

use crate::exposure::Exposure;
use crate::group::{IngressRule, Traffic};
use crate::source::Source;
use crate::traffic::TrafficSet;

/// What a rule of a policy looks for on one box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Protocol `-1` open to the world.
    AllTraffic,
    /// Some TCP or UDP ports open to the world, alone, inside a range or inside `-1`: exactly these.
    OpenPorts(TrafficSet),
    /// Anything open to the world but this: ports, ICMP, other protocols.
    OpenExcept(TrafficSet),
    /// More than one port of a box (TCP, UDP or `-1`) open to the world.
    PortRange,
    /// A box of more than one port (TCP, UDP or `-1`) from a CIDR or prefix list, as far as it is not open to the world.
    PortRangeInternal,
    /// A broad source on TCP, UDP or `-1`, as far as it is not open to the world.
    BroadSource,
    /// A protocol number other than TCP, UDP, ICMP and `ICMPv6` open to the world.
    OtherProtocols,
}

impl Check {
    /// The part of the box that this check forbids.
    pub fn offending(&self, rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
        match self {
            Self::AllTraffic => all_if(rule, rule.traffic() == Traffic::Everything && exposure.whole),
            Self::OpenPorts(forbidden) => exposed_ports(exposure).intersection(forbidden),
            Self::OpenExcept(allowed) => exposed(rule, exposure).difference(allowed),
            Self::PortRange => port_range(rule, exposure),
            Self::PortRangeInternal => port_range_internal(rule, exposure),
            Self::BroadSource if exposure.broad => not_open(rule, exposure),
            Self::BroadSource => TrafficSet::default(),
            Self::OtherProtocols => all_if(rule, matches!(rule.traffic(), Traffic::Other(_)) && exposure.whole),
        }
    }
}

/// All that the box admits, or nothing.
fn all_if(rule: &IngressRule, offends: bool) -> TrafficSet {
    if offends { rule.traffic().into() } else { TrafficSet::default() }
}

/// The ports through which the box takes part in an opening.
fn exposed_ports(exposure: &Exposure) -> TrafficSet {
    TrafficSet { tcp: exposure.tcp.clone(), udp: exposure.udp.clone(), ..TrafficSet::default() }
}

/// All through which the box takes part in an opening.
fn exposed(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    all_if(rule, exposure.whole).union(&exposed_ports(exposure))
}

fn port_range(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    match rule.traffic() {
        _ if exposure.tcp.union(&exposure.udp).count() <= 1 => TrafficSet::default(),
        // More than one port of a -1 box offends as a whole: it has no range that could be cut.
        Traffic::Everything => TrafficSet::everything(),
        Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => {
            exposed_ports(exposure)
        }
    }
}

fn port_range_internal(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    let has_range = match rule.traffic() {
        Traffic::Tcp(span) | Traffic::Udp(span) => span.count() > 1,
        Traffic::Everything => true,
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => false,
    };
    match rule.source {
        Source::Cidr(_) | Source::PrefixList(_) if has_range => not_open(rule, exposure),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => TrafficSet::default(),
    }
}

/// The part of a TCP, UDP or `-1` box that is not open to the world.
fn not_open(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    match rule.traffic() {
        traffic @ (Traffic::Tcp(_) | Traffic::Udp(_)) => TrafficSet::from(traffic).difference(&exposed_ports(exposure)),
        // Some protocol or port of a -1 box is left as long as -1 itself is not open.
        Traffic::Everything => all_if(rule, !exposure.whole),
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => TrafficSet::default(),
    }
}
