//! An audit for people: worst first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_rules::{Finding, SecurityGroup, Severity};

use super::ask;
use crate::audit::Audit;
use crate::command::{describe_action, describe_traffic, row_style, shorten_ports};
use crate::output::{BOLD, RED, format_count, format_table, sanitize_text};

/// The characters of a name that are shown: all of them are in the JSON.
const MAX_NAME_CHARS: usize = 40;

pub(super) fn render_audit(audit: &Audit) -> String {
    let mut findings: Vec<_> = audit.iter_findings().collect();
    // What is exempt comes last. The order within a group is kept.
    findings.sort_by_key(|(group, finding)| {
        (
            finding.exempted_by.is_some(),
            Reverse(finding.policy_rule.severity),
            &group.id,
        )
    });
    let mut text = String::new();
    if !findings.is_empty() {
        let header = [
            "severity",
            "region",
            "group",
            "name",
            "ask",
            "rule id",
            "allows",
            "from",
            "forbidden by",
            "ports",
            "action",
        ];
        // A region that all have in common is no news.
        let regions = |group: &SecurityGroup| audit.arns.get(&group.id).map(|arn| &arn.region);
        let tells = audit.regions.len() > 1
            || findings
                .iter()
                .map(|(group, _)| regions(group))
                .collect::<BTreeSet<_>>()
                .len()
                > 1;
        let region = |group| if tells { regions(group) } else { None };
        let rows = findings.iter().map(|(group, finding)| {
            (
                row_style(finding),
                audit_finding_row(group, finding, region(group)),
            )
        });
        text = format_table(header, rows);
        text.push('\n');
    }
    text.push_str(&audit_summary(audit, &findings));
    text
}

fn audit_finding_row(
    group: &SecurityGroup,
    finding: &Finding,
    region: Option<&String>,
) -> [String; 11] {
    let ingress = &finding.ingress;
    let known = |text: Option<&String>| {
        text.map_or("-".to_owned(), |text| truncate_name(&sanitize_text(text)))
    };
    [
        finding.policy_rule.severity.to_string(),
        known(region),
        sanitize_text(&group.id),
        known(group.name.as_ref()),
        known(ask::group_owner(group).as_ref()),
        known(ingress.id.as_ref()),
        describe_traffic(ingress),
        sanitize_text(&ingress.source.to_string()),
        finding.policy_rule.id.clone(),
        shorten_ports(&finding.offending),
        describe_action(finding),
    ]
}

/// Whoever may name or tag a group shall not push the rest of the table off the screen.
fn truncate_name(text: &str) -> String {
    if text.chars().count() <= MAX_NAME_CHARS {
        return text.to_owned();
    }
    let kept = text.chars().take(MAX_NAME_CHARS.saturating_sub(1));
    kept.chain(['\u{2026}']).collect()
}

fn audit_summary(audit: &Audit, findings: &[(&SecurityGroup, &Finding)]) -> String {
    let judged = format!(
        "{}, {}{} judged by the policy `{}`",
        format_count(audit.groups, "group"),
        format_count(audit.rules, "ingress rule"),
        describe_regions(audit),
        sanitize_text(&audit.policy)
    );
    let (exempt, found): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|(_, finding)| finding.exempted_by.is_some());
    let exempt = if exempt.is_empty() {
        String::new()
    } else {
        format!("; {} exempt", exempt.len())
    };
    if audit.groups == 0 && audit.is_incomplete() {
        return format!(
            "{RED}nothing was judged{RED:#}{}\n",
            describe_regions(audit)
        );
    }
    if found.is_empty() {
        return format!(
            "{judged}: {BOLD}nothing found{BOLD:#}{exempt}{}\n",
            incomplete_regions_note(audit)
        );
    }
    let groups: BTreeSet<_> = found.iter().map(|(group, _)| &group.id).collect();
    // Writing to a string cannot fail.
    let mut text = format!(
        "{judged}: {BOLD}{}{BOLD:#} in {}",
        format_count(found.len(), "finding"),
        format_count(groups.len(), "group")
    );
    let _ = writeln!(text, "{}", incomplete_regions_note(audit));
    let enforced = found
        .iter()
        .filter(|(_, finding)| finding.enforces())
        .count();
    let told = found.len().saturating_sub(enforced);
    let _ = writeln!(
        text,
        "{}; {enforced} enforced, {told} only told{exempt}; `portcullis rules ID` explains a rule",
        severity_counts(&found)
    );
    text
}

/// Where the live account was looked at: ` of eu-central-1`, ` of 17 regions`.
fn describe_regions(audit: &Audit) -> String {
    match audit.regions.as_slice() {
        [] => String::new(),
        [region] => format!(" of {}", region.name),
        regions => format!(" of {}", format_count(regions.len(), "region")),
    }
}

/// What the numbers do not cover.
fn incomplete_regions_note(audit: &Audit) -> String {
    match audit
        .regions
        .iter()
        .filter(|region| !region.is_complete())
        .count()
    {
        0 => String::new(),
        regions => format!(
            "; {RED}{} not read to the end{RED:#}",
            format_count(regions, "region")
        ),
    }
}

fn severity_counts(findings: &[(&SecurityGroup, &Finding)]) -> String {
    [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ]
    .into_iter()
    .filter_map(|severity| {
        let number = findings
            .iter()
            .filter(|(_, finding)| finding.policy_rule.severity == severity)
            .count();
        (number > 0).then(|| format!("{number} {severity}"))
    })
    .collect::<Vec<_>>()
    .join(", ")
}
