//! What the remediator function returns: small, for people who invoke it and for invocation
//! records.

use serde::Serialize;

use super::counts::CountsV1;
use crate::report::{GroupOutcome, GroupReport};

/// The outcome of an event.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryV1<'a> {
    version: u32,
    outcome: Option<&'static str>,
    event_id: Option<&'a str>,
    groups: Vec<GroupSummaryV1<'a>>,
}

impl<'a> SummaryV1<'a> {
    /// The summary of the reports of one event. Its outcome is the one of most concern, or null if
    /// there is no report.
    pub fn new(event_id: Option<&'a str>, reports: &'a [GroupReport]) -> Self {
        let outcomes = reports.iter().map(|report| report.outcome);
        Self {
            version: 1,
            outcome: outcomes.max().map(GroupOutcome::as_str),
            event_id,
            groups: reports.iter().map(GroupSummaryV1::new).collect(),
        }
    }
}

/// The outcome of one group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupSummaryV1<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    outcome: &'static str,
    counts: CountsV1,
}

impl<'a> GroupSummaryV1<'a> {
    fn new(report: &'a GroupReport) -> Self {
        Self {
            id: Some(report.group.id.as_str()).filter(|id| !id.is_empty()),
            name: report.group.name.as_deref(),
            outcome: report.outcome.as_str(),
            counts: CountsV1::new(report),
        }
    }
}
