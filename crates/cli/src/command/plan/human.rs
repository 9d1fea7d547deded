//! Plans for people.

use std::cmp::Reverse;
use std::fmt::Write as _;

use portcullis_remediation::event::Origin;
use portcullis_remediation::{Alert, GroupOutcome};
use portcullis_rules::plan::{ApplyOrder, Plan, Purpose};
use portcullis_rules::{Finding, IngressRule};

use super::{IgnoredEvent, PlannedGroup, Plans, history};
use crate::command::{describe_action, describe_traffic, row_style, shorten_ports};
use crate::output::{BOLD, format_count, format_table, sanitize_text};

pub(super) fn render_plans(plans: &Plans) -> String {
    if let Some(told) = plans.history.as_ref() {
        let found = plans
            .planned
            .iter()
            .filter(|planned| planned.report.outcome != GroupOutcome::Clean);
        let mut parts: Vec<_> = found.map(|one| render_planned_group(one, false)).collect();
        parts.push(history::render_history(plans, told));
        parts.push(plan_summary(plans));
        return parts.join("\n");
    }
    let mut parts: Vec<_> = plans
        .planned
        .iter()
        .map(|one| render_planned_group(one, true))
        .collect();
    if !plans.ignored.is_empty() {
        parts.push(plans.ignored.iter().map(render_ignored_event).collect());
    }
    parts.push(plan_summary(plans));
    parts.join("\n")
}

/// One group and one event, with the message or without it. Writing to a string cannot fail.
fn render_planned_group(planned: &PlannedGroup, with_message: bool) -> String {
    let report = &planned.report;
    let mut text = String::new();
    let name = report
        .group
        .name
        .as_ref()
        .map_or_else(String::new, |name| format!(" ({})", sanitize_text(name)));
    let _ = writeln!(
        text,
        "{BOLD}{}{name}: {}{BOLD:#}",
        sanitize_text(&report.group.id),
        report.outcome
    );
    let _ = writeln!(text, "{}", describe_event(&report.origin));
    if !planned.decision.evaluation.findings.is_empty() {
        let header = [
            "severity",
            "rule id",
            "allows",
            "from",
            "forbidden by",
            "ports",
            "action",
        ];
        let mut findings: Vec<_> = planned.decision.evaluation.findings.iter().collect();
        findings.sort_by_key(|finding| {
            (
                finding.exempted_by.is_some(),
                Reverse(finding.policy_rule.severity),
            )
        });
        let rows = findings
            .into_iter()
            .map(|finding| (row_style(finding), plan_finding_row(finding)));
        let _ = write!(text, "\n{}", format_table(header, rows));
    }
    text.push_str(&render_changes(&planned.decision.plan));
    if let Some(alert) = planned.message.as_ref().filter(|_| with_message) {
        text.push_str(&render_alert(alert));
    }
    text
}

/// `AuthorizeSecurityGroupIngress by maria at 2026-04-17T09:58:31Z, event 5d03069b-...`.
fn describe_event(origin: &Origin) -> String {
    let mut text = sanitize_text(&origin.event_name);
    if let Some(who) = &origin.actor.who {
        let _ = write!(text, " by {}", sanitize_text(who));
    }
    if let Some(time) = origin.time {
        let _ = write!(text, " at {time}");
    }
    if let Some(id) = &origin.event_id {
        let _ = write!(text, ", event {}", sanitize_text(id));
    }
    text
}

fn plan_finding_row(finding: &Finding) -> [String; 7] {
    let ingress = &finding.ingress;
    [
        finding.policy_rule.severity.to_string(),
        ingress.id.as_deref().map_or("-".to_owned(), sanitize_text),
        describe_traffic(ingress),
        sanitize_text(&ingress.source.to_string()),
        finding.policy_rule.id.clone(),
        shorten_ports(&finding.offending),
        describe_action(finding),
    ]
}

/// What would change, in the order in which it would.
fn render_changes(plan: &Plan) -> String {
    let (added, removed) = (render_additions(plan), render_removals(plan));
    let mut text = match plan.order {
        ApplyOrder::AddFirst => added + &removed,
        ApplyOrder::RemoveFirst if plan.additions.is_empty() => removed,
        ApplyOrder::RemoveFirst => {
            format!(
                "{removed}{added}  The removal comes first: until the addition, what stays allowed is cut off.\n"
            )
        }
    };
    if !plan.skipped_additions.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would not be able to add{BOLD:#}");
        for loss in &plan.skipped_additions {
            let _ = writeln!(
                text,
                "  - {}: {}",
                describe_rule(&loss.ingress),
                loss.reason.message()
            );
        }
    }
    if !plan.refusals.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would refuse to remove{BOLD:#}");
        for refusal in &plan.refusals {
            let _ = writeln!(
                text,
                "  - {}: {}",
                describe_rule(&refusal.ingress),
                refusal.reason.message()
            );
        }
    }
    if plan.removals.is_empty() && plan.refusals.is_empty() {
        let _ = writeln!(text, "\nWould change nothing.");
    }
    text
}

fn render_additions(plan: &Plan) -> String {
    let mut text = String::new();
    if !plan.additions.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would add{BOLD:#}");
    }
    for addition in &plan.additions {
        let why = match addition.purpose {
            Purpose::Keep => "stays allowed",
            Purpose::Trust => "trusted",
        };
        let _ = writeln!(
            text,
            "  - {}: {why}, instead of {}",
            describe_rule(&addition.ingress),
            describe_rule(&addition.replaces)
        );
    }
    text
}

fn render_removals(plan: &Plan) -> String {
    let mut text = String::new();
    if !plan.removals.is_empty() {
        let _ = writeln!(text, "\n{BOLD}Would remove{BOLD:#}");
    }
    for removal in &plan.removals {
        let _ = writeln!(
            text,
            "  - {}: {}",
            describe_rule(&removal.ingress),
            removal.policy_rules.join(", ")
        );
    }
    text
}

fn describe_rule(rule: &IngressRule) -> String {
    let id = rule
        .id
        .as_ref()
        .map_or_else(String::new, |id| format!(" ({})", sanitize_text(id)));
    format!(
        "{} from {}{id}",
        describe_traffic(rule),
        sanitize_text(&rule.source.to_string())
    )
}

fn render_alert(alert: &Alert) -> String {
    let mut text = format!(
        "\n{BOLD}Would send{BOLD:#}\n  Subject: {}\n\n",
        sanitize_text(&alert.subject)
    );
    for line in alert.email.lines() {
        let _ = writeln!(text, "{}", format!("  {}", sanitize_text(line)).trim_end());
    }
    text
}

fn render_ignored_event(ignored: &IgnoredEvent) -> String {
    let event = ignored.origin.as_ref().map_or_else(String::new, |origin| {
        format!("{}: ", describe_event(origin))
    });
    format!("Ignored: {event}{}\n", sanitize_text(&ignored.reason))
}

fn plan_summary(plans: &Plans) -> String {
    let sum = |of: fn(&Plan) -> usize| {
        plans
            .planned
            .iter()
            .map(|planned| of(&planned.decision.plan))
            .sum()
    };
    format!(
        "{}: {}, {}, {}; {} ignored, {}\n",
        format_count(plans.planned.len(), "plan"),
        format_count(sum(|plan| plan.removals.len()), "removal"),
        format_count(sum(|plan| plan.additions.len()), "addition"),
        format_count(sum(|plan| plan.refusals.len()), "refusal"),
        format_count(plans.count_ignored(), "event"),
        format_count(plans.errors.len(), "error"),
    )
}
