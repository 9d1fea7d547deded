//! Places in the text of a policy, and bits of it for messages.

/// A piece of the text, in bytes; the end is not part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Something with the place where it stands.
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

/// The most characters of somebody's text that a message repeats.
const MAX_QUOTED_CHARS: usize = 60;

/// Somebody's text for a message: in backticks, on one line, not too long, and unable to play with a terminal.
pub(crate) fn quote_text(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_QUOTED_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Words in backticks, parted by commas and a last word: "`a`, `b` or `c`".
pub(crate) fn quote_list<'a>(words: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let words: Vec<_> = words.into_iter().map(quote_text).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}

/// Line and column of a byte, both from one; the column counts characters.
pub(crate) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |line| line.chars().count())
        .saturating_add(1);
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebodys_text_is_short_and_tame() {
        assert_eq!(quote_text("a\u{1b}[31m\nb"), "`a [31m b`");
        assert_eq!(
            quote_text(&"x".repeat(61)),
            format!("`{}…`", "x".repeat(60))
        );
        assert_eq!(quote_list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }

    #[test]
    fn columns_are_characters() {
        assert_eq!(line_and_column("ä: 1\nbä: c", 10), (2, 4));
        assert_eq!(line_and_column("", 0), (1, 1));
    }
}
