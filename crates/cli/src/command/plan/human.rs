//! The human-readable output of plans.

use std::cmp::Reverse;
use std::fmt::{self, Write as _};

use portcullis_remediation::event::Origin;
use portcullis_remediation::{Alert, GroupOutcome, Mode};
use portcullis_rules::plan::{ApplyOrder, Purpose};
use portcullis_rules::{Decision, Finding, IngressRule, Plan};

use super::history;
use super::plans::{IgnoredEvent, PlannedGroup, Plans};
use crate::command::findings::{describe_action, describe_traffic, row_style, shorten_ports};
use crate::output::BOLD;
use crate::table::{EMPTY_CELL, format_table};
use crate::text::{format_count, sanitize_text};

const HEADER: [&str; 7] = [
    "severity",
    "rule id",
    "allows",
    "from",
    "forbidden by",
    "ports",
    "action",
];

/// The plans and a summary. Plans of a history are shown without their alerts, and only if they
/// have findings.
pub(super) fn render_plans(plans: &Plans) -> String {
    let mut parts = Vec::new();
    if let Some(history) = &plans.history {
        for planned in &plans.planned {
            if planned.report.outcome != GroupOutcome::Clean {
                parts.push(render_planned_group(planned, None));
            }
        }
        parts.push(history::render_history(plans, history));
    } else {
        for planned in &plans.planned {
            parts.push(render_planned_group(planned, Some(plans.mode)));
        }
        if !plans.ignored.is_empty() {
            parts.push(plans.ignored.iter().map(render_ignored_event).collect());
        }
    }
    parts.push(plan_summary(plans));
    parts.join("\n")
}

/// The plan for one group and one event, with the alert of the mode if one is given.
fn render_planned_group(planned: &PlannedGroup, alert_mode: Option<Mode>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_plan(&mut text, planned);
    if let (Some(alert), Some(mode)) = (&planned.alert, alert_mode) {
        text.push_str(&render_alert(alert, mode));
    }
    text
}

fn write_plan(text: &mut String, planned: &PlannedGroup) -> fmt::Result {
    let report = &planned.report;
    let Decision {
        evaluation, plan, ..
    } = &planned.decision;
    let id = sanitize_text(&report.group.id);
    let name = match &report.group.name {
        Some(name) => format!(" ({})", sanitize_text(name)),
        None => String::new(),
    };
    writeln!(text, "{BOLD}{id}{name}: {}{BOLD:#}", report.outcome)?;
    writeln!(text, "{}", describe_event(&report.origin))?;
    if !evaluation.findings.is_empty() {
        write!(text, "\n{}", findings_table(&evaluation.findings))?;
    }
    write_changes(text, plan)?;
    write_skipped_additions(text, plan)?;
    write_refusals(text, plan)?;
    if plan.removals.is_empty() && plan.refusals.is_empty() {
        writeln!(text, "\nWould change nothing.")?;
    }
    Ok(())
}

/// `AuthorizeSecurityGroupIngress by maria at 2026-04-17T09:58:31Z, event 5d03069b-...`.
fn describe_event(origin: &Origin) -> String {
    let mut text = sanitize_text(&origin.event_name);
    if let Some(who) = &origin.actor.who {
        text.push_str(" by ");
        text.push_str(&sanitize_text(who));
    }
    if let Some(time) = origin.time {
        text.push_str(" at ");
        text.push_str(&time.to_string());
    }
    if let Some(id) = &origin.event_id {
        text.push_str(", event ");
        text.push_str(&sanitize_text(id));
    }
    text
}

/// The findings, the most severe first; exempt findings come last.
fn findings_table(findings: &[Finding]) -> String {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| {
        (
            finding.exempted_by.is_some(),
            Reverse(finding.policy_rule.severity),
        )
    });
    let rows = sorted
        .into_iter()
        .map(|finding| (row_style(finding), finding_row(finding)));
    format_table(HEADER, rows)
}

fn finding_row(finding: &Finding) -> [String; 7] {
    let ingress = &finding.ingress;
    let rule_id = match &ingress.id {
        Some(id) => sanitize_text(id),
        None => EMPTY_CELL.to_owned(),
    };
    [
        finding.policy_rule.severity.to_string(),
        rule_id,
        describe_traffic(ingress),
        sanitize_text(&ingress.source.to_string()),
        finding.policy_rule.id.clone(),
        shorten_ports(&finding.offending),
        describe_action(finding),
    ]
}

