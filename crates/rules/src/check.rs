//! The checks that policy rules are made of.

mod describe;

use crate::exposure::Exposure;
use crate::group::{IngressRule, Traffic};
use crate::source::Source;
use crate::traffic::TrafficSet;

/// What a policy rule looks for in a security group rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Protocol `-1` open to the world.
    AllTraffic,
    /// Specific TCP or UDP ports open to the world, whether the rule is for one port, a range or
    /// protocol `-1`.
    OpenPorts(TrafficSet),
    /// Anything open to the world except this traffic: ports, ICMP, other protocols.
    OpenExcept(TrafficSet),
    /// More than one port of a rule (TCP, UDP or `-1`) open to the world.
    PortRange,
    /// A rule for more than one port (TCP, UDP or `-1`) from a CIDR or prefix list; the part of it
    /// that is not open to the world.
    PortRangeInternal,
    /// A broad source on TCP, UDP or `-1`; the part of the rule that is not open to the world.
    BroadSource,
    /// A protocol other than TCP, UDP, ICMP and `ICMPv6` open to the world.
    OtherProtocols,
}

impl Check {
    /// The part of the rule that this check forbids.
    pub fn offending_traffic(&self, rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
        match self {
            Self::AllTraffic => {
                all_traffic_if(rule, rule.traffic() == Traffic::All && exposure.all_traffic)
            }
            Self::OpenPorts(forbidden) => exposure.open_ports().intersection(forbidden),
            Self::OpenExcept(allowed) => exposure.open.difference(allowed),
            Self::PortRange => exposed_port_range(rule, exposure),
            Self::PortRangeInternal => internal_port_range(rule, exposure),
            Self::BroadSource if exposure.broad => unexposed_traffic(rule, exposure),
            Self::BroadSource => TrafficSet::default(),
            Self::OtherProtocols => all_traffic_if(
                rule,
                matches!(rule.traffic(), Traffic::Other(_))
                    && !exposure.open.other_protocols.is_empty(),
            ),
        }
    }
}

/// All traffic that the rule allows, or nothing.
fn all_traffic_if(rule: &IngressRule, offends: bool) -> TrafficSet {
    if offends {
        rule.traffic().into()
    } else {
        TrafficSet::default()
    }
}

fn exposed_port_range(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    match rule.traffic() {
        _ if exposure.open.tcp.union(&exposure.open.udp).port_count() <= 1 => TrafficSet::default(),
        // A rule for protocol -1 has no port range that could be narrowed, so all of it is
        // forbidden.
        Traffic::All => TrafficSet::all(),
        Traffic::Tcp(_) | Traffic::Udp(_) | Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => {
            exposure.open_ports()
        }
    }
}

fn internal_port_range(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    let has_range = match rule.traffic() {
        Traffic::Tcp(range) | Traffic::Udp(range) => range.port_count() > 1,
        Traffic::All => true,
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => false,
    };
    match rule.source {
        Source::Cidr(_) | Source::PrefixList(_) if has_range => unexposed_traffic(rule, exposure),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => TrafficSet::default(),
    }
}

/// The part of a TCP, UDP or `-1` rule that is not open to the world.
fn unexposed_traffic(rule: &IngressRule, exposure: &Exposure) -> TrafficSet {
    match rule.traffic() {
        traffic @ (Traffic::Tcp(_) | Traffic::Udp(_)) => {
            TrafficSet::from(traffic).difference(&exposure.open_ports())
        }
        // Unless protocol -1 itself is open to the world, some of its traffic is not.
        Traffic::All => all_traffic_if(rule, !exposure.all_traffic),
        Traffic::Icmp | Traffic::Icmpv6 | Traffic::Other(_) => TrafficSet::default(),
    }
}
