//! Findings in given groups that differ between two policies.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::{Action, Finding, IngressRule, Policy, SecurityGroup, Severity, TrafficSet};

use super::change::{Direction, describe_traffic_set};
use crate::audit::Audit;

/// A finding under one policy that is different under the other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FindingChange {
    pub(super) direction: Direction,
    pub(super) group: SecurityGroup,
    pub(super) ingress: IngressRule,
    /// The id of the policy rule.
    pub(super) policy_rule: String,
    /// `None` if there is no finding.
    pub(super) before: Option<FindingState>,
    pub(super) after: Option<FindingState>,
}

/// What a policy says about a security group rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FindingState {
    pub(super) severity: Severity,
    /// If only one of the two policies enforces, that of the other one is `notify` at most.
    pub(super) action: Action,
    pub(super) offending: TrafficSet,
    pub(super) exempted_by: Option<String>,
}

impl FindingState {
    fn new(finding: &Finding, only_notifies: bool) -> Self {
        let action = finding.policy_rule.action;
        Self {
            severity: finding.policy_rule.severity,
            action: if only_notifies {
                action.min(Action::Notify)
            } else {
                action
            },
            offending: finding.offending.clone(),
            exempted_by: finding.exempted_by.clone(),
        }
    }

    /// `revoke (high) tcp 22`, `exempt by office`.
    fn describe(&self, with_traffic: bool) -> String {
        if let Some(id) = &self.exempted_by {
            return format!("exempt by {id}");
        }
        let response = format!("{} ({})", self.action, self.severity);
        if !with_traffic {
            return response;
        }
        let traffic = describe_traffic_set(&self.offending);
        format!("{response} {traffic}")
    }
}

impl FindingChange {
    /// The finding under both policies, each in a phrase. Traffic is left out if it is the same.
    pub(super) fn describe_states(&self) -> [String; 2] {
        let traffic_of = |state: &FindingState| state.offending.clone();
        let before = self.before.as_ref().map(traffic_of);
        let after = self.after.as_ref().map(traffic_of);
        let with_traffic = before != after;
        [&self.before, &self.after].map(|state| match state {
            Some(state) => state.describe(with_traffic),
            None => "no finding".to_owned(),
        })
    }
}

/// The findings of one security group rule under one policy, by policy rule.
type RuleStates = BTreeMap<String, FindingState>;

/// The findings that differ, ordered by group and security group rule.
pub(super) fn compare_findings(
    (old_policy, old): (&Policy, &Audit),
    (new_policy, new): (&Policy, &Audit),
) -> Vec<FindingChange> {
    let modes_differ = old_policy.monitor != new_policy.monitor;
    let old_groups = groups_by_id(old);
    let new_groups = groups_by_id(new);
    let ids: BTreeSet<_> = old_groups
        .keys()
        .chain(new_groups.keys())
        .copied()
        .collect();
    let mut changes = Vec::new();
    for id in ids {
        let (old_group, new_group) = (old_groups.get(id), new_groups.get(id));
        let Some((group, _)) = old_group.or(new_group) else {
            continue;
        };
        let before = states_by_rule(old_group, modes_differ && old_policy.monitor);
        let after = states_by_rule(new_group, modes_differ && new_policy.monitor);
        for (index, ingress) in group.rules.iter().enumerate() {
            let empty = RuleStates::new();
            let before = before.get(&index).unwrap_or(&empty);
            let after = after.get(&index).unwrap_or(&empty);
            changes.extend(compare_states(group, ingress, before, after));
        }
    }
    changes
}

type GroupFindings = (SecurityGroup, Vec<Finding>);

fn groups_by_id(audit: &Audit) -> BTreeMap<&str, &GroupFindings> {
    audit
        .findings
        .iter()
        .map(|entry| (entry.0.id.as_str(), entry))
        .collect()
}

fn states_by_rule(
    group: Option<&&GroupFindings>,
    only_notifies: bool,
) -> BTreeMap<usize, RuleStates> {
    let mut states: BTreeMap<usize, RuleStates> = BTreeMap::new();
    for finding in group.map(|(_, findings)| findings).into_iter().flatten() {
        let id = finding.policy_rule.id.clone();
        let state = FindingState::new(finding, only_notifies);
        states.entry(finding.index).or_default().insert(id, state);
    }
    states
}

/// The differences about one security group rule. Where another policy rule makes up for a finding,
/// that is neutral.
fn compare_states(
    group: &SecurityGroup,
    ingress: &IngressRule,
    before: &RuleStates,
    after: &RuleStates,
) -> Vec<FindingChange> {
    let old_states: Vec<_> = before.values().collect();
    let new_states: Vec<_> = after.values().collect();
    let is_weaker = !effect_covers(&new_states, &old_states);
    let is_stricter = !effect_covers(&old_states, &new_states);
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for id in ids {
        let (old, new) = (before.get(id), after.get(id));
        if old == new {
            continue;
        }
        let (old_state, new_state) = (Vec::from_iter(old), Vec::from_iter(new));
        let direction = if is_weaker && !effect_covers(&new_state, &old_state) {
            Direction::Weaker
        } else if is_stricter && !effect_covers(&old_state, &new_state) {
            Direction::Stricter
        } else {
            Direction::Neutral
        };
        changes.push(FindingChange {
            direction,
            group: group.clone(),
            ingress: ingress.clone(),
            policy_rule: id.clone(),
            before: old.cloned(),
            after: new.cloned(),
        });
    }
    changes
}

const ACTIONS: [Action; 4] = [
    Action::Notify,
    Action::Narrow,
    Action::Restrict,
    Action::Revoke,
];
const SEVERITIES: [Severity; 4] = [
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];

/// Whether the first findings forbid everything that the second ones do, with an action and a
/// severity that are at least as strict.
fn effect_covers(first: &[&FindingState], second: &[&FindingState]) -> bool {
    let covers_actions = ACTIONS.into_iter().all(|action| {
        let required = forbidden_where(second, |state| state.action >= action);
        let forbidden = forbidden_where(first, |state| state.action >= action);
        required.difference(&forbidden).is_empty()
    });
    let covers_severities = SEVERITIES.into_iter().all(|severity| {
        let required = forbidden_where(second, |state| state.severity >= severity);
        let forbidden = forbidden_where(first, |state| state.severity >= severity);
        required.difference(&forbidden).is_empty()
    });
    covers_actions && covers_severities
}

/// What the findings that meet the condition forbid and no exception exempts.
fn forbidden_where(
    states: &[&FindingState],
    condition: impl Fn(&FindingState) -> bool,
) -> TrafficSet {
    states
        .iter()
        .filter(|state| state.exempted_by.is_none() && condition(state))
        .fold(TrafficSet::default(), |all, state| {
            all.union(&state.offending)
        })
}
