//! Adds exceptions to the text of a policy, and leaves the rest of the text as it is.

use std::sync::Arc;

use crate::load::{LoadedPolicy, parse_policy};
use crate::record::Record;
use crate::render::{CommentedException, render_exceptions};
use crate::yaml::Diagnostics;

/// Why exceptions cannot be added to the text of a policy.
#[derive(Debug)]
pub enum AddExceptionsError {
    /// The exceptions of the policy, or all of it, are in flow style: in brackets, as in JSON.
    FlowStyle,
    /// An exception is invalid, such as one with a malformed id of a group.
    Invalid(Box<Diagnostics>),
}

/// Where the text of new exceptions goes.
struct Insertion {
    offset: usize,
    /// What comes before the entries.
    heading: String,
    /// The number of blanks before the dash of an entry.
    indent: usize,
}

/// The text of the policy with these exceptions after its own ones. A policy without exceptions
/// gets the key `exceptions` at its end.
///
/// # Errors
/// When the text is in flow style, or an exception is invalid.
pub fn add_exceptions(
    loaded: &LoadedPolicy,
    entries: &[CommentedException],
) -> Result<String, AddExceptionsError> {
    let text = &*loaded.text;
    if entries.is_empty() {
        return Ok(text.to_owned());
    }
    let insertion = find_insertion(text, &loaded.record).ok_or(AddExceptionsError::FlowStyle)?;
    let (before, after) = text
        .split_at_checked(insertion.offset)
        .ok_or(AddExceptionsError::FlowStyle)?;
    let newline = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let rendered = render_exceptions(entries, insertion.indent);
    let mut added = format!("{newline}{}{rendered}", insertion.heading);
    if text.contains("\r\n") {
        added = added.replace('\n', "\r\n");
    }
    let edited = format!("{before}{added}{after}");
    check_edited(loaded, entries, &edited)?;
    Ok(edited)
}

/// Checks that the edited text is the same policy with the new exceptions.
fn check_edited(
    loaded: &LoadedPolicy,
    entries: &[CommentedException],
    edited: &str,
) -> Result<(), AddExceptionsError> {
    let parsed = parse_policy(&loaded.file_name, edited)
        .map_err(|found| AddExceptionsError::Invalid(Box::new(found)))?;
    let mut expected = loaded.policy.clone();
    let added = entries
        .iter()
        .map(|entry| Arc::new(entry.exception.clone()));
    expected.exceptions.extend(added);
    if parsed.policy == expected {
        Ok(())
    } else {
        Err(AddExceptionsError::FlowStyle)
    }
}

fn find_insertion(text: &str, record: &Record) -> Option<Insertion> {
    if record.contains_key("exceptions") {
        insertion_after_entries(text, record)
    } else {
        insertion_at_end(text, record)
    }
}

/// After the last entry of the list.
fn insertion_after_entries(text: &str, record: &Record) -> Option<Insertion> {
    let key = record.key_span("exceptions");
    let root_indent = indent_of(text, key.start)?;
    let value = record.value_span("exceptions");
    let is_flow = text.get(value.start..)?.starts_with('[');
    if is_flow || value.start <= key.end {
        return None;
    }
    let mut entry_indent = None;
    let mut end = None;
    let mut offset = line_end(text, key.end);
    for line in text.get(offset..)?.split_inclusive('\n') {
        offset = offset.saturating_add(line.len());
        let content = line.trim();
        let indent = blanks_before(line);
        let starts_entry = content == "-" || content.starts_with("- ");
        if content.is_empty() || (content.starts_with('#') && indent <= root_indent) {
            continue;
        }
        if indent < root_indent || (indent == root_indent && !starts_entry) {
            break;
        }
        if starts_entry {
            entry_indent.get_or_insert(indent);
        }
        end = Some(offset);
    }
    Some(Insertion {
        offset: end?,
        heading: String::new(),
        indent: entry_indent?,
    })
}

/// At the end of the document.
fn insertion_at_end(text: &str, record: &Record) -> Option<Insertion> {
    let start = record.span().start;
    let indent = indent_of(text, start)?;
    if text.get(start..)?.starts_with('{') {
        return None;
    }
    let body = text.get(start..)?;
    let end_marker = body.find("\n...").map(|at| start.saturating_add(at));
    let document = text.get(..end_marker.unwrap_or(text.len()))?;
    let last_line = document.trim_end().len();
    let blanks = " ".repeat(indent);
    Some(Insertion {
        offset: line_end(text, last_line),
        heading: format!("\n{blanks}exceptions:\n"),
        indent: indent.saturating_add(2),
    })
}

