//! Names followed, policies laid over each other, and the typed policy made of it.

mod exceptions;
mod rules;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_rules::policy::{Change, Override};
use portcullis_rules::{Action, Glob, Guardrails, Policy, PortSet, Rule, Scope, Source};

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::{TRAFFIC_KEYS, action, severity};
use crate::record::{Record, Value};
use crate::suggest::did_you_mean;
use crate::text::{Span, Spanned, quoted};

/// The policy that `own` lays over another, `merged` being both.
pub(crate) fn resolve(own: &Record, merged: &Record, name: &str, found: &mut Vec<Diagnostic>) -> Policy {
    duplicate_ids(own, found);
    let mut resolver = Resolver::new(merged, found);
    resolver.collect_names();
    let rules: Vec<_> = merged.records("rules").filter_map(|rule| resolver.rule(rule).map(Arc::new)).collect();
    let ids: Vec<&str> = merged.records("rules").filter_map(|rule| rule.text("id")).collect();
    let exceptions =
        merged.records("exceptions").filter_map(|one| resolver.exception(one, &ids).map(Arc::new)).collect();
    let overrides = merged.records("overrides").map(|one| resolver.overriding(one, &rules, &ids)).collect::<Vec<_>>();
    let guardrails = resolver.guardrails();
    resolver.no_rules();
    resolver.unused_trusted(own, &rules, &overrides);
    resolver.unused_names(own);
    let name = own.text("name").unwrap_or(name).to_owned();
    let monitor = merged.choice("mode") == Some("monitor");
    Policy { name, monitor, rules, exceptions, overrides, guardrails }
}

/// One policy over another.
pub(crate) fn merge(base: &Record, own: &Record) -> Record {
    let mut merged = base.clone();
    merged.remove("name");
    merged.overlay(own);
    for key in ["trusted", "ports"] {
        let mut entries: Vec<_> = base.map(key).to_vec();
        entries.retain(|(name, _)| !own.map(key).iter().any(|(other, _)| other.value == name.value));
        entries.extend_from_slice(own.map(key));
        put(&mut merged, key, own, Value::Map(entries));
    }
    for key in ["exceptions", "overrides"].into_iter().filter(|key| !base.list(key).is_empty()) {
        put(&mut merged, key, own, Value::List(base.list(key).iter().chain(own.list(key)).cloned().collect()));
    }
    if let Some((mut guardrails, other)) = base.record("guardrails").cloned().zip(own.record("guardrails")) {
        guardrails.overlay(other);
        put(&mut merged, "guardrails", own, Value::Record(guardrails));
    }
    put(&mut merged, "rules", own, Value::List(merged_rules(base, own)));
    merged
}

fn put(merged: &mut Record, key: &'static str, own: &Record, value: Value) {
    merged.put(key, own.key_span(key), Some(Spanned::new(value, own.value_span(key))));
}

fn merged_rules(base: &Record, own: &Record) -> Vec<Spanned<Value>> {
    let mut rules: Vec<Record> = base.records("rules").cloned().collect();
    for rule in own.records("rules") {
        match rules.iter_mut().find(|known| known.text("id").is_some() && known.text("id") == rule.text("id")) {
            Some(known) => merge_rule(known, rule),
            None => rules.push(rule.clone()),
        }
    }
    rules.into_iter().map(|rule| Spanned::new(Value::Record(rule.clone()), rule.span())).collect()
}

/// The fields of one rule over those of another. A new check brings its own parameters.
fn merge_rule(known: &mut Record, rule: &Record) {
    let gone: &[&str] = if rule.has("check") || rule.has("traffic") {
        &TRAFFIC_KEYS
    } else if rule.has("ports") || rule.has("protocol") {
        &["traffic"]
    } else {
        &[]
    };
    for key in gone {
        known.remove(key);
    }
    known.overlay(rule);
}

/// Ids that stand twice in one text.
fn duplicate_ids(own: &Record, found: &mut Vec<Diagnostic>) {
    for (list, what) in [("rules", "rule"), ("exceptions", "exception")] {
        let mut seen = BTreeMap::new();
        for record in own.records(list) {
            let Some(id) = record.text("id") else { continue };
            let here = record.value_span("id");
            if let Some(earlier) = seen.insert(id, here) {
                let message = format!("two {what}s have the id {}", quoted(id));
                found.push(
                    Diagnostic::new(Code::DuplicateId, here, message).label("again here").also(earlier, "first here"),
                );
            }
        }
    }
}

/// What names stand for, and what was found on the way.
struct Resolver<'a> {
    root: &'a Record,
    ports: BTreeMap<&'a str, PortSet>,
    trusted: BTreeMap<&'a str, Vec<Source>>,
    used_ports: BTreeSet<String>,
    used_trusted: BTreeSet<String>,
    found: &'a mut Vec<Diagnostic>,
}

