//! What revoking and authorizing rules have in common.

use aws_sdk_ec2::Client;
use portcullis_remediation::ErrorKind;
use portcullis_rules::{IngressRule, Source};

use crate::error::CallError;

/// Rules in one call. A group has 60 rules by default and at most 1000, so usually one call is
/// enough. The limit keeps a request at about 30 kB, and limits how many rules are delayed when
/// EC2 rejects a call.
pub(crate) const RULES_PER_CALL: usize = 200;

/// Concurrent calls when one is not enough. The account has a burst of 50 for each of the two
/// operations and 5 per second after that (Amazon EC2 Developer Guide, "Request throttling").
pub(crate) const MAX_CONCURRENT_CALLS: usize = 4;

/// Removes ingress rules with `RevokeSecurityGroupIngress` and adds them with
/// `AuthorizeSecurityGroupIngress`.
#[derive(Debug, Clone)]
pub struct Ec2IngressEditor {
    pub(crate) ec2: Client,
}

impl Ec2IngressEditor {
    pub(crate) fn new(ec2: Client) -> Self {
        Self { ec2 }
    }
}

/// Whether a call with several rules was rejected because of one of them, so that calls with one
/// rule each may succeed.
///
/// A deleted source group is reported with the same code as a deleted group of our own.
pub(crate) fn single_rule_may_be_at_fault(failure: &CallError, rules: &[IngressRule]) -> bool {
    match failure.error.kind {
        ErrorKind::RuleNotFound | ErrorKind::RulesQuota => true,
        ErrorKind::GroupNotFound => rules.iter().any(has_source_group),
        ErrorKind::Other => failure.rejected && !is_caller_error(failure.code.as_deref()),
        ErrorKind::Throttled | ErrorKind::Denied | ErrorKind::NoAnswer => false,
    }
}

fn has_source_group(rule: &IngressRule) -> bool {
    matches!(rule.source, Source::Group(_))
}

/// Errors that every request of this caller would get.
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
