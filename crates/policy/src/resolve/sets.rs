//! Sets of ports, of traffic and of sources, and the names for them.

use portcullis_rules::address::{Block, Family, covers_public};
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{PortSet, Protocol, Source, TrafficSet};

use super::Resolver;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::record::Record;
use crate::scalar::port_help;
use crate::suggest::did_you_mean;
use crate::text::{Span, quoted};

impl Resolver<'_> {
    /// Takes in the names that the policy gives.
    pub(super) fn collect_names(&mut self) {
        for (name, value) in self.root.map("ports") {
            let spans = value.value.items().iter().filter_map(|item| item.value.ports());
            self.ports.insert(&name.value, spans.collect());
        }
        for (name, value) in self.root.map("trusted") {
            let mut sources = Vec::new();
            for item in value.value.items() {
                if let Some(source) = item.value.source() {
                    self.judge_trusted(source, item.span);
                    add(&mut sources, source);
                }
            }
            self.trusted.insert(&name.value, sources);
        }
    }

    /// Names of the author's own that nothing uses.
    pub(super) fn unused_names(&mut self, own: &Record) {
        for (key, used) in [("ports", self.used_ports.clone()), ("trusted", self.used_trusted.clone())] {
            for (name, _) in own.map(key).iter().filter(|(name, _)| !used.contains(&name.value)) {
                let message = format!("nothing uses {}", quoted(&name.value));
                self.tell(Diagnostic::new(Code::UnusedName, name.span, message));
            }
        }
    }

    /// The traffic that a rule or an exception names by `traffic`, or by `ports` and `protocol`; none when it names none,
    /// or unsoundly.
    pub(super) fn traffic(&mut self, record: &Record) -> Option<TrafficSet> {
        if record.has("traffic") {
            if let Some(other) = ["ports", "protocol"].into_iter().find(|key| record.has(key)) {
                let message = format!("`traffic` and {} together", quoted(other));
                let diagnostic = Diagnostic::new(Code::ConflictingKeys, record.key_span("traffic"), message);
                let help = "put all of it under `traffic`".to_owned();
                self.tell(diagnostic.also(record.key_span(other), "says the same").help(help));
                return None;
            }
            return record.record("traffic").map(|traffic| self.long_form(traffic));
        }
        let ports = record.value("ports").map(|_| self.port_set(record, "ports"));
        if !record.has("protocol") {
            return ports.map(TrafficSet::ports);
        }
        let mut all = TrafficSet::default();
        for item in record.list("protocol") {
            if let Some(protocol) = item.value.protocol() {
                let part = match &ports {
                    Some(ports) => self.ports_of(protocol, ports, item.span, record.value_span("ports")),
                    None => whole(protocol),
                };
                all = all.union(&part);
            }
        }
        Some(all)
    }

    fn ports_of(&mut self, protocol: Protocol, ports: &PortSet, at: Span, ports_at: Span) -> TrafficSet {
        match protocol {
            Protocol::Tcp => TrafficSet::tcp(ports.clone()),
            Protocol::Udp => TrafficSet::udp(ports.clone()),
            Protocol::Icmp | Protocol::Icmpv6 | Protocol::Other(_) | Protocol::All => {
                let message = format!("protocol `{protocol}` with ports");
                let diagnostic = Diagnostic::new(Code::BadProtocol, at, message).label("only tcp and udp have ports");
                self.tell(diagnostic.also(ports_at, "these ports"));
                TrafficSet::default()
            }
        }
    }

    fn long_form(&mut self, record: &Record) -> TrafficSet {
        let others = record.list("others").iter().filter_map(|item| item.value.protocol()).map(|one| whole(one).others);
        let others = others.flat_map(ProtocolSet::numbers).collect();
        TrafficSet {
            tcp: self.port_set(record, "tcp"),
            udp: self.port_set(record, "udp"),
            icmp: record.flag("icmp"),
            icmpv6: record.flag("icmpv6"),
            others,
        }
    }

    /// The ports of a list of ports, spans and names.
    pub(super) fn port_set(&mut self, record: &Record, key: &str) -> PortSet {
        let mut all = PortSet::empty();
        let mut spans = Vec::new();
        for item in record.list(key) {
            spans.extend(item.value.ports());
            if let Some(name) = item.value.name() {
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
        let message = format!("no set of ports is called {}", quoted(name));
        let help = did_you_mean(name, self.ports.keys().copied()).or_else(|| port_help(name));
        self.tell(Diagnostic::new(Code::UnknownName, at, message).label("expected a name under `ports`").help(help));
        PortSet::empty()
    }

    /// The trusted sources of a rule, each once, in the order of the text.
    pub(super) fn trusted(&mut self, record: &Record) -> Vec<Source> {
        let mut sources = Vec::new();
        for item in record.list("trusted") {
            if let Some(source) = item.value.source() {
                self.judge_trusted(source, item.span);
                add(&mut sources, source);
            }
            if let Some(name) = item.value.name() {
                for source in self.named_sources(name, item.span) {
                    add(&mut sources, &source);
                }
            }
        }
        if is_world(&sources) && !sources.iter().any(|source| is_world(std::slice::from_ref(source))) {
            self.trusted_world("these sources together are the world", record.value_span("trusted"));
        }
        sources
    }

    fn named_sources(&mut self, name: &str, at: Span) -> Vec<Source> {
        self.used_trusted.insert(name.to_owned());
        if let Some(sources) = self.trusted.get(name) {
            return sources.clone();
        }
        let message = format!("no list of trusted sources is called {}", quoted(name));
        let help = did_you_mean(name, self.trusted.keys().copied());
        let diagnostic = Diagnostic::new(Code::UnknownName, at, message);
        self.tell(diagnostic.label("expected a name under `trusted`, a CIDR, `pl-...` or `sg-...`").help(help));
        Vec::new()
    }

    /// Whether a source can be trusted at all.
    fn judge_trusted(&mut self, source: &Source, at: Span) {
        let Source::Cidr(net) = source else { return };
        if is_world(std::slice::from_ref(source)) {
            self.trusted_world(&format!("trusted source `{source}` is the world"), at);
        } else if Block::of(net).is_broad() {
            let message = format!("trusted source `{source}` holds very many addresses");
            self.tell(Diagnostic::new(Code::BroadTrusted, at, message).label("are all of them yours?"));
        }
    }

    fn trusted_world(&mut self, message: &str, at: Span) {
        let help = "`restrict` would open again what the rule forbids: name your own networks".to_owned();
        self.tell(Diagnostic::new(Code::TrustedWorld, at, message).help(help));
    }
}

fn add(sources: &mut Vec<Source>, source: &Source) {
    if !sources.contains(source) {
        sources.push(source.clone());
    }
}

/// All that a protocol carries.
fn whole(protocol: Protocol) -> TrafficSet {
    match protocol {
        Protocol::Tcp => TrafficSet::tcp(PortSet::all()),
        Protocol::Udp => TrafficSet::udp(PortSet::all()),
        Protocol::Icmp => TrafficSet { icmp: true, ..TrafficSet::default() },
        Protocol::Icmpv6 => TrafficSet { icmpv6: true, ..TrafficSet::default() },
        Protocol::Other(number) => TrafficSet { others: ProtocolSet::from_iter([number]), ..TrafficSet::default() },
        Protocol::All => TrafficSet::everything(),
    }
}

/// Whether sources together cover the public addresses of a family.
fn is_world(sources: &[Source]) -> bool {
    Family::BOTH.into_iter().any(|family| {
        let blocks = sources.iter().filter_map(|source| match source {
            Source::Cidr(net) => Some(Block::of(net)),
            Source::PrefixList(_) | Source::Group(_) => None,
        });
        let mut blocks: Vec<_> = blocks.filter(|block| block.family() == family).collect();
        !blocks.is_empty() && covers_public(family, &mut blocks)
    })
}
