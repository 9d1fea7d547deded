//! Tables that are fitted to a width: cells have several lines, and long lines wrap.

use std::borrow::Cow;

use crate::output::BOLD;
use crate::wrap::{display_width, wrap_text};

use super::{EMPTY_CELL, RowStyle};

/// The blanks between two columns.
const GAP: usize = 2;

/// The width to which flexible columns shrink if there is no other way.
const LEAST_WIDTH: usize = 12;

/// A column of a fitted table.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The heading.
    pub(crate) title: Cow<'static, str>,
    /// The width to which the column may shrink; `None` if its cells must not wrap.
    pub(crate) min_width: Option<usize>,
}

/// A row: a cell for each column, each with any number of lines.
#[derive(Debug, Clone)]
pub(crate) struct FittedRow {
    /// The style of the row.
    pub(crate) style: RowStyle,
    /// The lines of each cell.
    pub(crate) cells: Vec<Vec<String>>,
}

/// The widths of the columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnWidths(Vec<usize>);

impl Column {
    /// A column whose cells never wrap.
    pub(crate) const fn fixed(title: &'static str) -> Self {
        Self {
            title: Cow::Borrowed(title),
            min_width: None,
        }
    }

    /// A column that may shrink to this width.
    pub(crate) const fn flexible(title: &'static str, min_width: usize) -> Self {
        Self {
            title: Cow::Borrowed(title),
            min_width: Some(min_width),
        }
    }

    /// The least width of a cell that may wrap, if the table must be narrower than it should be.
    fn least_width(&self) -> Option<usize> {
        let title_width = display_width(&self.title);
        self.min_width
            .map(|min_width| min_width.min(LEAST_WIDTH).max(title_width))
    }

    /// The width to which the column should shrink at most.
    fn good_width(&self) -> Option<usize> {
        let title_width = display_width(&self.title);
        self.min_width.map(|min_width| min_width.max(title_width))
    }
}

impl ColumnWidths {
    /// The widths with which the table fits; `None` if the columns cannot shrink enough.
    pub(crate) fn fit(columns: &[Column], rows: &[FittedRow], width: usize) -> Option<Self> {
        let mut widths = Self::natural(columns, rows);
        widths.shrink(columns, width, Column::good_width);
        (widths.total() <= width).then_some(widths)
    }

    /// The widths with which the table fits, or else the smallest ones.
    pub(crate) fn fit_or_shrink(columns: &[Column], rows: &[FittedRow], width: usize) -> Self {
        let mut widths = Self::natural(columns, rows);
        widths.shrink(columns, width, Column::good_width);
        widths.shrink(columns, width, Column::least_width);
        widths
    }

    /// The widths without wrapping. A column without values has the width 0 and is left out.
    fn natural(columns: &[Column], rows: &[FittedRow]) -> Self {
        let mut widths = Vec::new();
        for (position, column) in columns.iter().enumerate() {
            let lines: Vec<_> = rows
                .iter()
                .filter_map(|row| row.cells.get(position))
                .flatten()
                .collect();
            let has_values = lines.iter().any(|line| line.as_str() != EMPTY_CELL);
            let longest = lines.iter().map(|line| display_width(line)).max();
            widths.push(if has_values {
                longest.unwrap_or(0).max(display_width(&column.title))
            } else {
                0
            });
        }
        Self(widths)
    }

    /// Takes width from the widest flexible columns until the table fits, or they have their least
    /// width.
    fn shrink(&mut self, columns: &[Column], width: usize, least: fn(&Column) -> Option<usize>) {
        while self.total() > width {
            let flexible = self.0.iter_mut().zip(columns).filter(|(width, column)| {
                let least_width = least(column);
                least_width.is_some_and(|least_width| **width > least_width)
            });
            // The last of several columns of the same width shrinks first.
            let Some((widest, _)) = flexible.max_by_key(|(width, _)| **width) else {
                return;
            };
            *widest = widest.saturating_sub(1);
        }
    }

    fn total(&self) -> usize {
        let shown = self.0.iter().filter(|width| **width > 0);
        let sum = shown
            .map(|width| width.saturating_add(GAP))
            .fold(0, usize::saturating_add);
        sum.saturating_sub(GAP)
    }
}

/// A table whose columns have these widths.
pub(crate) fn format_fitted_table(
    columns: &[Column],
    rows: &[FittedRow],
    widths: &ColumnWidths,
) -> String {
    let titles = columns.iter().map(|column| column.title.to_uppercase());
    let titles: Vec<_> = titles.map(|title| vec![title]).collect();
    let mut text = String::new();
    for line in row_lines(&titles, widths) {
        text.extend([format!("{BOLD}{line}{BOLD:#}\n")]);
    }
    for row in rows {
        for (position, line) in row_lines(&row.cells, widths).iter().enumerate() {
            text.push_str(&row.style.style_line(line, position == 0));
        }
    }
    text
}

/// The lines of a row, without trailing blanks.
fn row_lines(cells: &[Vec<String>], widths: &ColumnWidths) -> Vec<String> {
    let shown = cells.iter().zip(&widths.0).filter(|(_, width)| **width > 0);
    let wrapped: Vec<(Vec<String>, usize)> = shown
        .map(|(cell, width)| (wrap_cell(cell, *width), *width))
        .collect();
    let height = wrapped.iter().map(|(lines, _)| lines.len()).max();
    let mut rendered = Vec::new();
    for row in 0..height.unwrap_or(0) {
        let mut line = String::new();
        for (lines, width) in &wrapped {
            let cell = lines.get(row).map_or("", String::as_str);
            let missing = width.saturating_sub(display_width(cell));
            line.push_str(cell);
            line.push_str(&" ".repeat(missing.saturating_add(GAP)));
        }
        rendered.push(line.trim_end().to_owned());
    }
    rendered
}

fn wrap_cell(cell: &[String], width: usize) -> Vec<String> {
    cell.iter()
        .flat_map(|line| wrap_text(line, width))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: [Column; 3] = [
        Column::fixed("id"),
        Column::flexible("name", 4),
        Column::flexible("notes", 6),
    ];

    fn row(cells: [&str; 3]) -> FittedRow {
        FittedRow {
            style: RowStyle::Dimmed,
            cells: cells
                .iter()
                .map(|cell| cell.split('\n').map(str::to_owned).collect())
                .collect(),
        }
    }

    fn plain_table(rows: &[FittedRow], width: usize) -> String {
        let widths = ColumnWidths::fit_or_shrink(&COLUMNS, rows, width);
        let text = format_fitted_table(&COLUMNS, rows, &widths);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn cells_wrap_and_empty_columns_are_left_out() {
        let rows = [
            row(["1", "-", "one two three"]),
            row(["2", "-", "four\n\"five\""]),
        ];
        assert_eq!(
            plain_table(&rows, 12),
            "ID  NOTES\n1   one two\n    three\n2   four\n    \"five\"\n"
        );
        assert_eq!(ColumnWidths::fit(&COLUMNS, &rows, 6), None);
        assert_eq!(
            plain_table(&rows, 80).lines().nth(1),
            Some("1   one two three")
        );
    }

    proptest! {
        #[test]
        fn every_line_fits(
            cells in prop::collection::vec(("[a-z]{1,4}", "[a-z日 ]{0,40}", "[a-z ]{0,60}"), 1..6),
            width in 20..100_usize,
        ) {
            let rows: Vec<_> = cells.iter().map(|(a, b, c)| row([a, b, c])).collect();
            for line in plain_table(&rows, width).lines() {
                prop_assert!(display_width(line) <= width, "{}", line);
            }
        }
    }
}
