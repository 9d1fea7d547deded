//! Plans for people.

use std::cmp::Reverse;
use std::fmt::Write as _;

use portcullis_remediation::intake::Origin;
use portcullis_remediation::{Alert, Outcome, Report};
use portcullis_rules::plan::{Order, Purpose};
use portcullis_rules::{Finding, IngressRule};

use super::{Ignored, Planned, Plans, history};
use crate::command::{action, look, shorten, traffic};
use crate::output::{BOLD, clean, count, table};

pub(super) fn render(plans: &Plans) -> String {
    if let Some(told) = plans.history.as_ref() {
        let found = plans.planned.iter().filter(|planned| planned.report.outcome != Outcome::Clean);
        let mut parts: Vec<_> = found.map(|one| planned(one, false)).collect();
        parts.push(history::render(plans, told));
        parts.push(summary(plans));
        return parts.join("\n");
    }
    let mut parts: Vec<_> = plans.planned.iter().map(|one| planned(one, true)).collect();
    if !plans.ignored.is_empty() {
        parts.push(plans.ignored.iter().map(ignored).collect());
    }
    parts.push(summary(plans));
    parts.join("\n")
}

/// One group and one event, with the message or without it. Writing to a string cannot fail.
fn planned(planned: &Planned, with_message: bool) -> String {
    let report = &planned.report;
    let mut text = String::new();
    let name = report.group.name.as_ref().map_or_else(String::new, |name| format!(" ({})", clean(name)));
    let _ = writeln!(text, "{BOLD}{}{name}: {}{BOLD:#}", clean(&report.group.id), report.outcome);
    let _ = writeln!(text, "{}", event(&report.origin));
    if !report.findings.is_empty() {
        let header = ["severity", "rule id", "allows", "from", "forbidden by", "ports", "action"];
        let mut findings: Vec<_> = report.findings.iter().collect();
        findings.sort_by_key(|finding| (finding.exempt.is_some(), Reverse(finding.rule.severity)));
        let rows = findings.into_iter().map(|finding| (look(finding), row(finding)));
        let _ = write!(text, "\n{}", table(header, rows));
    }
    text.push_str(&changes(report));
    if let Some(alert) = planned.message.as_ref().filter(|_| with_message) {
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
        action(finding),
    ]
}

/// What would change, in the order in which it would.
fn changes(report: &Report) -> String {
    let (added, removed) = (additions(report), removals(report));
    let mut text = match report.order {
        Order::AddFirst => added + &removed,
        Order::RemoveFirst if report.added.is_empty() => removed,
        Order::RemoveFirst => {
            format!("{removed}{added}  The removal comes first: until the addition, what stays allowed is cut off.\n")
        }
    };
    if !report.losses.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would not be able to add{BOLD:#}");
        for loss in &report.losses {
            let _ = writeln!(text, "  - {}: {}", named(&loss.ingress), loss.reason.sentence());
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

fn additions(report: &Report) -> String {
    let mut text = String::new();
    if !report.added.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would add{BOLD:#}");
    }
    for addition in &report.added {
        let why = match addition.purpose {
            Purpose::Keep => "stays allowed",
            Purpose::Trust => "trusted",
        };
        let _ = writeln!(text, "  - {}: {why}, instead of {}", named(&addition.ingress), named(&addition.instead_of));
    }
    text
}

fn removals(report: &Report) -> String {
    let mut text = String::new();
    if !report.removed.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would remove{BOLD:#}");
    }
    for removal in &report.removed {
        let _ = writeln!(text, "  - {}: {}", named(&removal.ingress), removal.because.join(", "));
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
    let sum = |of: fn(&Report) -> usize| plans.planned.iter().map(|planned| of(&planned.report)).sum();
    format!(
        "{}: {}, {}, {}; {} ignored, {}\n",
        count(plans.planned.len(), "plan"),
        count(sum(|report| report.removed.len()), "removal"),
        count(sum(|report| report.added.len()), "addition"),
        count(sum(|report| report.refusals.len()), "refusal"),
        count(plans.count_ignored(), "event"),
        count(plans.errors.len(), "error"),
    )
}
