//! The human-readable output of an audit: one row for each opening, the worst first.

mod summary;

use std::collections::BTreeSet;

use crate::audit::grouping::{GroupBy, Section};
use crate::audit::opening::Opening;
use crate::audit::owner::group_owner;
use crate::audit::view::AuditView;
use crate::command::findings::{describe_policy_rules, describe_traffic, opening_action};
use crate::output::BOLD;
use crate::table::{Column, ColumnWidths, EMPTY_CELL, FittedRow, RowStyle, format_fitted_table};
use crate::text::{format_count, sanitize_text};
use crate::wrap::wrap_text;

/// How many characters of a text from outside a table shows. The JSON output has all of them.
const MAX_TEXT_CHARS: usize = 80;

/// One line for each opening.
static WIDE: [Column; 11] = [
    Column::fixed("severity"),
    Column::fixed("action"),
    Column::fixed("region"),
    Column::flexible("group", 16),
    Column::fixed("group id"),
    Column::flexible("owner", 16),
    Column::fixed("rule id"),
    Column::fixed("allows"),
    Column::flexible("from", 20),
    Column::flexible("forbidden by", 40),
    Column::flexible("description", 20),
];

/// Ids below names and sources below traffic.
static MEDIUM: [Column; 6] = [
    Column::fixed("severity"),
    Column::flexible("group", 20),
    Column::flexible("owner", 12),
    Column::flexible("allows", 21),
    Column::flexible("forbidden by", 24),
    Column::flexible("description", 16),
];

/// Everything in as few columns as possible.
static COMPACT: [Column; 4] = [
    Column::fixed("severity"),
    Column::flexible("group", 20),
    Column::flexible("allows", 21),
    Column::flexible("forbidden by", 24),
];

#[derive(Debug, Clone, Copy)]
enum Layout {
    Wide,
    Medium,
    Compact,
}

impl Layout {
    fn columns(self) -> &'static [Column] {
        match self {
            Self::Wide => &WIDE,
            Self::Medium => &MEDIUM,
            Self::Compact => &COMPACT,
        }
    }
}

/// The tables of openings and a summary, fitted to a width.
pub(super) fn render_audit(view: &AuditView<'_>, width: usize) -> String {
    let sections = view.sections();
    let mut text = openings_tables(view, &sections, width);
    text.push_str(&summary::render_summary(view, &sections, width));
    text
}

fn openings_tables(view: &AuditView<'_>, sections: &[Section<'_>], width: usize) -> String {
    let with_region = shows_region(view);
    for layout in [Layout::Wide, Layout::Medium] {
        let rows = section_rows(view, sections, layout, with_region);
        if let Some(widths) = ColumnWidths::fit(layout.columns(), &rows.concat(), width) {
            return format_sections(view, sections, &rows, layout, &widths, width);
        }
    }
    let layout = Layout::Compact;
    let rows = section_rows(view, sections, layout, with_region);
    let widths = ColumnWidths::fit_or_shrink(layout.columns(), &rows.concat(), width);
    format_sections(view, sections, &rows, layout, &widths, width)
}

/// Whether the regions are not the same for all rows.
fn shows_region(view: &AuditView<'_>) -> bool {
    let regions: BTreeSet<_> = view
        .findings
        .iter()
        .map(|found| view.region_of(&found.group.id))
        .collect();
    view.audit.regions.len() > 1 || regions.len() > 1
}

