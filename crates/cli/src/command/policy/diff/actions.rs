//! What overrides make of the action and severity of a policy rule, for every group that there may
//! be.

use portcullis_policy::coverage::scope_covers;
use portcullis_rules::policy::RuleOverride;
use portcullis_rules::{Action, Policy, PolicyRule, Scope, Severity};

use super::change::Direction;

/// How many scopes of overrides are compared exactly.
const MAX_SCOPES: usize = 10;

/// The action and severity of a policy rule for some groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) action: Action,
    pub(super) severity: Severity,
}

impl Response {
    pub(super) const fn of_rule(rule: &PolicyRule) -> Self {
        Self {
            action: rule.action,
            severity: rule.severity,
        }
    }

    fn with_override(self, change: RuleOverride) -> Self {
        Self {
            action: change.action.unwrap_or(self.action),
            severity: change.severity.unwrap_or(self.severity),
        }
    }

    /// Whether this response is at least as strict.
    pub(super) fn covers(self, other: Self) -> bool {
        let is_as_severe = self.severity >= other.severity || other.action == Action::Off;
        action_covers(self.action, other.action) && is_as_severe
    }
}

/// Whether the first action is at least as strict. `restrict` is not as strict as `narrow`,
/// although it is the stronger one of the two, because trusted sources keep access.
pub(super) fn action_covers(first: Action, second: Action) -> bool {
    first >= second && (first, second) != (Action::Restrict, Action::Narrow)
}

/// The direction from one action to another.
pub(super) fn action_direction(old: Action, new: Action) -> Direction {
    Direction::from_coverage(action_covers(new, old), action_covers(old, new))
}

/// The overrides of a policy rule, in the order in which they are applied.
pub(super) fn overrides_of<'a>(policy: &'a Policy, id: &str) -> Vec<(&'a Scope, RuleOverride)> {
    policy
        .overrides
        .iter()
        .filter_map(|entry| {
            let change = entry.rule_overrides.get(id)?;
            Some((&entry.scope, *change))
        })
        .collect()
}

/// All responses that a policy rule may have, depending on the group.
pub(super) fn possible_responses(policy: &Policy, rule: &PolicyRule) -> Vec<Response> {
    let overrides = overrides_of(policy, &rule.id);
    let base = Response::of_rule(rule);
    let mut actions = vec![base.action];
    actions.extend(overrides.iter().filter_map(|(_, change)| change.action));
    let mut severities = vec![base.severity];
    severities.extend(overrides.iter().filter_map(|(_, change)| change.severity));
    let mut responses = Vec::new();
    for action in actions {
        for severity in &severities {
            responses.push(Response {
                action,
                severity: *severity,
            });
        }
    }
    responses
}

/// A response that differs between two lists of overrides, for groups in these scopes and in no
/// other one.
#[derive(Debug)]
pub(super) struct ResponseChange<'a> {
    pub(super) scopes: Vec<&'a Scope>,
    pub(super) old: Response,
    pub(super) new: Response,
}

/// How two lists of overrides of a policy rule differ, for all groups that there may be. `None` if
/// there are too many scopes.
pub(super) fn compare_overrides<'a>(
    base: Response,
    old: &[(&'a Scope, RuleOverride)],
    new: &[(&'a Scope, RuleOverride)],
) -> Option<Vec<ResponseChange<'a>>> {
    let mut scopes: Vec<&Scope> = Vec::new();
    for (scope, _) in old.iter().chain(new) {
        if !scopes.contains(scope) {
            scopes.push(scope);
        }
    }
    if scopes.len() > MAX_SCOPES {
        return None;
    }
    let mut changes = Vec::new();
    for mask in 0..1_u32.checked_shl(u32::try_from(scopes.len()).ok()?)? {
        let is_chosen = |index: usize| u32::try_from(index).is_ok_and(|bit| mask >> bit & 1 == 1);
        let indexes = 0..scopes.len();
        let (inside, outside): (Vec<_>, Vec<_>) = scopes
            .iter()
            .copied()
            .zip(indexes)
            .partition(|(_, index)| is_chosen(*index));
        let inside: Vec<_> = inside.into_iter().map(|(scope, _)| scope).collect();
        let outside: Vec<_> = outside.into_iter().map(|(scope, _)| scope).collect();
        if !is_possible(&inside, &outside) {
            continue;
        }
        let old = response_in(&inside, base, old);
        let new = response_in(&inside, base, new);
        if old != new {
            changes.push(ResponseChange {
                scopes: inside,
                old,
                new,
            });
        }
    }
    Some(changes)
}

fn response_in(
    inside: &[&Scope],
    base: Response,
    overrides: &[(&Scope, RuleOverride)],
) -> Response {
    overrides
        .iter()
        .filter(|(scope, _)| inside.contains(scope))
        .fold(base, |response, (_, change)| {
            response.with_override(*change)
        })
}

/// Whether there may be a group in all of the first scopes and in none of the others.
fn is_possible(inside: &[&Scope], outside: &[&Scope]) -> bool {
    let excludes_itself = outside.iter().any(|outer| {
        outer.is_everywhere() || inside.iter().any(|inner| scope_covers(outer, inner))
    });
    let mut rest = inside;
    while let [first, others @ ..] = rest {
        if others.iter().any(|other| are_disjoint(first, other)) {
            return false;
        }
        rest = others;
    }
    !excludes_itself
}

/// Whether no group can be in both scopes, because a group has one account, region, VPC and id.
fn are_disjoint(one: &Scope, other: &Scope) -> bool {
    let pairs = [
        (&one.accounts, &other.accounts),
        (&one.regions, &other.regions),
        (&one.vpcs, &other.vpcs),
        (&one.group_ids, &other.group_ids),
    ];
    pairs.into_iter().any(|(first, second)| {
        let has_both = !first.is_empty() && !second.is_empty();
        has_both && first.iter().all(|value| !second.contains(value))
    })
}
