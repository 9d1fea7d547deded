//! Names followed, policies laid over each other, and the typed policy made of it.

mod exceptions;
mod rules;
mod sets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_rules::policy::{Override, RuleOverride};
use portcullis_rules::{Action, Glob, Guardrails, Policy, PolicyRule, PortSet, Scope, Source};

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::keys::{TRAFFIC_KEYS, parse_action, parse_severity};
use crate::record::{Record, Value};
use crate::suggest::did_you_mean;
use crate::text::{Span, Spanned, quote_text};

/// The policy that `own` lays over another, `merged` being both.
pub(crate) fn resolve_policy(
    own: &Record,
    merged: &Record,
    name: &str,
    found: &mut Vec<Diagnostic>,
) -> Policy {
    report_duplicate_ids(own, found);
    let mut resolver = Resolver::new(merged, found);
    resolver.collect_names();
    let rules: Vec<_> = merged
        .list_records("rules")
        .filter_map(|rule| resolver.resolve_rule(rule).map(Arc::new))
        .collect();
    let ids: Vec<&str> = merged
        .list_records("rules")
        .filter_map(|rule| rule.get_text("id"))
        .collect();
    let exceptions = merged
        .list_records("exceptions")
        .filter_map(|one| resolver.resolve_exception(one, &ids).map(Arc::new))
        .collect();
    let overrides = merged
        .list_records("overrides")
        .map(|one| resolver.resolve_override(one, &rules, &ids))
        .collect::<Vec<_>>();
    let guardrails = resolver.resolve_guardrails();
    resolver.require_rules();
    resolver.report_unused_trusted(own, &rules, &overrides);
    resolver.report_unused_names(own);
    let name = own.get_text("name").unwrap_or(name).to_owned();
    let monitor = merged.get_choice("mode") == Some("monitor");
    Policy {
        name,
        monitor,
        rules,
        exceptions,
        overrides,
        guardrails,
    }
}

/// One policy over another.
pub(crate) fn merge_policies(base: &Record, own: &Record) -> Record {
    let mut merged = base.clone();
    merged.remove("name");
    merged.overlay(own);
    for key in ["trusted", "ports"] {
        let mut entries: Vec<_> = base.map_entries(key).to_vec();
        entries.retain(|(name, _)| {
            !own.map_entries(key)
                .iter()
                .any(|(other, _)| other.value == name.value)
        });
        entries.extend_from_slice(own.map_entries(key));
        set_merged_key(&mut merged, key, own, Value::Map(entries));
    }
    for key in ["exceptions", "overrides"]
        .into_iter()
        .filter(|key| !base.list_items(key).is_empty())
    {
        set_merged_key(
            &mut merged,
            key,
            own,
            Value::List(
                base.list_items(key)
                    .iter()
                    .chain(own.list_items(key))
                    .cloned()
                    .collect(),
            ),
        );
    }
    if let Some((mut guardrails, other)) = base
        .get_record("guardrails")
        .cloned()
        .zip(own.get_record("guardrails"))
    {
        guardrails.overlay(other);
        set_merged_key(&mut merged, "guardrails", own, Value::Record(guardrails));
    }
    set_merged_key(
        &mut merged,
        "rules",
        own,
        Value::List(merged_rules(base, own)),
    );
    merged
}

fn set_merged_key(merged: &mut Record, key: &'static str, own: &Record, value: Value) {
    merged.insert(
        key,
        own.key_span(key),
        Some(Spanned::new(value, own.value_span(key))),
    );
}

fn merged_rules(base: &Record, own: &Record) -> Vec<Spanned<Value>> {
    let mut rules: Vec<Record> = base.list_records("rules").cloned().collect();
    for rule in own.list_records("rules") {
        match rules.iter_mut().find(|known| {
            known.get_text("id").is_some() && known.get_text("id") == rule.get_text("id")
        }) {
            Some(known) => merge_rule(known, rule),
            None => rules.push(rule.clone()),
        }
    }
    rules
        .into_iter()
        .map(|rule| Spanned::new(Value::Record(rule.clone()), rule.span()))
        .collect()
}