/// Removals and additions, in the order in which they would be applied.
fn write_changes(text: &mut String, plan: &Plan) -> fmt::Result {
    match plan.order {
        ApplyOrder::AddFirst => {
            write_additions(text, plan)?;
            write_removals(text, plan)
        }
        ApplyOrder::RemoveFirst => {
            write_removals(text, plan)?;
            write_additions(text, plan)?;
            if !plan.additions.is_empty() {
                let note = "Removals come first: allowed access is interrupted until the \
                            additions are applied.";
                writeln!(text, "  {note}")?;
            }
            Ok(())
        }
    }
}

fn write_additions(text: &mut String, plan: &Plan) -> fmt::Result {
    if plan.additions.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{BOLD}Would add{BOLD:#}")?;
    for addition in &plan.additions {
        let purpose = match addition.purpose {
            Purpose::Keep => "still allowed",
            Purpose::Trust => "trusted",
        };
        let added = describe_rule(&addition.ingress);
        let replaced = describe_rule(&addition.replaces);
        writeln!(text, "  - {added}: {purpose}, replaces {replaced}")?;
    }
    Ok(())
}

fn write_removals(text: &mut String, plan: &Plan) -> fmt::Result {
    if plan.removals.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{BOLD}Would remove{BOLD:#}")?;
    for removal in &plan.removals {
        let removed = describe_rule(&removal.ingress);
        let policy_rules = removal.policy_rules.join(", ");
        writeln!(text, "  - {removed}: {policy_rules}")?;
        if !removal.dropped_protocols.is_empty() {
            let numbers = removal.dropped_protocols;
            writeln!(text, "    blocks the protocol numbers {numbers}")?;
        }
    }
    Ok(())
}

fn write_skipped_additions(text: &mut String, plan: &Plan) -> fmt::Result {
    if plan.skipped_additions.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{BOLD}Would not add{BOLD:#}")?;
    for skipped in &plan.skipped_additions {
        let rule = describe_rule(&skipped.ingress);
        writeln!(text, "  - {rule}: {}", skipped.reason.message())?;
    }
    Ok(())
}

fn write_refusals(text: &mut String, plan: &Plan) -> fmt::Result {
    if plan.refusals.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{BOLD}Would refuse to remove{BOLD:#}")?;
    for refusal in &plan.refusals {
        let rule = describe_rule(&refusal.ingress);
        writeln!(text, "  - {rule}: {}", refusal.reason.message())?;
    }
    Ok(())
}

fn describe_rule(rule: &IngressRule) -> String {
    let traffic = describe_traffic(rule);
    let source = sanitize_text(&rule.source.to_string());
    match &rule.id {
        Some(id) => format!("{traffic} from {source} ({})", sanitize_text(id)),
        None => format!("{traffic} from {source}"),
    }
}

/// The subject and the e-mail text of an alert, indented.
fn render_alert(alert: &Alert, mode: Mode) -> String {
    let heading = match mode {
        Mode::Enforce => "Would send in enforce mode, if every call succeeds",
        Mode::Monitor => "Would send in monitor mode",
    };
    let subject = sanitize_text(&alert.subject);
    let mut text = format!("\n{BOLD}{heading}{BOLD:#}\n  Subject: {subject}\n\n");
    for line in alert.email.lines() {
        let indented = format!("  {}", sanitize_text(line));
        text.push_str(indented.trim_end());
        text.push('\n');
    }
    text
}

fn render_ignored_event(ignored: &IgnoredEvent) -> String {
    let event = match &ignored.origin {
        Some(origin) => format!("{}: ", describe_event(origin)),
        None => String::new(),
    };
    format!("Ignored: {event}{}\n", sanitize_text(&ignored.reason))
}

fn plan_summary(plans: &Plans) -> String {
    let (mut removals, mut additions, mut refusals) = (0_usize, 0_usize, 0_usize);
    for planned in &plans.planned {
        let plan = &planned.decision.plan;
        removals = removals.saturating_add(plan.removals.len());
        additions = additions.saturating_add(plan.additions.len());
        refusals = refusals.saturating_add(plan.refusals.len());
    }
    format!(
        "{}: {}, {}, {}; {} ignored, {}\n",
        format_count(plans.planned.len(), "plan"),
        format_count(removals, "removal"),
        format_count(additions, "addition"),
        format_count(refusals, "refusal"),
        format_count(plans.count_ignored(), "event"),
        format_count(plans.errors.len(), "error"),
    )
}
