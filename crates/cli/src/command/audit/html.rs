//! `audit --format html`: one page without scripts and without references to other files.

mod escape;
mod openings;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::fmt::strtime;
use portcullis_rules::{PolicyRule, Severity};

use crate::audit::allowed::AllowedTraffic;
use crate::audit::grouping::Section;
use crate::audit::json::protocol_and_ports;
use crate::audit::opening::Opening;
use crate::audit::view::AuditView;
use crate::describe::Problem;
use crate::text::format_count;
use escape::{escape_html, format_message};
use openings::openings_table;

/// The severities, the worst first.
const SEVERITIES: [Severity; 4] = [
    Severity::Critical,
    Severity::High,
    Severity::Medium,
    Severity::Low,
];

/// What a page says about an audit besides its results.
#[derive(Debug)]
pub(super) struct PageContext {
    /// What was evaluated: `groups.json`, or `live account`.
    pub(super) input: String,
    /// The time as of which exceptions were evaluated.
    pub(super) now: Timestamp,
}

/// The page.
pub(super) fn render_html(view: &AuditView<'_>, context: &PageContext) -> String {
    let style = include_str!("html/style.css");
    let parts = [
        header(view, context),
        incompleteness(view),
        hidden_findings(view),
        conclusion(view),
        numbers(view),
        findings(view),
        open_and_allowed(view),
        policy_rules(view),
        footer(),
    ];
    let body = parts.concat();
    let policy = escape_html(&view.audit.policy);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Security group audit: {policy}</title>\n<style>\n{style}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

fn header(view: &AuditView<'_>, context: &PageContext) -> String {
    let time = strtime::format("%F %T UTC", context.now).unwrap_or_default();
    let datetime = context.now.to_string();
    let mut facts = vec![
        ("Policy", escape_html(&view.audit.policy)),
        (
            "Time",
            format!("<time datetime=\"{datetime}\">{time}</time>"),
        ),
        ("Input", escape_html(&context.input)),
    ];
    let regions: Vec<_> = view
        .audit
        .regions
        .iter()
        .map(|region| region.name.as_str())
        .collect();
    if !regions.is_empty() {
        facts.push(("Regions", escape_html(&regions.join(", "))));
    }
    let mut html = "<header>\n<h1>Security group audit</h1>\n<dl class=\"facts\">\n".to_owned();
    for (term, definition) in facts {
        html.extend([format!("<dt>{term}</dt><dd>{definition}</dd>\n")]);
    }
    html.push_str("</dl>\n</header>\n<main>\n");
    html
}

/// What could not be evaluated.
fn incompleteness(view: &AuditView<'_>) -> String {
    let audit = view.audit;
    if !audit.is_incomplete() {
        return String::new();
    }
    let mut errors = String::new();
    for problem in audit.all_problems() {
        errors.extend(["<li>", &problem_html(&problem), "</li>\n"]);
    }
    format!(
        "<section class=\"notice alert\" aria-labelledby=\"incomplete\">\n\
         <h2 id=\"incomplete\">This audit is incomplete</h2>\n\
         <p>Something could not be evaluated, so nothing can be concluded from the absence of a \
         finding.</p>\n<ul>\n{errors}</ul>\n</section>\n"
    )
}

fn problem_html(problem: &Problem) -> String {
    let mut places = Vec::new();
    places.extend(problem.region.as_deref());
    places.extend(problem.group_id.as_deref());
    places.extend(problem.path.as_deref());
    let place = format_message(&places.join(", "));
    let message = format_message(&problem.message);
    let help = match &problem.help {
        Some(help) => format!("<span class=\"line soft\">{}</span>", format_message(help)),
        None => String::new(),
    };
    if place.is_empty() {
        format!("{message}{help}")
    } else {
        format!("{place}: {message}{help}")
    }
}

/// Which findings the page does not show.
fn hidden_findings(view: &AuditView<'_>) -> String {
    let mut sentences = Vec::new();
    if let Some(known) = &view.known {
        let hidden = format_count(known.hidden, "known finding");
        let file = format_message(&known.file);
        let gone = match known.gone {
            Some(gone) => format!("{gone} gone since then"),
            None => "how many are gone is unknown".to_owned(),
        };
        sentences.push(format!("{hidden} of {file} hidden; {gone}."));
    }
    if view.filtered_out > 0 {
        let hidden = format_count(view.filtered_out, "finding");
        sentences.push(format!("{hidden} hidden by a filter."));
    }
    if sentences.is_empty() {
        return String::new();
    }
    let text = sentences.join(" ");
    format!("<p class=\"notice\">This page shows only a part of the findings. {text}</p>\n")
}

/// The numbers of the audit.
fn numbers(view: &AuditView<'_>) -> String {
    let findings = || view.findings.iter().map(|found| found.finding);
    let counted = || findings().filter(|finding| finding.exempted_by.is_none());
    let mut items = vec![
        ("groups", "", view.audit.groups),
        ("ingress rules", "", view.audit.rules),
        ("openings", "", counted_openings(view).len()),
        ("findings", "", counted().count()),
    ];
    for severity in SEVERITIES {
        let name = severity_name(severity);
        let members = counted().filter(|finding| finding.policy_rule.severity == severity);
        items.push((name, name, members.count()));
    }
    let enforced = findings().filter(|finding| finding.enforces());
    items.push(("enforced", "", enforced.count()));
    let exempt = findings().filter(|finding| finding.exempted_by.is_some());
    items.push(("exempt", "", exempt.count()));
    let mut html = "<ul class=\"numbers\" aria-label=\"Summary\">\n".to_owned();
    for (label, class, number) in items {
        let class = if number > 0 { class } else { "" };
        html.extend([format!(
            "<li><strong class=\"{class}\">{number}</strong> {label}</li>\n"
        )]);
    }
    html.push_str("</ul>\n");
    html
}

/// The security group rules with a finding that is not exempt, by group and index.
fn counted_openings<'a>(view: &AuditView<'a>) -> BTreeSet<(&'a str, usize)> {
    let counted = view
        .findings
        .iter()
        .filter(|found| found.finding.exempted_by.is_none());
    counted
        .map(|found| (found.group.id.as_str(), found.finding.index))
        .collect()
}

