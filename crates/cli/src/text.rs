//! Text for people: made safe for a terminal, and counted nouns.

/// Text from an input, safe to print on a terminal: control characters and changes of the writing
/// direction become U+FFFD.
pub(crate) fn sanitize_text(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe_char(c) { '\u{fffd}' } else { c })
        .collect()
}

fn is_unsafe_char(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Text from an input as one word of a shell command. Control characters are replaced.
pub(crate) fn quote_for_shell(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let quoted = sanitize_text(text).replace('\'', r"'\''");
    format!("'{quoted}'")
}

/// A number with its noun: `1 group`, `2 groups`.
pub(crate) fn format_count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A text in lines of limited width, of which a longer word is the only one in its line. The first
/// line starts with `indent`, the others with `hanging`.
pub(crate) fn wrap_words(text: &str, indent: &str, hanging: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = indent.to_owned();
    let mut has_words = false;
    for word in text.split_whitespace() {
        let needed = line.chars().count().saturating_add(word.chars().count());
        if has_words && needed >= width {
            lines.push(std::mem::replace(&mut line, hanging.to_owned()));
            has_words = false;
        }
        if has_words {
            line.push(' ');
        }
        line.push_str(word);
        has_words = true;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(
            sanitize_text("a\u{1b}[31mb\r\n\u{202e}c é"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c é"
        );
    }

    #[test]
    fn words_are_wrapped_with_a_hanging_indent() {
        let lines = wrap_words("one two three-and-more four", "- ", "    ", 10);
        assert_eq!(lines, ["- one two", "    three-and-more", "    four"]);
        assert_eq!(wrap_words("", "  ", "", 10), ["  "]);
    }
}
