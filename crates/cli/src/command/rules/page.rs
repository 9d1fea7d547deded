//! A page in Markdown, rendered for a terminal.
//!
//! Supports what the pages about policy rules use: headings, paragraphs, lists, tables, code
//! blocks, and in texts bold type, code and links. Italics are plain.

use crate::output::{BOLD, CODE};
use crate::table::{Column, ColumnWidths, FittedRow, RowStyle, format_fitted_table};
use crate::wrap::wrap_indented;

/// Marks the start and the end of bold type. It has no width, so it does not affect wrapping.
const BOLD_MARK: char = '\u{2062}';
/// Marks the start and the end of code.
const CODE_MARK: char = '\u{2063}';

/// The width to which a column of a table may shrink.
const MIN_COLUMN: usize = 8;

/// The indent of texts below a heading.
const INDENT: &str = "  ";

/// Renders a page for a terminal of this width.
pub(super) fn render_page(page: &str, width: usize) -> String {
    let mut renderer = Renderer {
        text: String::new(),
        width,
        indent: "",
    };
    for block in parse_blocks(page) {
        renderer.add_block(&block);
    }
    renderer.text
}

/// A part of a page.
enum Block<'a> {
    Heading {
        level: usize,
        text: &'a str,
    },
    Paragraph(String),
    /// The items with their bullets or numbers.
    List(Vec<(&'a str, String)>),
    Table(Vec<Vec<String>>),
    Code(Vec<&'a str>),
}

/// The parts of a page, in order.
fn parse_blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with("```") {
            let code = lines.by_ref().take_while(|line| !line.starts_with("```"));
            blocks.push(Block::Code(code.collect()));
        } else if let Some((level, text)) = split_heading(line) {
            blocks.push(Block::Heading { level, text });
        } else {
            let mut part = vec![line];
            while let Some(next) = lines.next_if(|next| continues_block(next)) {
                part.push(next);
            }
            blocks.push(parse_text_block(&part));
        }
    }
    blocks
}

/// The level and the text of a heading.
fn split_heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len().saturating_sub(text.len());
    (level > 0 && text.starts_with(' ')).then(|| (level, text.trim()))
}

fn continues_block(line: &str) -> bool {
    !(line.trim().is_empty() || line.starts_with("```") || line.starts_with('#'))
}

/// The block of consecutive lines: a table, a list or a paragraph.
fn parse_text_block<'a>(lines: &[&'a str]) -> Block<'a> {
    if lines.iter().all(|line| line.starts_with('|')) {
        let rows = lines.iter().filter(|line| !is_table_rule(line));
        return Block::Table(rows.map(|line| table_cells(line)).collect());
    }
    let mut items: Vec<(&str, String)> = Vec::new();
    for line in lines {
        match (split_item(line), items.last_mut()) {
            (Some((mark, text)), _) => items.push((mark, text.to_owned())),
            (None, Some((_, item))) => {
                item.push(' ');
                item.push_str(line.trim());
            }
            (None, None) => return Block::Paragraph(lines.join(" ")),
        }
    }
    Block::List(items)
}

/// The bullet or number of an item, and its text.
fn split_item(line: &str) -> Option<(&str, &str)> {
    let (mark, text) = line.split_once(' ')?;
    let number = mark.strip_suffix('.').unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (mark == "-" || is_number).then_some((mark, text))
}

