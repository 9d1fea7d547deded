//! The custom notification of Amazon Q Developer in chat applications: what a channel in Slack or
//! Microsoft Teams shows.
//!
//! Amazon Q drops a notification that does not match the schema without an error. The only links
//! are those to the console and those of the settings. Untrusted text is in code spans, where
//! nothing becomes a link, and has no characters that would end the span.

use std::collections::BTreeSet;

use portcullis_rules::Finding;
use portcullis_rules::plan::RefusalReason;
use serde_json::{Map, Value, json};

use super::chat_undo::describe_undo;
use super::summary::{AlertSummary, Headline, describe_outcome};
use crate::alert::head::{action_sentences, named_group};
use crate::alert::link::{console_url, event_console_url, group_arn};
use crate::alert::options::AlertLinks;
use crate::alert::phrases::{
    count_phrase, describe_rule, display_group_id, exceptions_phrase, format_time, principal_name,
};
use crate::alert::replacements::{describe_combined_rules, lost_allowed_access};
use crate::alert::sanitize::sanitize_chat;
use crate::alert::subject::{label_with_severity, subject_phrase};
use crate::report::{GroupReport, RuleOutcome};

/// The most characters of a title.
const MAX_TITLE: usize = 250;
/// How many findings about one rule are listed.
const MAX_FINDINGS: usize = 4;
/// How many exceptions of one rule are listed.
const MAX_EXCEPTIONS: usize = 3;

/// The notification, as JSON. Lists of rules have at most `max_entries` of them.
pub(super) fn compose_chat(
    summary: &AlertSummary<'_>,
    links: &AlertLinks,
    max_entries: usize,
) -> String {
    let report = summary.report;
    let title = chat_title(summary);
    let mut metadata = json!({
        "threadId": thread_id(report),
        "summary": title,
        "eventType": format!("portcullis-{}", report.outcome),
        "additionalContext": additional_context(report),
    });
    if let (Some(metadata), Some(arn)) = (metadata.as_object_mut(), group_arn(report)) {
        metadata.insert("relatedResources".to_owned(), json!([arn]));
    }
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": chat_description(summary, links, max_entries),
            "nextSteps": chat_next_steps(summary),
            "keywords": chat_keywords(report),
        },
        "metadata": metadata,
    })
    .to_string()
}

/// As the subject, with more of the name, and without account and region, which follow below.
fn chat_title(summary: &AlertSummary<'_>) -> String {
    let report = summary.report;
    let title = format!(
        "{}: {} on {}",
        label_with_severity(summary),
        subject_phrase(summary),
        named_group(report, 64),
    );
    sanitize_chat(&title, MAX_TITLE)
}

fn chat_description(summary: &AlertSummary<'_>, links: &AlertLinks, max_entries: usize) -> String {
    let report = summary.report;
    let mut text = vec![
        format!("ACTION: {}", chat_action(summary)),
        describe_origin(report, summary.is_opened_by_event()),
        describe_location(report),
        String::new(),
    ];
    if let Some(error) = &report.unverified {
        text.push(format!(
            "The group could not be read again: {}",
            error.kind.message()
        ));
    }
    text.extend(describe_entries(summary, max_entries));
    text.extend(describe_skipped_additions(report));
    for outcome in summary.exempt_rules.iter().take(max_entries) {
        text.push(describe_exempt_rule(outcome));
    }
    for id in report.expired_exceptions.iter().take(max_entries) {
        let id = code_span(id, 64);
        text.push(format!("- The exception {id} has expired"));
    }
    text.extend(describe_undo(summary));
    text.push(String::new());
    text.extend(describe_links(report, links));
    text.join("\n").trim_end().to_owned()
}

/// As in the e-mail, which has the commands and details.
fn chat_action(summary: &AlertSummary<'_>) -> String {
    action_sentences(summary)
        .replace("(link below)", "(link at the end)")
        .replace("with the command below", "with the command in the e-mail")
        .replace("with the commands below", "with the commands in the e-mail")
        .replace("(see below)", "(see the e-mail)")
        .replace("(commands at the end)", "(commands in the e-mail)")
}

fn describe_links(report: &GroupReport, links: &AlertLinks) -> Vec<String> {
    let links = [
        ("Group", console_url(report)),
        ("Event", event_console_url(report)),
        ("Runbook", links.runbook.as_ref().map(ToString::to_string)),
        ("Policy", links.policy.as_ref().map(ToString::to_string)),
    ];
    links
        .into_iter()
        .filter_map(|(label, link)| Some(format!("{label}: {}", link?)))
        .collect()
}

