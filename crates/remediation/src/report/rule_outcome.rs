//! The outcome of one security group rule: what was found, what was done about it, and the result.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use portcullis_rules::plan::{Addition, RefusalReason};
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{Action, Finding, IngressRule, Removal, Severity};

use crate::services::ServiceError;

/// The outcome of one security group rule that the policy has a finding about, or that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleOutcome {
    /// The rule as it was read, with everything that restores it.
    pub rule: IngressRule,
    /// The status.
    pub status: RuleStatus,
    /// Whether Portcullis removed the rule at least once. In a report of a plan that was not
    /// applied: whether it would be removed.
    pub removed: bool,
    /// Whether Portcullis added the rule itself before it removed it. An undo does not restore it.
    pub is_replacement: bool,
    /// The ids of the enforced policy rules that it violates.
    pub policy_rules: Vec<String>,
    /// The strongest action of these policy rules; `None` if there are none.
    pub action: Option<Action>,
    /// The findings, enforced ones first, then by severity.
    pub findings: Vec<Finding>,
    /// The rules that were added in place of it and are still there. In a report of a plan that was
    /// not applied: the rules that would be added.
    pub replacements: Vec<Addition>,
    /// The rules that should have been added in place of it, but the call failed.
    pub failed_additions: Vec<FailedAddition>,
    /// Protocol numbers that the rule allowed, that are not forbidden, and that nothing keeps. Only
    /// a rule for protocol `-1` has any.
    pub dropped_protocols: ProtocolSet,
    /// The rules that were added in place of it and had to be removed again, because someone else
    /// removed this rule.
    pub withdrawals: Vec<Withdrawal>,
}

/// The status of one security group rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleStatus {
    /// The call to remove it failed, and it is still there.
    Failed(ServiceError),
    /// It is there at the last read although Portcullis removed it, or it was added too late to be
    /// removed.
    Reopened,
    /// The group could not be read again, so it may still be there. If the call to remove it failed
    /// as well, this is that error.
    Unverified(Option<ServiceError>),
    /// The policy demands its removal, and a guardrail or the verification of the plan prevented
    /// it.
    Refused(RefusalReason),
    /// Nothing was changed. Enforce mode would remove it.
    WouldApply,
    /// It was removed.
    Applied,
    /// It disappeared before Portcullis could remove it.
    Gone,
    /// The policy only reports it.
    Reported,
    /// Exceptions allow everything that the policy forbids of it.
    Exempt,
}

/// A rule that should have been added in place of a removed one, and why the call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAddition {
    /// The addition.
    pub addition: Addition,
    /// Why the call failed.
    pub error: ServiceError,
}

/// A rule that was added and had to be removed again, because someone else removed the rule that it
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The addition.
    pub addition: Addition,
    /// Why it could not be removed again: it is, or may be, still there. `None` if it was removed.
    pub error: Option<ServiceError>,
}

impl RuleStatus {
    /// Stable kebab-case name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Reopened => "reopened",
            Self::Unverified(_) => "unverified",
            Self::Refused(_) => "refused",
            Self::WouldApply => "would-apply",
            Self::Applied => "applied",
            Self::Gone => "gone",
            Self::Reported => "reported",
            Self::Exempt => "exempt",
        }
    }

    /// Whether the rule is, or may be, in the group although the policy demands its removal.
    pub const fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Failed(_)
                | Self::Reopened
                | Self::Unverified(_)
                | Self::Refused(_)
                | Self::WouldApply
        )
    }

    /// The error of the call to remove it.
    pub const fn error(&self) -> Option<&ServiceError> {
        match self {
            Self::Failed(error) | Self::Unverified(Some(error)) => Some(error),
            Self::Reopened
            | Self::Unverified(None)
            | Self::Refused(_)
            | Self::WouldApply
            | Self::Applied
            | Self::Gone
            | Self::Reported
            | Self::Exempt => None,
        }
    }

    /// Why it was refused.
    pub const fn refusal(&self) -> Option<RefusalReason> {
        if let Self::Refused(reason) = self {
            Some(*reason)
        } else {
            None
        }
    }

    /// The stable code of the refusal or of the error, if there is one.
    pub fn code(&self) -> Option<&'static str> {
        self.refusal()
            .map(RefusalReason::code)
            .or_else(|| self.error().map(|error| error.kind.code()))
    }

    /// The text of [`RuleStatus::code`].
    pub fn message(&self) -> Option<&'static str> {
        self.refusal()
            .map(RefusalReason::message)
            .or_else(|| self.error().map(|error| error.kind.message()))
    }

    /// Statuses that need attention come first.
    const fn attention_rank(&self) -> u8 {
        match self {
            Self::Failed(_) => 0,
            Self::Reopened => 1,
            Self::Unverified(_) => 2,
            Self::Refused(_) => 3,
            Self::WouldApply => 4,
            Self::Applied => 5,
            Self::Gone => 6,
            Self::Reported => 7,
            Self::Exempt => 8,
        }
    }
}

