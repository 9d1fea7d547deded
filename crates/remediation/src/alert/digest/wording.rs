//! Phrases that the e-mail and the chat notification of a digest share.

use crate::alert::phrases::count_phrase;
use crate::report::{GroupOutcome, GroupSummary, SweepReport};

/// The outcome in one line, without untrusted text.
pub(super) fn sweep_headline(sweep: &SweepReport) -> String {
    let groups = count_phrase(sweep.affected_groups(), "group", "groups");
    let severity = sweep
        .max_severity()
        .map(|severity| format!(", highest severity {severity}"))
        .unwrap_or_default();
    let failed = sweep.groups_with_outcome(GroupOutcome::NotClosed);
    let closed = sweep.groups_with_outcome(GroupOutcome::Closed);
    match (&sweep.unfinished, failed, closed) {
        (Some(_), _, _) => format!("SWEEP UNFINISHED: {groups} with findings{severity}"),
        (None, 1.., _) => {
            format!("SWEEP FAILED: {failed} of {groups} could not be checked or closed")
        }
        (None, 0, 0) => format!("SWEEP FOUND: {groups} with findings{severity}"),
        (None, 0, _) => format!("SWEEP CLOSED: {closed} of {groups} with findings{severity}"),
    }
}

/// The outcome of a group as a short phrase.
pub(super) fn group_status(group: &GroupSummary) -> &'static str {
    match group.outcome {
        GroupOutcome::Clean | GroupOutcome::GroupDeleted => "nothing is open",
        GroupOutcome::Reported => "reported only",
        GroupOutcome::Closed => "CLOSED",
        GroupOutcome::WouldClose => "OPEN, nothing was changed",
        GroupOutcome::Refused => "STILL OPEN, removal refused",
        GroupOutcome::NotClosed => "FAILED",
    }
}

/// What the reader has to do.
pub(super) fn sweep_advice(sweep: &SweepReport) -> &'static str {
    if sweep.unfinished.is_some() {
        "The sweep did not reach all groups. Groups that it did not reach may still be open."
    } else if sweep.groups_with_outcome(GroupOutcome::NotClosed) > 0 {
        "Close the failed groups manually, or fix the error that prevented Portcullis from closing \
         them."
    } else if sweep.groups_with_outcome(GroupOutcome::WouldClose) > 0 {
        "Nothing was changed, because this sweep only reports. Close the groups, add exceptions to \
         the policy, or let the sweep remediate (stack parameter SweepAction)."
    } else if sweep.groups_with_outcome(GroupOutcome::Refused) > 0 {
        "Groups that Portcullis refused to close stay open until someone closes them manually or \
         changes the policy."
    } else {
        "No immediate action is required. Each closed group has its own alert, with the commands \
         that undo the change."
    }
}
