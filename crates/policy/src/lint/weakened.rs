//! Warnings about policies that do less than they seem to: a weakened preset, rules that are all
//! off.

use portcullis_rules::{Action, Policy, PolicyRule};

use super::active_rules::{active_rules, is_every_group};
use crate::code::Code;
use crate::load::{LoadedPolicy, parse_policy};
use crate::presets::find_preset;
use crate::record::{Record, Value};
use crate::resolve::resolve_scope;
use crate::schema_table::parse_action;
use crate::yaml::{Diagnostic, Span, Spanned, quote_text};

/// The warnings about rules that are off or weaker than in the preset.
pub(super) fn lint_weakened_rules(loaded: &LoadedPolicy) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let extends = loaded.record.get_choice("extends");
    let preset = extends.and_then(find_preset);
    let base = preset.and_then(|preset| parse_policy(preset.name, preset.text).ok());
    if let Some(base) = base {
        lint_preset_rules(loaded, &base.policy, &mut found);
        lint_general_overrides(loaded, &base.policy, &mut found);
    }
    if active_rules(&loaded.policy).is_empty() {
        found.push(no_active_rules(&loaded.record));
    }
    found
}

fn lint_preset_rules(loaded: &LoadedPolicy, base: &Policy, found: &mut Vec<Diagnostic>) {
    for record in loaded.record.list_records("rules") {
        let id = record.get_text("id").unwrap_or_default();
        let Some(inherited) = base.rule_by_id(id) else {
            continue;
        };
        found.extend(weaker_action(inherited, record));
        let narrows_scope = record
            .get_record("scope")
            .is_some_and(|scope| !is_every_group(&resolve_scope(scope)));
        if narrows_scope && is_every_group(&inherited.scope) {
            found.push(narrower_scope(inherited, record));
        }
    }
}

/// The warning, if the record sets a weaker action than the rule of the preset has. Another action
/// that closes the opening, such as `restrict` instead of `revoke`, is not weaker.
fn weaker_action(inherited: &PolicyRule, record: &Record) -> Option<Diagnostic> {
    let action = record.get_choice("action").and_then(parse_action)?;
    if action.enforces() || action >= inherited.action {
        return None;
    }
    let id = quote_text(&inherited.id);
    let message = if action == Action::Off {
        format!("rule {id} of the preset is off")
    } else {
        format!("rule {id} of the preset has a weaker action")
    };
    let diagnostic = Diagnostic::new(Code::WeakenedPreset, record.value_span("action"), message)
        .with_label(format!("the preset says `{}`", inherited.action))
        .with_help("use `exceptions` or `overrides` for the groups that need it".to_owned());
    Some(diagnostic)
}

fn narrower_scope(inherited: &PolicyRule, record: &Record) -> Diagnostic {
    let id = quote_text(&inherited.id);
    let message = format!("rule {id} of the preset applies to fewer groups");
    let help = "to treat some groups differently, use `overrides`, or a rule with an id of its own";
    Diagnostic::new(Code::WeakenedPreset, record.key_span("scope"), message)
        .with_label("in the preset, it applies to every group")
        .with_help(help.to_owned())
}

/// The warnings about overrides that weaken rules of the preset for every group.
fn lint_general_overrides(loaded: &LoadedPolicy, base: &Policy, found: &mut Vec<Diagnostic>) {
    for record in general_overrides(&loaded.record) {
        for (id, changes) in override_entries(record) {
            let inherited = base.rule_by_id(&id.value);
            found.extend(inherited.and_then(|rule| weaker_action(rule, changes)));
        }
    }
}

/// The overrides that apply to every group.
fn general_overrides(record: &Record) -> impl Iterator<Item = &Record> {
    record.list_records("overrides").filter(|entry| {
        let scope = entry.get_record("scope").map(resolve_scope);
        is_every_group(&scope.unwrap_or_default())
    })
}

fn override_entries(record: &Record) -> impl Iterator<Item = (&Spanned<String>, &Record)> {
    record.map_entries("rules").iter().filter_map(
        |(id, value): &(Spanned<String>, Spanned<Value>)| {
            value.value.as_record().map(|changes| (id, changes))
        },
    )
}

fn no_active_rules(record: &Record) -> Diagnostic {
    let span = last_off(record).unwrap_or_else(|| record.key_span("rules"));
    Diagnostic::new(Code::NoActiveRules, span, "every rule is off")
        .with_label("with this, the policy finds nothing")
        .with_help(
            "to report without changes, use `mode: monitor` or the action `notify`".to_owned(),
        )
}

/// Where the last rule is turned off.
fn last_off(record: &Record) -> Option<Span> {
    let is_off = |rule: &&Record| rule.get_choice("action") == Some("off");
    let own = record.list_records("rules").filter(is_off);
    let overridden = general_overrides(record)
        .flat_map(override_entries)
        .map(|(_, changes)| changes)
        .filter(is_off);
    own.chain(overridden)
        .map(|rule| rule.value_span("action"))
        .last()
}
