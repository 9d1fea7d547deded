//! The kinds of check. A policy gives each its parameters, severity and action.

use crate::exposure::Exposure;
use crate::group::{IngressRule, Traffic};
use crate::ports::PortSet;
use crate::source::Source;

/// What a rule of a policy looks for on one box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Protocol `-1` open to the world.
    AllTraffic,
    /// Some TCP or UDP ports open to the world, alone, inside a range or inside `-1`.
    OpenPorts(ForbiddenPorts),
    /// More than one port of a box (TCP, UDP or `-1`) open to the world.
    PortRange,
    /// A box of more than one port (TCP, UDP or `-1`) from a CIDR or prefix list, as far as it is not open to the world.
    PortRangeInternal,
    /// A broad source on TCP, UDP or `-1`, as far as it is not open to the world.
    BroadSource,
    /// A protocol number other than TCP, UDP, ICMP and `ICMPv6` open to the world.
    OtherProtocols,
}

/// The ports that [`Check::OpenPorts`] forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForbiddenPorts {
    /// TCP ports.
    pub tcp: PortSet,
    /// UDP ports.
    pub udp: PortSet,
}

impl ForbiddenPorts {
    /// The same ports for both protocols.
    pub fn same(ports: PortSet) -> Self {
        Self { tcp: ports.clone(), udp: ports }
    }
}

/// The part of a box that a rule forbids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offending {
    /// TCP ports.
    pub tcp: PortSet,
    /// UDP ports.
    pub udp: PortSet,
    /// All else that a `-1` box or a box of another protocol number admits.
    pub rest: bool,
}

impl Offending {
    /// Whether no part of the box is forbidden.
    pub fn is_nothing(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty() && !self.rest
    }
}

impl std::fmt::Display for Offending {
    /// Ports and spans, ascending and merged; `all` for a `-1` box or another protocol that offends as a whole.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.rest { f.write_str("all") } else { write!(f, "{}", self.tcp.union(&self.udp)) }
    }
}

impl Check {
    /// The part of the box that this check forbids.
    pub fn offending(&self, rule: &IngressRule, exposure: &Exposure) -> Offending {
        match self {
            Self::AllTraffic => whole_if(rule, rule.traffic() == Traffic::Everything && exposure.whole),
            Self::OpenPorts(forbidden) => Offending {
                tcp: exposure.tcp.intersection(&forbidden.tcp),
                udp: exposure.udp.intersection(&forbidden.udp),
                rest: false,
            },
            Self::PortRange => port_range(rule, exposure),
            Self::PortRangeInternal => port_range_internal(rule, exposure),
            Self::BroadSource if exposure.broad => not_open(rule, exposure),
            Self::BroadSource => Offending::default(),
            Self::OtherProtocols => whole_if(rule, matches!(rule.traffic(), Traffic::Other(_)) && exposure.whole),
        }
    }
}

/// All that the box admits, or nothing.
fn whole_if(rule: &IngressRule, offends: bool) -> Offending {
    if offends { whole(rule.traffic()) } else { Offending::default() }
}

/// All that such traffic is.
fn whole(traffic: Traffic) -> Offending {
    let (none, all) = (PortSet::empty, PortSet::all);
    match traffic {
        Traffic::Tcp(span) => Offending { tcp: span.into(), udp: none(), rest: false },
        Traffic::Udp(span) => Offending { tcp: none(), udp: span.into(), rest: false },
        Traffic::Everything => Offending { tcp: all(), udp: all(), rest: true },
        Traffic::Icmp | Traffic::Other(_) => Offending { tcp: none(), udp: none(), rest: true },
    }
}

fn port_range(rule: &IngressRule, exposure: &Exposure) -> Offending {
    if exposure.tcp.union(&exposure.udp).count() <= 1 {
        Offending::default()
    } else if rule.traffic() == Traffic::Everything {
        whole(Traffic::Everything)
    } else {
        Offending { tcp: exposure.tcp.clone(), udp: exposure.udp.clone(), rest: false }
    }
}

fn port_range_internal(rule: &IngressRule, exposure: &Exposure) -> Offending {
    let has_range = match rule.traffic() {
        Traffic::Tcp(span) | Traffic::Udp(span) => span.count() > 1,
        Traffic::Everything => true,
        Traffic::Icmp | Traffic::Other(_) => false,
    };
    match rule.source {
        Source::Cidr(_) | Source::PrefixList(_) if has_range => not_open(rule, exposure),
        Source::Cidr(_) | Source::PrefixList(_) | Source::Group(_) => Offending::default(),
    }
}

/// The part of a TCP, UDP or `-1` box that is not open to the world.
fn not_open(rule: &IngressRule, exposure: &Exposure) -> Offending {
    match rule.traffic() {
        Traffic::Tcp(span) => Offending { tcp: PortSet::from(span).difference(&exposure.tcp), ..Offending::default() },
        Traffic::Udp(span) => Offending { udp: PortSet::from(span).difference(&exposure.udp), ..Offending::default() },
        // Some protocol or port of a -1 box is left as long as -1 itself is not open.
        Traffic::Everything => whole_if(rule, !exposure.whole),
        Traffic::Icmp | Traffic::Other(_) => Offending::default(),
    }
}
