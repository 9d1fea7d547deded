//! Plans for people.

use std::cmp::Reverse;
use std::fmt::Write as _;

use portcullis_remediation::intake::Origin;
use portcullis_remediation::{Alert, Report};
use portcullis_rules::{Finding, IngressRule};

use super::{Ignored, Planned, Plans};
use crate::command::{shorten, traffic};
use crate::output::{BOLD, clean, count, table};

pub(super) fn render(plans: &Plans) -> String {
    let mut parts: Vec<_> = plans.planned.iter().map(planned).collect();
    if !plans.ignored.is_empty() {
        parts.push(plans.ignored.iter().map(ignored).collect());
    }
    parts.push(summary(plans));
    parts.join("\n")
}

/// One group and one event. Writing to a string cannot fail.
fn planned(planned: &Planned) -> String {
    let report = &planned.report;
    let mut text = String::new();
    let name = report.group.name.as_ref().map_or_else(String::new, |name| format!(" ({})", clean(name)));
    let _ = writeln!(text, "{BOLD}{}{name}: {}{BOLD:#}", clean(&report.group.id), report.outcome);
    let _ = writeln!(text, "{}", event(&report.origin));
    if !report.findings.is_empty() {
        let header = ["severity", "rule id", "allows", "from", "forbidden by", "ports", "action"];
        let mut findings: Vec<_> = report.findings.iter().collect();
        findings.sort_by_key(|finding| Reverse(finding.rule.severity));
        let rows = findings.into_iter().map(|finding| (finding.rule.severity, row(finding)));
        let _ = write!(text, "\n{}", table(header, rows));
    }
    text.push_str(&changes(report));
    if let Some(alert) = &planned.message {
        text.push_str(&message(alert));
    }
    text
}

/// `AuthorizeSecurityGroupIngress by maria at 2026-04-17T09:58:31Z, event 5d03069b-...`.
fn event(origin: &Origin) -> String {
    let mut text = clean(&origin.event_name);
    if let Some(who) = &origin.actor.who {
        let _ = write!(text, " by {}", clean(who));
    }
    if let Some(time) = origin.time {
        let _ = write!(text, " at {time}");
    }
    if let Some(id) = &origin.event_id {
        let _ = write!(text, ", event {}", clean(id));
    }
    text
}

fn row(finding: &Finding) -> [String; 7] {
    let ingress = &finding.ingress;
    [
        finding.rule.severity.to_string(),
        ingress.id.as_deref().map_or("-".to_owned(), clean),
        traffic(ingress),
        clean(&ingress.source.to_string()),
        finding.rule.id.clone(),
        shorten(&finding.offending),
        finding.rule.action.to_string(),
    ]
}

fn changes(report: &Report) -> String {
    let mut text = String::new();
    if !report.removed.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would remove{BOLD:#}");
        for removal in &report.removed {
            let _ = writeln!(text, "  - {}: {}", named(&removal.ingress), removal.because.join(", "));
        }
    }
    if !report.refusals.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would refuse to remove{BOLD:#}");
        for refusal in &report.refusals {
            let _ = writeln!(text, "  - {}: {}", named(&refusal.ingress), refusal.reason.sentence());
        }
    }
    if report.removed.is_empty() && report.refusals.is_empty() {
        let _ = writeln!(text, "\nWould change nothing.");
    }
    text
}

fn named(rule: &IngressRule) -> String {
    let id = rule.id.as_ref().map_or_else(String::new, |id| format!(" ({})", clean(id)));
    format!("{} from {}{id}", traffic(rule), clean(&rule.source.to_string()))
}

fn message(alert: &Alert) -> String {
    let mut text = format!("\n{BOLD}Would send{BOLD:#}\n  Subject: {}\n\n", clean(&alert.subject));
    for line in alert.email.lines() {
        let _ = writeln!(text, "{}", format!("  {}", clean(line)).trim_end());
    }
    text
}

fn ignored(ignored: &Ignored) -> String {
    let event = ignored.origin.as_ref().map_or_else(String::new, |origin| format!("{}: ", event(origin)));
    format!("Ignored: {event}{}\n", clean(&ignored.reason))
}

fn summary(plans: &Plans) -> String {
    let removals: usize = plans.planned.iter().map(|planned| planned.report.removed.len()).sum();
    format!(
        "{}: {}, {}; {} ignored, {}\n",
        count(plans.planned.len(), "plan"),
        count(removals, "removal"),
        count(plans.planned.iter().map(|planned| planned.report.refusals.len()).sum(), "refusal"),
        count(plans.ignored.len(), "event"),
        count(plans.errors.len(), "error"),
    )
}
