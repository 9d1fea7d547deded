//! Makes untrusted text safe to display: group names, descriptions, session names, user agents and
//! error messages.
//!
//! Whoever can open a group can also choose these texts, and the security team reads them.

/// One line of visible text of at most `max` characters, for e-mail: no control or invisible
/// characters, nothing that changes the direction of writing, no terminal escapes, and nothing that
/// mail programs turn into a link.
pub fn sanitize_line(text: &str, max: usize) -> String {
    // Later characters cannot be part of the result, so a long text costs no time.
    let bounded: String = text
        .chars()
        .take(max.saturating_mul(4).saturating_add(64))
        .collect();
    let visible = strip_invisible(&strip_terminal_escapes(&bounded));
    truncate_with_ellipsis(&break_links(&visible), max)
}

/// As [`sanitize_line`], and without anything that chat programs treat as markup, a mention or an
/// entity.
pub fn sanitize_chat(text: &str, max: usize) -> String {
    let plain: String = sanitize_line(text, max)
        .chars()
        .map(replace_markup)
        .collect();
    truncate_with_ellipsis(&break_mentions(&plain), max)
}

/// As [`sanitize_line`], in printable ASCII: for subjects.
pub fn sanitize_ascii(text: &str, max: usize) -> String {
    let plain: String = sanitize_line(text, max.saturating_add(1))
        .chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect();
    if plain.len() <= max {
        return plain;
    }
    plain
        .chars()
        .take(max.saturating_sub(2))
        .chain("..".chars())
        .take(max)
        .collect()
}

/// At most `max` characters. A shortened text ends with an ellipsis.
pub fn truncate_with_ellipsis(text: &str, max: usize) -> String {
    if text.char_indices().nth(max).is_none() {
        return text.to_owned();
    }
    text.chars()
        .take(max.saturating_sub(1))
        .chain(['\u{2026}'])
        .take(max)
        .collect()
}

/// Removes whole terminal sequences (`ESC [ 31 m`), so that no `[31m` is left.
fn strip_terminal_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let introduced = match c {
            '\u{1b}' => rest.next_if_eq(&'[').is_some(),
            '\u{9b}' => true,
            _ => {
                out.push(c);
                false
            }
        };
        if introduced {
            while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
            rest.next_if(|c| matches!(c, '@'..='~'));
        }
    }
    out
}

/// The visible characters, with single spaces in place of whitespace and control characters.
fn strip_invisible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|&c| !is_invisible(c)) {
        if !c.is_control() && !c.is_whitespace() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Whether a character is invisible or changes how others are displayed: Unicode's
/// `Default_Ignorable_Code_Point`, the marks that change the direction of writing, annotation
/// marks, private use and noncharacters.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{fffe}'..='\u{ffff}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
            | '\u{f0000}'..='\u{10ffff}'
    )
}

/// Breaks everything that mail and chat programs turn into links.
fn break_links(text: &str) -> String {
    let mut text = text.replace("://", ":/ /");
    for start in ["www.", "mailto:"] {
        text = break_word(&text, start);
    }
    text
}

/// Inserts a space before the last character of every `word`, ignoring case. `word` is ASCII.
fn break_word(text: &str, word: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (start, found) in lower.match_indices(word) {
        let last = start.saturating_add(found.len()).saturating_sub(1);
        out.push_str(text.get(from..last).unwrap_or_default());
        out.push(' ');
        from = last;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// A similar character in place of each that has a meaning in chat programs.
const fn replace_markup(c: char) -> char {
    match c {
        '<' => '\u{2039}',
        '>' => '\u{203a}',
        '&' => '\u{ff06}',
        '`' | '\u{b4}' => '\'',
        '*' => '\u{2217}',
        '~' => '\u{223c}',
        '|' => '\u{2223}',
        '[' => '(',
        ']' => ')',
        other => other,
    }
}

/// Writes `(at)` in place of an at-sign that could mention someone. At-signs inside e-mail
/// addresses are kept.
fn break_mentions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let inside_address = out.ends_with(|before: char| before.is_ascii_alphanumeric());
        if c == '@' && (!inside_address || is_broadcast_mention(rest.as_str())) {
            out.push_str("(at)");
        } else {
            out.push(c);
        }
    }
    out
}