/// Each rule with its outcome.
fn describe_entries(summary: &AlertSummary<'_>, max_entries: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for outcome in summary.entries.iter().take(max_entries) {
        lines.push(format!(
            "- {}: {}",
            describe_entry(outcome),
            describe_result(outcome, summary.report)
        ));
    }
    let omitted = summary.entries.len().saturating_sub(max_entries);
    if omitted > 0 {
        let more = count_phrase(omitted, "more rule", "more rules");
        lines.push(format!("- and {more}"));
    }
    lines
}

fn describe_skipped_additions(report: &GroupReport) -> Option<String> {
    let skipped = report
        .skipped_additions
        .iter()
        .map(|skipped| &skipped.ingress);
    let rules = describe_combined_rules(skipped);
    (!rules.is_empty()).then(|| {
        format!(
            "- NOT added: {}. The e-mail has the reasons.",
            sanitize_chat(&rules, 300)
        )
    })
}

fn describe_exempt_rule(outcome: &RuleOutcome) -> String {
    let rule = describe_rule(&outcome.rule);
    let exceptions: Vec<_> = outcome
        .exceptions()
        .into_iter()
        .take(MAX_EXCEPTIONS)
        .map(|id| code_span(id, 64))
        .collect();
    format!(
        "- {}: allowed by {}",
        sanitize_chat(&rule, 200),
        exceptions_phrase(&exceptions)
    )
}

/// `removed`, `narrowed, TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules`.
fn describe_result(outcome: &RuleOutcome, report: &GroupReport) -> String {
    match describe_outcome(outcome, report.mode) {
        (head, Some(details)) => {
            let details = sanitize_chat(&details, 300);
            format!("{head}, {details}")
        }
        (head, None) => head,
    }
}

/// `TCP port 22 (SSH) from ::/0 (every IPv6 address) violates restricted-common-ports (HIPAA)`.
fn describe_entry(outcome: &RuleOutcome) -> String {
    let rule = describe_rule(&outcome.rule);
    let description = outcome
        .rule
        .description
        .as_deref()
        .map(|text| code_span(text, 80))
        .filter(|text| !text.is_empty())
        .map(|text| format!(" {text}"))
        .unwrap_or_default();
    let labels = policy_rule_labels(outcome);
    let more = if labels.len() > MAX_FINDINGS {
        " and more"
    } else {
        ""
    };
    let shown: Vec<_> = labels.into_iter().take(MAX_FINDINGS).collect();
    format!(
        "{}{description} violates {}{more}",
        sanitize_chat(&rule, 200),
        shown.join(", ")
    )
}

/// The policy rules of the findings. A rule that was removed because of other removals has none.
fn policy_rule_labels(outcome: &RuleOutcome) -> Vec<String> {
    if outcome.findings.is_empty() {
        return outcome
            .policy_rules
            .iter()
            .map(|id| sanitize_chat(id, 64))
            .collect();
    }
    outcome.findings.iter().map(policy_rule_label).collect()
}

/// `restricted-common-ports (HIPAA)`.
fn policy_rule_label(finding: &Finding) -> String {
    let policy_rule = &finding.policy_rule;
    let id = sanitize_chat(&policy_rule.id, 64);
    let references = policy_rule.references.join(", ");
    match sanitize_chat(&references, 64) {
        none if none.is_empty() => id,
        references => format!("{id} ({references})"),
    }
}

/// `OPENED BY alice from 203.0.113.7 at 2026-11-21 10:00:00 UTC`.
fn describe_origin(report: &GroupReport, is_opened: bool) -> String {
    let origin = &report.origin;
    if origin.is_sweep() {
        return "FOUND BY a Portcullis sweep".to_owned();
    }
    let verb = if is_opened {
        "OPENED BY"
    } else {
        "FOUND AFTER A CHANGE BY"
    };
    let from = match &origin.source_ip {
        Some(ip) => format!(" from {}", code_span(ip, 64)),
        None => String::new(),
    };
    let at = match origin.time {
        Some(time) => format!(" at {}", format_time(time)),
        None => String::new(),
    };
    format!(
        "{verb} {}{from}{at}",
        code_span(principal_name(report), 128)
    )
}

fn describe_location(report: &GroupReport) -> String {
    let origin = &report.origin;
    let mut parts = Vec::new();
    if let Some(account) = &origin.account {
        parts.push(format!("account {}", sanitize_chat(account, 64)));
    }
    if let Some(region) = &origin.region {
        parts.push(sanitize_chat(region, 64));
    }
    if let Some(vpc_id) = &report.group.vpc_id {
        parts.push(sanitize_chat(vpc_id, 64));
    }
    parts.join(", ")
}

