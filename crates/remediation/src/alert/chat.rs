//! The custom notification of Amazon Q Developer in chat applications: what a channel in Slack or Teams shows.
//!
//! Anything that is not of this schema is dropped there without a word. The only link is the one to the console; text
//! from outside is in code spans, where nothing is a link, and is cleaned of all that would end one.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_rules::Finding;
use portcullis_rules::plan::RefusalReason;
use serde_json::{Map, Value, json};

use super::story::{Case, Fate, Story, Verdict};
use super::{clean, kept, link, subject, words};
use crate::report::Report;

/// The most characters that a title may have.
const MAX_TITLE: usize = 250;

/// The notification, as JSON. Lists of rules hold at most `most` of them.
pub(super) fn compose(story: &Story<'_>, most: usize) -> String {
    let report = story.report;
    let title = title(story);
    let mut metadata = json!({
        "threadId": thread(report),
        "summary": title,
        "eventType": format!("portcullis-{}", report.outcome),
        "additionalContext": context(story),
    });
    if let (Some(metadata), Some(arn)) = (metadata.as_object_mut(), link::arn(report)) {
        metadata.insert("relatedResources".to_owned(), json!([arn]));
    }
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": description(story, most),
            "nextSteps": next_steps(story),
            "keywords": keywords(report),
        },
        "metadata": metadata,
    })
    .to_string()
}

/// As the subject, without account and region, which follow below.
fn title(story: &Story<'_>) -> String {
    let name = words::group_name(story.report).map(|name| format!(" ({})", clean::chat(name, 64)));
    let group = clean::chat(&words::group_id(story.report), 120);
    let text = format!("{}: {} in {group}{}", subject::word(story), subject::what(story), name.unwrap_or_default());
    clean::chat(&text, MAX_TITLE)
}

