//! Exceptions as entries of a list in block style, for people to edit.

use std::fmt::Write as _;

use portcullis_rules::{Exception, TrafficSet};

use super::policy::{
    format_expiry, match_section, source_sequence, traffic_entries, traffic_section,
};
use super::writer::{format_text, text_sequence};
use crate::yaml::sanitize_text;

/// An exception for a policy file, with a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentedException {
    /// The lines of the comment.
    pub comment: Vec<String>,
    /// The exception.
    pub exception: Exception,
}

/// The width that lists are wrapped at.
const WIDTH: usize = 80;

/// The entries of the list `exceptions`, with this many blanks before each dash.
pub fn render_exceptions(entries: &[CommentedException], indent: usize) -> String {
    let blanks = " ".repeat(indent);
    let mut text = String::new();
    for entry in entries {
        for line in &entry.comment {
            // A byte order mark is not allowed within a file.
            let line = sanitize_text(line).replace('\u{feff}', "\u{fffd}");
            text.push_str(format!("{blanks}# {line}").trim_end());
            text.push('\n');
        }
        let mut start = "- ";
        for line in exception_lines(&entry.exception) {
            let line = wrap_sequence(&line, indent.saturating_add(2));
            let _ = writeln!(text, "{blanks}{start}{line}");
            start = "  ";
        }
    }
    text
}

/// The lines of an entry, indented by two blanks for each level within it.
fn exception_lines(exception: &Exception) -> Vec<String> {
    let mut lines = vec![
        format!("id: {}", exception.id),
        format!("reason: {}", format_text(&exception.reason)),
        format!("owner: {}", format_text(&exception.owner)),
    ];
    let expires = exception.expires.map(format_expiry);
    lines.extend(expires.map(|date| format!("expires: {date}")));
    let rules = text_sequence(&exception.rules);
    lines.extend(rules.map(|rules| format!("rules: {rules}")));
    lines.extend(traffic_lines(&exception.traffic));
    let sources = source_sequence(&exception.sources);
    lines.extend(sources.map(|sources| format!("sources: {sources}")));
    lines.extend(section_lines("match", match_section(exception)));
    lines
}

fn traffic_lines(traffic: &TrafficSet) -> Vec<String> {
    if *traffic == TrafficSet::all() {
        return vec!["protocol: all".to_owned()];
    }
    let entries = traffic_entries(traffic);
    if entries.iter().any(|(key, _)| *key == "traffic") {
        return section_lines("traffic", traffic_section(traffic));
    }
    entries
        .into_iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect()
}

/// A section in block style; nothing if it has no entries.
fn section_lines(key: &str, entries: Vec<String>) -> Vec<String> {
    if entries.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("{key}:")];
    lines.extend(entries.into_iter().map(|entry| format!("  {entry}")));
    lines
}

/// A line of an entry at this column. A flow sequence that is too long for it continues below.
fn wrap_sequence(line: &str, column: usize) -> String {
    let items: Vec<&str> = line.split(", ").collect();
    let is_quoted = items.iter().any(|item| item.matches('"').count() % 2 == 1);
    if !line.contains(": [") || is_quoted {
        return line.to_owned();
    }
    let nesting = line.len().saturating_sub(line.trim_start().len());
    let continuation = column.saturating_add(nesting).saturating_add(2);
    let mut wrapped = String::new();
    let mut position = column;
    for (index, item) in items.iter().enumerate() {
        let needed = item.len().saturating_add(2);
        if index == 0 {
            position = position.saturating_add(needed);
        } else if position.saturating_add(needed) > WIDTH {
            wrapped.push_str(",\n");
            wrapped.push_str(&" ".repeat(continuation));
            position = continuation.saturating_add(needed);
        } else {
            wrapped.push_str(", ");
            position = position.saturating_add(needed);
        }
        wrapped.push_str(item);
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sequences_are_wrapped() {
        let ports: Vec<String> = (0..30)
            .map(|index| (1000 + 2 * index).to_string())
            .collect();
        let line = format!("  tcp: [{}]", ports.join(", "));
        let wrapped = wrap_sequence(&line, 4);
        assert!(wrapped.lines().count() > 1);
        for line in wrapped.lines() {
            assert!(line.len() <= WIDTH, "{line}");
        }
        let joined: Vec<_> = wrapped.lines().map(str::trim_start).collect();
        assert_eq!(joined.join(" "), line.trim_start());
        let text = format!("descriptions: [\"{}, {}\"]", "a".repeat(60), "b".repeat(60));
        assert_eq!(wrap_sequence(&text, 4), text);
    }
}
