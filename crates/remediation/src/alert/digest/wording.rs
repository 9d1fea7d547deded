//! Phrases that the e-mail and the chat notification share.

use crate::alert::phrases::count_phrase;
use crate::report::{GroupOutcome, GroupSummary, SweepReport};

/// The outcome in one line, without text from outside.
pub(super) fn sweep_headline(sweep: &SweepReport) -> String {
    let groups = count_phrase(sweep.affected_groups(), "group", "groups");
    let worst = sweep
        .max_severity()
        .map(|severity| format!(", worst {severity}"))
        .unwrap_or_default();
    let failed = sweep.groups_with_outcome(GroupOutcome::NotClosed);
    let closed = sweep.groups_with_outcome(GroupOutcome::Closed);
    match (&sweep.unfinished, failed, closed) {
        (Some(_), _, _) => {
            format!("SWEEP UNFINISHED: so far {groups} against the policy{worst}")
        }
        (None, 1.., _) => format!("SWEEP NOT DONE: {failed} of {groups} failed"),
        (None, 0, 0) => format!("SWEEP FOUND: {groups} against the policy{worst}"),
        (None, 0, _) => {
            format!("SWEEP CLOSED: {closed} of {groups} against the policy{worst}")
        }
    }
}

/// How it ended for a group, in a few words.
pub(super) fn group_status(group: &GroupSummary) -> &'static str {
    match group.outcome {
        GroupOutcome::Clean | GroupOutcome::GroupDeleted => "nothing is open",
        GroupOutcome::Reported => "reported only",
        GroupOutcome::Closed => "CLOSED",
        GroupOutcome::WouldClose => "OPEN, nothing was changed",
        GroupOutcome::Refused => "STILL OPEN, refused by a guardrail of the policy",
        GroupOutcome::NotClosed => "NOT DONE",
    }
}

/// What the reader has to do.
pub(super) fn sweep_advice(sweep: &SweepReport) -> &'static str {
    if sweep.unfinished.is_some() {
        "The sweep did not see all groups. Groups that it did not reach may still be open."
    } else if sweep.groups_with_outcome(GroupOutcome::NotClosed) > 0 {
        "Close the groups that are not done by hand, or find out why Portcullis could not: the \
         error says it."
    } else if sweep.groups_with_outcome(GroupOutcome::WouldClose) > 0 {
        "Nothing was changed, because this sweep only reports. Close the groups, allow them by \
         exceptions of the policy, or let the sweep remediate (parameter SweepAction of the stack)."
    } else if sweep.groups_with_outcome(GroupOutcome::Refused) > 0 {
        "What a guardrail refused stays open until somebody closes it by hand or changes the \
         policy."
    } else {
        "Nothing has to be done at once. Each group that was closed has an alert of its own, with \
         the commands that undo it."
    }
}
