//! Everything that differs between two policies.

use portcullis_rules::Policy;

use super::change::{Change, Direction};
use super::findings::FindingChange;
use super::guardrails::mode_name;
use super::plans::PlanChange;
use crate::describe::Problem;

/// The result of a comparison.
#[derive(Debug)]
pub(super) struct DiffReport {
    pub(super) old: PolicySummary,
    pub(super) new: PolicySummary,
    pub(super) changes: Vec<Change>,
    /// `None` without groups.
    pub(super) findings: Option<Vec<FindingChange>>,
    /// `None` without events.
    pub(super) plans: Option<Vec<PlanChange>>,
    /// What could not be evaluated; `None` without groups.
    pub(super) problems: Option<Vec<Problem>>,
}

/// A policy in the head of a report.
#[derive(Debug)]
pub(super) struct PolicySummary {
    pub(super) name: String,
    pub(super) mode: &'static str,
}

impl PolicySummary {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            name: policy.name.clone(),
            mode: mode_name(policy),
        }
    }
}

impl DiffReport {
    /// The directions of all differences.
    pub(super) fn directions(&self) -> impl Iterator<Item = Direction> {
        let changes = self.changes.iter().map(|change| change.direction);
        let findings = self.findings.iter().flatten();
        let plans = self.plans.iter().flatten();
        changes
            .chain(findings.map(|change| change.direction))
            .chain(plans.map(|change| change.direction))
    }

    /// Whether anything is weakened.
    pub(super) fn is_weakened(&self) -> bool {
        self.directions()
            .any(|direction| direction == Direction::Weaker)
    }
}

/// The number of differences by direction: `2 weaker, 1 stricter`.
pub(super) fn count_directions(directions: impl IntoIterator<Item = Direction>) -> String {
    let directions: Vec<_> = directions.into_iter().collect();
    let mut parts = Vec::new();
    for direction in Direction::ALL {
        let count = directions
            .iter()
            .filter(|other| **other == direction)
            .count();
        if count > 0 {
            parts.push(format!("{count} {}", direction.as_str()));
        }
    }
    if parts.is_empty() {
        "no differences".to_owned()
    } else {
        parts.join(", ")
    }
}
