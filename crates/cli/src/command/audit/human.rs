//! An audit for people: worst first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_rules::{Finding, SecurityGroup, Severity};

use super::ask;
use crate::audit::Audit;
use crate::command::{action, look, shorten, traffic};
use crate::output::{BOLD, RED, clean, count, table};

/// The characters of a name that are shown: all of them are in the JSON.
const LONGEST: usize = 40;

pub(super) fn render(audit: &Audit) -> String {
    let mut findings: Vec<_> = audit.all().collect();
    // What is exempt comes last. The order within a group is kept.
    findings.sort_by_key(|(group, finding)| (finding.exempt.is_some(), Reverse(finding.rule.severity), &group.id));
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
            || findings.iter().map(|(group, _)| regions(group)).collect::<BTreeSet<_>>().len() > 1;
        let region = |group| if tells { regions(group) } else { None };
        let rows = findings.iter().map(|(group, finding)| (look(finding), row(group, finding, region(group))));
        text = table(header, rows);
        text.push('\n');
    }
    text.push_str(&summary(audit, &findings));
    text
}

fn row(group: &SecurityGroup, finding: &Finding, region: Option<&String>) -> [String; 11] {
    let ingress = &finding.ingress;
    let known = |text: Option<&String>| text.map_or("-".to_owned(), |text| bounded(&clean(text)));
    [
        finding.rule.severity.to_string(),
        known(region),
        clean(&group.id),
        known(group.name.as_ref()),
        known(ask::whom(group).as_ref()),
        known(ingress.id.as_ref()),
        traffic(ingress),
        clean(&ingress.source.to_string()),
        finding.rule.id.clone(),
        shorten(&finding.offending),
        action(finding),
    ]
}

/// Whoever may name or tag a group shall not push the rest of the table off the screen.
fn bounded(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let kept = text.chars().take(LONGEST.saturating_sub(1));
    kept.chain(['\u{2026}']).collect()
}

fn summary(audit: &Audit, findings: &[(&SecurityGroup, &Finding)]) -> String {
    let judged = format!(
        "{}, {}{} judged by the policy `{}`",
        count(audit.groups, "group"),
        count(audit.rules, "ingress rule"),
        place(audit),
        clean(&audit.policy)
    );
    let (exempt, found): (Vec<_>, Vec<_>) = findings.iter().partition(|(_, finding)| finding.exempt.is_some());
    let exempt = if exempt.is_empty() { String::new() } else { format!("; {} exempt", exempt.len()) };
    if audit.groups == 0 && audit.is_incomplete() {
        return format!("{RED}nothing was judged{RED:#}{}\n", place(audit));
    }
    if found.is_empty() {
        return format!("{judged}: {BOLD}nothing found{BOLD:#}{exempt}{}\n", unread(audit));
    }
    let groups: BTreeSet<_> = found.iter().map(|(group, _)| &group.id).collect();
    // Writing to a string cannot fail.
    let mut text =
        format!("{judged}: {BOLD}{}{BOLD:#} in {}", count(found.len(), "finding"), count(groups.len(), "group"));
    let _ = writeln!(text, "{}", unread(audit));
    let enforced = found.iter().filter(|(_, finding)| finding.enforces()).count();
    let told = found.len().saturating_sub(enforced);
    let _ = writeln!(
        text,
        "{}; {enforced} enforced, {told} only told{exempt}; `portcullis rules ID` explains a rule",
        severities(&found)
    );
    text
}

/// Where the live account was looked at: ` of eu-central-1`, ` of 17 regions`.
fn place(audit: &Audit) -> String {
    match audit.regions.as_slice() {
        [] => String::new(),
        [region] => format!(" of {}", region.name),
        regions => format!(" of {}", count(regions.len(), "region")),
    }
}

/// What the numbers do not cover.
fn unread(audit: &Audit) -> String {
    match audit.regions.iter().filter(|region| !region.is_whole()).count() {
        0 => String::new(),
        regions => format!("; {RED}{} not read to the end{RED:#}", count(regions, "region")),
    }
}

fn severities(findings: &[(&SecurityGroup, &Finding)]) -> String {
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low]
        .into_iter()
        .filter_map(|severity| {
            let number = findings.iter().filter(|(_, finding)| finding.rule.severity == severity).count();
            (number > 0).then(|| format!("{number} {severity}"))
        })
        .collect::<Vec<_>>()
        .join(", ")
}
