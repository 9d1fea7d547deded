//! What a check forbids, in words.

use super::Check;
use crate::ports::{PortRange, PortSet};
use crate::traffic::{ProtocolSet, TrafficSet};

impl Check {
    /// What the check forbids, in one line, derived from its parameters:
    /// "TCP port 22 open to the world".
    pub fn describe(&self) -> String {
        let text = match self {
            Self::AllTraffic => "all protocols and ports open to the world",
            Self::OpenPorts(forbidden) => return describe_open_ports(forbidden),
            Self::OpenExcept(allowed) => return describe_open_except(allowed),
            Self::PortRange => "a port range (more than one port) open to the world",
            Self::PortRangeInternal => {
                "a port range open to a CIDR or prefix list that is not open to the world"
            }
            Self::BroadSource => "a public source of /8 or shorter (IPv6: /16 or shorter)",
            Self::OtherProtocols => "a protocol other than TCP, UDP and ICMP open to the world",
        };
        text.to_owned()
    }
}

fn describe_open_ports(forbidden: &TrafficSet) -> String {
    let parts = if forbidden.tcp == forbidden.udp {
        vec![describe_forbidden_ports("TCP or UDP", &forbidden.tcp)]
    } else {
        vec![
            describe_forbidden_ports("TCP", &forbidden.tcp),
            describe_forbidden_ports("UDP", &forbidden.udp),
        ]
    };
    let parts = order_parts(parts.into_iter().flatten().collect());
    if parts.is_empty() {
        return "nothing".to_owned();
    }
    format!("{} open to the world", join_words(&parts, "or"))
}

/// "TCP ports 22 or 23", "any TCP port but 80 and 443"; none if there are no ports.
fn describe_forbidden_ports(protocol: &str, ports: &PortSet) -> Option<String> {
    if ports.is_empty() {
        return None;
    }
    let others = ports.complement();
    if others.is_empty() {
        return Some(format!("any {protocol} port"));
    }
    if others.ranges().len() < ports.ranges().len() {
        let listed = join_words(&list_ports(&others), "and");
        return Some(format!("any {protocol} port but {listed}"));
    }
    let noun = if ports.port_count() == 1 {
        "port"
    } else {
        "ports"
    };
    let listed = join_words(&list_ports(ports), "or");
    Some(format!("{protocol} {noun} {listed}"))
}

fn describe_open_except(allowed: &TrafficSet) -> String {
    let parts = describe_allowed_traffic(allowed);
    if parts.is_empty() {
        "anything open to the world".to_owned()
    } else {
        format!(
            "anything but {} open to the world",
            join_words(&parts, "and")
        )
    }
}

fn describe_allowed_traffic(allowed: &TrafficSet) -> Vec<String> {
    let mut parts = Vec::new();
    if allowed.tcp == allowed.udp {
        parts.extend(describe_allowed_ports("TCP and UDP", &allowed.tcp));
    } else {
        parts.extend(describe_allowed_ports("TCP", &allowed.tcp));
        parts.extend(describe_allowed_ports("UDP", &allowed.udp));
    }
    let icmp = match (allowed.icmp, allowed.icmpv6) {
        (true, true) => Some("ICMP"),
        (true, false) => Some("ICMP for IPv4"),
        (false, true) => Some("ICMPv6"),
        (false, false) => None,
    };
    parts.extend(icmp.map(str::to_owned));
    parts.extend(describe_other_protocols(allowed.other_protocols));
    order_parts(parts)
}

/// The parts that list what they do not mean ("but", "except") after the others, so that these do
/// not read as a part of that list.
fn order_parts(mut parts: Vec<String>) -> Vec<String> {
    parts.sort_by_key(|part| part.contains(" but ") || part.contains(" except "));
    parts
}

/// "TCP 80 and 443", "TCP except 22"; none if there are no ports.
fn describe_allowed_ports(protocol: &str, ports: &PortSet) -> Option<String> {
    if ports.is_empty() {
        return None;
    }
    let others = ports.complement();
    if others.is_empty() {
        return Some(protocol.to_owned());
    }
    if others.ranges().len() < ports.ranges().len() {
        let listed = join_words(&list_ports(&others), "and");
        return Some(format!("{protocol} except {listed}"));
    }
    let listed = join_words(&list_ports(ports), "and");
    Some(format!("{protocol} {listed}"))
}

