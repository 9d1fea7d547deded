//! The custom notification of Amazon Q Developer in chat applications: what a channel in Slack or Teams shows.
//!
//! Anything that is not of this schema is dropped there without a word. The only link is the one to the console; text
//! from outside is in code spans, where nothing is a link, and is cleaned of all that would end one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_rules::Finding;
use portcullis_rules::plan::RefusalReason;
use serde_json::{Map, Value, json};

use super::summary::{AlertSummary, Headline, RuleEntry, RuleStatus};
use super::{link, phrases, replacements, sanitize, subject};
use crate::report::GroupReport;

/// The most characters that a title may have.
const MAX_TITLE: usize = 250;

/// The notification, as JSON. Lists of rules hold at most `most` of them.
pub(super) fn compose_chat(story: &AlertSummary<'_>, most: usize) -> String {
    let report = story.report;
    let title = chat_title(story);
    let mut metadata = json!({
        "threadId": thread_id(report),
        "summary": title,
        "eventType": format!("portcullis-{}", report.outcome),
        "additionalContext": additional_context(story),
    });
    if let (Some(metadata), Some(arn)) = (metadata.as_object_mut(), link::group_arn(report)) {
        metadata.insert("relatedResources".to_owned(), json!([arn]));
    }
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": chat_description(story, most),
            "nextSteps": chat_next_steps(story),
            "keywords": chat_keywords(report),
        },
        "metadata": metadata,
    })
    .to_string()
}

/// As the subject, without account and region, which follow below.
fn chat_title(story: &AlertSummary<'_>) -> String {
    let name = phrases::group_name(story.report)
        .map(|name| format!(" ({})", sanitize::sanitize_chat(name, 64)));
    let group = sanitize::sanitize_chat(&phrases::display_group_id(story.report), 120);
    let text = format!(
        "{}: {} in {group}{}",
        subject::headline_label(story),
        subject::subject_phrase(story),
        name.unwrap_or_default()
    );
    sanitize::sanitize_chat(&text, MAX_TITLE)
}

