//! Whether one part of a policy covers another: the first matches whatever the second does.
//!
//! Conservative: a function may return `false` although the second is covered.

use std::collections::BTreeMap;

use portcullis_rules::{Exception, Glob, PortSet, Scope, Source};

/// Whether the first exception exempts everything that the second does, for at least as long.
pub fn exception_covers(first: &Exception, second: &Exception) -> bool {
    // Ports differ most often, so they are compared first.
    covers_first_port(&first.traffic.tcp, &second.traffic.tcp)
        && exception_applies_wherever(first, second)
        && second.traffic.difference(&first.traffic).is_empty()
}

/// A cheap test for most sets that are not covered.
fn covers_first_port(first: &PortSet, second: &PortSet) -> bool {
    second
        .ranges()
        .first()
        .is_none_or(|range| first.contains(range.first_port()))
}

/// Whether the first exception matches wherever the second does, for at least as long. Traffic is
/// not compared.
pub fn exception_applies_wherever(first: &Exception, second: &Exception) -> bool {
    // Groups differ most often, so they are compared first.
    scope_covers(&first.scope, &second.scope)
        && expires_no_earlier(first, second)
        && list_covers(&first.rules, &second.rules, |a, b| a == b)
        && list_covers(&first.sources, &second.sources, source_covers)
        && list_covers(&first.descriptions, &second.descriptions, glob_covers)
        && list_covers(&first.principals, &second.principals, glob_covers)
        && tags_cover(&first.rule_tags, &second.rule_tags)
}

fn expires_no_earlier(first: &Exception, second: &Exception) -> bool {
    match (first.expires, second.expires) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(first_expiry), Some(second_expiry)) => first_expiry >= second_expiry,
    }
}

/// Whether the first scope contains every group of the second.
pub fn scope_covers(first: &Scope, second: &Scope) -> bool {
    list_covers(&first.group_ids, &second.group_ids, |a, b| a == b)
        && list_covers(&first.accounts, &second.accounts, |a, b| a == b)
        && list_covers(&first.regions, &second.regions, |a, b| a == b)
        && list_covers(&first.vpcs, &second.vpcs, |a, b| a == b)
        && list_covers(&first.group_names, &second.group_names, glob_covers)
        && tags_cover(&first.group_tags, &second.group_tags)
}

/// Compares lists of which any entry may match. An empty list matches everything.
fn list_covers<T>(first: &[T], second: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    first.is_empty()
        || (!second.is_empty() && second.iter().all(|b| first.iter().any(|a| covers(a, b))))
}

/// Compares tags, all of which must match: the second must require every tag of the first.
fn tags_cover(first: &BTreeMap<String, Glob>, second: &BTreeMap<String, Glob>) -> bool {
    first.iter().all(|(key, glob)| {
        second
            .get(key)
            .is_some_and(|other| glob_covers(glob, other))
    })
}

/// Whether the first pattern matches whatever the second does: it matches the second as a text. A
/// wildcard of the second can then only be inside a `*` of the first, if the first has no `?`.
pub fn glob_covers(first: &Glob, second: &Glob) -> bool {
    let second_text = second.to_string();
    let is_comparable = !second_text.contains('*') || !first.to_string().contains('?');
    first == second || (is_comparable && first.matches(&second_text))
}

/// Whether the first source contains the second. Entries of prefix lists are not compared.
pub fn source_covers(first: &Source, second: &Source) -> bool {
    match (first, second) {
        (Source::Cidr(outer), Source::Cidr(inner)) => outer.contains(inner),
        (one, other) => one.same_source(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_covers_narrower_ones() {
        for (first, second, expected) in [
            ("*", "a*b?", true),
            ("a*", "a*b", true),
            ("a*", "a", true),
            ("a?", "a?", true),
            ("a?", "ab", true),
            ("a?", "a*", false),
            ("?b*", "ab*", false),
            ("a", "a*", false),
            ("*a", "*b", false),
        ] {
            let covers = glob_covers(&Glob::new(first), &Glob::new(second));
            assert_eq!(covers, expected, "{first} {second}");
        }
    }

    proptest! {
        #[test]
        fn what_a_covered_pattern_matches_is_matched(
            first in "[ab*?]{0,4}",
            second in "[ab*?]{0,4}",
            text in "[ab]{0,4}",
        ) {
            let (first, second) = (Glob::new(&first), Glob::new(&second));
            if glob_covers(&first, &second) && second.matches(&text) {
                prop_assert!(first.matches(&text), "{first} {second} {text}");
            }
        }
    }
}