/// The fields of one rule over those of another. A new check brings its own parameters.
fn merge_rule(known: &mut Record, rule: &Record) {
    let gone: &[&str] = if rule.contains_key("check") || rule.contains_key("traffic") {
        &TRAFFIC_KEYS
    } else if rule.contains_key("ports") || rule.contains_key("protocol") {
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
fn report_duplicate_ids(own: &Record, found: &mut Vec<Diagnostic>) {
    for (list, what) in [("rules", "rule"), ("exceptions", "exception")] {
        let mut seen = BTreeMap::new();
        for record in own.list_records(list) {
            let Some(id) = record.get_text("id") else {
                continue;
            };
            let here = record.value_span("id");
            if let Some(earlier) = seen.insert(id, here) {
                let message = format!("two {what}s have the id {}", quote_text(id));
                found.push(
                    Diagnostic::new(Code::DuplicateId, here, message)
                        .with_label("again here")
                        .with_related(earlier, "first here"),
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
        Self {
            root,
            ports: BTreeMap::new(),
            trusted: BTreeMap::new(),
            used_ports,
            used_trusted,
            found,
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// A policy without rules would be silent for ever.
    fn require_rules(&mut self) {
        let told_otherwise = self.root.is_empty()
            || self.root.is_flawed()
            || self.root.contains_key("extends")
            || (self.root.contains_key("rules") && self.root.get("rules").is_none());
        if self.root.list_items("rules").is_empty() && !told_otherwise {
            let help = "add `extends: baseline`, or rules of your own".to_owned();
            let at = self.root.key_span("rules");
            self.report(
                Diagnostic::new(Code::NoRules, at, "a policy without rules forbids nothing")
                    .with_help(help),
            );
        }
    }

    /// Whether there is a rule with this id; told if not.
    fn check_rule_id(&mut self, id: &str, at: Span, ids: &[&str]) -> bool {
        let known = ids.contains(&id);
        if !known {
            let message = format!("no rule has the id {}", quote_text(id));
            let help = did_you_mean(id, ids.iter().copied());
            self.report(
                Diagnostic::new(Code::UnknownName, at, message)
                    .with_label("expected the id of a rule")
                    .with_help(help),
            );
        }
        known
    }

    fn resolve_override(
        &mut self,
        record: &Record,
        rules: &[Arc<PolicyRule>],
        ids: &[&str],
    ) -> Override {
        let mut changes = BTreeMap::new();
        for (id, change) in record.map_entries("rules") {
            let Some(change) = change.value.as_record() else {
                continue;
            };
            if self.check_rule_id(&id.value, id.span, ids) {
                let made = RuleOverride {
                    severity: change.get_choice("severity").and_then(parse_severity),
                    action: change.get_choice("action").and_then(parse_action),
                };
                let rule = rules.iter().find(|rule| rule.id == id.value);
                if made.action == Some(Action::Restrict)
                    && rule.is_some_and(|rule| rule.trusted.is_empty())
                {
                    self.report_restrict_without_trusted(&id.value, change.value_span("action"));
                }
                changes.insert(id.value.clone(), made);
            }
        }
        Override {
            scope: record
                .get_record("scope")
                .map(resolve_scope)
                .unwrap_or_default(),
            rule_overrides: changes,
        }
    }

    fn report_restrict_without_trusted(&mut self, rule: &str, at: Span) {
        let message = format!("rule {} restricts to nobody", quote_text(rule));
        let known: Vec<_> = self.trusted.keys().copied().collect();
        let help = if let Some(first) = known.first() {
            format!("add `trusted: [{first}]` to the rule, or use `narrow`")
        } else {
            "add `trusted` with CIDRs, prefix lists or groups to the rule, or use `narrow`"
                .to_owned()
        };
        let label = "expected `trusted` in the rule";
        self.report(
            Diagnostic::new(Code::RestrictWithoutTrusted, at, message)
                .with_label(label)
                .with_help(help),
        );
    }

    fn resolve_guardrails(&mut self) -> Guardrails {
        let Some(record) = self.root.get_record("guardrails") else {
            return Guardrails::default();
        };
        for principal in record.list_items("principals") {
            self.warn_about_session_names(principal);
        }
        Guardrails {
            protected: record
                .list_records("protected")
                .map(resolve_scope)
                .collect(),
            max_removals: record.get_count("max_removals"),
            notify_only_service_managed: record.get_choice("service_managed") == Some("notify"),
            notify_only_load_balancers: record.get_choice("load_balancers") == Some("notify"),
            notify_only_principals: record.list_texts("principals").map(Glob::new).collect(),
        }
    }

    /// Trusted sources of a rule that never restricts, in the author's own text.
    fn report_unused_trusted(
        &mut self,
        own: &Record,
        rules: &[Arc<PolicyRule>],
        overrides: &[Override],
    ) {
        let restricts = |rule: &PolicyRule| {
            rule.action == Action::Restrict
                || overrides.iter().any(|other| {
                    other
                        .rule_overrides
                        .get(&rule.id)
                        .is_some_and(|change| change.action == Some(Action::Restrict))
                })
        };
        for record in own
            .list_records("rules")
            .filter(|record| record.contains_key("trusted"))
        {
            let rule = rules
                .iter()
                .find(|rule| Some(rule.id.as_str()) == record.get_text("id"));
            if let Some(rule) = rule.filter(|rule| !restricts(rule)) {
                let message = format!(
                    "rule {} has trusted sources and never restricts",
                    quote_text(&rule.id)
                );
                let help = format!(
                    "with `action: restrict` in the place of `{}` they would keep access",
                    rule.action
                );
                let at = record.key_span("trusted");
                self.report(Diagnostic::new(Code::UnusedTrusted, at, message).with_help(help));
            }
        }
    }
}

/// The set of groups that is written.
fn resolve_scope(record: &Record) -> Scope {
    let owned = |key: &str| record.list_texts(key).map(str::to_owned).collect();
    Scope {
        accounts: owned("accounts"),
        regions: owned("regions"),
        vpcs: owned("vpcs"),
        group_ids: owned("groups"),
        group_names: record.list_texts("names").map(Glob::new).collect(),
        group_tags: resolve_tags(record, "tags"),
    }
}

fn resolve_tags(record: &Record, key: &str) -> BTreeMap<String, Glob> {
    let entry = |(name, glob): &(Spanned<String>, Spanned<Value>)| {
        Some((name.value.clone(), Glob::new(glob.value.as_text()?)))
    };
    record.map_entries(key).iter().filter_map(entry).collect()
}
