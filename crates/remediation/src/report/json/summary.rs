//! What a function returns: small, for whoever invokes it by hand or looks at the invocation record.

use serde::Serialize;

use super::CountsV1;
use crate::report::GroupReport;

/// What became of an event.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryV1<'a> {
    version: u32,
    outcome: Option<&'static str>,
    event_id: Option<&'a str>,
    groups: Vec<GroupSummaryV1<'a>>,
}

impl<'a> SummaryV1<'a> {
    /// The summary of the reports of one event. Its outcome is the gravest of them, null when there is none.
    pub fn new(event_id: Option<&'a str>, reports: &'a [GroupReport]) -> Self {
        Self {
            version: 1,
            outcome: reports
                .iter()
                .map(|report| report.outcome)
                .max()
                .map(super::super::GroupOutcome::as_str),
            event_id,
            groups: reports.iter().map(GroupSummaryV1::new).collect(),
        }
    }
}

/// What became of one group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupSummaryV1<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    outcome: &'static str,
    counts: CountsV1,
}

impl<'a> GroupSummaryV1<'a> {
    fn new(report: &'a GroupReport) -> Self {
        let id = Some(report.group.id.as_str()).filter(|id| !id.is_empty());
        let (outcome, counts) = (report.outcome.as_str(), CountsV1::new(report));
        Self {
            id,
            name: report.group.name.as_deref(),
            outcome,
            counts,
        }
    }
}
