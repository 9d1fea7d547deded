//! A custom notification of Amazon Q Developer, as Slack shows it.

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::BOLD;

const CODE: Style = AnsiColor::Cyan.on_default();
const ITALIC: Style = Style::new().italic();
const STRUCK: Style = Style::new().strikethrough();

/// The lines of the message.
pub(super) fn lines(message: &Value) -> Vec<String> {
    let text = |pointer| {
        message
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let list = |pointer| {
        message
            .pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut lines = Vec::new();
    if !text("/content/title").is_empty() {
        lines.push(format!("{BOLD}{}{BOLD:#}", styled(text("/content/title"))));
    }
    lines.extend(text("/content/description").lines().map(styled));
    let steps: Vec<String> = list("/content/nextSteps")
        .filter_map(Value::as_str)
        .map(styled)
        .collect();
    if !steps.is_empty() {
        lines.push(format!("{BOLD}Next steps{BOLD:#}"));
        lines.extend(steps.iter().map(|one| format!("  • {one}")));
    }
    let keywords: Vec<String> = list("/content/keywords")
        .filter_map(Value::as_str)
        .map(styled)
        .collect();
    if !keywords.is_empty() {
        lines.push(format!("{ITALIC}{}{ITALIC:#}", keywords.join("  ")));
    }
    lines
}

/// Slack's markup as the terminal's.
fn styled(text: &str) -> String {
    let mut rest = links(text);
    for (mark, style, shown) in [('`', CODE, "`"), ('*', BOLD, ""), ('~', STRUCK, "")] {
        rest = pairs(&rest, mark, style, shown);
    }
    rest.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        .replace(":lock:", "🔒")
        .replace(":warning:", "⚠️")
}

/// `<address|words>` becomes "words (address)".
fn links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (inside, after))) = rest
        .split_once('<')
        .and_then(|(before, after)| Some((before, after.split_once('>')?)))
    {
        out.push_str(before);
        match inside.split_once('|') {
            Some((address, words)) => out.extend([words, " (", address, ")"]),
            None => out.push_str(inside),
        }
        rest = after;
    }
    out + rest
}

/// What stands between two marks gets the style, and `shown` around it; a mark without a partner stays.
fn pairs(text: &str, mark: char, style: Style, shown: &str) -> String {
    let parts: Vec<&str> = text.split(mark).collect();
    let lonely = usize::from(parts.len().is_multiple_of(2));
    let styled = parts.len().saturating_sub(lonely);
    let mut out = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at >= styled {
            out.push(mark);
            out.push_str(part);
        } else if at.is_multiple_of(2) {
            out.push_str(part);
        } else {
            let (on, off) = (style.render().to_string(), style.render_reset().to_string());
            out.extend([&on, shown, *part, shown, &off]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(&styled(text)).to_string()
    }

    #[test]
    fn marks_vanish_and_single_ones_stay() {
        assert_eq!(
            plain("*2 rules* of `sg-1` closed"),
            "2 rules of `sg-1` closed"
        );
        assert_eq!(plain("5 * 3"), "5 * 3");
        assert_eq!(plain("*a* * b"), "a * b");
    }

    #[test]
    fn links_show_their_address() {
        assert_eq!(
            plain("see <https://a.example/x|the console> &amp; act"),
            "see the console (https://a.example/x) & act"
        );
        assert_eq!(plain("1 < 2"), "1 < 2");
    }
}