/// The result in one sentence.
fn conclusion(view: &AuditView<'_>) -> String {
    let openings = counted_openings(view);
    let groups: BTreeSet<_> = openings.iter().map(|(group, _)| group).collect();
    let enforced: BTreeSet<_> = view
        .findings
        .iter()
        .filter(|found| found.finding.enforces())
        .map(|found| (&found.group.id, found.finding.index))
        .collect();
    let new = if view.known.is_some() { "new " } else { "" };
    let total = format_count(view.audit.groups, "group");
    if openings.is_empty() {
        return format!("<p class=\"lead\">No {new}findings in {total}.</p>\n");
    }
    let count = format_count(openings.len(), &format!("{new}opening"));
    let (groups, enforced) = (groups.len(), enforced.len());
    format!(
        "<p class=\"lead\">The policy forbids {count} in {groups} of {total}, and requires \
         that {enforced} of them are removed or narrowed.</p>\n"
    )
}

const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

/// The openings: by severity, unless another grouping was asked for.
fn findings(view: &AuditView<'_>) -> String {
    if view.findings.is_empty() {
        let new = if view.known.is_some() { "new " } else { "" };
        return format!("<h2>Findings</h2>\n<p class=\"calm\">No {new}findings.</p>\n");
    }
    let sections = view.sections();
    let mut html = String::new();
    if let Some(group_by) = view.group_by {
        for section in &sections {
            let title = match &section.name {
                Some(name) => escape_html(name),
                None => format!("Unknown {group_by}"),
            };
            html.push_str(&findings_section(view, &title, &section.openings));
        }
        return html;
    }
    let openings: Vec<_> = sections.into_iter().flat_map(openings_of_section).collect();
    let (exempt, counted): (Vec<_>, Vec<_>) = openings.into_iter().partition(Opening::is_exempt);
    for severity in SEVERITIES {
        let members: Vec<_> = counted
            .iter()
            .filter(|it| it.severity() == Some(severity))
            .cloned()
            .collect();
        let name = severity_name(severity);
        let title = format!("<span class=\"{name}\">Severity {name}</span>");
        html.push_str(&findings_section(view, &title, &members));
    }
    html.push_str(&findings_section(view, "Exempt", &exempt));
    html
}