impl RuleOutcome {
    /// A rule without findings and changes.
    pub(crate) fn new(rule: IngressRule, status: RuleStatus) -> Self {
        Self {
            rule,
            status,
            removed: false,
            is_replacement: false,
            policy_rules: Vec::new(),
            action: None,
            findings: Vec::new(),
            replacements: Vec::new(),
            failed_additions: Vec::new(),
            dropped_protocols: ProtocolSet::empty(),
            withdrawals: Vec::new(),
        }
    }

    /// Adds a finding about this rule, unless there is one of the same policy rule already.
    pub(crate) fn add_finding(&mut self, finding: Finding) {
        let policy_rule = &finding.policy_rule;
        if self
            .findings
            .iter()
            .map(|known| &known.policy_rule.id)
            .any(|id| *id == policy_rule.id)
        {
            return;
        }
        if finding.enforces() {
            self.add_policy_rule(policy_rule.id.clone(), policy_rule.action);
        }
        self.findings.push(finding);
    }

    /// Adds what a plan knows about a removal: the policy rules that demand it, including those
    /// that the rule violates only after other removals, and the protocols that are lost.
    pub(crate) fn add_removal_reasons(&mut self, removal: &Removal) {
        for id in &removal.policy_rules {
            self.add_policy_rule(id.clone(), removal.action);
        }
        self.action = self.action.max(Some(removal.action));
        self.dropped_protocols = self.dropped_protocols.union(removal.dropped_protocols);
    }

    fn add_policy_rule(&mut self, id: String, action: Action) {
        if !self.policy_rules.contains(&id) {
            self.policy_rules.push(id);
        }
        self.action = self.action.max(Some(action));
    }

    /// The findings that no exception covers.
    pub fn active_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.exempted_by.is_none())
    }

    /// The worst severity of the findings that no exception covers.
    pub fn max_severity(&self) -> Option<Severity> {
        self.active_findings()
            .map(|finding| finding.policy_rule.severity)
            .max()
    }

    /// The ids of the exceptions that cover findings.
    pub fn exceptions(&self) -> BTreeSet<&str> {
        let exceptions = self
            .findings
            .iter()
            .filter_map(|finding| finding.exempted_by.as_deref());
        exceptions.collect()
    }

    /// Whether exceptions cover every finding.
    pub(crate) fn is_exempt(&self) -> bool {
        !self.findings.is_empty() && self.active_findings().next().is_none()
    }
}

/// Sorts the outcomes of a group: what needs attention first, then by severity and content. The
/// findings and replacements of each rule are sorted as well.
pub(crate) fn sort_by_attention(rules: &mut [RuleOutcome]) {
    for outcome in rules.iter_mut() {
        let replacements = &mut outcome.replacements;
        replacements.sort_by_cached_key(|addition| addition.ingress.sort_key());
        outcome.findings.sort_by_key(|finding| {
            let severity = finding.policy_rule.severity;
            (Reverse(finding.enforces()), Reverse(severity))
        });
    }
    rules.sort_by_cached_key(|outcome| {
        (
            outcome.status.attention_rank(),
            // A rule that was added again needs attention before one that appeared late.
            Reverse(outcome.removed),
            Reverse(outcome.max_severity()),
            outcome.rule.sort_key(),
            outcome.rule.id.clone(),
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{closed_report, incomplete_report};
    use crate::services::ErrorKind;

    #[test]
    fn codes_and_messages_belong_together() {
        let error = ServiceError::new("RevokeSecurityGroupIngress", ErrorKind::Denied, "no");
        let refused = RuleStatus::Refused(RefusalReason::ProtectedGroup);
        assert_eq!(refused.code(), Some("protected-group"));
        assert_eq!(
            refused.message(),
            Some(RefusalReason::ProtectedGroup.message())
        );
        for status in [
            RuleStatus::Failed(error.clone()),
            RuleStatus::Unverified(Some(error)),
        ] {
            assert_eq!(status.code(), Some("denied"));
            assert_eq!(status.message(), Some(ErrorKind::Denied.message()));
        }
        assert_eq!(RuleStatus::Unverified(None).code(), None);
        assert_eq!(RuleStatus::Applied.message(), None);
    }

    #[test]
    fn rules_that_need_attention_come_first() {
        let report = incomplete_report();
        assert_eq!(
            report
                .rules
                .iter()
                .map(|outcome| outcome.status.as_str())
                .collect::<Vec<_>>(),
            ["failed", "failed", "reopened", "applied"]
        );
    }

    #[test]
    fn enforced_findings_come_first() {
        let report = closed_report();
        let several = |outcome: &&RuleOutcome| outcome.findings.len() > 1;
        let outcome = report.rules.iter().find(several).unwrap();
        assert!(outcome.findings.is_sorted_by_key(|finding| {
            let severity = finding.policy_rule.severity;
            (Reverse(finding.enforces()), Reverse(severity))
        }));
        assert_eq!(outcome.max_severity(), Some(Severity::Critical));
    }
}
