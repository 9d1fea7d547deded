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
    pub fn offending_traffic(&self, rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
        match self {
            Self::AllTraffic => {
                all_traffic_if(rule, rule.traffic() == Traffic::All && exposure.whole_rule)
            }
            Self::OpenPorts(forbidden) => exposed_ports(exposure).intersection(forbidden),
            Self::OpenExcept(allowed) => exposed_traffic(rule, exposure).difference(allowed),
            Self::PortRange => exposed_port_range(rule, exposure),
            Self::PortRangeInternal => internal_port_range(rule, exposure),
            Self::BroadSource if exposure.broad => unexposed_traffic(rule, exposure),
            Self::BroadSource => TrafficSet::default(),
            Self::OtherProtocols => all_traffic_if(
                rule,
                matches!(rule.traffic(), Traffic::Other(_)) && exposure.whole_rule,
            ),
        }
    }
}

/// All that the box admits, or nothing.
fn all_traffic_if(rule: &IngressRule, offends: bool) -> TrafficSet {
    if offends {
        rule.traffic().into()
    } else {
        TrafficSet::default()
    }
}

/// The ports through which the box takes part in an opening.
fn exposed_ports(exposure: &Exposure) -> TrafficSet {
    TrafficSet {
        tcp: exposure.tcp.clone(),
        udp: exposure.udp.clone(),
        ..TrafficSet::default()
    }
}

/// All through which the box takes part in an opening.
fn exposed_traffic(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    all_traffic_if(rule, exposure.whole_rule).union(&exposed_ports(exposure))
}

fn exposed_port_range(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    match rule.traffic() {
        _ if exposure.tcp.union(&exposure.udp).port_count() <= 1 => TrafficSet::default(),
        // More than one port of a -1 box offends as a whole: it has no range that could be cut.
        Traffic::All => TrafficSet::all(),
        Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => {
            exposed_ports(exposure)
        }
    }
}

fn internal_port_range(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    let has_range = match rule.traffic() {
        Traffic::Tcp(span) | Traffic::Udp(span) => span.port_count() > 1,
        Traffic::All => true,
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => false,
    };
    match rule.source {
        Source::Cidr(_) | Source::PrefixList(_) if has_range => unexposed_traffic(rule, exposure),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => TrafficSet::default(),
    }
}

/// The part of a TCP, UDP or `-1` box that is not open to the world.
fn unexposed_traffic(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    match rule.traffic() {
        traffic @ (Traffic::Tcp(_) | Traffic::Udp(_)) => {
            TrafficSet::from(traffic).difference(&exposed_ports(exposure))
        }
        // Some protocol or port of a -1 box is left as long as -1 itself is not open.
        Traffic::All => all_traffic_if(rule, !exposure.whole_rule),
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => TrafficSet::default(),
    }
}
