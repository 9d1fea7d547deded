//! A policy: which rules hold, how bad a breach is, and what is done about it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::check::Check;
use crate::exception::Exception;
use crate::group::SecurityGroup;
use crate::scope::{Context, Glob, Scope};
use crate::source::Source;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Untidy; worth knowing.
    Low,
    /// Widens the attack surface.
    Medium,
    /// Act today.
    High,
    /// Act now.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// What is done about a finding, weakest first: where several rules meet on one box, the strongest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Nothing; the rule is not judged.
    Off,
    /// Somebody is told.
    Notify,
    /// What is not forbidden is kept as boxes of its own, and the box goes.
    Narrow,
    /// As narrow, and what is forbidden is opened again to trusted sources only.
    Restrict,
    /// The box goes.
    Revoke,
}

impl Action {
    /// Whether the action changes the group, so that a finding of it counts for the exit code.
    pub fn enforces(self) -> bool {
        self > Self::Notify
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::Notify => "notify",
            Self::Narrow => "narrow",
            Self::Restrict => "restrict",
            Self::Revoke => "revoke",
        })
    }
}

/// One rule of a policy: a check with its parameters, and what a breach of it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// Stable kebab-case name, unique in the policy.
    pub id: String,
    /// What the rule forbids, in one line: "any port open to the world that is not a common service port".
    pub forbids: String,
    /// What is looked for.
    pub check: Check,
    /// How bad a breach is.
    pub severity: Severity,
    /// What is done about it.
    pub action: Action,
    /// The published controls that the rule answers (`EC2-034`, `EC2.19`, `HIPAA`).
    pub references: Vec<String>,
    /// The groups for which the rule holds.
    pub scope: Scope,
    /// The sources to which [`Action::Restrict`] opens again what the rule forbids.
    pub trusted: Vec<Source>,
}

/// A set of rules, with what bounds them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The policy's name, for reports: `baseline`.
    pub name: String,
    /// Whether the author wants nothing changed, whatever the actions say.
    pub monitor: bool,
    /// The rules, in the order of reports.
    pub rules: Vec<Arc<PolicyRule>>,
    /// What is allowed although a rule forbids it.
    pub exceptions: Vec<Arc<Exception>>,
    /// Other severities and actions somewhere; a later one wins over an earlier one.
    pub overrides: Vec<Override>,
    /// What is never done.
    pub guardrails: Guardrails,
}

/// Other severities and actions for some groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Override {
    /// The groups.
    pub scope: Scope,
    /// What is other, by rule id.
    pub rule_overrides: BTreeMap<String, RuleOverride>,
}

/// What is other about a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleOverride {
    /// Another severity.
    pub severity: Option<Severity>,
    /// Another action.
    pub action: Option<Action>,
}

/// What is never done, whatever the rules say. Each refusal is told, with a code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guardrails {
    /// Groups that are never touched.
    pub protected: Vec<Scope>,
    /// The most boxes that may be removed for one event and group; beyond it none is.
    pub max_removals: Option<usize>,
    /// Groups that an AWS service made are only told about.
    pub notify_only_service_managed: bool,
    /// Groups in front of a load balancer are only told about.
    pub notify_only_load_balancers: bool,
    /// Changes by these principals are only told about: a deployment pipeline.
    pub notify_only_principals: Vec<Glob>,
}

impl Guardrails {
    /// Whether deciding needs to know what the group is attached to.
    pub fn needs_attachments(&self) -> bool {
        self.notify_only_service_managed || self.notify_only_load_balancers
    }
}

impl Policy {
    /// The rule with this id.
    pub fn rule_by_id(&self, id: &str) -> Option<&Arc<PolicyRule>> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The rules that are judged for a group: in scope, not off, with the overrides that hold there.
    pub fn rules_for(&self, group: &SecurityGroup, context: &Context) -> Vec<Arc<PolicyRule>> {
        let overrides: Vec<_> = self
            .overrides
            .iter()
            .filter(|other| other.scope.matches(group, context))
            .collect();
        self.rules
            .iter()
            .filter(|rule| rule.scope.matches(group, context))
            .map(|rule| {
                overrides
                    .iter()
                    .fold(Arc::clone(rule), |rule, other| other.apply_to(rule))
            })
            .filter(|rule| rule.action != Action::Off)
            .collect()
    }
}

impl Override {
    fn apply_to(&self, mut rule: Arc<PolicyRule>) -> Arc<PolicyRule> {
        if let Some(change) = self.rule_overrides.get(&rule.id) {
            let changed = Arc::make_mut(&mut rule);
            changed.severity = change.severity.unwrap_or(changed.severity);
            changed.action = change.action.unwrap_or(changed.action);
        }
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_action_and_severity_are_the_greatest() {
        assert!(Action::Off < Action::Notify && Action::Notify < Action::Narrow);
        assert!(Action::Narrow < Action::Restrict && Action::Restrict < Action::Revoke);
        assert!(Severity::Low < Severity::Medium && Severity::High < Severity::Critical);
        assert!(Action::Revoke.enforces());
        assert!(!Action::Notify.enforces() && !Action::Off.enforces());
    }
}
