//! The digest of a sweep: one message about all groups of a region, worded for each kind of subscriber.

mod chat;
mod email;

use super::{Alert, CHAT_BUDGET, EMAIL_BUDGET, REPORT_BUDGET, clean, within, words};
use crate::report::{Outcome, wire};
use crate::sweep::wire::SweepV1;
use crate::sweep::{GroupNote, Swept};

/// The longest subject that SNS takes.
const MAX_SUBJECT: usize = 99;

/// Puts a sweep into words.
pub fn digest(swept: &Swept) -> Alert {
    let lists = [50, 20, 10, 5, 1, 0];
    Alert {
        subject: subject(swept),
        email: within(EMAIL_BUDGET, &lists, |most| email::compose(swept, most)),
        chat: within(CHAT_BUDGET, &[10, 5, 1, 0], |most| chat::compose(swept, most)),
        report: within(REPORT_BUDGET, &lists, |most| wire::json(&SweepV1::with_at_most(swept, most))),
        attributes: attributes(swept),
    }
}

/// `SWEEP FOUND: 12 groups against the policy, worst critical, eu-west-1, 111122223333`.
fn subject(swept: &Swept) -> String {
    let place = [swept.region.as_deref(), swept.account.as_deref()].into_iter().flatten();
    let parts: Vec<_> = std::iter::once(headline(swept)).chain(place.map(|part| clean::ascii(part, 20))).collect();
    clean::ascii(&parts.join(", "), MAX_SUBJECT)
}

/// The outcome in one line, ours alone.
fn headline(swept: &Swept) -> String {
    let groups = |count: usize| words::count(count, "group", "groups");
    let worst = swept.severity().map(|severity| format!(", worst {severity}")).unwrap_or_default();
    let against = format!("{} against the policy{worst}", groups(swept.affected()));
    let failed = swept.count(Outcome::Incomplete);
    match (&swept.unfinished, failed, swept.count(Outcome::Closed)) {
        (Some(_), _, _) => format!("SWEEP UNFINISHED: so far {against}"),
        (None, 1.., _) => format!("SWEEP NOT DONE: {} of {} failed", failed, groups(swept.affected())),
        (None, 0, 0) => format!("SWEEP FOUND: {against}"),
        (None, 0, closed) => format!("SWEEP CLOSED: {closed} of {against}"),
    }
}

/// What became of a group, in a word or two.
fn fate(note: &GroupNote) -> &'static str {
    match note.outcome {
        Outcome::Clean | Outcome::Vanished => "nothing is open",
        Outcome::Noticed => "only told",
        Outcome::Closed => "CLOSED",
        Outcome::WouldClose => "OPEN, nothing was changed",
        Outcome::Refused => "STILL OPEN, refused by a guardrail of the policy",
        Outcome::Incomplete => "NOT DONE",
    }
}

/// What a sweep means with findings that it did not act upon.
fn advice(swept: &Swept) -> &'static str {
    if swept.unfinished.is_some() {
        "The sweep did not see all groups. What it did not see is not known to be closed."
    } else if swept.count(Outcome::Incomplete) > 0 {
        "Close the groups that are not done by hand, or find out why Portcullis could not: the error says it."
    } else if swept.count(Outcome::WouldClose) > 0 {
        "Nothing was changed, because this sweep only reports. Close the groups, allow them by exceptions of the \
         policy, or let the sweep remediate (parameter SweepAction of the stack)."
    } else if swept.count(Outcome::Refused) > 0 {
        "What a guardrail refused stays open until somebody closes it by hand or changes the policy."
    } else {
        "Nothing has to be done at once. Each group that was closed was told by itself, with what restores it."
    }
}

fn attributes(swept: &Swept) -> Vec<(String, String)> {
    let known = |text: Option<&str>| match clean::line(text.unwrap_or_default(), 128) {
        text if text.is_empty() => "unknown".to_owned(),
        text => text,
    };
    let worst = swept.by_rule.iter().rev().max_by_key(|(_, tally)| tally.severity);
    [
        ("account", known(swept.account.as_deref())),
        ("group", "all".to_owned()),
        ("mode", if swept.remediates { "enforce" } else { "monitor" }.to_owned()),
        ("outcome", swept.outcome().as_str().to_owned()),
        ("region", known(swept.region.as_deref())),
        ("rule", worst.map_or("none".to_owned(), |(rule, _)| known(Some(rule)))),
        ("severity", swept.severity().map_or("none".to_owned(), |severity| severity.to_string())),
        ("vpc", "all".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

#[cfg(test)]
mod tests;
