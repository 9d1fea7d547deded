//! Sets of traffic, by `traffic` or by `ports` and `protocol`.

use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{PortSet, Protocol, TrafficSet};

use super::resolver::Resolver;
use crate::code::Code;
use crate::record::Record;
use crate::yaml::{Diagnostic, Span, quote_text};

impl Resolver<'_> {
    /// The traffic of a rule or an exception; none if it has none of these keys, or invalid ones.
    pub(super) fn resolve_traffic(&mut self, record: &Record) -> Option<TrafficSet> {
        if record.contains_key("traffic") {
            let conflicting = ["ports", "protocol"]
                .into_iter()
                .find(|key| record.contains_key(key));
            if let Some(other) = conflicting {
                self.report_conflict_with_traffic(record, other);
                return None;
            }
            return record
                .get_record("traffic")
                .map(|section| self.resolve_traffic_section(section));
        }
        let ports = record
            .get("ports")
            .map(|_| self.resolve_ports(record, "ports"));
        if !record.contains_key("protocol") {
            return ports.map(TrafficSet::tcp_and_udp);
        }
        let mut traffic = TrafficSet::default();
        for item in record.list_items("protocol") {
            if let Some(protocol) = item.value.as_protocol() {
                let part = match &ports {
                    Some(ports) => {
                        let ports_span = record.value_span("ports");
                        self.traffic_on_ports(protocol, ports, item.span, ports_span)
                    }
                    None => protocol_traffic(protocol),
                };
                traffic = traffic.union(&part);
            }
        }
        Some(traffic)
    }

    fn report_conflict_with_traffic(&mut self, record: &Record, other: &str) {
        let message = format!("`traffic` cannot be combined with {}", quote_text(other));
        let help = "move everything under `traffic`".to_owned();
        let diagnostic =
            Diagnostic::new(Code::ConflictingKeys, record.key_span("traffic"), message)
                .with_related(record.key_span(other), "conflicts with this key")
                .with_help(help);
        self.report(diagnostic);
    }

    fn traffic_on_ports(
        &mut self,
        protocol: Protocol,
        ports: &PortSet,
        span: Span,
        ports_span: Span,
    ) -> TrafficSet {
        match protocol {
            Protocol::Tcp => TrafficSet::tcp(ports.clone()),
            Protocol::Udp => TrafficSet::udp(ports.clone()),
            Protocol::Icmp | Protocol::Icmpv6 | Protocol::Other(_) | Protocol::All => {
                let message = format!("protocol `{protocol}` cannot be combined with ports");
                let diagnostic = Diagnostic::new(Code::BadProtocol, span, message)
                    .with_label("only tcp and udp have ports")
                    .with_related(ports_span, "the ports");
                self.report(diagnostic);
                TrafficSet::default()
            }
        }
    }

    fn resolve_traffic_section(&mut self, record: &Record) -> TrafficSet {
        let other_protocols = record
            .list_items("others")
            .iter()
            .filter_map(|item| item.value.as_protocol())
            .map(|protocol| protocol_traffic(protocol).other_protocols)
            .flat_map(ProtocolSet::numbers)
            .collect();
        TrafficSet {
            tcp: self.resolve_ports(record, "tcp"),
            udp: self.resolve_ports(record, "udp"),
            icmp: record.get_flag("icmp"),
            icmpv6: record.get_flag("icmpv6"),
            other_protocols,
        }
    }
}

/// All traffic of a protocol.
fn protocol_traffic(protocol: Protocol) -> TrafficSet {
    match protocol {
        Protocol::Tcp => TrafficSet::tcp(PortSet::all()),
        Protocol::Udp => TrafficSet::udp(PortSet::all()),
        Protocol::Icmp => TrafficSet {
            icmp: true,
            ..TrafficSet::default()
        },
        Protocol::Icmpv6 => TrafficSet {
            icmpv6: true,
            ..TrafficSet::default()
        },
        Protocol::Other(number) => TrafficSet {
            other_protocols: ProtocolSet::from_iter([number]),
            ..TrafficSet::default()
        },
        Protocol::All => TrafficSet::all(),
    }
}