fn chat_description(story: &AlertSummary<'_>, most: usize) -> String {
    let mut text = String::new();
    if let Some(error) = &story.report.unverified {
        append_line(
            &mut text,
            &format!(
                "The group could not be read again: {}",
                phrases::error_explanation(error.kind)
            ),
        );
    }
    for case in story.entries.iter().take(most) {
        append_line(
            &mut text,
            &format!(
                "- {}: {}",
                describe_entry(case),
                describe_status(case, story.report)
            ),
        );
    }
    let left_out = story.entries.len().saturating_sub(most);
    if left_out > 0 {
        append_line(
            &mut text,
            &format!(
                "- and {}",
                phrases::count_phrase(left_out, "more rule", "more rules")
            ),
        );
    }
    let losses = sanitize::sanitize_chat(
        &replacements::describe_combined_rules(
            story
                .report
                .skipped_additions
                .iter()
                .map(|loss| &loss.ingress),
        ),
        300,
    );
    if !losses.is_empty() {
        append_line(
            &mut text,
            &format!("- Could NOT be kept or opened again: {losses}. The e-mail says why."),
        );
    }
    for (ingress, ids) in story.exempt_rules.iter().take(most) {
        let ids: Vec<_> = ids.iter().take(3).map(|id| code_span(id, 64)).collect();
        let rule = sanitize::sanitize_chat(&phrases::describe_rule(ingress), 200);
        append_line(
            &mut text,
            &format!("- {rule}: allowed by exception {}", ids.join(", ")),
        );
    }
    for id in story.report.expired_exceptions.iter().take(most) {
        append_line(
            &mut text,
            &format!("- The exception {} has ended", code_span(id, 64)),
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    append_line(
        &mut text,
        &format!(
            "Changed by {} {}",
            code_span(phrases::principal_name(story.report), 128),
            describe_origin(story.report)
        ),
    );
    append_line(&mut text, &describe_location(story.report));
    append_line(
        &mut text,
        &link::console_url(story.report).unwrap_or_default(),
    );
    text.trim_end().to_owned()
}

/// `removed`, `narrowed, TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules`.
fn describe_status(case: &RuleEntry<'_>, report: &GroupReport) -> String {
    match case.describe_outcome(report.mode) {
        (head, Some(told)) => format!("{head}, {}", sanitize::sanitize_chat(&told, 300)),
        (head, None) => head,
    }
}

fn append_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// `TCP port 22 (SSH) from 0.0.0.0/0 (every IPv4 address), against restricted-common-ports (HIPAA)`.
fn describe_entry(case: &RuleEntry<'_>) -> String {
    let mut text = sanitize::sanitize_chat(&phrases::describe_rule(case.ingress), 200);
    if let Some(description) = case
        .ingress
        .description
        .as_deref()
        .filter(|text| !sanitize::sanitize_chat(text, 9).is_empty())
    {
        // Writing to a String cannot fail.
        let _ = write!(text, " {}", code_span(description, 80));
    }
    let rules: Vec<_> = case
        .findings
        .iter()
        .take(4)
        .map(|finding| policy_rule_label(finding))
        .collect();
    let more = if case.findings.len() > rules.len() {
        " and more"
    } else {
        ""
    };
    let _ = write!(text, ", against {}{more}", rules.join(", "));
    text
}

/// `restricted-common-ports (HIPAA)`.
fn policy_rule_label(finding: &Finding) -> String {
    let id = sanitize::sanitize_chat(&finding.policy_rule.id, 64);
    let references = sanitize::sanitize_chat(&finding.policy_rule.references.join(", "), 64);
    if references.is_empty() {
        id
    } else {
        format!("{id} ({references})")
    }
}

/// `from 203.0.113.7 at 2026-11-21 10:00:00 UTC`.
fn describe_origin(report: &GroupReport) -> String {
    let from = report
        .origin
        .source_ip
        .as_deref()
        .map(|from| format!("from {} ", code_span(from, 64)));
    let at = report
        .origin
        .time
        .map(|time| format!("at {}", phrases::format_time(time)));
    let (from, at) = (from.unwrap_or_default(), at.unwrap_or_default());
    format!("{from}{at}").trim_end().to_owned()
}

fn describe_location(report: &GroupReport) -> String {
    let parts = [
        report
            .origin
            .account
            .as_deref()
            .map(|account| format!("account {}", sanitize::sanitize_chat(account, 64))),
        report
            .origin
            .region
            .as_deref()
            .map(|region| sanitize::sanitize_chat(region, 64)),
        report
            .group
            .vpc_id
            .as_deref()
            .map(|vpc| sanitize::sanitize_chat(vpc, 64)),
    ];
    let known: Vec<_> = parts.into_iter().flatten().collect();
    known.join(", ")
}

/// A code span, in which nothing is a link, a mention or markup.
fn code_span(text: &str, max: usize) -> String {
    match sanitize::sanitize_chat(text, max) {
        empty if empty.is_empty() => String::new(),
        text => format!("`{text}`"),
    }
}

fn chat_next_steps(story: &AlertSummary<'_>) -> Vec<String> {
    let fixed: &[&str] = match story.headline {
        Headline::NotVerified => &[
            "Look at the group in the console: nobody could make sure that it is closed.",
            "Portcullis tries again by itself within minutes.",
        ],
        Headline::NotClosed if story.report.failed_removals.is_empty() => {
            &["Remove the rules by hand now. The e-mail has the commands."]
        }
        Headline::NotClosed => &[
            "Remove the rules by hand now. The e-mail has the commands and the errors.",
            "If it is a permission: look at the function's role and at service control policies.",
        ],
        Headline::Refused => &[],
        Headline::WouldClose => &[
            "Close the rules by hand (the e-mail has the commands), or switch Portcullis to enforce mode.",
        ],
        Headline::Closed => &[
            "Ask whoever made the change whether it was meant.",
            "If the access is needed: propose an exception in the policy, with reason, owner and expiry date, and then \
             undo with the commands in the e-mail. Without an exception it is closed again.",
        ],
        Headline::AlreadyGone => &["Ask whoever made the change whether it was meant."],
        Headline::Reported => {
            &["Nothing was changed. See whether a narrower source or fewer ports will do."]
        }
        Headline::GroupDeleted | Headline::Clean => &["Nothing has to be done."],
    };
    let cut = (replacements::lost_allowed_access(story.report) && story.headline != Headline::WouldClose).then_some(
        "Some of what may stay open could not be kept and is cut now. The e-mail has the commands that open it again.",
    );
    let reason = |case: &RuleEntry<'_>| {
        if let RuleStatus::Refused(refusal) = case.status {
            Some(refusal.reason)
        } else {
            None
        }
    };
    let reasons: BTreeSet<_> = story.entries.iter().filter_map(reason).collect();
    let reasons = reasons.into_iter().map(RefusalReason::message);
    cut.into_iter()
        .chain(reasons)
        .chain(fixed.iter().copied())
        .map(str::to_owned)
        .collect()
}

fn chat_keywords(report: &GroupReport) -> Vec<String> {
    let severity = report.max_severity().map(|severity| severity.to_string());
    let words = [
        Some("portcullis".to_owned()),
        Some(report.outcome.to_string()),
        severity,
    ];
    words.into_iter().flatten().collect()
}

/// The same for all that is told about one event and one group, so that a retry is shown below what it follows up.
fn thread_id(report: &GroupReport) -> String {
    let id = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(64)
            .collect()
    };
    let event = id(report.origin.event_id.as_deref().unwrap_or("unknown"));
    let group = match id(&report.group.id) {
        group if group.is_empty() => id(&report.group_ref.to_string()),
        group => group,
    };
    format!("portcullis-{event}-{group}")
}

fn additional_context(story: &AlertSummary<'_>) -> Map<String, Value> {
    let report = story.report;
    let severity = report.max_severity().map(|severity| severity.to_string());
    let pairs = [
        ("account", report.origin.account.clone()),
        ("event", report.origin.event_id.clone()),
        ("group", Some(phrases::display_group_id(report))),
        ("mode", Some(report.mode.to_string())),
        ("policy", Some(report.policy.clone())),
        ("region", report.origin.region.clone()),
        ("severity", severity),
        ("vpc", report.group.vpc_id.clone()),
    ];
    let known = pairs.into_iter().filter_map(|(key, value)| {
        let value = sanitize::sanitize_chat(value.as_deref().unwrap_or_default(), 128);
        (!value.is_empty()).then(|| (key.to_owned(), Value::from(value)))
    });
    known.collect()
}
