//! Changing groups: what removing and adding rules have in common.

use aws_sdk_ec2::Client;
use portcullis_remediation::ErrorKind;
use portcullis_rules::{IngressRule, Source};

use crate::error::CallError;

/// Boxes in one call. A group has 60 rules by default and 1000 at most, so one call is the rule; the bound keeps the
/// request at some 30 kB and what one refusal holds up small.
pub(crate) const RULES_PER_CALL: usize = 200;

/// Calls at the same time where one is not enough: the account has a burst of 50 for each of the two operations and 5 a
/// second after that (Amazon EC2 Developer Guide, "Request throttling").
pub(crate) const MAX_CONCURRENT_CALLS: usize = 4;

/// Removes ingress rules with `RevokeSecurityGroupIngress` and adds them with `AuthorizeSecurityGroupIngress`.
#[derive(Debug, Clone)]
pub struct Ec2IngressEditor {
    pub(crate) ec2: Client,
}

impl Ec2IngressEditor {
    pub(crate) fn new(ec2: Client) -> Self {
        Self { ec2 }
    }
}

/// Whether a call with several boxes was refused for what one of them says, so that each alone may do better.
///
/// A source group that was deleted is reported like a missing group of our own.
pub(crate) fn single_rule_may_be_at_fault(failure: &CallError, rules: &[IngressRule]) -> bool {
    let names_groups = || {
        rules
            .iter()
            .any(|rule| matches!(rule.source, Source::Group(_)))
    };
    match failure.error.kind {
        ErrorKind::RuleNotFound => true,
        ErrorKind::GroupNotFound => names_groups(),
        ErrorKind::Other => failure.refused && !is_caller_error(failure.code.as_deref()),
        ErrorKind::Throttled | ErrorKind::Denied | ErrorKind::NoAnswer => false,
    }
}

/// Refusals that every request of ours would meet.
fn is_caller_error(code: Option<&str>) -> bool {
    matches!(
        code,
        Some(
            "Blocked"
                | "DryRunOperation"
                | "ExpiredToken"
                | "ExpiredTokenException"
                | "MissingAuthenticationToken"
                | "PendingVerification"
                | "RequestExpired"
        )
    )
}
