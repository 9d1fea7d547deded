//! Slips of the pen that YAML does not understand, or understands differently: a missing space or
//! colon, a tab, characters that only look like others.
//!
//! The parser reports many of them on a later line. These functions look for the slip itself.

use super::diagnostic::Diagnostic;
use super::text::{Span, quote_text};
use crate::code::Code;

/// The keys of policies and test files. A word at the start of a line is taken for a key only if it
/// is one of them. Protocols are missing because rules in test files start with them.
pub(crate) const KNOWN_KEYS: [&str; 63] = [
    "account",
    "accounts",
    "action",
    "additions",
    "after",
    "attached",
    "cases",
    "check",
    "description",
    "descriptions",
    "event",
    "exceptions",
    "exempt",
    "existing",
    "expect",
    "expires",
    "extends",
    "findings",
    "forbids",
    "group",
    "groups",
    "guardrails",
    "id",
    "load_balancers",
    "match",
    "max_removals",
    "mode",
    "name",
    "names",
    "now",
    "opened",
    "others",
    "overrides",
    "owner",
    "policy",
    "ports",
    "prefix_lists",
    "principal",
    "principals",
    "protected",
    "protocol",
    "reason",
    "references",
    "refusals",
    "region",
    "regions",
    "removals",
    "rule",
    "rule_tags",
    "rules",
    "scope",
    "self_service",
    "service_managed",
    "severity",
    "skipped_additions",
    "sources",
    "tags",
    "time",
    "traffic",
    "trusted",
    "version",
    "vpc",
    "vpcs",
];

/// The last slip in the lines up to the one that contains this byte, where the parser gave up.
pub(super) fn find_slip(text: &str, until: usize) -> Option<Diagnostic> {
    let mut start = 0;
    let mut last = None;
    for line in text.split_inclusive('\n') {
        if start > until {
            break;
        }
        last = slip_in_line(line, start).or(last);
        start = start.saturating_add(line.len());
    }
    last
}

/// The slip in a line that starts at this byte of the text.
fn slip_in_line(line: &str, line_start: usize) -> Option<Diagnostic> {
    let mut rest = line.trim_end().trim_start_matches(' ');
    if rest.starts_with('\t') {
        return Some(tab_in_indentation(span_in(line, rest, 1, line_start)));
    }
    if let Some(space) = rest.chars().next().filter(|c| is_odd_space(*c)) {
        return Some(odd_space(
            space,
            span_in(line, rest, space.len_utf8(), line_start),
        ));
    }
    if CONFLICT_MARKERS
        .iter()
        .any(|marker| rest.starts_with(marker))
    {
        return Some(merge_conflict(span_in(line, rest, rest.len(), line_start)));
    }
    while let Some(entry) = rest.strip_prefix("- ") {
        rest = entry.trim_start_matches(' ');
    }
    if let Some(dash) = rest.chars().next().filter(|c| is_odd_dash(*c))
        && leading_key(rest.trim_start_matches([dash, ' '])).is_some()
    {
        return Some(odd_dash(span_in(line, rest, dash.len_utf8(), line_start)));
    }
    if let Some(after_dash) = rest.strip_prefix('-')
        && leading_key(after_dash).is_some()
    {
        let span = span_in(line, rest, 1, line_start);
        let diagnostic = Diagnostic::new(Code::InvalidYaml, span, "invalid YAML: `-` and a key")
            .with_label("missing space after the dash")
            .with_help(format!("write `- {after_dash}`"));
        return Some(diagnostic);
    }
    let key = leading_key(rest)?;
    slip_after_key(key, rest, span_in(line, rest, key.len(), line_start))
}

/// The slip between a key and its value. The span is that of the key.
fn slip_after_key(key: &str, rest: &str, span: Span) -> Option<Diagnostic> {
    let after = rest.get(key.len()..)?;
    let next = after.chars().next()?;
    if is_odd_space(next) {
        return Some(odd_space(next, after_key(span, 0, next)));
    }
    let value = after.trim_start_matches(|c: char| c.is_whitespace() || ":=：".contains(c));
    let help = format!("write `{key}: {value}`");
    if next == ':' {
        let value_start = after.get(1..)?.chars().next()?;
        return slip_after_colon(key, value_start, span).map(|slip| slip.with_help(help));
    }
    let trimmed = after.trim_start();
    let first = trimmed.chars().next()?;
    if first == '：' {
        let distance = after.len().saturating_sub(trimmed.len());
        return Some(full_width_colon(after_key(span, distance, first)).with_help(help));
    }
    let label = match first {
        '=' => "missing colon: `=` is not YAML",
        '#' => return None,
        ':' if trimmed.starts_with(": ") || trimmed.len() == 1 => return None,
        ':' => "missing space after the colon",
        _ if next == ' ' => "missing colon",
        _ => return None,
    };
    Some(invalid_after_key(key, span, label).with_help(help))
}

