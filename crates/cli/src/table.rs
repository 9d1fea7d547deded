//! Tables for people: aligned columns without borders.

mod fitted;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, presets};
use portcullis_rules::Severity;

use crate::output::{BOLD, DIMMED};

pub(crate) use fitted::{Column, ColumnWidths, FittedRow, format_fitted_table};

/// The value of a cell that is empty.
pub(crate) const EMPTY_CELL: &str = "-";

/// How a row of a table is styled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowStyle {
    /// The first word has the color of this severity.
    Severity(Severity),
    /// The whole row is dimmed.
    Dimmed,
    /// The row has no style.
    Plain,
}

impl RowStyle {
    /// A line of a row. Only the first line of a row has the color of its severity.
    fn style_line(self, line: &str, is_first: bool) -> String {
        let (style, first, rest) = match self {
            Self::Plain => return format!("{line}\n"),
            Self::Severity(_) if !is_first => return format!("{line}\n"),
            Self::Severity(_) | Self::Dimmed => self.split_line(line),
        };
        format!("{style}{first}{style:#}{rest}\n")
    }

    /// The style, and how much of the line it applies to.
    fn split_line(self, line: &str) -> (Style, &str, &str) {
        match self {
            Self::Dimmed => (DIMMED, line, ""),
            Self::Plain => (Style::new(), line, ""),
            Self::Severity(severity) => {
                let end = line.find(' ').unwrap_or(line.len());
                let (first, rest) = line.split_at_checked(end).unwrap_or((line, ""));
                (severity_style(severity), first, rest)
            }
        }
    }
}

const fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
    }
}

/// A table with one line per row. Columns in which every cell is [`EMPTY_CELL`] are left out.
pub(crate) fn format_table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = (RowStyle, [String; N])>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.map(str::to_uppercase));
    let mut styles = Vec::new();
    let mut has_values = [false; N];
    for (style, row) in rows {
        styles.push(style);
        for (has_value, cell) in has_values.iter_mut().zip(&row) {
            *has_value |= cell != EMPTY_CELL;
        }
        table.add_row(row.map(Cell::new));
    }
    for (column, has_value) in table.column_iter_mut().zip(has_values) {
        column.set_padding((0, 2));
        if !has_value {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    style_lines(&table, styles)
}

fn style_lines(table: &Table, styles: Vec<RowStyle>) -> String {
    let header_style = std::iter::once(None);
    let styles = header_style.chain(styles.into_iter().map(Some));
    table
        .lines()
        .zip(styles)
        .map(|(line, style)| style_line(line.trim_end(), style))
        .collect()
}

/// A line of a table; the header has no row style.
fn style_line(line: &str, style: Option<RowStyle>) -> String {
    let (style, first, rest) = style.map_or((BOLD, line, ""), |style| style.split_line(line));
    format!("{style}{first}{style:#}{rest}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> (RowStyle, [String; 4]) {
        let style = RowStyle::Severity(Severity::High);
        (style, ["high", name, "-", "x"].map(str::to_owned))
    }

    #[test]
    fn columns_align_and_empty_columns_are_left_out() {
        let header = ["severity", "name", "id", "end"];
        let text = format_table(header, [row("é"), row("日本")]);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            plain,
            "SEVERITY  NAME  END\nhigh      é     x\nhigh      日本  x\n"
        );
    }
}
