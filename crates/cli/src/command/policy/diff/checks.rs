//! Whether policy rules forbid everything that another one forbids.

use portcullis_policy::coverage::{scope_covers, source_covers};
use portcullis_rules::check::Check;
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{Action, Policy, PolicyRule, Source, TrafficSet};

use super::actions::{Response, possible_responses};

/// The traffic that a check forbids wherever it is open to the world; `None` if it forbids
/// something else.
pub(super) fn forbidden_traffic(check: &Check) -> Option<TrafficSet> {
    match check {
        Check::OpenPorts(forbidden) => Some(forbidden.clone()),
        Check::OpenExcept(allowed) => Some(allowed.complement()),
        Check::AllTraffic
        | Check::PortRange
        | Check::PortRangeInternal
        | Check::BroadSource
        | Check::OtherProtocols => None,
    }
}

/// Whether the first check forbids whatever the second does.
pub(super) fn check_covers(first: &Check, second: &Check) -> bool {
    first == second || checks_cover([first], second)
}

/// Whether these checks together forbid whatever the last one does.
fn checks_cover<'a>(checks: impl IntoIterator<Item = &'a Check>, covered: &Check) -> bool {
    let mut forbidden = TrafficSet::default();
    for check in checks {
        if check == covered {
            return true;
        }
        if let Some(traffic) = forbidden_traffic(check) {
            forbidden = forbidden.union(&traffic);
        }
    }
    match covered {
        Check::OpenPorts(_) | Check::OpenExcept(_) => forbidden_traffic(covered)
            .unwrap_or_default()
            .difference(&forbidden)
            .is_empty(),
        Check::OtherProtocols => forbidden.other_protocols == ProtocolSet::all(),
        Check::AllTraffic => forbidden == TrafficSet::all(),
        Check::PortRange | Check::PortRangeInternal | Check::BroadSource => false,
    }
}

/// The rules of a policy that together forbid whatever this rule of another policy does, at
/// least as strictly; empty if they do not.
pub(super) fn covering_rules<'p>(
    policy: &'p Policy,
    other_policy: &Policy,
    rule: &PolicyRule,
) -> Vec<&'p str> {
    let required = possible_responses(other_policy, rule);
    let candidates: Vec<&PolicyRule> = policy
        .rules
        .iter()
        .map(AsRef::as_ref)
        .filter(|candidate| {
            scope_covers(&candidate.scope, &rule.scope)
                && responds_as_strictly(policy, candidate, &required)
                && trusts_no_more(candidate, rule)
                && !is_exempted_more(policy, candidate, rule)
        })
        .collect();
    let checks = candidates.iter().map(|candidate| &candidate.check);
    if checks_cover(checks, &rule.check) {
        candidates
            .into_iter()
            .filter(|candidate| contributes_to(&candidate.check, &rule.check))
            .map(|candidate| candidate.id.as_str())
            .collect()
    } else {
        Vec::new()
    }
}

fn responds_as_strictly(policy: &Policy, rule: &PolicyRule, required: &[Response]) -> bool {
    possible_responses(policy, rule)
        .iter()
        .all(|response| required.iter().all(|required| response.covers(*required)))
}

/// Whether every source that keeps access under one rule does so under the other one.
fn trusts_no_more(rule: &PolicyRule, other: &PolicyRule) -> bool {
    let may_restrict = rule.action == Action::Restrict || !rule.trusted.is_empty();
    !may_restrict
        || untrusted_sources(&rule.trusted, &other.trusted)
            .next()
            .is_none()
}

/// The sources that are not inside one of the others.
pub(super) fn untrusted_sources<'a>(
    sources: &'a [Source],
    others: &'a [Source],
) -> impl Iterator<Item = &'a Source> {
    sources
        .iter()
        .filter(|source| !others.iter().any(|other| source_covers(other, source)))
}

/// Whether some exception is one to the first rule but not to the second.
fn is_exempted_more(policy: &Policy, rule: &PolicyRule, other: &PolicyRule) -> bool {
    policy.exceptions.iter().any(|exception| {
        exception.is_for_policy_rule(&rule.id) && !exception.is_for_policy_rule(&other.id)
    })
}

fn contributes_to(check: &Check, covered: &Check) -> bool {
    match (forbidden_traffic(check), forbidden_traffic(covered)) {
        (Some(traffic), Some(required)) => !traffic.intersection(&required).is_empty(),
        (Some(_), None) => true,
        (None, _) => check == covered,
    }
}