/// The slip directly after the colon of a key, given the character there.
fn slip_after_colon(key: &str, next: char, span: Span) -> Option<Diagnostic> {
    let colon = after_key(span, 0, ':');
    if is_odd_space(next) {
        Some(odd_space(next, after_key(span, 1, next)))
    } else if next == '\t' {
        let tab = after_key(span, 1, next);
        Some(invalid_after_key(
            key,
            tab,
            "write a space instead of the tab",
        ))
    } else if next.is_whitespace() {
        None
    } else {
        let through_colon = Span {
            end: colon.end,
            ..span
        };
        Some(invalid_after_key(
            key,
            through_colon,
            "missing space after the colon",
        ))
    }
}

fn invalid_after_key(key: &str, span: Span, label: &str) -> Diagnostic {
    let message = format!("invalid YAML after the key {}", quote_text(key));
    Diagnostic::new(Code::InvalidYaml, span, message).with_label(label)
}

/// The span of a character at this distance after a key.
const fn after_key(key: Span, distance: usize, c: char) -> Span {
    let start = key.end.saturating_add(distance);
    Span {
        start,
        end: start.saturating_add(c.len_utf8()),
    }
}

/// The known key at the start of the text, if no letter follows it.
pub(super) fn leading_key(text: &str) -> Option<&str> {
    let is_key_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let end = text.find(|c| !is_key_char(c)).unwrap_or(text.len());
    let word = text.get(..end)?;
    KNOWN_KEYS.contains(&word).then_some(word)
}

/// The span of the first bytes of `rest`, which is the end of the line, except for white space.
fn span_in(line: &str, rest: &str, length: usize, line_start: usize) -> Span {
    let before = line.trim_end().len().saturating_sub(rest.len());
    let start = line_start.saturating_add(before);
    Span {
        start,
        end: start.saturating_add(length),
    }
}

/// Whether it looks like a space but is none for YAML.
pub(super) const fn is_odd_space(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{2060}' | '\u{3000}' | '\u{feff}'
    )
}

/// Whether it is a curly quote or one of another language.
pub(super) const fn is_odd_quote(c: char) -> bool {
    matches!(
        c,
        '\u{2018}'..='\u{201f}' | '«' | '»' | '\u{ff02}' | '\u{ff07}'
    )
}

pub(super) fn odd_space(c: char, span: Span) -> Diagnostic {
    let name = match c {
        '\u{a0}' | '\u{202f}' => "a no-break space",
        '\u{200b}' | '\u{2060}' | '\u{feff}' => "an invisible character",
        '\u{3000}' => "a full-width space",
        _ => "a special space",
    };
    let code_point = u32::from(c);
    let message = format!("{name} (U+{code_point:04X}) has no meaning in YAML");
    Diagnostic::new(Code::LookAlike, span, message)
        .with_label("remove it, or write a space")
        .with_help("it often comes from text that was copied from a web page or a chat".to_owned())
}

pub(super) fn odd_quotes(span: Span) -> Diagnostic {
    Diagnostic::new(Code::LookAlike, span, "curly quotes are not quotes in YAML")
        .with_label("this includes the quotes")
        .with_help("use straight quotes: `\"`".to_owned())
}

/// Whether it is a dash or bullet that word processors put in front of the entries of a list.
const fn is_odd_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2022}' | '\u{2212}')
}

fn odd_dash(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::LookAlike,
        span,
        "this dash does not start an entry in YAML",
    )
    .with_label("write `- `")
}

/// The starts of the lines that Git writes around a conflict.
const CONFLICT_MARKERS: [&str; 3] = ["<<<<<<<", "=======", ">>>>>>>"];

fn merge_conflict(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::InvalidYaml,
        span,
        "invalid YAML: an unresolved merge conflict",
    )
    .with_help("keep one of the versions, and remove the markers".to_owned())
}

fn full_width_colon(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::LookAlike,
        span,
        "a full-width colon is not a colon in YAML",
    )
    .with_label("write `:` and a space")
}

fn tab_in_indentation(span: Span) -> Diagnostic {
    Diagnostic::new(
        Code::InvalidYaml,
        span,
        "invalid YAML: a tab in the indentation",
    )
    .with_label("this is a tab")
    .with_help("indent with spaces: YAML does not allow tabs here".to_owned())
}
