//! Positions in a text, and pieces of it that are safe to print.

/// A range of bytes; the end is exclusive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> Spanned<T> {
    pub(crate) const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// How many characters of the user's text a message quotes at most.
const MAX_QUOTED_CHARS: usize = 60;

/// The text without characters that could control a terminal or reorder what it shows.
pub(crate) fn sanitize_text(text: &str) -> String {
    text.chars()
        .map(|c| if is_unprintable(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Control characters, zero-width characters, line separators and changes of writing direction.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}')
}

/// The text for a message: in backticks, sanitized and shortened.
pub(crate) fn quote_text(text: &str) -> String {
    let start: String = text.chars().take(MAX_QUOTED_CHARS).collect();
    let ellipsis = if start.len() < text.len() { "…" } else { "" };
    format!("`{}{ellipsis}`", sanitize_text(&start))
}

/// Words in backticks with commas and a conjunction: "`a`, `b` or `c`".
pub(crate) fn quote_list<'a>(
    words: impl IntoIterator<Item = &'a str>,
    conjunction: &str,
) -> String {
    let quoted: Vec<_> = words.into_iter().map(quote_text).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

/// The byte offset of each line.
pub(crate) fn line_starts(text: &str) -> Vec<usize> {
    let after = text
        .match_indices('\n')
        .map(|(index, _)| index.saturating_add(1));
    std::iter::once(0).chain(after).collect()
}

/// Line and column of a byte, both from 1; the column counts characters.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        .saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_short_and_cannot_control_a_terminal() {
        assert_eq!(
            quote_text("a\u{1b}[31m\nb\u{202e}"),
            "`a\u{fffd}[31m\u{fffd}b\u{fffd}`"
        );
        assert_eq!(
            quote_text(&"x".repeat(61)),
            format!("`{}…`", "x".repeat(60))
        );
        assert_eq!(quote_text(&"é".repeat(60)), format!("`{}`", "é".repeat(60)));
        assert_eq!(quote_list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("ä: 1\nbä: c", 10), (2, 4));
        assert_eq!(line_and_column("", 0), (1, 1));
    }
}