/// The number of blanks before this offset; none if there is other text before it in its line.
fn indent_of(text: &str, offset: usize) -> Option<usize> {
    let before = text.get(..offset)?;
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.chars().all(|c| c == ' ').then_some(line.len())
}

fn blanks_before(line: &str) -> usize {
    line.len()
        .saturating_sub(line.trim_start_matches(' ').len())
}

/// The offset after the line of this offset.
fn line_end(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or_default();
    rest.find('\n')
        .map_or(text.len(), |at| offset.saturating_add(at).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use portcullis_rules::{Exception, Scope, TrafficSet};

    use super::*;

    fn entry(id: &str, group: &str) -> CommentedException {
        let exception = Exception {
            id: id.to_owned(),
            reason: "open on 2026-11-21, to be reviewed".to_owned(),
            owner: "no".to_owned(),
            expires: "2027-02-20T00:00:00Z".parse().ok(),
            rules: Vec::new(),
            scope: Scope {
                group_ids: vec![group.to_owned()],
                ..Scope::default()
            },
            rule_tags: std::collections::BTreeMap::new(),
            descriptions: Vec::new(),
            principals: Vec::new(),
            traffic: TrafficSet::all(),
            sources: vec!["::/0".parse().unwrap()],
        };
        CommentedException {
            comment: vec!["web\nservers".to_owned()],
            exception,
        }
    }

    fn edit(text: &str) -> Result<String, AddExceptionsError> {
        let loaded = parse_policy("policy.yaml", text).unwrap();
        add_exceptions(&loaded, &[entry("open-web", "sg-0123456789abcdef0")])
    }

    const OWN: &str = "exceptions:\n  - id: own\n    reason: |\n      x\n      # text\n    \
                       owner: x\n    ports: [22] # a comment\n";

    #[test]
    fn exceptions_are_added_after_the_own_ones() {
        let text = format!(
            "version: 1\nextends: baseline\n{OWN}    # of the entry\n\n# of the mode\n\
             mode: monitor\n"
        );
        insta::assert_snapshot!(edit(&text).unwrap());
    }

    #[test]
    fn the_key_is_added_at_the_end() {
        insta::assert_snapshot!(edit("version: 1\nextends: baseline # all of it").unwrap());
    }

    #[test]
    fn any_block_style_can_be_edited() {
        let unindented = OWN.replace("\n  ", "\n");
        let indented = format!(
            "  version: 1\n  extends: baseline\n  {}",
            OWN.replace('\n', "\n  ")
        );
        for text in [
            format!("{OWN}version: 1\nextends: baseline\n"),
            format!("version: 1\nextends: baseline\n{}", OWN.trim_end()),
            format!("version: 1\nextends: baseline\n{unindented}mode: monitor\n"),
            format!("---\nversion: 1\nextends: baseline\n{OWN}...\n"),
            "---\nversion: 1\nextends: baseline\n...\n".to_owned(),
            "version: 1\nextends: baseline\n\n\n# the end\n\n".to_owned(),
            "version: 1\r\nextends: baseline\r\n".to_owned(),
            format!(
                "version: 1\nextends: baseline\n\"exceptions\":\n\n{}",
                OWN.replace("exceptions:\n", "")
            ),
            indented,
        ] {
            let edited = edit(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
            assert!(edited.contains("- id: open-web"), "{edited}");
        }
    }

    #[test]
    fn flow_style_and_invalid_exceptions_are_errors() {
        for text in [
            "{version: 1, extends: baseline}",
            "version: 1\nextends: baseline\nexceptions: [{id: a, reason: b, owner: c, ports: [1]}]",
        ] {
            let error = edit(text).unwrap_err();
            assert!(matches!(error, AddExceptionsError::FlowStyle), "{text}");
        }
        let loaded = parse_policy("a.yaml", "version: 1\nextends: baseline\n").unwrap();
        let error = add_exceptions(&loaded, &[entry("open-web", "sg-web")]).unwrap_err();
        assert!(matches!(error, AddExceptionsError::Invalid(_)), "{error:?}");
        let unchanged = add_exceptions(&loaded, &[]).unwrap();
        assert_eq!(unchanged, "version: 1\nextends: baseline\n");
    }
}
