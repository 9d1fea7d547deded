//! The digest of a sweep: one message about all groups of a region, worded for each kind of subscriber.

mod email;
mod slack;

use super::{Alert, CHAT_BUDGET, EMAIL_BUDGET, REPORT_BUDGET, fit_to_budget, phrases, sanitize};
use crate::report::{GroupOutcome, json};
use crate::sweeper::json::SweepV1;
use crate::sweeper::{GroupSummary, SweepReport};

/// The longest subject that SNS takes.
const MAX_SUBJECT: usize = 99;

/// Puts a sweep into words.
pub fn compose_digest(swept: &SweepReport) -> Alert {
    let lists = [50, 20, 10, 5, 1, 0];
    Alert {
        subject: sweep_subject(swept),
        email: fit_to_budget(EMAIL_BUDGET, &lists, |most| {
            email::compose_sweep_email(swept, most)
        }),
        chat: fit_to_budget(CHAT_BUDGET, &[10, 5, 1, 0], |most| {
            slack::compose_sweep_chat(swept, most)
        }),
        report: fit_to_budget(REPORT_BUDGET, &lists, |most| {
            json::serialize_json(&SweepV1::with_max_entries(swept, most))
        }),
        attributes: sweep_attributes(swept),
    }
}

/// `SWEEP FOUND: 12 groups against the policy, worst critical, eu-west-1, 111122223333`.
fn sweep_subject(swept: &SweepReport) -> String {
    let place = [swept.region.as_deref(), swept.account.as_deref()]
        .into_iter()
        .flatten();
    let parts: Vec<_> = std::iter::once(sweep_headline(swept))
        .chain(place.map(|part| sanitize::sanitize_ascii(part, 20)))
        .collect();
    sanitize::sanitize_ascii(&parts.join(", "), MAX_SUBJECT)
}

/// The outcome in one line, ours alone.
fn sweep_headline(swept: &SweepReport) -> String {
    let groups = |count: usize| phrases::count_phrase(count, "group", "groups");
    let worst = swept
        .max_severity()
        .map(|severity| format!(", worst {severity}"))
        .unwrap_or_default();
    let against = format!(
        "{} against the policy{worst}",
        groups(swept.affected_groups())
    );
    let failed = swept.groups_with_outcome(GroupOutcome::NotClosed);
    match (
        &swept.unfinished,
        failed,
        swept.groups_with_outcome(GroupOutcome::Closed),
    ) {
        (Some(_), _, _) => format!("SWEEP UNFINISHED: so far {against}"),
        (None, 1.., _) => format!(
            "SWEEP NOT DONE: {} of {} failed",
            failed,
            groups(swept.affected_groups())
        ),
        (None, 0, 0) => format!("SWEEP FOUND: {against}"),
        (None, 0, closed) => format!("SWEEP CLOSED: {closed} of {against}"),
    }
}

/// What became of a group, in a word or two.
fn group_status(note: &GroupSummary) -> &'static str {
    match note.outcome {
        GroupOutcome::Clean | GroupOutcome::GroupDeleted => "nothing is open",
        GroupOutcome::Reported => "only told",
        GroupOutcome::Closed => "CLOSED",
        GroupOutcome::WouldClose => "OPEN, nothing was changed",
        GroupOutcome::Refused => "STILL OPEN, refused by a guardrail of the policy",
        GroupOutcome::NotClosed => "NOT DONE",
    }
}

/// What a sweep means with findings that it did not act upon.
fn sweep_advice(swept: &SweepReport) -> &'static str {
    if swept.unfinished.is_some() {
        "The sweep did not see all groups. What it did not see is not known to be closed."
    } else if swept.groups_with_outcome(GroupOutcome::NotClosed) > 0 {
        "Close the groups that are not done by hand, or find out why Portcullis could not: the error says it."
    } else if swept.groups_with_outcome(GroupOutcome::WouldClose) > 0 {
        "Nothing was changed, because this sweep only reports. Close the groups, allow them by exceptions of the \
         policy, or let the sweep remediate (parameter SweepAction of the stack)."
    } else if swept.groups_with_outcome(GroupOutcome::Refused) > 0 {
        "What a guardrail refused stays open until somebody closes it by hand or changes the policy."
    } else {
        "Nothing has to be done at once. Each group that was closed was told by itself, with what restores it."
    }
}

fn sweep_attributes(swept: &SweepReport) -> Vec<(String, String)> {
    let known = |text: Option<&str>| match sanitize::sanitize_line(text.unwrap_or_default(), 128) {
        text if text.is_empty() => "unknown".to_owned(),
        text => text,
    };
    let worst = swept
        .by_policy_rule
        .iter()
        .rev()
        .max_by_key(|(_, tally)| tally.severity);
    [
        ("account", known(swept.account.as_deref())),
        ("group", "all".to_owned()),
        (
            "mode",
            if swept.remediates {
                "enforce"
            } else {
                "monitor"
            }
            .to_owned(),
        ),
        ("outcome", swept.outcome().as_str().to_owned()),
        ("region", known(swept.region.as_deref())),
        (
            "rule",
            worst.map_or("none".to_owned(), |(rule, _)| known(Some(rule))),
        ),
        (
            "severity",
            swept
                .max_severity()
                .map_or("none".to_owned(), |severity| severity.to_string()),
        ),
        ("vpc", "all".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

#[cfg(test)]
mod tests;
