//! Policies: what is forbidden, how severe a violation is, and which action it requires.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::check::Check;
use crate::exception::Exception;
use crate::group::SecurityGroup;
use crate::scope::{Context, Glob, Scope};
use crate::source::Source;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know; no immediate risk.
    Low,
    /// Widens the attack surface.
    Medium,
    /// Needs attention today.
    High,
    /// Needs attention now.
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

/// The action for a finding, weakest first. When several policy rules apply to one security group
/// rule, the strongest action is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The policy rule is not evaluated.
    Off,
    /// The finding is reported; the group is not changed.
    Notify,
    /// The security group rule is replaced by rules for the traffic that is not forbidden.
    Narrow,
    /// Like [`Action::Narrow`], and trusted sources keep access to the forbidden traffic.
    Restrict,
    /// The security group rule is removed.
    Revoke,
}

impl Action {
    /// Whether the action changes the group. Such findings are called enforced.
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

/// One rule of a policy: a check, the severity of a violation and the action it requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// Stable kebab-case id, unique in the policy.
    pub id: String,
    /// What the rule forbids, in one line: "any port open to the world that is not a common service
    /// port".
    pub forbids: String,
    /// The check with its parameters.
    pub check: Check,
    /// The severity of a violation.
    pub severity: Severity,
    /// The action for a violation.
    pub action: Action,
    /// The published controls that the rule is about (`EC2-034`, `EC2.19`, `HIPAA`). Its page says
    /// what it covers of them.
    pub references: Vec<String>,
    /// The groups that the rule applies to.
    pub scope: Scope,
    /// The sources that keep access with [`Action::Restrict`].
    pub trusted: Vec<Source>,
}

/// A policy: rules with their exceptions, overrides and guardrails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The name in reports, such as `baseline`.
    pub name: String,
    /// Whether the policy is for monitoring only: no group is changed, regardless of the actions.
    pub monitor: bool,
    /// The rules in the order of reports.
    pub rules: Vec<Arc<PolicyRule>>,
    /// What is allowed even though a rule forbids it.
    pub exceptions: Vec<Arc<Exception>>,
    /// Different severities and actions for some groups. A later override wins over an earlier one.
    pub overrides: Vec<Override>,
    /// What is never changed automatically.
    pub guardrails: Guardrails,
}

/// Different severities and actions of rules for some groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Override {
    /// The groups that the override applies to.
    pub scope: Scope,
    /// What is different, by rule id.
    pub rule_overrides: BTreeMap<String, RuleOverride>,
}

/// What an override changes about a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleOverride {
    /// The severity to use, if it is overridden.
    pub severity: Option<Severity>,
    /// The action to use, if it is overridden.
    pub action: Option<Action>,
}

/// Limits on automatic changes, regardless of the rules. Every refusal is reported with a code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guardrails {
    /// Groups that are never changed.
    pub protected: Vec<Scope>,
    /// What is done about rules that the event did not open. In audits and sweeps these are all
    /// rules.
    pub existing: ExistingRules,
    /// The maximum number of rules that may be removed from a group for one event, not counting
    /// rules that the event opened. If there are more, only rules that the event opened are
    /// removed.
    pub max_removals: Option<usize>,
    /// Only notify about groups that are managed by an AWS service.
    pub notify_only_service_managed: bool,
    /// Only notify about groups that are attached to a load balancer.
    pub notify_only_load_balancers: bool,
    /// Only notify about rules that these principals opened, such as a deployment pipeline.
    pub notify_only_principals: Vec<Glob>,
}

/// What is done about rules that the event did not open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExistingRules {
    /// The same as about other rules.
    #[default]
    Enforce,
    /// Their findings have the action [`Action::Notify`] at most.
    Notify,
}

impl Guardrails {
    /// Whether a decision requires to know what the group is attached to.
    pub fn needs_attachments(&self) -> bool {
        self.notify_only_service_managed || self.notify_only_load_balancers
    }
}

impl Policy {
    /// The rule with this id.
    pub fn rule_by_id(&self, id: &str) -> Option<&Arc<PolicyRule>> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The ids of the prefix lists that rules trust. A plan for a group with enforced findings may
    /// depend on their entries.
    pub fn trusted_prefix_lists(&self) -> BTreeSet<&str> {
        self.rules
            .iter()
            .flat_map(|rule| &rule.trusted)
            .filter_map(Source::prefix_list_id)
            .collect()
    }

    /// The rules to evaluate for a group: those in scope that are not off, with overrides applied.
    pub fn rules_for(&self, group: &SecurityGroup, context: &Context) -> Vec<Arc<PolicyRule>> {
        let overrides: Vec<_> = self
            .overrides
            .iter()
            .filter(|candidate| candidate.scope.matches(group, context))
            .collect();
        self.rules
            .iter()
            .filter(|rule| rule.scope.matches(group, context))
            .map(|rule| {
                overrides
                    .iter()
                    .fold(Arc::clone(rule), |rule, next| next.apply_to(rule))
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
    fn actions_and_severities_are_ordered() {
        assert!(Action::Off < Action::Notify && Action::Notify < Action::Narrow);
        assert!(Action::Narrow < Action::Restrict && Action::Restrict < Action::Revoke);
        assert!(Severity::Low < Severity::Medium && Severity::High < Severity::Critical);
        assert!(Action::Revoke.enforces());
        assert!(!Action::Notify.enforces() && !Action::Off.enforces());
    }
}
