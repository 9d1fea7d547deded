//! Merges a policy with the preset that it extends.

use crate::record::{Record, Value};
use crate::schema_table::TRAFFIC_KEYS;
use crate::yaml::Spanned;

/// The keys of `own` over those of `base`.
pub(crate) fn merge_policies(base: &Record, own: &Record) -> Record {
    let mut merged = base.clone();
    merged.remove("name");
    merged.overlay(own);
    for key in ["trusted", "ports"] {
        set_merged_value(&mut merged, key, own, merged_names(base, own, key));
    }
    for key in ["exceptions", "overrides"] {
        let inherited = base.list_items(key);
        if !inherited.is_empty() {
            set_merged_value(
                &mut merged,
                key,
                own,
                Value::List(
                    inherited
                        .iter()
                        .chain(own.list_items(key))
                        .cloned()
                        .collect(),
                ),
            );
        }
    }
    let guardrails = base
        .get_record("guardrails")
        .zip(own.get_record("guardrails"));
    if let Some((inherited, changes)) = guardrails {
        let mut guardrails = inherited.clone();
        guardrails.overlay(changes);
        set_merged_value(&mut merged, "guardrails", own, Value::Record(guardrails));
    }
    let rules = merged_rules(base, own).into_iter().map(|rule| {
        let span = rule.span();
        Spanned::new(Value::Record(rule), span)
    });
    set_merged_value(&mut merged, "rules", own, Value::List(rules.collect()));
    merged
}

fn set_merged_value(merged: &mut Record, key: &'static str, own: &Record, value: Value) {
    let value = Spanned::new(value, own.value_span(key));
    merged.insert(key, own.key_span(key), Some(value));
}

/// The inherited names that the policy does not redefine, and its own.
fn merged_names(base: &Record, own: &Record, key: &str) -> Value {
    let own_entries = own.map_entries(key);
    let mut entries = base.map_entries(key).to_vec();
    entries.retain(|(name, _)| {
        own_entries
            .iter()
            .all(|(own_name, _)| own_name.value != name.value)
    });
    entries.extend_from_slice(own_entries);
    Value::Map(entries)
}

fn merged_rules(base: &Record, own: &Record) -> Vec<Record> {
    let mut rules: Vec<Record> = base.list_records("rules").cloned().collect();
    for rule in own.list_records("rules") {
        let id = rule.get_text("id");
        let inherited = rules
            .iter_mut()
            .find(|other| id.is_some() && other.get_text("id") == id);
        match inherited {
            Some(inherited) => merge_rule(inherited, rule),
            None => rules.push(rule.clone()),
        }
    }
    for rule in &mut rules {
        let id = rule.get_text("id");
        let mut own_rules = own.list_records("rules");
        let has_own_text =
            own_rules.any(|other| other.get_text("id") == id && other.contains_key("forbids"));
        if !has_own_text && uses_redefined_ports(rule, own) {
            rule.remove("forbids");
        }
    }
    rules
}

/// Whether the rule uses a port set that the policy itself defines.
fn uses_redefined_ports(rule: &Record, own: &Record) -> bool {
    let traffic = rule.get_record("traffic");
    let lists = [
        rule.list_items("ports"),
        traffic.map_or(&[], |traffic| traffic.list_items("tcp")),
        traffic.map_or(&[], |traffic| traffic.list_items("udp")),
    ];
    let mut names = lists
        .into_iter()
        .flatten()
        .filter_map(|item| item.value.as_name());
    names.any(|name| {
        own.map_entries("ports")
            .iter()
            .any(|(own_name, _)| own_name.value == name)
    })
}

/// The keys of one rule over those of another. A new check does not inherit parameters, and with
/// other parameters, what the rule forbids is not what the inherited text says.
fn merge_rule(inherited: &mut Record, rule: &Record) {
    let mut parameters = ["check"].into_iter().chain(TRAFFIC_KEYS);
    if parameters.any(|key| rule.contains_key(key)) {
        inherited.remove("forbids");
    }
    let replaced: &[&str] = if rule.contains_key("check") || rule.contains_key("traffic") {
        &TRAFFIC_KEYS
    } else if rule.contains_key("ports") || rule.contains_key("protocol") {
        &["traffic"]
    } else {
        &[]
    };
    for key in replaced {
        inherited.remove(key);
    }
    inherited.overlay(rule);
}
