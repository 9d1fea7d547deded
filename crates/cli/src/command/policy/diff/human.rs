//! A comparison as human-readable text.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::change::{Change, Direction};
use super::findings::FindingChange;
use super::plans::PlanChange;
use super::report::{DiffReport, count_directions};
use crate::output::{BOLD, DIMMED};
use crate::text::{format_count, sanitize_text, wrap_words};

/// The width of the text.
const WIDTH: usize = 80;

/// The report as text, the weakest differences first.
pub(super) fn render_report(report: &DiffReport) -> String {
    let (old, new) = (&report.old.name, &report.new.name);
    let names = sanitize_text(&format!("{old} -> {new}"));
    let mut text = format!("{BOLD}{names}{BOLD:#}\n");
    let lines = report
        .changes
        .iter()
        .map(|change| (change.direction, describe_change(change)));
    text.push_str(&render_section("Policy", lines.collect()));
    if let Some(findings) = &report.findings {
        let lines = findings
            .iter()
            .map(|change| (change.direction, describe_finding(change)));
        text.push_str(&render_section("Findings", lines.collect()));
    }
    if let Some(plans) = &report.plans {
        let lines = plans
            .iter()
            .map(|change| (change.direction, describe_plan(change)));
        text.push_str(&render_section("Plans", lines.collect()));
    }
    text
}

/// The text of a difference, in one or more paragraphs.
type Paragraphs = Vec<String>;

fn render_section(title: &str, mut lines: Vec<(Direction, Paragraphs)>) -> String {
    lines.sort_by_key(|(direction, _)| *direction);
    let counts = count_directions(lines.iter().map(|(direction, _)| *direction));
    let mut text = format!("\n{BOLD}{title}:{BOLD:#} {counts}\n");
    for (direction, paragraphs) in lines {
        let style = direction_style(direction);
        let mut label = format!("{style}{:<8}{style:#}", direction.as_str());
        for paragraph in paragraphs {
            let paragraph = sanitize_text(&paragraph);
            for line in wrap_words(&paragraph, "", "  ", WIDTH.saturating_sub(12)) {
                let _ = writeln!(text, "  {label}  {line}");
                label = " ".repeat(8);
            }
        }
    }
    text
}

const fn direction_style(direction: Direction) -> Style {
    match direction {
        Direction::Weaker => AnsiColor::Red.on_default().bold(),
        Direction::Stricter => AnsiColor::Green.on_default(),
        Direction::Neutral => DIMMED,
    }
}

fn describe_change(change: &Change) -> Paragraphs {
    let part = change.section.noun();
    vec![match &change.subject {
        Some(subject) => format!("{part} {subject}: {}", change.message),
        None => format!("{part}: {}", change.message),
    }]
}

fn describe_finding(change: &FindingChange) -> Paragraphs {
    let group = describe_group(change.group.name.as_ref(), &change.group.id);
    let [before, after] = change.describe_states();
    vec![
        format!("{group}: {}", change.ingress),
        format!("  {}: {before} -> {after}", change.policy_rule),
    ]
}

fn describe_plan(change: &PlanChange) -> Paragraphs {
    let group = describe_group(change.group.name.as_ref(), &change.group.id);
    let events = format_count(change.event_count, "event");
    vec![
        format!("{group}, {events}"),
        format!("was {}", change.before.describe()),
        format!("now {}", change.after.describe()),
    ]
}

/// `web (sg-1)`.
pub(super) fn describe_group(name: Option<&String>, id: &str) -> String {
    match name {
        Some(name) => format!("{name} ({id})"),
        None => id.to_owned(),
    }
}
