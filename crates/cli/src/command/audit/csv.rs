//! `audit --format csv`: one row for each finding, as in RFC 4180.
//!
//! Spreadsheets execute cells that start like a formula. Cells with text from outside that do so
//! get an apostrophe in front (OWASP, "CSV Injection").

use std::borrow::Cow;

use crate::audit::opening::GroupFinding;
use crate::audit::owner::group_owner;
use crate::audit::view::AuditView;
use crate::text::sanitize_text;

const HEADER: [&str; 18] = [
    "account",
    "region",
    "group_id",
    "group_name",
    "vpc_id",
    "owner",
    "security_group_rule_id",
    "protocol",
    "from_port",
    "to_port",
    "source",
    "description",
    "rule",
    "severity",
    "action",
    "offending_ports",
    "exempt",
    "references",
];

/// The findings as comma-separated values, with a header.
pub(super) fn render_csv(view: &AuditView<'_>) -> String {
    let mut text = String::new();
    push_record(&mut text, &HEADER.map(Cow::Borrowed));
    for found in &view.findings {
        push_record(&mut text, &finding_cells(view, *found));
    }
    text
}

fn finding_cells<'a>(view: &AuditView<'_>, found: GroupFinding<'a>) -> [Cow<'a, str>; 18] {
    let GroupFinding { group, finding } = found;
    let (ingress, policy_rule) = (&finding.ingress, &finding.policy_rule);
    let (from_port, to_port) = ingress.display_ports();
    let arn = view.audit.arns.get(&group.id);
    let account = arn.map(|arn| &arn.account).or(group.owner_id.as_ref());
    [
        text_cell(account),
        text_cell(arn.map(|arn| &arn.region)),
        text_cell(Some(&group.id)),
        text_cell(group.name.as_ref()),
        text_cell(group.vpc_id.as_ref()),
        text_cell(group_owner(group).as_ref()),
        text_cell(ingress.id.as_ref()),
        ingress.protocol().to_string().into(),
        number_cell(from_port),
        number_cell(to_port),
        text_cell(Some(&ingress.source.to_string())),
        text_cell(ingress.description.as_ref()),
        text_cell(Some(&policy_rule.id)),
        policy_rule.severity.to_string().into(),
        policy_rule.action.to_string().into(),
        finding.offending.to_string().into(),
        text_cell(finding.exempted_by.as_ref()),
        text_cell(Some(&policy_rule.references.join(" "))),
    ]
}

fn number_cell(number: Option<i32>) -> Cow<'static, str> {
    match number {
        Some(number) => number.to_string().into(),
        None => "".into(),
    }
}

/// A cell with text from outside, which is never a formula. An unknown text is empty.
fn text_cell(text: Option<&String>) -> Cow<'static, str> {
    let text = sanitize_text(text.map_or("", String::as_str));
    if starts_like_formula(&text) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

/// Whether a spreadsheet may execute a cell, also where it removes leading blanks or understands
/// full-width characters.
fn starts_like_formula(text: &str) -> bool {
    text.trim_start()
        .chars()
        .next()
        .is_some_and(|c| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c))
}

/// Adds a record. Cells that are more than a plain word are quoted, so that no separator of any
/// locale splits them.
fn push_record(text: &mut String, cells: &[Cow<'_, str>; 18]) {
    for (position, cell) in cells.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        if cell.chars().all(is_plain_char) {
            text.push_str(cell);
        } else {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        }
    }
    text.push_str("\r\n");
}

fn is_plain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(cell: &str) -> String {
        let mut cells = [const { Cow::Borrowed("") }; 18];
        cells[0] = text_cell(Some(&cell.to_owned()));
        let mut text = String::new();
        push_record(&mut text, &cells);
        text.trim_end_matches(",,,,,,,,,,,,,,,,,\r\n").to_owned()
    }

    #[test]
    fn formulas_are_neutralized_and_separators_are_quoted() {
        for (cell, expected) in [
            ("sg-1", "sg-1"),
            ("", ""),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("a;b", "\"a;b\""),
            ("=1+1", "\"'=1+1\""),
            ("-2", "\"'-2\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("  +cmd", "\"'  +cmd\""),
            ("\t=x", "\"\u{fffd}=x\""),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("a\nb", "\"a\u{fffd}b\""),
        ] {
            assert_eq!(record(cell), expected, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_formula_or_breaks_its_cell(cell in any::<String>()) {
            let written = record(&cell);
            let inner = match written.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"').unwrap().replace("\"\"", "\u{1}"),
                None => written,
            };
            prop_assert!(!inner.contains(['"', '\r', '\n']));
            prop_assert!(!starts_like_formula(&inner), "{}", inner);
        }
    }
}