/// A code span, in which nothing is a link, a mention or markup.
fn code_span(text: &str, max_chars: usize) -> String {
    match sanitize_chat(text, max_chars) {
        empty if empty.is_empty() => String::new(),
        text => format!("`{text}`"),
    }
}

fn chat_next_steps(summary: &AlertSummary<'_>) -> Vec<String> {
    let mut steps = Vec::new();
    let is_plan = summary.headline == Headline::WouldClose;
    if lost_allowed_access(summary.report) && !is_plan {
        steps.push(
            "Some access that the policy allows was lost and is currently blocked. The e-mail has \
             the commands that restore it.",
        );
    }
    if summary.report.has_failed_withdrawals() {
        steps.push(
            "Remove the new rules that Portcullis could not remove again, unless they are needed. \
             The e-mail has the commands.",
        );
    }
    let refusals: BTreeSet<_> = summary
        .entries
        .iter()
        .filter_map(|outcome| outcome.status.refusal())
        .collect();
    steps.extend(refusals.into_iter().map(RefusalReason::message));
    steps.extend(headline_steps(summary));
    steps.into_iter().map(str::to_owned).collect()
}

fn headline_steps(summary: &AlertSummary<'_>) -> &'static [&'static str] {
    let has_errors = summary
        .entries
        .iter()
        .any(|outcome| outcome.status.error().is_some());
    match summary.headline {
        Headline::NotVerified => &[
            "Check the group in the console: Portcullis could not verify that it is closed.",
            "Portcullis retries automatically within minutes.",
        ],
        Headline::NotClosed if !has_errors => {
            &["Remove the rules manually now. The e-mail has the commands."]
        }
        Headline::NotClosed => &[
            "Remove the rules manually now. The e-mail has the commands and the errors.",
            "If a permission is missing, check the function's role and the service control \
             policies.",
        ],
        Headline::Refused => &[],
        Headline::WouldClose => &[
            "Remove the rules manually (the e-mail has the commands), or switch Portcullis to \
             enforce mode.",
        ],
        Headline::Closed => &[
            "Ask whoever made the change whether it was intended.",
            "If the access is needed, propose an exception in the policy, with a reason, an owner \
             and an expiry date: the e-mail has one to paste. Without it, Portcullis closes the \
             group again.",
        ],
        Headline::AlreadyGone => &["Ask whoever made the change whether it was intended."],
        Headline::Reported => {
            &["Nothing was changed. Check whether a narrower source or fewer ports are enough."]
        }
        Headline::GroupDeleted | Headline::Clean => &["No action is required."],
    }
}

fn chat_keywords(report: &GroupReport) -> Vec<String> {
    let mut keywords = vec!["portcullis".to_owned(), report.outcome.to_string()];
    if let Some(severity) = report.max_severity() {
        keywords.push(severity.to_string());
    }
    keywords
}

/// The same for all alerts about one event and one group, so that chat programs show them in one
/// thread.
fn thread_id(report: &GroupReport) -> String {
    let event = match &report.origin.event_id {
        Some(id) => thread_id_part(id),
        None => "unknown".to_owned(),
    };
    let group = match thread_id_part(&report.group.id) {
        empty if empty.is_empty() => {
            let named = report.group_ref.to_string();
            thread_id_part(&named)
        }
        id => id,
    };
    format!("portcullis-{event}-{group}")
}

/// Letters, digits and dashes of a text.
pub(super) fn thread_id_part(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(64)
        .collect()
}

fn additional_context(report: &GroupReport) -> Map<String, Value> {
    let origin = &report.origin;
    let severity = report.max_severity().map(|severity| severity.to_string());
    context_map([
        ("account", origin.account.clone()),
        ("event", origin.event_id.clone()),
        ("group", Some(display_group_id(report))),
        ("mode", Some(report.mode.to_string())),
        ("policy", Some(report.policy.name.clone())),
        ("region", origin.region.clone()),
        ("severity", severity),
        ("vpc", report.group.vpc_id.clone()),
    ])
}

/// The pairs with a value.
pub(super) fn context_map<const N: usize>(
    pairs: [(&str, Option<String>); N],
) -> Map<String, Value> {
    let mut context = Map::new();
    for (key, value) in pairs {
        let value = sanitize_chat(value.as_deref().unwrap_or_default(), 128);
        if !value.is_empty() {
            context.insert(key.to_owned(), Value::from(value));
        }
    }
    context
}
