//! The names that a policy defines under `ports` and `trusted`.

use portcullis_rules::{PortSet, Source};

use super::resolver::Resolver;
use super::trusted::add_source;
use crate::code::Code;
use crate::record::Record;
use crate::scalar::port_help;
use crate::yaml::{Diagnostic, Span, did_you_mean, quote_text};

impl Resolver<'_> {
    pub(super) fn collect_names(&mut self) {
        for (name, value) in self.root.map_entries("ports") {
            let ranges = value
                .value
                .as_list()
                .iter()
                .filter_map(|item| item.value.as_port_range());
            self.ports.insert(&name.value, ranges.collect());
        }
        for (name, value) in self.root.map_entries("trusted") {
            let mut sources = Vec::new();
            for item in value.value.as_list() {
                if let Some(source) = item.value.as_source() {
                    self.check_trusted_source(source, item.span);
                    add_source(&mut sources, source);
                }
            }
            self.trusted.insert(&name.value, sources);
        }
    }

    /// Warns about names that the policy file itself defines and nothing uses.
    pub(super) fn warn_about_unused_names(&mut self, own: &Record) {
        let mut unused = Vec::new();
        for (key, used) in [("ports", &self.used_ports), ("trusted", &self.used_trusted)] {
            unused.extend(
                own.map_entries(key)
                    .iter()
                    .map(|(name, _)| name)
                    .filter(|name| !used.contains(&name.value)),
            );
        }
        for name in unused {
            let message = format!("{} is never used", quote_text(&name.value));
            self.report(Diagnostic::new(Code::UnusedName, name.span, message));
        }
    }

    /// The ports of a list of ports, port ranges and names.
    pub(super) fn resolve_ports(&mut self, record: &Record, key: &str) -> PortSet {
        let mut ports = PortSet::empty();
        let mut ranges = Vec::new();
        for item in record.list_items(key) {
            ranges.extend(item.value.as_port_range());
            if let Some(name) = item.value.as_name() {
                ports = ports.union(&self.named_ports(name, item.span));
            }
        }
        ports.union(&ranges.into_iter().collect())
    }

    fn named_ports(&mut self, name: &str, span: Span) -> PortSet {
        self.used_ports.insert(name.to_owned());
        if let Some(ports) = self.ports.get(name) {
            return ports.clone();
        }
        let message = format!("unknown port set {}", quote_text(name));
        let help = did_you_mean(name, self.ports.keys().copied()).or_else(|| port_help(name));
        let diagnostic = Diagnostic::new(Code::UnknownName, span, message)
            .with_label("expected a name defined under `ports`")
            .with_help(help);
        self.report(diagnostic);
        PortSet::empty()
    }

    pub(super) fn named_sources(&mut self, name: &str, span: Span) -> Vec<Source> {
        self.used_trusted.insert(name.to_owned());
        if let Some(sources) = self.trusted.get(name) {
            return sources.clone();
        }
        let message = format!("unknown list of trusted sources {}", quote_text(name));
        let expected = "expected a name defined under `trusted`, a CIDR, `pl-...` or `sg-...`";
        let diagnostic = Diagnostic::new(Code::UnknownName, span, message)
            .with_label(expected)
            .with_help(did_you_mean(name, self.trusted.keys().copied()));
        self.report(diagnostic);
        Vec::new()
    }
}
