//! Comments that accept warnings: `# accept: no-expiry, no-match`.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::Diagnostic;
use super::text::line_starts;

/// What introduces the codes that are accepted.
const MARKER: &str = "# accept:";

/// Removes the warnings that a comment accepts: on the line that the warning points at, or in
/// comment lines directly above it.
pub(crate) fn remove_accepted(warnings: &mut Vec<Diagnostic>, text: &str) {
    if !text.contains(MARKER) {
        return;
    }
    let accepted = accepted_codes(text);
    let starts = line_starts(text);
    warnings.retain(|warning| {
        let line = starts.partition_point(|start| *start <= warning.span().start);
        let code = warning.code().code().trim_start_matches("policy/");
        !(warning.code().is_warning()
            && accepted
                .get(&line)
                .is_some_and(|codes| codes.contains(code)))
    });
}

/// The accepted codes by line number, from 1.
fn accepted_codes(text: &str) -> BTreeMap<usize, BTreeSet<&str>> {
    let mut accepted: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut pending = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((_, comment)) = line.split_once(MARKER) {
            pending.extend(codes_in_comment(comment));
        }
        if !line.trim_start().starts_with('#') && !pending.is_empty() {
            let codes = std::mem::take(&mut pending);
            accepted.insert(index.saturating_add(1), codes);
        }
    }
    accepted
}

/// The codes up to the first word that cannot be one, so that an explanation may follow.
fn codes_in_comment(comment: &str) -> impl Iterator<Item = &str> {
    comment
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| word.trim_start_matches("policy/"))
        .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::yaml::Span;

    #[test]
    fn comments_accept_warnings_on_their_line_and_the_next() {
        let text = "a: 1 # accept: no-expiry, policy/no-match (SEC-1)\nb: 2\n# accept: no-match\n# why\nc: 3\n";
        let warning = |code, start| Diagnostic::new(code, Span { start, end: start }, "");
        let position = |key: &str| text.find(key).unwrap();
        let mut found = vec![
            warning(Code::NoExpiry, 0),
            warning(Code::NoMatch, 3),
            warning(Code::SelfGranted, 0),
            warning(Code::NoMatch, position("b: 2")),
            warning(Code::NoMatch, position("c: 3")),
            warning(Code::BadPort, 0),
        ];
        remove_accepted(&mut found, text);
        let codes: Vec<_> = found.iter().map(Diagnostic::code).collect();
        assert_eq!(codes, [Code::SelfGranted, Code::NoMatch, Code::BadPort]);
    }
}
