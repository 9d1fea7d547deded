//! The human-readable output of an audit: the most severe findings first.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use portcullis_rules::{Finding, SecurityGroup, Severity};

use crate::audit::{Audit, owner};
use crate::command::findings::{describe_action, describe_traffic, row_style, shorten_ports};
use crate::output::{BOLD, RED};
use crate::table::{EMPTY_CELL, format_table};
use crate::text::{format_count, sanitize_text};

/// How many characters of a name a table shows. The JSON output has all of them.
const MAX_NAME_CHARS: usize = 40;

const HEADER: [&str; 11] = [
    "severity",
    "region",
    "group",
    "name",
    "owner",
    "rule id",
    "allows",
    "from",
    "forbidden by",
    "ports",
    "action",
];

/// A finding and its group.
type GroupFinding<'a> = (&'a SecurityGroup, &'a Finding);

/// The table of findings and a summary.
pub(super) fn render_audit(audit: &Audit) -> String {
    let mut findings: Vec<_> = audit.iter_findings().collect();
    // Exempt findings come last. The order within a group is kept.
    findings.sort_by_key(|(group, finding)| {
        (
            finding.exempted_by.is_some(),
            Reverse(finding.policy_rule.severity),
            &group.id,
        )
    });
    let mut text = String::new();
    if !findings.is_empty() {
        text.push_str(&findings_table(audit, &findings));
        text.push('\n');
    }
    text.push_str(&audit_summary(audit, &findings));
    text
}

fn findings_table(audit: &Audit, findings: &[GroupFinding<'_>]) -> String {
    // The column of regions is left out when it would have the same value in each row.
    let regions: BTreeSet<_> = findings
        .iter()
        .map(|(group, _)| group_region(audit, group))
        .collect();
    let with_region = audit.regions.len() > 1 || regions.len() > 1;
    let rows = findings.iter().map(|(group, finding)| {
        let region = group_region(audit, group).filter(|_| with_region);
        (row_style(finding), finding_row(group, finding, region))
    });
    format_table(HEADER, rows)
}

fn group_region<'a>(audit: &'a Audit, group: &SecurityGroup) -> Option<&'a String> {
    audit.arns.get(&group.id).map(|arn| &arn.region)
}

fn finding_row(group: &SecurityGroup, finding: &Finding, region: Option<&String>) -> [String; 11] {
    let ingress = &finding.ingress;
    [
        finding.policy_rule.severity.to_string(),
        name_cell(region),
        sanitize_text(&group.id),
        name_cell(group.name.as_ref()),
        name_cell(owner::group_owner(group).as_ref()),
        name_cell(ingress.id.as_ref()),
        describe_traffic(ingress),
        sanitize_text(&ingress.source.to_string()),
        finding.policy_rule.id.clone(),
        shorten_ports(&finding.offending),
        describe_action(finding),
    ]
}

fn name_cell(name: Option<&String>) -> String {
    match name {
        Some(name) => truncate_name(&sanitize_text(name)),
        None => EMPTY_CELL.to_owned(),
    }
}

/// A long name must not push the other columns off the screen.
fn truncate_name(text: &str) -> String {
    if text.chars().count() <= MAX_NAME_CHARS {
        return text.to_owned();
    }
    let kept = text.chars().take(MAX_NAME_CHARS.saturating_sub(1));
    kept.chain(['\u{2026}']).collect()
}

fn audit_summary(audit: &Audit, findings: &[GroupFinding<'_>]) -> String {
    let regions = describe_regions(audit);
    if audit.groups == 0 && audit.is_incomplete() {
        return format!("{RED}no groups were evaluated{RED:#}{regions}\n");
    }
    let scope = format!(
        "{}, {}{regions} evaluated against the policy `{}`",
        format_count(audit.groups, "group"),
        format_count(audit.rules, "ingress rule"),
        sanitize_text(&audit.policy)
    );
    let incomplete = incompleteness_note(audit);
    let (exempt, active): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|(_, finding)| finding.exempted_by.is_some());
    let exempt = match exempt.len() {
        0 => String::new(),
        exempt => format!("; {exempt} exempt"),
    };
    if active.is_empty() {
        return format!("{scope}: {BOLD}no findings{BOLD:#}{exempt}{incomplete}\n");
    }
    let group_ids: BTreeSet<_> = active.iter().map(|(group, _)| &group.id).collect();
    let total = format_count(active.len(), "finding");
    let groups = format_count(group_ids.len(), "group");
    let details = finding_counts(&active);
    format!(
        "{scope}: {BOLD}{total}{BOLD:#} in {groups}{incomplete}\n\
         {details}{exempt}; `portcullis rules ID` explains a rule\n"
    )
}

/// The region of an audit of the live account: ` in eu-central-1`, ` in 17 regions`.
fn describe_regions(audit: &Audit) -> String {
    match audit.regions.as_slice() {
        [] => String::new(),
        [region] => format!(" in {}", region.name),
        regions => format!(" in {}", format_count(regions.len(), "region")),
    }
}

/// That the counts do not cover everything, so that no findings may be none that were seen.
fn incompleteness_note(audit: &Audit) -> String {
    let regions = audit.regions.iter();
    let regions = regions.filter(|region| !region.is_complete()).count();
    if regions > 0 {
        let count = format_count(regions, "region");
        return format!("; {RED}{count} not read completely{RED:#}");
    }
    if !audit.problems.is_empty() {
        return format!("; {RED}incomplete{RED:#}");
    }
    String::new()
}

/// The findings by severity, and by whether the policy enforces them.
fn finding_counts(findings: &[GroupFinding<'_>]) -> String {
    let enforced = findings
        .iter()
        .filter(|(_, finding)| finding.enforces())
        .count();
    let notify_only = findings.len().saturating_sub(enforced);
    let severities = severity_counts(findings);
    format!("{severities}; {enforced} enforced, {notify_only} notify-only")
}

fn severity_counts(findings: &[GroupFinding<'_>]) -> String {
    let mut counts = Vec::new();
    for severity in [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ] {
        let count = findings
            .iter()
            .filter(|(_, finding)| finding.policy_rule.severity == severity)
            .count();
        if count > 0 {
            counts.push(format!("{count} {severity}"));
        }
    }
    counts.join(", ")
}
