//! Security group rules, and the outcome of each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_rules::plan::{Addition, ApplyOrder, Purpose, SkippedAddition};
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{Action, IngressRule, Protocol, Source};
use serde::Serialize;

use super::finding::RuleFindingV1;
use super::text::{DisplayString, truncate_text};
use crate::report::{FailedAddition, RuleOutcome, Withdrawal};
use crate::services::ServiceError;

/// The full content of one security group rule, with its ports as EC2 returned them: everything
/// that restores it.
#[derive(Debug, Clone, Serialize)]
pub struct SecurityGroupRuleV1<'a> {
    security_group_rule_id: Option<&'a str>,
    protocol: DisplayString<Protocol>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: DisplayString<&'a Source>,
    source_owner_id: Option<&'a str>,
    description: Option<&'a str>,
    tags: &'a BTreeMap<String, String>,
}

impl<'a> SecurityGroupRuleV1<'a> {
    /// The content of this rule.
    pub fn new(rule: &'a IngressRule) -> Self {
        let ports = rule.ec2_ports();
        let source_owner_id = match &rule.source {
            Source::Group(group) => group.owner_id.as_deref(),
            Source::Cidr(_) | Source::PrefixList(_) => None,
        };
        Self {
            security_group_rule_id: rule.id.as_deref(),
            protocol: DisplayString(rule.protocol()),
            from_port: ports.from,
            to_port: ports.to,
            source: DisplayString(&rule.source),
            source_owner_id,
            description: rule.description.as_deref(),
            tags: &rule.tags,
        }
    }
}

/// The outcome of one security group rule.
#[derive(Debug, Clone, Serialize)]
pub struct RuleOutcomeV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    status: &'static str,
    code: Option<&'static str>,
    message: Option<&'static str>,
    error: Option<ErrorV1<'a>>,
    action: Option<DisplayString<Action>>,
    policy_rules: Vec<&'a str>,
    findings: Vec<RuleFindingV1<'a>>,
    replacements: Vec<ReplacementV1<'a>>,
    failed_additions: Vec<FailedAdditionV1<'a>>,
    dropped_protocols: Option<String>,
    withdrawals: Vec<WithdrawalV1<'a>>,
}

impl<'a> RuleOutcomeV1<'a> {
    /// An outcome with at most `max_entries` findings, replacements and failed additions each.
    pub fn with_max_entries(outcome: &'a RuleOutcome, max_entries: usize) -> Self {
        Self {
            rule: SecurityGroupRuleV1::new(&outcome.rule),
            status: outcome.status.as_str(),
            code: outcome.status.code(),
            message: outcome.status.message(),
            error: outcome.status.error().map(ErrorV1::new),
            action: outcome.action.map(DisplayString),
            policy_rules: outcome.policy_rules.iter().map(String::as_str).collect(),
            findings: outcome
                .findings
                .iter()
                .take(max_entries)
                .map(RuleFindingV1::new)
                .collect(),
            replacements: outcome
                .replacements
                .iter()
                .take(max_entries)
                .map(ReplacementV1::new)
                .collect(),
            failed_additions: outcome
                .failed_additions
                .iter()
                .take(max_entries)
                .map(FailedAdditionV1::new)
                .collect(),
            dropped_protocols: protocol_numbers(outcome.dropped_protocols),
            withdrawals: outcome
                .withdrawals
                .iter()
                .take(max_entries)
                .map(WithdrawalV1::new)
                .collect(),
        }
    }
}

/// A rule that was added, or would be, in place of a removed one.
#[derive(Debug, Clone, Serialize)]
pub struct ReplacementV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    purpose: &'static str,
}

impl<'a> ReplacementV1<'a> {
    /// An addition.
    pub fn new(addition: &'a Addition) -> Self {
        Self {
            rule: SecurityGroupRuleV1::new(&addition.ingress),
            purpose: purpose_name(addition.purpose),
        }
    }
}

/// A rule that should have been added in place of a removed one, and the call that failed.
#[derive(Debug, Clone, Serialize)]
pub struct FailedAdditionV1<'a> {
    #[serde(flatten)]
    rule: ReplacementV1<'a>,
    error: ErrorV1<'a>,
}

impl<'a> FailedAdditionV1<'a> {
    /// A failed addition.
    pub fn new(failed: &'a FailedAddition) -> Self {
        Self {
            rule: ReplacementV1::new(&failed.addition),
            error: ErrorV1::new(&failed.error),
        }
    }
}

/// A replacement that was removed again, because someone else had removed the original rule.
#[derive(Debug, Clone, Serialize)]
pub struct WithdrawalV1<'a> {
    #[serde(flatten)]
    rule: ReplacementV1<'a>,
    error: Option<ErrorV1<'a>>,
}

impl<'a> WithdrawalV1<'a> {
    /// A withdrawal.
    pub fn new(withdrawal: &'a Withdrawal) -> Self {
        Self {
            rule: ReplacementV1::new(&withdrawal.addition),
            error: withdrawal.error.as_ref().map(ErrorV1::new),
        }
    }
}

/// A rule that the plan could not add in place of a removed one.
#[derive(Debug, Clone, Serialize)]
pub struct SkippedAdditionV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    code: &'static str,
    message: &'static str,
}

impl<'a> SkippedAdditionV1<'a> {
    /// A skipped addition.
    pub fn new(skipped: &'a SkippedAddition) -> Self {
        Self {
            rule: SecurityGroupRuleV1::new(&skipped.ingress),
            code: skipped.reason.code(),
            message: skipped.reason.message(),
        }
    }
}

/// A call that failed.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorV1<'a> {
    operation: &'static str,
    kind: &'static str,
    message: Cow<'a, str>,
}

impl<'a> ErrorV1<'a> {
    /// An error.
    pub fn new(error: &'a ServiceError) -> Self {
        Self {
            operation: error.operation,
            kind: error.kind.code(),
            message: truncate_text(&error.message),
        }
    }
}

/// The numbers as a comma-separated list of numbers and ranges; `None` if there are none.
pub fn protocol_numbers(protocols: ProtocolSet) -> Option<String> {
    (!protocols.is_empty()).then(|| protocols.to_string())
}

const fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Keep => "keep",
        Purpose::Trust => "trust",
    }
}

/// `add-first` or `remove-first`.
pub const fn order_name(order: ApplyOrder) -> &'static str {
    match order {
        ApplyOrder::AddFirst => "add-first",
        ApplyOrder::RemoveFirst => "remove-first",
    }
}
