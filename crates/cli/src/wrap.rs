//! Wrapping text to a width.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many columns of a terminal a text takes.
pub(crate) fn display_width(text: &str) -> usize {
    text.width()
}

/// The text in lines of at most this width. Lines break at blanks. Words that are longer than a
/// line break after punctuation, or else anywhere. There is always at least one line.
pub(crate) fn wrap_text(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        for piece in split_word(word, width) {
            push_word(&mut lines, &piece, width);
        }
    }
    lines
}

/// Wraps a text and puts an indent before every line; the first line has its own.
pub(crate) fn wrap_indented(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let indent_width = display_width(first).max(display_width(rest));
    let lines = wrap_text(text, width.saturating_sub(indent_width));
    let mut indented = Vec::new();
    for line in lines {
        let indent = if indented.is_empty() { first } else { rest };
        indented.push(format!("{indent}{line}"));
    }
    indented
}

/// Adds a word to the last line, or to a new line if there is no space.
fn push_word(lines: &mut Vec<String>, word: &str, width: usize) {
    if let Some(last) = lines.last_mut() {
        if last.is_empty() {
            last.push_str(word);
            return;
        }
        let needed = display_width(last).saturating_add(1);
        if needed.saturating_add(display_width(word)) <= width {
            last.push(' ');
            last.push_str(word);
            return;
        }
    }
    lines.push(word.to_owned());
}

/// The pieces of a word that fit into a line.
fn split_word(word: &str, width: usize) -> Vec<String> {
    if display_width(word) <= width {
        return vec![word.to_owned()];
    }
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for c in word.chars() {
        let needed = c.width().unwrap_or(0);
        while !piece.is_empty() && display_width(&piece).saturating_add(needed) > width {
            let rest = split_after_punctuation(&mut piece);
            pieces.push(std::mem::replace(&mut piece, rest));
        }
        piece.push(c);
    }
    pieces.push(piece);
    pieces
}

/// Cuts a piece after its last punctuation, unless little of it would remain. Returns the rest.
fn split_after_punctuation(piece: &mut String) -> String {
    let last = piece.rfind(['-', '/', '.', ',', '@', '_', '>', ')']);
    match last.map(|position| position.saturating_add(1)) {
        Some(end) if end < piece.len() && end >= piece.len() / 3 => piece.split_off(end),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrap_text("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap_text("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap_text("日本語 x", 4), ["日本", "語 x"]);
        assert_eq!(wrap_text("  ", 4), [""]);
        assert_eq!(wrap_text("one-two-three", 9), ["one-two-", "three"]);
        assert_eq!(
            wrap_indented("one two three", 9, "- ", "  "),
            ["- one two", "  three"]
        );
    }

    proptest! {
        #[test]
        fn lines_fit_and_no_character_is_lost(text in "[a-z日. -]{0,60}", width in 2..30_usize) {
            let lines = wrap_text(&text, width);
            for line in &lines {
                prop_assert!(display_width(line) <= width, "{:?}", lines);
            }
            let kept: String = lines.concat().replace(' ', "");
            prop_assert_eq!(kept, text.replace(' ', ""));
        }
    }
}
