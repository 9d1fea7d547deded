//! The report as JSON, version 1 (`schemas/report.v1.schema.json`): for queues, functions and the log.
//!
//! These types are apart from the domain's, so that neither hinders the other. Keys are never absent: what is not known
//! is null.

mod parts;
mod summary;
mod undo;

pub use parts::{
    ActorV1, AdditionV1, CountsV1, ErrorV1, EventV1, FailedAdditionV1, FailedRemovalV1, FindingV1,
    GroupV1, RefusalV1, RemovalV1, SecurityGroupRuleV1, SkippedAdditionV1,
};
pub use summary::{GroupSummaryV1, SummaryV1};
pub use undo::{authorize_command, revoke_command};

use std::fmt;

use portcullis_rules::Finding;
use portcullis_rules::plan::ApplyOrder;
use serde::{Serialize, Serializer};

use super::GroupReport;

/// A value that is written as its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisplayString<T>(pub T);

impl<T: fmt::Display> Serialize for DisplayString<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The report of one group and one event.
#[derive(Debug, Clone, Serialize)]
pub struct ReportV1<'a> {
    version: u32,
    outcome: &'static str,
    mode: &'static str,
    policy: &'a str,
    event: EventV1<'a>,
    group: GroupV1<'a>,
    severity: Option<String>,
    closed_at: Option<String>,
    exposure_seconds: Option<i64>,
    rounds: u32,
    unverified: Option<ErrorV1<'a>>,
    counts: CountsV1,
    truncated: bool,
    findings: Vec<FindingV1<'a>>,
    removed: Vec<RemovalV1<'a>>,
    added: Vec<AdditionV1<'a>>,
    removed_first: bool,
    skipped_additions: Vec<SkippedAdditionV1<'a>>,
    failed_additions: Vec<FailedAdditionV1<'a>>,
    failures: Vec<FailedRemovalV1<'a>>,
    refusals: Vec<RefusalV1<'a>>,
    remaining: Vec<FindingV1<'a>>,
    unresolved_prefix_lists: Vec<&'a str>,
    expired_exceptions: Vec<&'a str>,
    restore: Vec<String>,
    retract: Vec<String>,
}

impl<'a> ReportV1<'a> {
    /// All of a report.
    pub fn new(report: &'a GroupReport) -> Self {
        Self::with_max_entries(report, usize::MAX)
    }

    /// A report whose lists hold at most so many entries each. The counts are those of the whole report.
    fn with_max_entries(report: &'a GroupReport, most: usize) -> Self {
        let counts = CountsV1::new(report);
        let finding = |finding: &'a Finding| FindingV1::new(&report.group, finding);
        Self {
            version: 1,
            outcome: report.outcome.as_str(),
            mode: report.mode.as_str(),
            policy: &report.policy,
            event: EventV1::new(&report.origin),
            group: GroupV1::new(report),
            severity: report.max_severity().map(|severity| severity.to_string()),
            closed_at: report.closed_at.map(|time| time.to_string()),
            exposure_seconds: report.exposure_seconds(),
            rounds: report.rounds,
            unverified: report.unverified.as_ref().map(ErrorV1::new),
            truncated: counts.longest_list() > most,
            counts,
            findings: report.findings.iter().take(most).map(finding).collect(),
            removed: report
                .removed
                .iter()
                .take(most)
                .map(RemovalV1::new)
                .collect(),
            added: report
                .added
                .iter()
                .take(most)
                .map(AdditionV1::new)
                .collect(),
            removed_first: report.order == ApplyOrder::RemoveFirst,
            skipped_additions: report
                .skipped_additions
                .iter()
                .take(most)
                .map(SkippedAdditionV1::new)
                .collect(),
            failed_additions: report
                .failed_additions
                .iter()
                .take(most)
                .map(FailedAdditionV1::new)
                .collect(),
            failures: report
                .failed_removals
                .iter()
                .take(most)
                .map(FailedRemovalV1::new)
                .collect(),
            refusals: report
                .refusals
                .iter()
                .take(most)
                .map(RefusalV1::new)
                .collect(),
            remaining: report.remaining.iter().take(most).map(finding).collect(),
            unresolved_prefix_lists: report
                .unresolved_prefix_lists
                .iter()
                .take(most)
                .map(String::as_str)
                .collect(),
            expired_exceptions: report
                .expired_exceptions
                .iter()
                .take(most)
                .map(String::as_str)
                .collect(),
            restore: undo::restore_commands(report).take(most).collect(),
            retract: undo::removal_commands(report).take(most).collect(),
        }
    }
}

/// The whole report as JSON text.
pub fn to_json(report: &GroupReport) -> String {
    serialize_json(&ReportV1::new(report))
}

/// The report as JSON text that takes no more than `budget` bytes as a string inside other JSON.
///
/// Every list is cut to the same length, the greatest that fits; the counts stay, and `truncated` says so. Without any
/// list a report is small.
pub fn to_json_within(report: &GroupReport, budget: usize) -> String {
    let within = |most: usize| {
        let text = serialize_json(&ReportV1::with_max_entries(report, most));
        (escaped_len(&text) <= budget).then_some(text)
    };
    let longest = CountsV1::new(report).longest_list();
    if let Some(whole) = within(longest) {
        return whole;
    }
    let (mut fits, mut too_many) = (0_usize, longest);
    let mut best = serialize_json(&ReportV1::with_max_entries(report, fits));
    while too_many.saturating_sub(fits) > 1 {
        let middle = fits.midpoint(too_many);
        if let Some(text) = within(middle) {
            (fits, best) = (middle, text);
        } else {
            too_many = middle;
        }
    }
    best
}

/// How many bytes a text takes as a string inside JSON, quotes included.
pub(crate) fn escaped_len(text: &str) -> usize {
    let extra: usize = text.bytes().map(extra_bytes).fold(2, usize::saturating_add);
    text.len().saturating_add(extra)
}

/// What JSON adds to a byte: `\"`, `\n`, `\u001b`.
const fn extra_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 1,
        0..=0x1f => 5,
        _ => 0,
    }
}

/// JSON text of a value of this module.
pub(crate) fn serialize_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        // Cannot happen: no key here is anything but a string. Told is better than lost all the same.
        serde_json::json!({"version": 1, "error": error.to_string()}).to_string()
    })
}

#[cfg(test)]
mod tests;
