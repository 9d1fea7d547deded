//! Text in HTML.

use crate::text::sanitize_text;

/// Text from outside as HTML, in elements and in quoted attributes. Control characters are
/// replaced.
pub(super) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in sanitize_text(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Text of our own messages as HTML: what is between backticks becomes code.
pub(super) fn format_message(text: &str) -> String {
    let mut html = String::new();
    for (position, part) in text.split('`').enumerate() {
        let escaped = escape_html(part);
        if position % 2 == 1 {
            html.extend([format!("<code>{escaped}</code>")]);
        } else {
            html.push_str(&escaped);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape_html("<a href='x'>\"&\u{202e}"),
            "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\u{fffd}"
        );
        assert_eq!(
            format_message("run `a <b>` again"),
            "run <code>a &lt;b&gt;</code> again"
        );
    }

    proptest! {
        #[test]
        fn no_text_contains_markup(text in any::<String>()) {
            prop_assert!(!escape_html(&text).contains(['<', '>', '"', '\'']));
        }
    }
}
