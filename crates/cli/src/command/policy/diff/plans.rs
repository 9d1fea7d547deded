//! Plans for recorded events that differ between two policies.

use portcullis_rules::{IngressRule, SecurityGroup};

use super::change::Direction;
use crate::command::plan::{PlannedGroup, Plans};

/// Plans for a group that differ in the same way for some events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlanChange {
    pub(super) direction: Direction,
    pub(super) group: SecurityGroup,
    /// The events that have an id.
    pub(super) event_ids: Vec<String>,
    pub(super) event_count: usize,
    pub(super) before: PlanState,
    pub(super) after: PlanState,
}

/// What a plan does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlanState {
    pub(super) outcome: &'static str,
    pub(super) removes: Vec<IngressRule>,
    pub(super) adds: Vec<IngressRule>,
    /// The rules that are not removed, with the code of the reason.
    pub(super) refuses: Vec<(IngressRule, &'static str)>,
}

impl PlanState {
    fn new(planned: &PlannedGroup) -> Self {
        let plan = &planned.decision.plan;
        let removals = plan.removals.iter();
        let additions = plan.additions.iter();
        let refusals = plan.refusals.iter();
        Self {
            outcome: planned.report.outcome.as_str(),
            removes: removals.map(|removal| removal.ingress.clone()).collect(),
            adds: additions.map(|addition| addition.ingress.clone()).collect(),
            refuses: refusals
                .map(|refusal| (refusal.ingress.clone(), refusal.reason.code()))
                .collect(),
        }
    }

    /// The plan in a phrase: `removes tcp 22 0.0.0.0/0; adds tcp 22 203.0.113.0/24`.
    pub(super) fn describe(&self) -> String {
        let mut parts = Vec::new();
        if !self.removes.is_empty() {
            parts.push(format!("removes {}", join_rules(&self.removes)));
        }
        if !self.adds.is_empty() {
            parts.push(format!("adds {}", join_rules(&self.adds)));
        }
        for (rule, code) in &self.refuses {
            parts.push(format!("refuses to remove {rule} ({code})"));
        }
        if parts.is_empty() {
            return self.outcome.to_owned();
        }
        format!("{}: {}", self.outcome, parts.join("; "))
    }
}

fn join_rules(rules: &[IngressRule]) -> String {
    let texts: Vec<_> = rules.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// The plans that differ. Both are for the same events and groups, in the same order.
pub(super) fn compare_plans(old: &Plans, new: &Plans) -> Vec<PlanChange> {
    let mut changes: Vec<PlanChange> = Vec::new();
    for (old_plan, new_plan) in old.planned.iter().zip(&new.planned) {
        let before = PlanState::new(old_plan);
        let after = PlanState::new(new_plan);
        if before == after {
            continue;
        }
        let report = &old_plan.report;
        let same = changes.iter_mut().find(|change| {
            change.group.id == report.group.id && change.before == before && change.after == after
        });
        let event_id = report.origin.event_id.clone();
        match same {
            Some(change) => {
                change.event_count = change.event_count.saturating_add(1);
                change.event_ids.extend(event_id);
            }
            None => changes.push(PlanChange {
                direction: plan_direction(&before, &after),
                group: report.group.clone(),
                event_ids: event_id.into_iter().collect(),
                event_count: 1,
                before,
                after,
            }),
        }
    }
    changes
}

/// Weaker is a plan that leaves a rule which the other one removes, or that keeps more of what both
/// remove.
fn plan_direction(before: &PlanState, after: &PlanState) -> Direction {
    let removes_as_much = contains_all(&after.removes, &before.removes);
    let removes_no_more = contains_all(&before.removes, &after.removes);
    if !removes_as_much {
        return Direction::Weaker;
    }
    if !removes_no_more {
        return Direction::Stricter;
    }
    Direction::from_coverage(
        contains_all(&before.adds, &after.adds),
        contains_all(&after.adds, &before.adds),
    )
}

fn contains_all(rules: &[IngressRule], others: &[IngressRule]) -> bool {
    others
        .iter()
        .all(|other| rules.iter().any(|rule| rule.same_content(other)))
}
