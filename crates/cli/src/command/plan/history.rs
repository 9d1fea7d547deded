//! The summary of a history of events.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use portcullis_remediation::GroupRef;

use super::plans::{History, MissingGroup, Plans};
use crate::output::BOLD;
use crate::text::{format_count, sanitize_text};

/// What was read, what was ignored and why, and the outcomes of the plans.
pub(super) fn render_history(plans: &Plans, history: &History) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_history(&mut text, plans, history);
    text
}

fn write_history(text: &mut String, plans: &Plans, history: &History) -> fmt::Result {
    let events = format_count(history.events, "event");
    let files = format_count(history.files, "file");
    writeln!(text, "Read {events} from {files}.")?;
    let skipped_lines = history
        .skipped_files
        .iter()
        .map(|(kind, count)| ((*kind).to_owned(), *count));
    write_counts(text, "Skipped files", skipped_lines)?;
    write_counts(text, "Ignored", count_ignored_by_reason(plans, history))?;
    let outcome_lines = plans
        .count_outcomes()
        .into_iter()
        .map(|(outcome, count)| (outcome.to_owned(), count));
    write_counts(text, "Plans", outcome_lines)?;
    let missing_lines = plans
        .missing_groups
        .iter()
        .map(|(missing, events)| (describe_missing_group(missing), *events));
    write_counts(
        text,
        "Events about groups that are not in the input",
        missing_lines,
    )
}

fn count_ignored_by_reason(plans: &Plans, history: &History) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (reason, events) in &history.ignored {
        counts.insert(sanitize_text(reason), *events);
    }
    for reason in plans.unused_prefix_list_reasons() {
        let events = counts.entry(sanitize_text(reason)).or_default();
        *events = events.saturating_add(1);
    }
    counts
}

/// A group with its account and region: `sg-1, 111122223333, eu-central-1`.
fn describe_missing_group(missing: &MissingGroup) -> String {
    let (GroupRef::Id(group) | GroupRef::Name(group)) = &missing.group;
    let parts = [
        Some(group),
        missing.account.as_ref(),
        missing.region.as_ref(),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .map(|part| sanitize_text(part))
        .collect();
    parts.join(", ")
}

/// A title and lines with their counts; nothing if there are no lines.
fn write_counts(
    text: &mut String,
    title: &str,
    lines: impl IntoIterator<Item = (String, usize)>,
) -> fmt::Result {
    for (index, (line, count)) in lines.into_iter().enumerate() {
        if index == 0 {
            writeln!(text, "\n{BOLD}{title}{BOLD:#}")?;
        }
        writeln!(text, "{count:>7}  {line}")?;
    }
    Ok(())
}
