//! The report about one security group and one event.

use serde::Serialize;

use super::counts::CountsV1;
use super::event::{EventV1, GroupV1};
use super::rule::{ErrorV1, RuleOutcomeV1, SkippedAdditionV1, order_name};
use super::text::{escaped_len, serialize_json};
use crate::report::undo::{authorize_command, revoke_command};
use crate::report::{GroupReport, PolicyIdentity};

/// The report of one group and one event.
#[derive(Debug, Clone, Serialize)]
pub struct ReportV1<'a> {
    version: u32,
    outcome: &'static str,
    mode: &'static str,
    policy: &'a PolicyIdentity,
    event: EventV1<'a>,
    group: GroupV1<'a>,
    severity: Option<String>,
    closed_at: Option<String>,
    exposure_seconds: Option<i64>,
    rounds: u32,
    unverified: Option<ErrorV1<'a>>,
    counts: CountsV1,
    truncated: bool,
    rules: Vec<RuleOutcomeV1<'a>>,
    order: Option<&'static str>,
    skipped_additions: Vec<SkippedAdditionV1<'a>>,
    unresolved_prefix_lists: Vec<&'a str>,
    expired_exceptions: Vec<&'a str>,
    undo: UndoV1,
}

impl<'a> ReportV1<'a> {
    /// The whole report.
    pub fn new(report: &'a GroupReport) -> Self {
        Self::with_max_entries(report, usize::MAX)
    }

    /// A report whose lists have at most `max_entries` entries each. The counts are those of the
    /// whole report.
    fn with_max_entries(report: &'a GroupReport, max_entries: usize) -> Self {
        let counts = CountsV1::new(report);
        Self {
            version: 1,
            outcome: report.outcome.as_str(),
            mode: report.mode.as_str(),
            policy: &report.policy,
            event: EventV1::new(&report.origin),
            group: GroupV1::new(&report.group, report.interfaces),
            severity: report.max_severity().map(|severity| severity.to_string()),
            closed_at: report.closed_at.map(|time| time.to_string()),
            exposure_seconds: report.exposure_seconds(),
            rounds: report.rounds,
            unverified: report.unverified.as_ref().map(ErrorV1::new),
            truncated: counts.longest_list() > max_entries,
            counts,
            rules: report
                .rules
                .iter()
                .take(max_entries)
                .map(|outcome| RuleOutcomeV1::with_max_entries(outcome, max_entries))
                .collect(),
            order: applied_order(report),
            skipped_additions: report
                .skipped_additions
                .iter()
                .take(max_entries)
                .map(SkippedAdditionV1::new)
                .collect(),
            unresolved_prefix_lists: report
                .unresolved_prefix_lists
                .iter()
                .take(max_entries)
                .map(String::as_str)
                .collect(),
            expired_exceptions: report
                .expired_exceptions
                .iter()
                .take(max_entries)
                .map(String::as_str)
                .collect(),
            undo: UndoV1::with_max_entries(report, max_entries),
        }
    }
}

/// Whether additions or removals came first; `None` if there was nothing to add.
fn applied_order(report: &GroupReport) -> Option<&'static str> {
    let replacements = report.replacements().count();
    let failed = report.failed_additions().count();
    let has_additions = replacements > 0 || failed > 0;
    has_additions.then_some(order_name(report.order))
}

/// AWS CLI commands that undo a remediation.
#[derive(Debug, Clone, Serialize)]
pub struct UndoV1 {
    restore: Vec<String>,
    remove: Vec<String>,
}

impl UndoV1 {
    fn with_max_entries(report: &GroupReport, max_entries: usize) -> Self {
        let group_id = &report.group.id;
        let region = report.origin.region.as_deref();
        Self {
            restore: report
                .rules_to_restore()
                .take(max_entries)
                .map(|outcome| authorize_command(group_id, region, &outcome.rule).join(" "))
                .collect(),
            remove: report
                .additions_to_remove()
                .take(max_entries)
                .map(|addition| revoke_command(group_id, region, &addition.ingress).join(" "))
                .collect(),
        }
    }
}

/// The whole report as JSON text.
pub fn to_json(report: &GroupReport) -> String {
    serialize_json(&ReportV1::new(report))
}

/// The report as JSON text that takes at most `budget` bytes as a string inside other JSON.
///
/// Every list is shortened to the same length, the greatest that fits. The counts remain, and
/// `truncated` is true. Without its lists a report is small.
pub fn to_json_within(report: &GroupReport, budget: usize) -> String {
    let longest = CountsV1::new(report).longest_list();
    if let Some(whole) = json_if_within(report, longest, budget) {
        return whole;
    }
    let (mut fits, mut too_many) = (0_usize, longest);
    let mut best = serialize_json(&ReportV1::with_max_entries(report, fits));
    while too_many.saturating_sub(fits) > 1 {
        let middle = fits.midpoint(too_many);
        if let Some(text) = json_if_within(report, middle, budget) {
            (fits, best) = (middle, text);
        } else {
            too_many = middle;
        }
    }
    best
}

fn json_if_within(report: &GroupReport, max_entries: usize, budget: usize) -> Option<String> {
    let text = serialize_json(&ReportV1::with_max_entries(report, max_entries));
    (escaped_len(&text) <= budget).then_some(text)
}
