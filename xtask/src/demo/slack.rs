//! Renders a custom notification of Amazon Q Developer as Slack shows it.

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::style::BOLD;

const CODE: Style = AnsiColor::Cyan.on_default();
const ITALIC: Style = Style::new().italic();
const STRUCK: Style = Style::new().strikethrough();

/// The lines of a notification.
pub(super) fn render_notification(message: &Value) -> Vec<String> {
    let text = |pointer| {
        let value = message.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default()
    };
    let mut lines = Vec::new();
    let title = text("/content/title");
    if !title.is_empty() {
        lines.push(format!("{BOLD}{}{BOLD:#}", render_markup(title)));
    }
    let description = text("/content/description");
    lines.extend(description.lines().map(render_markup));
    let steps = render_list(message, "/content/nextSteps");
    if !steps.is_empty() {
        lines.push(format!("{BOLD}Next steps{BOLD:#}"));
        lines.extend(steps.iter().map(|step| format!("  • {step}")));
    }
    let keywords = render_list(message, "/content/keywords");
    if !keywords.is_empty() {
        lines.push(format!("{ITALIC}{}{ITALIC:#}", keywords.join("  ")));
    }
    lines
}

fn render_list(message: &Value, pointer: &str) -> Vec<String> {
    let items = message.pointer(pointer).and_then(Value::as_array);
    let texts = items.into_iter().flatten().filter_map(Value::as_str);
    texts.map(render_markup).collect()
}

/// Replaces Slack's markup by styles of the terminal.
fn render_markup(text: &str) -> String {
    let mut rendered = expand_links(text);
    for (mark, style, shown) in [('`', CODE, "`"), ('*', BOLD, ""), ('~', STRUCK, "")] {
        rendered = style_pairs(&rendered, mark, style, shown);
    }
    rendered
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        .replace(":lock:", "🔒")
        .replace(":warning:", "⚠️")
}

/// `<address|text>` becomes "text (address)".
fn expand_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (inside, after))) = rest
        .split_once('<')
        .and_then(|(before, after)| Some((before, after.split_once('>')?)))
    {
        out.push_str(before);
        match inside.split_once('|') {
            Some((address, label)) => out.extend([label, " (", address, ")"]),
            None => out.push_str(inside),
        }
        rest = after;
    }
    out + rest
}

/// Styles the text between two marks and replaces the marks by `shown`. A mark without a second one
/// stays.
fn style_pairs(text: &str, mark: char, style: Style, shown: &str) -> String {
    let parts: Vec<&str> = text.split(mark).collect();
    let unpaired = usize::from(parts.len().is_multiple_of(2));
    let styled = parts.len().saturating_sub(unpaired);
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
        anstream::adapter::strip_str(&render_markup(text)).to_string()
    }

    #[test]
    fn paired_marks_are_removed_and_single_ones_stay() {
        assert_eq!(
            plain("*2 rules* of `sg-1` closed"),
            "2 rules of `sg-1` closed"
        );
        assert_eq!(plain("5 * 3"), "5 * 3");
        assert_eq!(plain("*a* * b"), "a * b");
    }

    #[test]
    fn links_are_shown_with_their_address() {
        assert_eq!(
            plain("see <https://a.example/x|the console> &amp; act"),
            "see the console (https://a.example/x) & act"
        );
        assert_eq!(plain("1 < 2"), "1 < 2");
    }
}
