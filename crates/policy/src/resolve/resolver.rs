//! What resolving needs to know: the names that the policy defines, and what was found so far.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::{PortSet, Source};

use crate::code::Code;
use crate::record::Record;
use crate::yaml::{Diagnostic, Span, did_you_mean, quote_text};

/// Resolves the sections of a policy. Each section has its own module.
pub(super) struct Resolver<'a> {
    /// The merged policy.
    pub(super) root: &'a Record,
    pub(super) ports: BTreeMap<&'a str, PortSet>,
    pub(super) trusted: BTreeMap<&'a str, Vec<Source>>,
    pub(super) used_ports: BTreeSet<String>,
    pub(super) used_trusted: BTreeSet<String>,
    pub(super) found: &'a mut Vec<Diagnostic>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(root: &'a Record, found: &'a mut Vec<Diagnostic>) -> Self {
        Self {
            root,
            ports: BTreeMap::new(),
            trusted: BTreeMap::new(),
            used_ports: BTreeSet::new(),
            used_trusted: BTreeSet::new(),
            found,
        }
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Whether a rule has this id. If not, that is reported.
    pub(super) fn check_rule_id(&mut self, id: &str, span: Span, ids: &[&str]) -> bool {
        if ids.contains(&id) {
            return true;
        }
        let message = format!("unknown rule id {}", quote_text(id));
        let diagnostic = Diagnostic::new(Code::UnknownName, span, message)
            .with_label("expected the id of a rule of this policy")
            .with_help(did_you_mean(id, ids.iter().copied()));
        self.report(diagnostic);
        false
    }

    pub(super) fn report_restrict_without_trusted(&mut self, rule: &str, span: Span) {
        let message = format!(
            "rule {} restricts access but has no trusted sources",
            quote_text(rule)
        );
        let help = match self.trusted.keys().next() {
            Some(name) => format!("add `trusted: [{name}]` to the rule, or use `narrow`"),
            None => "add `trusted` with CIDRs, prefix lists or security groups to the rule, \
                     or use `narrow`"
                .to_owned(),
        };
        let diagnostic = Diagnostic::new(Code::RestrictWithoutTrusted, span, message)
            .with_label("requires `trusted` in the rule")
            .with_help(help);
        self.report(diagnostic);
    }
}