impl<'a> Resolver<'a> {
    fn new(root: &'a Record, found: &'a mut Vec<Diagnostic>) -> Self {
        let (used_ports, used_trusted) = (BTreeSet::new(), BTreeSet::new());
        Self { root, ports: BTreeMap::new(), trusted: BTreeMap::new(), used_ports, used_trusted, found }
    }

    fn tell(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// A policy without rules would be silent for ever.
    fn no_rules(&mut self) {
        let told_otherwise = self.root.is_empty()
            || self.root.is_flawed()
            || self.root.has("extends")
            || (self.root.has("rules") && self.root.value("rules").is_none());
        if self.root.list("rules").is_empty() && !told_otherwise {
            let help = "add `extends: baseline`, or rules of your own".to_owned();
            let at = self.root.key_span("rules");
            self.tell(Diagnostic::new(Code::NoRules, at, "a policy without rules forbids nothing").help(help));
        }
    }

    /// Whether there is a rule with this id; told if not.
    fn known_rule(&mut self, id: &str, at: Span, ids: &[&str]) -> bool {
        let known = ids.contains(&id);
        if !known {
            let message = format!("no rule has the id {}", quoted(id));
            let help = did_you_mean(id, ids.iter().copied());
            self.tell(Diagnostic::new(Code::UnknownName, at, message).label("expected the id of a rule").help(help));
        }
        known
    }

    fn overriding(&mut self, record: &Record, rules: &[Arc<Rule>], ids: &[&str]) -> Override {
        let mut changes = BTreeMap::new();
        for (id, change) in record.map("rules") {
            let Some(change) = change.value.record() else { continue };
            if self.known_rule(&id.value, id.span, ids) {
                let made = Change {
                    severity: change.choice("severity").and_then(severity),
                    action: change.choice("action").and_then(action),
                };
                let rule = rules.iter().find(|rule| rule.id == id.value);
                if made.action == Some(Action::Restrict) && rule.is_some_and(|rule| rule.trusted.is_empty()) {
                    self.restrict_without_trusted(&id.value, change.value_span("action"));
                }
                changes.insert(id.value.clone(), made);
            }
        }
        Override { scope: record.record("scope").map(scope).unwrap_or_default(), changes }
    }

    fn restrict_without_trusted(&mut self, rule: &str, at: Span) {
        let message = format!("rule {} restricts to nobody", quoted(rule));
        let known: Vec<_> = self.trusted.keys().copied().collect();
        let help = if let Some(first) = known.first() {
            format!("add `trusted: [{first}]` to the rule, or use `narrow`")
        } else {
            "add `trusted` with CIDRs, prefix lists or groups to the rule, or use `narrow`".to_owned()
        };
        let label = "expected `trusted` in the rule";
        self.tell(Diagnostic::new(Code::RestrictWithoutTrusted, at, message).label(label).help(help));
    }

    fn guardrails(&mut self) -> Guardrails {
        let Some(record) = self.root.record("guardrails") else { return Guardrails::default() };
        for principal in record.list("principals") {
            self.warn_of_session_names(principal);
        }
        Guardrails {
            protected: record.records("protected").map(scope).collect(),
            max_removals: record.count("max_removals"),
            spare_service_managed: record.choice("service_managed") == Some("notify"),
            spare_load_balancers: record.choice("load_balancers") == Some("notify"),
            spare_principals: record.texts("principals").map(Glob::new).collect(),
        }
    }

    /// Trusted sources of a rule that never restricts, in the author's own text.
    fn unused_trusted(&mut self, own: &Record, rules: &[Arc<Rule>], overrides: &[Override]) {
        let restricts = |rule: &Rule| {
            rule.action == Action::Restrict
                || overrides.iter().any(|other| {
                    other.changes.get(&rule.id).is_some_and(|change| change.action == Some(Action::Restrict))
                })
        };
        for record in own.records("rules").filter(|record| record.has("trusted")) {
            let rule = rules.iter().find(|rule| Some(rule.id.as_str()) == record.text("id"));
            if let Some(rule) = rule.filter(|rule| !restricts(rule)) {
                let message = format!("rule {} has trusted sources and never restricts", quoted(&rule.id));
                let help = format!("with `action: restrict` in the place of `{}` they would keep access", rule.action);
                let at = record.key_span("trusted");
                self.tell(Diagnostic::new(Code::UnusedTrusted, at, message).help(help));
            }
        }
    }
}

/// The set of groups that is written.
fn scope(record: &Record) -> Scope {
    let owned = |key: &str| record.texts(key).map(str::to_owned).collect();
    Scope {
        accounts: owned("accounts"),
        regions: owned("regions"),
        vpcs: owned("vpcs"),
        group_ids: owned("groups"),
        group_names: record.texts("names").map(Glob::new).collect(),
        group_tags: tags(record, "tags"),
    }
}

fn tags(record: &Record, key: &str) -> BTreeMap<String, Glob> {
    let entry =
        |(name, glob): &(Spanned<String>, Spanned<Value>)| Some((name.value.clone(), Glob::new(glob.value.text()?)));
    record.map(key).iter().filter_map(entry).collect()
}