fn describe_other_protocols(protocols: ProtocolSet) -> Option<String> {
    if protocols.is_empty() {
        return None;
    }
    if protocols == ProtocolSet::all() {
        return Some("every other protocol".to_owned());
    }
    let numbers: Vec<_> = protocols
        .numbers()
        .map(|number| number.to_string())
        .collect();
    let noun = if numbers.len() == 1 {
        "protocol"
    } else {
        "protocols"
    };
    Some(format!("{noun} {}", join_words(&numbers, "and")))
}

/// The most ports of a range that are listed one by one.
const MAX_LISTED_RANGE: u32 = 3;

/// Ports and port ranges in ascending order. Short ranges are listed port by port, as people write
/// them.
fn list_ports(ports: &PortSet) -> Vec<String> {
    let mut listed = Vec::new();
    for range in ports.ranges() {
        if range.port_count() <= MAX_LISTED_RANGE {
            listed.extend(ports_of_range(*range).map(|port| port.to_string()));
        } else {
            listed.push(range.to_string());
        }
    }
    listed
}

fn ports_of_range(range: PortRange) -> impl Iterator<Item = u16> {
    range.first_port()..=range.last_port()
}

/// Words with commas and a conjunction: "20, 21 or 22".
fn join_words(words: &[String], conjunction: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> PortSet {
        let numbers = text.split_whitespace().map(|word| {
            let (from, to) = word.split_once('-').unwrap_or((word, word));
            PortRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
        });
        numbers.collect()
    }

    #[test]
    fn forbidden_ports_are_listed() {
        let describe = |forbidden| Check::OpenPorts(forbidden).describe();
        for (forbidden, expected) in [
            (
                TrafficSet::tcp(ports("22")),
                "TCP port 22 open to the world",
            ),
            (
                TrafficSet::tcp_and_udp(ports("20-22 3306")),
                "TCP or UDP ports 20, 21, 22 or 3306 open to the world",
            ),
            (
                TrafficSet::udp(ports("8000-8010 53")),
                "UDP ports 53 or 8000-8010 open to the world",
            ),
            (
                TrafficSet::tcp_and_udp(ports("80 443").complement()),
                "any TCP or UDP port but 80 and 443 open to the world",
            ),
            (
                TrafficSet::tcp(PortSet::all()),
                "any TCP port open to the world",
            ),
            (
                TrafficSet {
                    udp: ports("53"),
                    ..TrafficSet::tcp(ports("22"))
                },
                "TCP port 22 or UDP port 53 open to the world",
            ),
            (TrafficSet::default(), "nothing"),
        ] {
            assert_eq!(describe(forbidden), expected);
        }
    }

    #[test]
    fn allowed_traffic_is_listed() {
        let describe = |allowed| Check::OpenExcept(allowed).describe();
        let web = TrafficSet::tcp(ports("80 443"));
        let with_icmp = TrafficSet {
            icmp: true,
            icmpv6: true,
            ..web.clone()
        };
        for (allowed, expected) in [
            (web.clone(), "anything but TCP 80 and 443 open to the world"),
            (
                with_icmp.clone(),
                "anything but TCP 80 and 443 and ICMP open to the world",
            ),
            (
                TrafficSet {
                    udp: ports("443"),
                    other_protocols: ProtocolSet::from_iter([47, 50]),
                    ..with_icmp
                },
                "anything but TCP 80 and 443, UDP 443, ICMP and protocols 47 and 50 \
                 open to the world",
            ),
            (
                TrafficSet::tcp_and_udp(ports("443")),
                "anything but TCP and UDP 443 open to the world",
            ),
            (
                TrafficSet {
                    other_protocols: ProtocolSet::all(),
                    icmpv6: true,
                    ..TrafficSet::tcp(ports("22").complement())
                },
                "anything but ICMPv6, every other protocol and TCP except 22 open to the world",
            ),
            (TrafficSet::default(), "anything open to the world"),
        ] {
            assert_eq!(describe(allowed), expected);
        }
    }
}