fn is_broadcast_mention(text: &str) -> bool {
    ["here", "channel", "everyone", "all"].iter().any(|word| {
        text.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in [
            "web",
            "temp ssh for #1234 (ask Bob)",
            "alice@example.com (role Developer)",
            "Zürich 東京",
            "a_b",
        ] {
            assert_eq!(sanitize_line(text, 99), text);
            assert_eq!(sanitize_chat(text, 99), text);
        }
        assert_eq!(sanitize_ascii("Zürich", 99), "Z?rich");
    }

    #[test]
    fn control_sequences_are_removed() {
        assert_eq!(
            sanitize_line("a\u{1b}[31;1mred\u{1b}[0m\r\nSubject: x\t\0y", 99),
            "ared Subject: x y"
        );
        assert_eq!(
            sanitize_line("a\u{9b}2Jb\u{1b}]0;title\u{7}c", 99),
            "ab]0;title c"
        );
        assert_eq!(
            sanitize_line("user\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}", 99),
            "usergnp.exe"
        );
        assert_eq!(sanitize_line("\u{200b}\u{3000}\n", 99), "");
    }

    #[test]
    fn links_and_mentions_are_broken() {
        assert_eq!(
            sanitize_chat("<!channel> <@U123> <https://evil.example|click>", 99),
            "\u{2039}!channel\u{203a} \u{2039}(at)U123\u{203a} \
             \u{2039}https:/ /evil.example\u{2223}click\u{203a}"
        );
        assert_eq!(
            sanitize_chat("@here x@here @Everyone *b* `c` &lt;", 99),
            "(at)here x(at)here (at)Everyone \u{2217}b\u{2217} 'c' \u{ff06}lt;"
        );
        assert_eq!(
            sanitize_line("see HTTP://evil.example or Www.evil.example", 99),
            "see HTTP:/ /evil.example or Www .evil.example"
        );
        assert_eq!(sanitize_line("mailto:x", 99), "mailto :x");
    }

    #[test]
    fn shortened_text_ends_with_an_ellipsis() {
        assert_eq!(truncate_with_ellipsis("abcdef", 6), "abcdef");
        assert_eq!(truncate_with_ellipsis("abcdefg", 6), "abcde\u{2026}");
        assert_eq!(truncate_with_ellipsis("abc", 0), "");
        assert_eq!(sanitize_line(&"x".repeat(5000), 10), "xxxxxxxxx\u{2026}");
        assert_eq!(sanitize_ascii("abcdef", 6), "abcdef");
        assert_eq!(sanitize_ascii("abcdefg", 6), "abcd..");
        assert_eq!(sanitize_chat(&"@".repeat(5000), 10).chars().count(), 10);
    }

    /// Texts with pieces of attacks and other characters.
    fn hostile_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "<!channel>",
                "<@U1>",
                "<https://e.example|x>",
                "@here",
                "@channel",
                "@everyone",
                "http",
                "://",
                "www",
                ".",
                "*b*",
                "`",
                "&lt;",
                "\u{1b}[31m",
                "\u{1b}",
                "[0m",
                "\u{9b}",
                "\n",
                "\r\n",
                "\u{202e}",
                "\u{200b}",
                "\0",
                "@",
                "here",
                "\"",
                "\\",
                "{",
                "mailto",
                ":",
                "~x~",
                "\u{2028}",
                "HTTPS://",
                "www.",
                "e",
                "\u{85}",
                "\u{e0041}",
                "tel:",
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    fn is_plain(text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        !text
            .chars()
            .any(|c| c.is_control() || is_invisible(c) || (c.is_whitespace() && c != ' '))
            && !["://", "www.", "mailto:"]
                .iter()
                .any(|link| lower.contains(link))
    }

    proptest! {
        #[test]
        fn email_text_is_one_plain_line(text in hostile_text(), max in 0..300_usize) {
            let clean = sanitize_line(&text, max);
            prop_assert!(is_plain(&clean), "{clean:?}");
            prop_assert!(clean.chars().count() <= max);
        }

        #[test]
        fn chat_text_has_no_markup_and_no_mentions(text in hostile_text(), max in 0..300_usize) {
            let clean = sanitize_chat(&text, max);
            prop_assert!(is_plain(&clean), "{clean:?}");
            let markup = ['<', '>', '&', '`', '*', '~', '|', '[', ']'];
            prop_assert!(!clean.contains(markup), "{clean:?}");
            let lower = clean.to_ascii_lowercase();
            for mention in ["@here", "@channel", "@everyone"] {
                prop_assert!(!lower.contains(mention), "{clean:?}");
            }
            prop_assert!(!clean.starts_with('@') && !clean.contains(" @"), "{clean:?}");
            prop_assert!(clean.chars().count() <= max);
        }

        #[test]
        fn a_subject_part_is_printable_ascii(text in hostile_text(), max in 0..99_usize) {
            let clean = sanitize_ascii(&text, max);
            prop_assert!(clean.chars().all(|c| matches!(c, ' '..='~')), "{clean:?}");
            prop_assert!(clean.len() <= max, "{clean:?}");
        }

        #[test]
        fn sanitizing_is_idempotent(text in hostile_text()) {
            let clean = sanitize_line(&text, 200);
            prop_assert_eq!(sanitize_line(&clean, 200), clean);
        }
    }
}
