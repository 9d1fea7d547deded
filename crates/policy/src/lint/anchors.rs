//! Finds the exceptions that can cover another one, without comparing all of them.
//!
//! An exception that is limited to some groups covers only exceptions that are limited to some of
//! these groups. It is stored under these, its anchors, and found by those of the other exception.

use std::collections::BTreeMap;

use portcullis_rules::{Exception, Glob, Scope};

/// The wildcards of a pattern.
const WILDCARDS: [char; 2] = ['*', '?'];

/// Something that an exception is limited to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Anchor<'p> {
    GroupId(&'p str),
    GroupName(Pattern),
    GroupTag(&'p str, Pattern),
    Vpc(&'p str),
    Account(&'p str),
    /// None of the others.
    Unlimited,
}

/// A text, or a pattern by what comes before its first wildcard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    Text(String),
    Prefix(String),
}

/// Exceptions by their anchors.
#[derive(Debug, Default)]
pub(super) struct AnchoredExceptions<'p> {
    exceptions: Vec<&'p Exception>,
    indexes: BTreeMap<Anchor<'p>, Vec<usize>>,
}

impl<'p> AnchoredExceptions<'p> {
    pub(super) fn insert(&mut self, exception: &'p Exception) {
        let index = self.exceptions.len();
        self.exceptions.push(exception);
        for anchor in own_anchors(&exception.scope) {
            self.indexes.entry(anchor).or_default().push(index);
        }
    }

    /// The exceptions that can cover this one, in the order in which they were inserted.
    pub(super) fn find_candidates(&self, exception: &'p Exception) -> Vec<&'p Exception> {
        let anchors = anchors_of_covering(&exception.scope);
        let found = anchors.iter().filter_map(|anchor| self.indexes.get(anchor));
        let mut indexes: Vec<usize> = found.flatten().copied().collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes
            .into_iter()
            .filter_map(|index| self.exceptions.get(index).copied())
            .collect()
    }
}

/// The anchors of an exception: the values of the first property that its groups are limited by.
fn own_anchors(scope: &Scope) -> Vec<Anchor<'_>> {
    if !scope.group_ids.is_empty() {
        return scope
            .group_ids
            .iter()
            .map(|id| Anchor::GroupId(id))
            .collect();
    }
    if !scope.group_names.is_empty() {
        let names = scope.group_names.iter();
        return names
            .map(|name| Anchor::GroupName(own_pattern(name)))
            .collect();
    }
    if let Some((key, value)) = scope.group_tags.first_key_value() {
        return vec![Anchor::GroupTag(key, own_pattern(value))];
    }
    if !scope.vpcs.is_empty() {
        return scope.vpcs.iter().map(|vpc| Anchor::Vpc(vpc)).collect();
    }
    if !scope.accounts.is_empty() {
        let accounts = scope.accounts.iter();
        return accounts.map(|account| Anchor::Account(account)).collect();
    }
    vec![Anchor::Unlimited]
}

/// The anchors under which the exceptions that cover one with this scope are stored. They cover
/// every value of a list, so one of the values is enough. They can be limited by any of its tags.
fn anchors_of_covering(scope: &Scope) -> Vec<Anchor<'_>> {
    let mut anchors = vec![Anchor::Unlimited];
    anchors.extend(scope.group_ids.first().map(|id| Anchor::GroupId(id)));
    if let Some(name) = scope.group_names.first() {
        let patterns = patterns_that_cover(name).into_iter();
        anchors.extend(patterns.map(Anchor::GroupName));
    }
    for (key, value) in &scope.group_tags {
        let patterns = patterns_that_cover(value).into_iter();
        anchors.extend(patterns.map(|pattern| Anchor::GroupTag(key, pattern)));
    }
    anchors.extend(scope.vpcs.first().map(|vpc| Anchor::Vpc(vpc)));
    anchors.extend(
        scope
            .accounts
            .first()
            .map(|account| Anchor::Account(account)),
    );
    anchors
}

fn own_pattern(glob: &Glob) -> Pattern {
    let text = glob.to_string();
    match text.split_once(WILDCARDS) {
        Some((prefix, _)) => Pattern::Prefix(prefix.to_owned()),
        None => Pattern::Text(text),
    }
}

/// A text is covered by itself and by patterns that start with a part of it, another pattern by
/// itself and by `*`.
fn patterns_that_cover(glob: &Glob) -> Vec<Pattern> {
    let own = own_pattern(glob);
    let mut patterns = vec![Pattern::Prefix(String::new())];
    if let Pattern::Text(text) = &own {
        let prefixes = text.char_indices().skip(1);
        patterns.extend(prefixes.filter_map(|(end, _)| {
            let prefix = text.get(..end)?;
            Some(Pattern::Prefix(prefix.to_owned()))
        }));
        patterns.push(Pattern::Prefix(text.clone()));
    }
    patterns.push(own);
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_policy;

    /// A policy with this many exceptions, each limited by something else.
    fn policy_text(count: usize, limit: impl Fn(usize) -> String) -> String {
        let exceptions = (0..count).map(|number| {
            let limit = limit(number);
            format!(
                "  - {{ id: exception-{number}, reason: test, owner: test@example.com, \
                 expires: 2027-03-31, ports: [8443], protocol: tcp, self_service: true, \
                 match: {{ {limit} }} }}\n"
            )
        });
        let start = "version: 1\nextends: baseline\nexceptions:\n".to_owned();
        std::iter::once(start).chain(exceptions).collect()
    }

    /// The number of comparisons for a policy with this many exceptions.
    fn count_comparisons(count: usize, limit: impl Fn(usize) -> String) -> usize {
        let loaded = parse_policy("policy.yaml", &policy_text(count, limit)).unwrap();
        let mut anchored = AnchoredExceptions::default();
        let exceptions = loaded.policy.exceptions.iter();
        let comparisons = exceptions.map(|exception| {
            let candidates = anchored.find_candidates(exception);
            anchored.insert(exception);
            candidates.len()
        });
        let total = comparisons.sum();
        assert_eq!(anchored.exceptions.len(), count);
        total
    }

    #[test]
    fn exceptions_for_different_groups_are_not_compared() {
        let ids = |number| format!("groups: [sg-{number:017x}]");
        assert_eq!(count_comparisons(500, ids), 0);
        let names = |number| format!("names: [edge-{number}]");
        assert_eq!(count_comparisons(500, names), 0);
        let patterns = |number| format!("names: [\"{number}-edge-*\"]");
        assert_eq!(count_comparisons(500, patterns), 0);
        let tags = |number| format!("tags: {{ app: app-{number} }}");
        assert_eq!(count_comparisons(500, tags), 0);
        let accounts = |number| format!("accounts: [\"{number:012}\"]");
        assert_eq!(count_comparisons(500, accounts), 0);
    }

    #[test]
    fn comparisons_grow_with_the_number_of_exceptions() {
        // Ten exceptions for each group.
        let ids = |number: usize| format!("groups: [sg-{:017x}]", number / 10);
        let (few, many) = (count_comparisons(400, ids), count_comparisons(2000, ids));
        assert_eq!((few, many), (400 * 9 / 2, 2000 * 9 / 2));
    }
}
