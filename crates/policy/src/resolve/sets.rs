//! Sets of ports, of traffic and of sources, and the names for them.

use portcullis_rules::address::{AddressBlock, AddressFamily, covers_public};
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{PortSet, Protocol, Source, TrafficSet};

use super::Resolver;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::record::Record;
use crate::scalar::port_help;
use crate::suggest::did_you_mean;
use crate::text::{Span, quote_text};

impl Resolver<'_> {
    /// Takes in the names that the policy gives.
    pub(super) fn collect_names(&mut self) {
        for (name, value) in self.root.map_entries("ports") {
            let spans = value
                .value
                .as_list()
                .iter()
                .filter_map(|item| item.value.as_port_range());
            self.ports.insert(&name.value, spans.collect());
        }
        for (name, value) in self.root.map_entries("trusted") {
            let mut sources = Vec::new();
            for item in value.value.as_list() {
                if let Some(source) = item.value.as_source() {
                    self.check_trusted(source, item.span);
                    add_source(&mut sources, source);
                }
            }
            self.trusted.insert(&name.value, sources);
        }
    }

    /// Names of the author's own that nothing uses.
    pub(super) fn report_unused_names(&mut self, own: &Record) {
        for (key, used) in [
            ("ports", self.used_ports.clone()),
            ("trusted", self.used_trusted.clone()),
        ] {
            for (name, _) in own
                .map_entries(key)
                .iter()
                .filter(|(name, _)| !used.contains(&name.value))
            {
                let message = format!("nothing uses {}", quote_text(&name.value));
                self.report(Diagnostic::new(Code::UnusedName, name.span, message));
            }
        }
    }

    /// The traffic that a rule or an exception names by `traffic`, or by `ports` and `protocol`; none when it names none,
    /// or unsoundly.
    pub(super) fn resolve_traffic(&mut self, record: &Record) -> Option<TrafficSet> {
        if record.contains_key("traffic") {
            if let Some(other) = ["ports", "protocol"]
                .into_iter()
                .find(|key| record.contains_key(key))
            {
                let message = format!("`traffic` and {} together", quote_text(other));
                let diagnostic =
                    Diagnostic::new(Code::ConflictingKeys, record.key_span("traffic"), message);
                let help = "put all of it under `traffic`".to_owned();
                self.report(
                    diagnostic
                        .with_related(record.key_span(other), "says the same")
                        .with_help(help),
                );
                return None;
            }
            return record
                .get_record("traffic")
                .map(|traffic| self.resolve_traffic_section(traffic));
        }
        let ports = record.get("ports").map(|_| self.port_set(record, "ports"));
        if !record.contains_key("protocol") {
            return ports.map(TrafficSet::tcp_and_udp);
        }
        let mut all = TrafficSet::default();
        for item in record.list_items("protocol") {
            if let Some(protocol) = item.value.as_protocol() {
                let part = match &ports {
                    Some(ports) => self.traffic_on_ports(
                        protocol,
                        ports,
                        item.span,
                        record.value_span("ports"),
                    ),
                    None => protocol_traffic(protocol),
                };
                all = all.union(&part);
            }
        }
        Some(all)
    }

    fn traffic_on_ports(
        &mut self,
        protocol: Protocol,
        ports: &PortSet,
        at: Span,
        ports_at: Span,
    ) -> TrafficSet {
        match protocol {
            Protocol::Tcp => TrafficSet::tcp(ports.clone()),
            Protocol::Udp => TrafficSet::udp(ports.clone()),
            Protocol::Icmp | Protocol::Icmpv6 | Protocol::Other(_) | Protocol::All => {
                let message = format!("protocol `{protocol}` with ports");
                let diagnostic = Diagnostic::new(Code::BadProtocol, at, message)
                    .with_label("only tcp and udp have ports");
                self.report(diagnostic.with_related(ports_at, "these ports"));
                TrafficSet::default()
            }
        }
    }

    fn resolve_traffic_section(&mut self, record: &Record) -> TrafficSet {
        let others = record
            .list_items("others")
            .iter()
            .filter_map(|item| item.value.as_protocol())
            .map(|one| protocol_traffic(one).other_protocols);
        let others = others.flat_map(ProtocolSet::numbers).collect();
        TrafficSet {
            tcp: self.port_set(record, "tcp"),
            udp: self.port_set(record, "udp"),
            icmp: record.get_flag("icmp"),
            icmpv6: record.get_flag("icmpv6"),
            other_protocols: others,
        }
    }

    /// The ports of a list of ports, spans and names.
    pub(super) fn port_set(&mut self, record: &Record, key: &str) -> PortSet {
        let mut all = PortSet::empty();
        let mut spans = Vec::new();
        for item in record.list_items(key) {
            spans.extend(item.value.as_port_range());
            if let Some(name) = item.value.as_name() {
                all = all.union(&self.named_ports(name, item.span));
            }
        }
        all.union(&spans.into_iter().collect())
    }

    fn named_ports(&mut self, name: &str, at: Span) -> PortSet {
        self.used_ports.insert(name.to_owned());
        if let Some(ports) = self.ports.get(name) {
            return ports.clone();
        }
        let message = format!("no set of ports is called {}", quote_text(name));
        let help = did_you_mean(name, self.ports.keys().copied()).or_else(|| port_help(name));
        self.report(
            Diagnostic::new(Code::UnknownName, at, message)
                .with_label("expected a name under `ports`")
                .with_help(help),
        );
        PortSet::empty()
    }

    /// The trusted sources of a rule, each once, in the order of the text.
    pub(super) fn resolve_trusted(&mut self, record: &Record) -> Vec<Source> {
        let mut sources = Vec::new();
        for item in record.list_items("trusted") {
            if let Some(source) = item.value.as_source() {
                self.check_trusted(source, item.span);
                add_source(&mut sources, source);
            }
            if let Some(name) = item.value.as_name() {
                for source in self.named_sources(name, item.span) {
                    add_source(&mut sources, &source);
                }
            }
        }
        if is_world(&sources)
            && !sources
                .iter()
                .any(|source| is_world(std::slice::from_ref(source)))
        {
            self.report_trusted_world(
                "these sources together are the world",
                record.value_span("trusted"),
            );
        }
        sources
    }

    fn named_sources(&mut self, name: &str, at: Span) -> Vec<Source> {
        self.used_trusted.insert(name.to_owned());
        if let Some(sources) = self.trusted.get(name) {
            return sources.clone();
        }
        let message = format!("no list of trusted sources is called {}", quote_text(name));
        let help = did_you_mean(name, self.trusted.keys().copied());
        let diagnostic = Diagnostic::new(Code::UnknownName, at, message);
        self.report(
            diagnostic
                .with_label("expected a name under `trusted`, a CIDR, `pl-...` or `sg-...`")
                .with_help(help),
        );
        Vec::new()
    }

    /// Whether a source can be trusted at all.
    fn check_trusted(&mut self, source: &Source, at: Span) {
        let Source::Cidr(net) = source else { return };
        if is_world(std::slice::from_ref(source)) {
            self.report_trusted_world(&format!("trusted source `{source}` is the world"), at);
        } else if AddressBlock::from_net(net).is_broad() {
            let message = format!("trusted source `{source}` holds very many addresses");
            self.report(
                Diagnostic::new(Code::BroadTrusted, at, message)
                    .with_label("are all of them yours?"),
            );
        }
    }

    fn report_trusted_world(&mut self, message: &str, at: Span) {
        let help =
            "`restrict` would open again what the rule forbids: name your own networks".to_owned();
        self.report(Diagnostic::new(Code::TrustedWorld, at, message).with_help(help));
    }
}

fn add_source(sources: &mut Vec<Source>, source: &Source) {
    if !sources.contains(source) {
        sources.push(source.clone());
    }
}

/// All that a protocol carries.
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

/// Whether sources together cover the public addresses of a family.
fn is_world(sources: &[Source]) -> bool {
    AddressFamily::BOTH.into_iter().any(|family| {
        let blocks = sources.iter().filter_map(|source| match source {
            Source::Cidr(net) => Some(AddressBlock::from_net(net)),
            Source::PrefixList(_) | Source::Group(_) => None,
        });
        let mut blocks: Vec<_> = blocks.filter(|block| block.family() == family).collect();
        !blocks.is_empty() && covers_public(family, &mut blocks)
    })
}