/// The rows of each section.
fn section_rows(
    view: &AuditView<'_>,
    sections: &[Section<'_>],
    layout: Layout,
    with_region: bool,
) -> Vec<Vec<FittedRow>> {
    let mut rows = Vec::new();
    for section in sections {
        let section_rows = section.openings.iter().map(|opening| {
            let region = view.region_of(&opening.group.id).filter(|_| with_region);
            let mut texts = OpeningTexts::new(opening, region);
            texts.clear_heading(view.group_by);
            texts.into_row(layout)
        });
        rows.push(section_rows.collect());
    }
    rows
}

fn format_sections(
    view: &AuditView<'_>,
    sections: &[Section<'_>],
    rows: &[Vec<FittedRow>],
    layout: Layout,
    widths: &ColumnWidths,
    width: usize,
) -> String {
    let mut text = String::new();
    for (section, rows) in sections.iter().zip(rows) {
        if rows.is_empty() {
            continue;
        }
        if let Some(group_by) = view.group_by {
            for line in wrap_text(&section_heading(section, group_by), width) {
                text.extend([format!("{BOLD}{line}{BOLD:#}\n")]);
            }
        }
        text.push_str(&format_fitted_table(layout.columns(), rows, widths));
        text.push('\n');
    }
    text
}

fn section_heading(section: &Section<'_>, group_by: GroupBy) -> String {
    let name = match &section.name {
        Some(name) => sanitize_text(name),
        None => format!("unknown {group_by}"),
    };
    let openings = format_count(section.openings.len(), "opening");
    let worst = match section.severity() {
        Some(severity) => format!(", worst {severity}"),
        None => ", exempt".to_owned(),
    };
    format!("{name}: {openings}{worst}")
}

/// The texts about an opening. Texts that are missing are empty.
struct OpeningTexts {
    style: RowStyle,
    severity: String,
    action: String,
    region: String,
    name: String,
    group_id: String,
    owner: String,
    rule_id: String,
    traffic: String,
    source: String,
    policy_rules: String,
    description: String,
}

impl OpeningTexts {
    fn new(opening: &Opening<'_>, region: Option<&str>) -> Self {
        let Opening { group, ingress, .. } = opening;
        let severity = opening.severity();
        let style = match severity {
            Some(severity) if !opening.is_exempt() => RowStyle::Severity(severity),
            Some(_) | None => RowStyle::Dimmed,
        };
        Self {
            style,
            severity: severity.map_or(String::new(), |severity| severity.to_string()),
            action: opening_action(opening),
            region: outside_text(region),
            name: outside_text(group.name.as_deref()),
            group_id: sanitize_text(&group.id),
            owner: outside_text(group_owner(group).as_deref()),
            rule_id: outside_text(ingress.id.as_deref()),
            traffic: describe_traffic(ingress),
            source: sanitize_text(&ingress.source.to_string()),
            policy_rules: describe_policy_rules(opening),
            description: outside_text(ingress.description.as_deref()),
        }
    }

    /// Removes what the heading of the section says.
    fn clear_heading(&mut self, group_by: Option<GroupBy>) {
        match group_by {
            Some(GroupBy::Owner) => self.owner.clear(),
            Some(GroupBy::Region) => self.region.clear(),
            Some(GroupBy::Group | GroupBy::Rule) | None => {}
        }
    }

    fn into_row(self, layout: Layout) -> FittedRow {
        let from = format!("from {}", self.source);
        let quoted = match self.description.as_str() {
            "" => String::new(),
            description => format!("\"{description}\""),
        };
        let cells = match layout {
            Layout::Wide => vec![
                vec![self.severity],
                vec![self.action],
                vec![self.region],
                vec![self.name],
                vec![self.group_id],
                vec![self.owner],
                vec![self.rule_id],
                vec![self.traffic],
                vec![self.source],
                vec![self.policy_rules],
                vec![self.description],
            ],
            Layout::Medium => vec![
                vec![self.severity, self.action],
                vec![self.name, self.group_id, self.region],
                vec![self.owner],
                vec![self.traffic, from, self.rule_id],
                vec![self.policy_rules],
                vec![self.description],
            ],
            Layout::Compact => vec![
                vec![self.severity, self.action],
                vec![self.name, self.group_id, self.region, self.owner],
                vec![self.traffic, from, self.rule_id, quoted],
                vec![self.policy_rules],
            ],
        };
        FittedRow {
            style: self.style,
            cells: cells.into_iter().map(drop_missing_lines).collect(),
        }
    }
}

/// The lines that have a text, or else one that says that the cell is empty.
fn drop_missing_lines(mut lines: Vec<String>) -> Vec<String> {
    lines.retain(|line| !line.is_empty());
    if lines.is_empty() {
        lines.push(EMPTY_CELL.to_owned());
    }
    lines
}

/// A text from outside, safe to print and not too long.
fn outside_text(text: Option<&str>) -> String {
    let text = sanitize_text(text.unwrap_or_default());
    if text.chars().count() <= MAX_TEXT_CHARS {
        return text;
    }
    text.chars()
        .take(MAX_TEXT_CHARS.saturating_sub(1))
        .chain(['\u{2026}'])
        .collect()
}