fn openings_of_section(section: Section<'_>) -> Vec<Opening<'_>> {
    section.openings
}

fn findings_section(view: &AuditView<'_>, title: &str, openings: &[Opening<'_>]) -> String {
    if openings.is_empty() {
        return String::new();
    }
    let table = openings_table(view, openings);
    format!("<section>\n<h2>{title}</h2>\n{table}</section>\n")
}

fn open_and_allowed(view: &AuditView<'_>) -> String {
    let rows: String = view
        .audit
        .open_and_allowed
        .entries()
        .map(allowed_row)
        .collect();
    let intro = "<section>\n<h2>Open and allowed</h2>\n<p>What is open to the world and forbidden \
                 by no rule of the policy.</p>\n";
    if rows.is_empty() {
        return format!("{intro}<p>Nothing.</p>\n</section>\n");
    }
    format!(
        "{intro}<div class=\"scroll\"><table class=\"narrow\">\n<thead><tr>\
         <th scope=\"col\">Protocol</th>\
         <th scope=\"col\">Ports</th><th scope=\"col\" class=\"number\">Ingress rules</th>\
         <th scope=\"col\" class=\"number\">Groups</th></tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table></div>\n</section>\n"
    )
}

fn allowed_row(allowed: AllowedTraffic) -> String {
    let (protocol, ports) = protocol_and_ports(allowed.traffic);
    let ports = ports.unwrap_or_else(|| "-".to_owned());
    let (rules, groups) = (allowed.rules, allowed.groups);
    format!(
        "<tr><th scope=\"row\">{protocol}</th><td>{ports}</td><td class=\"number\">{rules}</td>\
         <td class=\"number\">{groups}</td></tr>\n"
    )
}

/// The policy rules of the findings.
fn policy_rules(view: &AuditView<'_>) -> String {
    let mut rules: BTreeMap<&str, (&PolicyRule, usize)> = BTreeMap::new();
    for found in &view.findings {
        let policy_rule = &*found.finding.policy_rule;
        let entry = rules.entry(&policy_rule.id).or_insert((policy_rule, 0));
        entry.1 = entry.1.saturating_add(1);
    }
    if rules.is_empty() {
        return String::new();
    }
    let mut html = "<section>\n<h2>Policy rules</h2>\n<div class=\"scroll\"><table>\n<thead><tr>\
                    <th scope=\"col\">Rule</th><th scope=\"col\">Forbids</th>\
                    <th scope=\"col\">References</th><th scope=\"col\" class=\"number\">Findings\
                    </th></tr></thead>\n<tbody>\n"
        .to_owned();
    for (policy_rule, count) in rules.into_values() {
        let id = escape_html(&policy_rule.id);
        let forbids = escape_html(&policy_rule.forbids);
        let references = escape_html(&policy_rule.references.join(", "));
        html.extend([format!(
            "<tr id=\"rule-{id}\"><th scope=\"row\"><code>{id}</code></th><td>{forbids}</td>\
             <td>{references}</td><td class=\"number\">{count}</td></tr>\n"
        )]);
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
    html
}

fn footer() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "</main>\n<footer>Created by portcullis {version}. <code>portcullis rules ID</code> \
         explains a policy rule and how to fix its findings.</footer>\n"
    )
}