fn description(story: &Story<'_>, most: usize) -> String {
    let mut text = String::new();
    if let Some(error) = &story.report.unverified {
        line(&mut text, &format!("The group could not be read again: {}", words::meaning(error.kind)));
    }
    for case in story.cases.iter().take(most) {
        line(&mut text, &format!("- {}: {}", rule(case), became(case, story.report)));
    }
    let left_out = story.cases.len().saturating_sub(most);
    if left_out > 0 {
        line(&mut text, &format!("- and {}", words::count(left_out, "more rule", "more rules")));
    }
    let losses = clean::chat(&kept::rules(story.report.losses.iter().map(|loss| &loss.ingress)), 300);
    if !losses.is_empty() {
        line(&mut text, &format!("- Could NOT be kept or opened again: {losses}. The e-mail says why."));
    }
    for (ingress, ids) in story.exempt.iter().take(most) {
        let ids: Vec<_> = ids.iter().take(3).map(|id| code(id, 64)).collect();
        let rule = clean::chat(&words::rule(ingress), 200);
        line(&mut text, &format!("- {rule}: allowed by exception {}", ids.join(", ")));
    }
    for id in story.report.expired_exceptions.iter().take(most) {
        line(&mut text, &format!("- The exception {} has ended", code(id, 64)));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    line(&mut text, &format!("Changed by {} {}", code(words::who(story.report), 128), origin(story.report)));
    line(&mut text, &place(story.report));
    line(&mut text, &link::console(story.report).unwrap_or_default());
    text.trim_end().to_owned()
}

/// `removed`, `narrowed, TCP ports 80 and 443 stay open to 0.0.0.0/0 as new rules`.
fn became(case: &Case<'_>, report: &Report) -> String {
    match case.words(report.mode) {
        (head, Some(told)) => format!("{head}, {}", clean::chat(&told, 300)),
        (head, None) => head,
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// `TCP port 22 (SSH) from 0.0.0.0/0 (every IPv4 address), against restricted-common-ports (HIPAA)`.
fn rule(case: &Case<'_>) -> String {
    let mut text = clean::chat(&words::rule(case.ingress), 200);
    if let Some(description) = case.ingress.description.as_deref().filter(|text| !clean::chat(text, 9).is_empty()) {
        // Writing to a String cannot fail.
        let _ = write!(text, " {}", code(description, 80));
    }
    let rules: Vec<_> = case.findings.iter().take(4).map(|finding| rule_id(finding)).collect();
    let more = if case.findings.len() > rules.len() { " and more" } else { "" };
    let _ = write!(text, ", against {}{more}", rules.join(", "));
    text
}

/// `restricted-common-ports (HIPAA)`.
fn rule_id(finding: &Finding) -> String {
    let id = clean::chat(&finding.rule.id, 64);
    let references = clean::chat(&finding.rule.references.join(", "), 64);
    if references.is_empty() { id } else { format!("{id} ({references})") }
}

/// `from 203.0.113.7 at 2026-11-21 10:00:00 UTC`.
fn origin(report: &Report) -> String {
    let from = report.origin.source_ip.as_deref().map(|from| format!("from {} ", code(from, 64)));
    let at = report.origin.time.map(|time| format!("at {}", words::time(time)));
    let (from, at) = (from.unwrap_or_default(), at.unwrap_or_default());
    format!("{from}{at}").trim_end().to_owned()
}

fn place(report: &Report) -> String {
    let parts = [
        report.origin.account.as_deref().map(|account| format!("account {}", clean::chat(account, 64))),
        report.origin.region.as_deref().map(|region| clean::chat(region, 64)),
        report.group.vpc_id.as_deref().map(|vpc| clean::chat(vpc, 64)),
    ];
    let known: Vec<_> = parts.into_iter().flatten().collect();
    known.join(", ")
}

/// A code span, in which nothing is a link, a mention or markup.
fn code(text: &str, max: usize) -> String {
    match clean::chat(text, max) {
        empty if empty.is_empty() => String::new(),
        text => format!("`{text}`"),
    }
}

fn next_steps(story: &Story<'_>) -> Vec<String> {
    let fixed: &[&str] = match story.verdict {
        Verdict::NotVerified => &[
            "Look at the group in the console: nobody could make sure that it is closed.",
            "Portcullis tries again by itself within minutes.",
        ],
        Verdict::NotClosed if story.report.failures.is_empty() => {
            &["Remove the rules by hand now. The e-mail has the commands."]
        }
        Verdict::NotClosed => &[
            "Remove the rules by hand now. The e-mail has the commands and the errors.",
            "If it is a permission: look at the function's role and at service control policies.",
        ],
        Verdict::Refused => &[],
        Verdict::WouldClose => {
            &["Close the rules by hand (the e-mail has the commands), or switch Portcullis to enforce mode."]
        }
        Verdict::Closed => &[
            "Ask whoever made the change whether it was meant.",
            "If the access is needed: propose an exception in the policy, with reason, owner and expiry date, and then \
             undo with the commands in the e-mail. Without an exception it is closed again.",
        ],
        Verdict::AlreadyGone => &["Ask whoever made the change whether it was meant."],
        Verdict::Noticed => &["Nothing was changed. See whether a narrower source or fewer ports will do."],
        Verdict::Vanished | Verdict::Clean => &["Nothing has to be done."],
    };
    let cut = (kept::is_cut(story.report) && story.verdict != Verdict::WouldClose).then_some(
        "Some of what may stay open could not be kept and is cut now. The e-mail has the commands that open it again.",
    );
    let reason = |case: &Case<'_>| if let Fate::Refused(refusal) = case.fate { Some(refusal.reason) } else { None };
    let reasons: BTreeSet<_> = story.cases.iter().filter_map(reason).collect();
    let reasons = reasons.into_iter().map(RefusalReason::sentence);
    cut.into_iter().chain(reasons).chain(fixed.iter().copied()).map(str::to_owned).collect()
}

fn keywords(report: &Report) -> Vec<String> {
    let severity = report.severity().map(|severity| severity.to_string());
    let words = [Some("portcullis".to_owned()), Some(report.outcome.to_string()), severity];
    words.into_iter().flatten().collect()
}

/// The same for all that is told about one event and one group, so that a retry is shown below what it follows up.
fn thread(report: &Report) -> String {
    let id =
        |text: &str| -> String { text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect() };
    let event = id(report.origin.event_id.as_deref().unwrap_or("unknown"));
    let group = match id(&report.group.id) {
        group if group.is_empty() => id(&report.named.to_string()),
        group => group,
    };
    format!("portcullis-{event}-{group}")
}

fn context(story: &Story<'_>) -> Map<String, Value> {
    let report = story.report;
    let severity = report.severity().map(|severity| severity.to_string());
    let pairs = [
        ("account", report.origin.account.clone()),
        ("event", report.origin.event_id.clone()),
        ("group", Some(words::group_id(report))),
        ("mode", Some(report.mode.to_string())),
        ("policy", Some(report.policy.clone())),
        ("region", report.origin.region.clone()),
        ("severity", severity),
        ("vpc", report.group.vpc_id.clone()),
    ];
    let known = pairs.into_iter().filter_map(|(key, value)| {
        let value = clean::chat(value.as_deref().unwrap_or_default(), 128);
        (!value.is_empty()).then(|| (key.to_owned(), Value::from(value)))
    });
    known.collect()
}
