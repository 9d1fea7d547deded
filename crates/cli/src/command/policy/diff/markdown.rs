//! A comparison in Markdown, for a comment on a pull request.

use std::fmt::Write as _;

use super::change::Direction;
use super::human::describe_group;
use super::report::{DiffReport, count_directions};
use crate::text::{format_count, sanitize_text};

/// How many rows a table has at most, because a comment has at most 65,536 characters.
const MAX_ROWS: usize = 50;

/// A row of a table, without its direction.
type Row<const N: usize> = (Direction, [String; N]);

/// The report as Markdown.
pub(super) fn render_report(report: &DiffReport) -> String {
    let verdict = if report.is_weakened() {
        "**This change weakens the policy.**"
    } else {
        "This change does not weaken the policy."
    };
    let old = escape(&report.old.name);
    let new = escape(&report.new.name);
    let mut text = format!("### Policy {old} → {new}\n\n{verdict}\n");
    let changes = report.changes.iter().map(|change| {
        let subject = change.subject.as_deref().unwrap_or_default();
        let part = format!("{} {subject}", change.section.noun());
        (
            change.direction,
            [part.trim_end().to_owned(), change.message.clone()],
        )
    });
    text.push_str(&table("Policy", ["Part", "Change"], changes.collect()));
    if let Some(findings) = &report.findings {
        let rows = findings.iter().map(|change| {
            let group = describe_group(change.group.name.as_ref(), &change.group.id);
            let [before, after] = change.describe_states();
            let rule = change.ingress.to_string();
            let cells = [group, rule, change.policy_rule.clone(), before, after];
            (change.direction, cells)
        });
        let header = [
            "Group",
            "Security group rule",
            "Policy rule",
            "Before",
            "After",
        ];
        text.push_str(&table("Findings", header, rows.collect()));
    }
    if let Some(plans) = &report.plans {
        let rows = plans.iter().map(|change| {
            let group = describe_group(change.group.name.as_ref(), &change.group.id);
            let events = format_count(change.event_count, "event");
            let cells = [
                group,
                events,
                change.before.describe(),
                change.after.describe(),
            ];
            (change.direction, cells)
        });
        let header = ["Group", "Events", "Before", "After"];
        text.push_str(&table("Plans", header, rows.collect()));
    }
    text
}

fn table<const N: usize>(title: &str, header: [&str; N], mut rows: Vec<Row<N>>) -> String {
    rows.sort_by_key(|(direction, _)| *direction);
    let counts = count_directions(rows.iter().map(|(direction, _)| *direction));
    let mut text = format!("\n**{title}:** {counts}\n");
    if rows.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\n| | {} |", header.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(N));
    let unlisted = rows.len().saturating_sub(MAX_ROWS);
    for (direction, cells) in rows.into_iter().take(MAX_ROWS) {
        let cells = cells.map(|cell| escape(&cell)).join(" | ");
        let _ = writeln!(text, "| {} | {cells} |", direction_label(direction));
    }
    if unlisted > 0 {
        let _ = writeln!(text, "\nand {unlisted} more");
    }
    text
}

const fn direction_label(direction: Direction) -> &'static str {
    match direction {
        Direction::Weaker => "🔴 **weaker**",
        Direction::Stricter => "🟢 stricter",
        Direction::Neutral => "⚪ neutral",
    }
}

/// Text that Markdown shows as it is: it forms no table, link, HTML or mention.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in sanitize_text(text).chars() {
        match c {
            '@' => escaped.push_str("&#64;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '>' | '#' | '|' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_form_markup() {
        assert_eq!(
            escape("a|b\n[x](http://y) <b> @ops `c`"),
            "a\\|b\u{fffd}\\[x\\](http://y) &lt;b> &#64;ops \\`c\\`".replace("b>", "b\\>")
        );
    }

    #[test]
    fn long_tables_are_cut() {
        let row = (Direction::Weaker, ["x".to_owned()]);
        let text = table("Policy", ["Part"], vec![row; MAX_ROWS + 2]);
        assert!(text.ends_with("\nand 2 more\n"), "{text}");
        assert!(text.contains("**Policy:** 52 weaker"), "{text}");
    }
}