/// Whether a line separates the header of a table: `|---|---|`.
fn is_table_rule(line: &str) -> bool {
    line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

fn table_cells(line: &str) -> Vec<String> {
    line.trim()
        .trim_matches('|')
        .split('|')
        .map(|cell| plain_text(cell.trim()))
        .collect()
}

struct Renderer {
    text: String,
    width: usize,
    indent: &'static str,
}

impl Renderer {
    fn add_block(&mut self, block: &Block<'_>) {
        let is_first = self.text.is_empty();
        if !is_first {
            self.text.push('\n');
        }
        match block {
            Block::Heading { level, text } => self.add_heading(*level, text),
            Block::Paragraph(text) => self.add_text(text, self.indent, self.indent),
            Block::List(items) => self.add_list(items),
            Block::Table(rows) => self.add_table(rows),
            Block::Code(lines) => self.add_code(lines),
        }
    }

    fn add_heading(&mut self, level: usize, text: &str) {
        let plain = plain_text(text);
        let line = match level {
            1 => plain,
            2 => plain.to_uppercase(),
            _ => format!("{INDENT}{plain}"),
        };
        // The text before the first section is not indented.
        if level > 1 {
            self.indent = INDENT;
        }
        self.text.extend([format!("{BOLD}{line}{BOLD:#}\n")]);
    }

    fn add_list(&mut self, items: &[(&str, String)]) {
        for (mark, text) in items {
            let first = format!("{}{mark} ", self.indent);
            let rest = " ".repeat(first.len());
            self.add_text(text, &first, &rest);
        }
    }

    fn add_text(&mut self, text: &str, first: &str, rest: &str) {
        let marked = mark_styles(text);
        let lines = wrap_indented(&marked, self.width, first, rest);
        self.text.push_str(&apply_styles(&lines));
    }

    fn add_table(&mut self, rows: &[Vec<String>]) {
        let Some((header, body)) = rows.split_first() else {
            return;
        };
        let columns: Vec<_> = header
            .iter()
            .map(|title| Column {
                title: title.clone().into(),
                min_width: Some(MIN_COLUMN),
            })
            .collect();
        let rows: Vec<_> = body
            .iter()
            .map(|cells| FittedRow {
                style: RowStyle::Plain,
                cells: cells.iter().map(|cell| vec![cell.clone()]).collect(),
            })
            .collect();
        let width = self.width.saturating_sub(self.indent.len());
        let widths = ColumnWidths::fit_or_shrink(&columns, &rows, width);
        for line in format_fitted_table(&columns, &rows, &widths).lines() {
            self.text.extend([format!("{}{line}\n", self.indent)]);
        }
    }

    /// Code is not wrapped, so that it can be copied.
    fn add_code(&mut self, lines: &[&str]) {
        for line in lines {
            let line = format!("{INDENT}{}{line}", self.indent);
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }
}

/// A text with marks for bold type and code, and links without their targets. The targets are pages
/// that the reader of a terminal does not have.
fn mark_styles(text: &str) -> String {
    let mut marked = String::new();
    for (position, part) in text.split('`').enumerate() {
        if position % 2 == 1 {
            marked.extend([format!("{CODE_MARK}{part}{CODE_MARK}")]);
        } else {
            let mark = BOLD_MARK.to_string();
            let bold = part.replace("**", &mark).replace('*', "");
            marked.push_str(&remove_link_targets(&bold));
        }
    }
    marked
}

fn remove_link_targets(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((name, after)) = link.split_once("](") else {
            break;
        };
        let Some((_, after)) = after.split_once(')') else {
            break;
        };
        kept.push_str(before);
        kept.push_str(name);
        rest = after;
    }
    kept + rest
}

/// A text without bold type, code and links.
fn plain_text(text: &str) -> String {
    let marked = mark_styles(text);
    marked.replace([BOLD_MARK, CODE_MARK], "")
}

/// Lines with styles instead of marks. A style that spans lines starts again in each of them, so
/// that an indent has no style.
fn apply_styles(lines: &[String]) -> String {
    let mut state = StyleState::default();
    let mut text = String::new();
    for line in lines {
        let content = line.trim_start();
        let indent = line.len().saturating_sub(content.len());
        text.push_str(&" ".repeat(indent));
        text.push_str(&state.restart());
        for c in content.chars() {
            match state.switch(c) {
                Some(style) => text.push_str(&style),
                None => text.push(c),
            }
        }
        text.push_str(&state.pause());
        text.push('\n');
    }
    text
}

/// The styles at a place of a text.
#[derive(Default)]
struct StyleState {
    is_bold: bool,
    is_code: bool,
}

impl StyleState {
    /// Starts or ends a style if this is its mark.
    fn switch(&mut self, c: char) -> Option<String> {
        let (state, style) = match c {
            BOLD_MARK => (&mut self.is_bold, BOLD),
            CODE_MARK => (&mut self.is_code, CODE),
            _ => return None,
        };
        *state = !*state;
        let is_on = *state;
        Some(if is_on {
            style.render().to_string()
        } else {
            style.render_reset().to_string()
        })
    }

    /// Starts the styles again after the end of a line.
    fn restart(&self) -> String {
        let bold = self.is_bold.then(|| BOLD.render().to_string());
        let code = self.is_code.then(|| CODE.render().to_string());
        bold.into_iter().chain(code).collect()
    }

    /// Ends the styles at the end of a line.
    fn pause(&self) -> String {
        if self.is_bold || self.is_code {
            BOLD.render_reset().to_string()
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::display_width;

    const PAGE: &str = "# all-traffic\n\n*Everything* is\nopen.\n\n## What\n\nA rule of **protocol `-1`** \
        that is open; see [the policy](../policy.md).\n\n| port | service |\n|---|---|\n| 20, 21 | FTP |\n\n\
        - **One.** The first\n  item\n- two\n\n1. Open `VPC`.\n\n### AWS CLI\n\n```sh\naws ec2 \\\n  \
        revoke\n```\n";

    fn plain_page(width: usize) -> String {
        let text = render_page(PAGE, width);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn markdown_becomes_plain_text() {
        let expected = "\
all-traffic

Everything is open.

WHAT

  A rule of protocol -1 that is open; see
  the policy.

  PORT    SERVICE
  20, 21  FTP

  - One. The first item
  - two

  1. Open VPC.

  AWS CLI

    aws ec2 \\
      revoke
";
        assert_eq!(plain_page(42), expected);
    }

    #[test]
    fn styles_end_with_their_lines() {
        let styled = render_page("a **bold text** and `code`", 9);
        let bold = |text: &str| format!("{BOLD}{text}{BOLD:#}");
        let code = format!("{CODE}code{CODE:#}");
        let (first, second) = (bold("bold"), bold("text"));
        assert_eq!(styled, format!("a {first}\n{second} and\n{code}\n"));
    }

    #[test]
    fn every_line_fits() {
        for width in [40, 60, 80] {
            for line in plain_page(width).lines() {
                assert!(display_width(line) <= width, "{line}");
            }
        }
    }
}
