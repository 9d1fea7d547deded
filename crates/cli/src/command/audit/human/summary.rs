//! The summary below the tables of an audit.

use std::collections::BTreeSet;

use anstyle::Style;
use portcullis_rules::{Finding, Severity};

use crate::audit::grouping::Section;
use crate::audit::view::AuditView;
use crate::command::findings::list_open_and_allowed;
use crate::output::{BOLD, RED};
use crate::text::{format_count, sanitize_text};
use crate::wrap::wrap_indented;

/// The indent of the second and later lines of a sentence.
const INDENT: &str = "  ";

/// The summary: what was evaluated, what was found, what is hidden, and what is open and allowed.
pub(super) fn render_summary(
    view: &AuditView<'_>,
    sections: &[Section<'_>],
    width: usize,
) -> String {
    let audit = view.audit;
    let mut summary = Summary {
        text: String::new(),
        width,
    };
    let regions = describe_regions(view);
    if audit.groups == 0 && audit.is_incomplete() {
        summary.add(RED, &format!("no groups were evaluated{regions}"));
        return summary.text;
    }
    let groups = format_count(audit.groups, "group");
    let rules = format_count(audit.rules, "ingress rule");
    let policy = sanitize_text(&audit.policy);
    let scope = format!("{groups}, {rules}{regions} evaluated against the policy `{policy}`");
    summary.add(Style::new(), &scope);
    if let Some(incomplete) = describe_incompleteness(view) {
        summary.add(RED, &incomplete);
    }
    summary.add(BOLD, &describe_findings(view, sections));
    if let Some(actions) = describe_actions(view) {
        summary.add(Style::new(), &actions);
    }
    for hidden in describe_hidden_findings(view) {
        summary.add(Style::new(), &hidden);
    }
    let allowed = list_open_and_allowed(&audit.open_and_allowed);
    summary.add(Style::new(), &format!("open and allowed: {allowed}"));
    summary.text
}

/// A summary in the making.
struct Summary {
    text: String,
    width: usize,
}

impl Summary {
    fn add(&mut self, style: Style, sentence: &str) {
        for line in wrap_indented(sentence, self.width, "", INDENT) {
            self.text.extend([format!("{style}{line}{style:#}\n")]);
        }
    }
}

/// The region of an audit of the live account: ` in eu-central-1`, ` in 17 regions`.
fn describe_regions(view: &AuditView<'_>) -> String {
    match view.audit.regions.as_slice() {
        [] => String::new(),
        [region] => format!(" in {}", region.name),
        regions => format!(" in {}", format_count(regions.len(), "region")),
    }
}

/// That the counts do not cover everything, so that no findings may be none that were seen.
fn describe_incompleteness(view: &AuditView<'_>) -> Option<String> {
    let regions = view
        .audit
        .regions
        .iter()
        .filter(|region| !region.is_complete())
        .count();
    if regions > 0 {
        let count = format_count(regions, "region");
        return Some(format!("incomplete: {count} not read completely"));
    }
    let is_incomplete = !view.audit.problems.is_empty();
    is_incomplete.then(|| "incomplete: not everything could be evaluated".to_owned())
}

/// The findings that are not exempt.
fn describe_findings(view: &AuditView<'_>, sections: &[Section<'_>]) -> String {
    let new = if view.known.is_some() { "new " } else { "" };
    let exempt = count_findings(view, |finding| finding.exempted_by.is_some());
    let counted = view.findings.len().saturating_sub(exempt);
    if counted == 0 {
        let exempt = match exempt {
            0 => String::new(),
            exempt => format!("; {exempt} exempt"),
        };
        return format!("no {new}findings{exempt}");
    }
    let mut openings = BTreeSet::new();
    let mut groups = BTreeSet::new();
    let all = sections.iter().flat_map(|section| &section.openings);
    for opening in all.filter(|opening| !opening.is_exempt()) {
        groups.insert(&opening.group.id);
        let index = opening.findings.first().map(|finding| finding.index);
        openings.insert((&opening.group.id, index));
    }
    let total = format_count(counted, &format!("{new}finding"));
    let openings = format_count(openings.len(), "opening");
    let groups = format_count(groups.len(), "group");
    let severities = severity_counts(view);
    format!("{total} in {openings} of {groups}: {severities}")
}

/// The findings that are not exempt by severity: `2 critical, 1 high`.
fn severity_counts(view: &AuditView<'_>) -> String {
    let mut counts = Vec::new();
    for severity in [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ] {
        let count = count_findings(view, |finding| {
            finding.exempted_by.is_none() && finding.policy_rule.severity == severity
        });
        if count > 0 {
            counts.push(format!("{count} {severity}"));
        }
    }
    counts.join(", ")
}

/// The findings by what the policy does about them.
fn describe_actions(view: &AuditView<'_>) -> Option<String> {
    let enforced = count_findings(view, Finding::enforces);
    let exempt = count_findings(view, |finding| finding.exempted_by.is_some());
    let counted = view.findings.len().saturating_sub(exempt);
    if counted == 0 {
        return None;
    }
    let notify_only = counted.saturating_sub(enforced);
    let exempt = match exempt {
        0 => String::new(),
        exempt => format!(", {exempt} exempt"),
    };
    Some(format!(
        "{enforced} enforced, {notify_only} notify-only{exempt}; `portcullis rules ID` explains a \
         rule"
    ))
}

fn count_findings(view: &AuditView<'_>, is_counted: impl Fn(&Finding) -> bool) -> usize {
    view.findings
        .iter()
        .filter(|found| is_counted(found.finding))
        .count()
}

/// How many findings are not shown, and why.
fn describe_hidden_findings(view: &AuditView<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(known) = &view.known {
        let hidden = format_count(known.hidden, "known finding");
        let gone = match known.gone {
            Some(gone) => format!("{gone} gone since then"),
            None => "how many are gone is unknown".to_owned(),
        };
        sentences.push(format!("{hidden} of {} hidden; {gone}", known.file));
    }
    if view.filtered_out > 0 {
        let hidden = format_count(view.filtered_out, "finding");
        sentences.push(format!("{hidden} hidden by the filter"));
    }
    sentences
}
