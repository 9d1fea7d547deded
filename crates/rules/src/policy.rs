//! A policy: which rules hold, how bad a breach is, and what is done about it.

use std::fmt;
use std::sync::Arc;

use crate::check::Check;

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
            Self::Revoke => "revoke",
        })
    }
}

/// One rule of a policy: a check with its parameters, and what a breach of it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
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
}

/// A set of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The policy's name, for reports: `baseline`.
    pub name: String,
    /// The rules, in the order of reports.
    pub rules: Vec<Arc<Rule>>,
}

impl Policy {
    /// The rule with this id.
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_action_and_severity_are_the_greatest() {
        assert!(Action::Off < Action::Notify && Action::Notify < Action::Revoke);
        assert!(Severity::Low < Severity::Medium && Severity::High < Severity::Critical);
        assert!(Action::Revoke.enforces());
        assert!(!Action::Notify.enforces() && !Action::Off.enforces());
    }
}
