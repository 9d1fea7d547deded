//! Explains where the YAML parser gave up.

use saphyr_parser::ScanError;

use super::diagnostic::Diagnostic;
use super::slips::{find_slip, leading_key};
use super::text::{Span, quote_text};
use crate::code::Code;

/// How many characters of the text a suggestion repeats at most.
const MAX_WORD_CHARS: usize = 40;

/// The slip of the pen that explains the parser's error, or else that error. `position` is where
/// the parser gave up, in bytes.
pub(super) fn explain_syntax_error(text: &str, error: &ScanError, position: usize) -> Diagnostic {
    let info = error.info();
    // The parser reports a tab at the end of the line before it.
    let until = if info.contains("tab") {
        end_of_next_line(text, position)
    } else {
        position
    };
    let is_too_deep = info.contains("recursion");
    find_slip(text, until)
        .or_else(|| wrong_indentation(text, info, position))
        .or_else(|| find_unclosed(text).filter(|_| !is_too_deep))
        .unwrap_or_else(|| parser_error(text, info, position))
}

fn end_of_next_line(text: &str, position: usize) -> usize {
    let rest = text.get(position..).unwrap_or_default();
    let length = rest.split_inclusive('\n').take(2).map(str::len).sum();
    position.saturating_add(length).saturating_sub(1)
}

/// The parser's error with its usual cause.
fn parser_error(text: &str, info: &str, start: usize) -> Diagnostic {
    let rest = text.get(start..).unwrap_or_default();
    let first = rest.chars().next().filter(|c| *c != '\n');
    let end = start.saturating_add(first.map_or(0, char::len_utf8));
    let message = format!("invalid YAML: {}", info.replace('`', "'"));
    Diagnostic::new(Code::InvalidYaml, Span { start, end }, message)
        .with_help(syntax_help(info, rest))
}

/// What to do about a syntax error, given the parser's message and the text from there on.
fn syntax_help(error: &str, rest: &str) -> Option<String> {
    let start: String = rest
        .chars()
        .take_while(|c| !",]}\r\n#".contains(*c))
        .take(MAX_WORD_CHARS)
        .collect();
    let word = start.trim();
    let help = if error.contains("unknown anchor") || error.contains("alias") {
        return Some(format!(
            "`*` starts a YAML alias; quote the text: \"{word}\""
        ));
    } else if error.contains("tab") {
        "indent with spaces: YAML does not allow tabs here"
    } else if error.contains("trailing content") {
        "the quoted text ends before this: is a comma missing, or should a quote be part of the \
         text? Then use the other kind of quotes around it"
    } else if error.contains("misplaced bracket") {
        "remove it, or add the bracket that opens it"
    } else if rest.starts_with(['@', '`', '%', '&', '!', '|', '>']) {
        return Some(format!(
            "quote text that starts with this character: \"{word}\""
        ));
    } else if error.contains("mapping values are not allowed") {
        "quote text that contains `: ` or ends with a colon"
    } else {
        return None;
    };
    Some(help.to_owned())
}

/// The parser's messages when a key is indented more or less than those above it.
const INDENTATION_ERRORS: [&str; 3] = [
    "mapping values are not allowed",
    "expected '-' indicator",
    "expected <block end>",
];

/// The key at the start of the line, if its indentation is the only thing that can be wrong.
fn wrong_indentation(text: &str, info: &str, position: usize) -> Option<Diagnostic> {
    if !INDENTATION_ERRORS.iter().any(|error| info.contains(error)) {
        return None;
    }
    let before = text.get(..position)?;
    let line_start = before
        .rfind('\n')
        .map_or(0, |index| index.saturating_add(1));
    let line = text.get(line_start..)?.lines().next()?;
    let trimmed = line.trim_start_matches([' ', '-']);
    let key = leading_key(trimmed)?;
    let start = line_start.saturating_add(line.len().saturating_sub(trimmed.len()));
    let end = start.saturating_add(key.len());
    let is_this_key = position == start || position == end;
    let diagnostic = Diagnostic::new(
        Code::InvalidYaml,
        Span { start, end },
        "invalid YAML: wrong indentation",
    )
    .with_label("not in line with the keys above")
    .with_help("keys of the same mapping start in the same column".to_owned());
    is_this_key.then_some(diagnostic)
}

/// The brackets and quotes that are open at some place in the text.
#[derive(Default)]
struct OpenPairs {
    brackets: Vec<(usize, char)>,
    quote: Option<(usize, char)>,
    is_comment: bool,
}

impl OpenPairs {
    /// Reads a character; returns the bracket that another one should have closed first.
    fn read(&mut self, offset: usize, c: char, previous: char) -> Option<(usize, char)> {
        if let Some((_, closing)) = self.quote {
            if c == closing && previous != '\\' {
                self.quote = None;
            }
            return None;
        }
        if self.is_comment {
            self.is_comment = c != '\n';
            return None;
        }
        let starts_value = previous.is_whitespace() || "[{,".contains(previous);
        match c {
            '#' if previous.is_whitespace() => self.is_comment = true,
            '"' | '\'' if starts_value => self.quote = Some((offset, c)),
            '[' | '{' if starts_value => self.brackets.push((offset, c)),
            ']' | '}' => {
                let opened = self.brackets.pop();
                return opened.filter(|(_, opening)| closing_pair(*opening) != c);
            }
            _ => {}
        }
        None
    }
}

/// The bracket or quote that is opened and never closed.
fn find_unclosed(text: &str) -> Option<Diagnostic> {
    let mut pairs = OpenPairs::default();
    let mut previous = ' ';
    for (offset, c) in text.char_indices() {
        if let Some(opened) = pairs.read(offset, c, previous) {
            return Some(never_closed(opened));
        }
        previous = c;
    }
    pairs
        .quote
        .or_else(|| pairs.brackets.pop())
        .map(never_closed)
}

const fn closing_pair(opening: char) -> char {
    match opening {
        '[' => ']',
        '{' => '}',
        other => other,
    }
}

fn never_closed((start, c): (usize, char)) -> Diagnostic {
    let message = format!(
        "invalid YAML: {} is never closed",
        quote_text(&c.to_string())
    );
    let end = start.saturating_add(c.len_utf8());
    Diagnostic::new(Code::InvalidYaml, Span { start, end }, message)
        .with_label("opened here")
        .with_help(format!("add the closing `{}`", closing_pair(c)))
}
