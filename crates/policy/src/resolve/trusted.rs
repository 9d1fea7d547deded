//! The sources that keep access to what a rule restricts.

use portcullis_rules::Source;
use portcullis_rules::address::{AddressBlock, AddressFamily, covers_public};

use super::resolver::Resolver;
use crate::code::Code;
use crate::record::Record;
use crate::yaml::{Diagnostic, Span};

impl Resolver<'_> {
    /// The trusted sources of a rule, each once, in the order of the file.
    pub(super) fn resolve_trusted(&mut self, record: &Record) -> Vec<Source> {
        let mut sources = Vec::new();
        for item in record.list_items("trusted") {
            if let Some(source) = item.value.as_source() {
                self.check_trusted_source(source, item.span);
                add_source(&mut sources, source);
            }
            if let Some(name) = item.value.as_name() {
                for source in self.named_sources(name, item.span) {
                    add_source(&mut sources, &source);
                }
            }
        }
        let covered_by_one = sources
            .iter()
            .any(|source| cover_world(std::slice::from_ref(source)));
        if !covered_by_one && cover_world(&sources) {
            let message = "together, these trusted sources cover the whole internet";
            self.report_trusted_world(message, record.value_span("trusted"));
        }
        sources
    }

    pub(super) fn check_trusted_source(&mut self, source: &Source, span: Span) {
        let Source::Cidr(net) = source else { return };
        if cover_world(std::slice::from_ref(source)) {
            let text = format!("trusted source `{source}` covers the whole internet");
            self.report_trusted_world(&text, span);
        } else if AddressBlock::from_net(net).is_broad() {
            let message = format!("trusted source `{source}` is very broad");
            let diagnostic = Diagnostic::new(Code::BroadTrusted, span, message)
                .with_label("are all of these addresses yours?");
            self.report(diagnostic);
        }
    }

    fn report_trusted_world(&mut self, message: &str, span: Span) {
        let help = "list only your own networks: `restrict` would allow what the rule forbids";
        let diagnostic =
            Diagnostic::new(Code::TrustedWorld, span, message).with_help(help.to_owned());
        self.report(diagnostic);
    }
}

pub(super) fn add_source(sources: &mut Vec<Source>, source: &Source) {
    if !sources.contains(source) {
        sources.push(source.clone());
    }
}

/// Whether the sources together cover the public addresses of a family.
fn cover_world(sources: &[Source]) -> bool {
    AddressFamily::BOTH.into_iter().any(|family| {
        let blocks = blocks_of_family(sources, family);
        !blocks.is_empty() && covers_public(family, &blocks)
    })
}

fn blocks_of_family(sources: &[Source], family: AddressFamily) -> Vec<AddressBlock> {
    sources
        .iter()
        .filter_map(|source| match source {
            Source::Cidr(net) => Some(AddressBlock::from_net(net)),
            Source::PrefixList(_) | Source::Group(_) => None,
        })
        .filter(|block| block.family() == family)
        .collect()
}
