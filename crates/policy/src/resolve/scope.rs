//! Sets of groups.

use std::collections::BTreeMap;

use portcullis_rules::{Glob, Scope};

use crate::record::Record;

pub(crate) fn resolve_scope(record: &Record) -> Scope {
    Scope {
        accounts: owned_texts(record, "accounts"),
        regions: owned_texts(record, "regions"),
        vpcs: owned_texts(record, "vpcs"),
        group_ids: owned_texts(record, "groups"),
        group_names: resolve_globs(record, "names"),
        group_tags: resolve_tags(record, "tags"),
    }
}

pub(super) fn owned_texts(record: &Record, key: &str) -> Vec<String> {
    record.list_texts(key).map(str::to_owned).collect()
}

pub(super) fn resolve_globs(record: &Record, key: &str) -> Vec<Glob> {
    record.list_texts(key).map(Glob::new).collect()
}

pub(super) fn resolve_tags(record: &Record, key: &str) -> BTreeMap<String, Glob> {
    let mut tags = BTreeMap::new();
    for (tag, pattern) in record.map_entries(key) {
        if let Some(text) = pattern.value.as_text() {
            tags.insert(tag.value.clone(), Glob::new(text));
        }
    }
    tags
}
