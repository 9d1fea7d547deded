//! Removes rules by their content.
//!
//! Rules are never removed by id: a rule that was modified after its evaluation keeps its id, but
//! its new content has not been evaluated. How EC2 responds when a rule does not exist depends on
//! the VPC (EC2 API Reference, `RevokeSecurityGroupIngress`): in the default VPC the call succeeds
//! and lists the rule in `UnknownIpPermissions`; in others it fails with
//! `InvalidPermission.NotFound` and removes nothing.

use async_trait::async_trait;
use aws_sdk_ec2::operation::revoke_security_group_ingress::RevokeSecurityGroupIngressOutput;
use futures_util::stream::{self, StreamExt as _};
use portcullis_remediation::{ErrorKind, RevokeIngress, RevokeResults, ServiceError};
use portcullis_rules::IngressRule;

use crate::call::unexpected_response;
use crate::convert::{rules_from_permission, to_permission};
use crate::edit::{
    Ec2IngressEditor, MAX_CONCURRENT_CALLS, RULES_PER_CALL, single_rule_may_be_at_fault,
};
use crate::error::{CallError, call_error};

const OPERATION: &str = "RevokeSecurityGroupIngress";

impl Ec2IngressEditor {
    /// Revokes all rules in one call, or with one call per rule if EC2 rejects the batch.
    async fn revoke_batch(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults {
        match self.send_revoke(group_id, rules).await {
            Ok(results) => results,
            Err(failure) if rules.len() > 1 && single_rule_may_be_at_fault(&failure, rules) => {
                let error = &failure.error;
                tracing::info!(group.id = group_id, %error, "revoking rules one by one");
                self.revoke_each(group_id, rules).await
            }
            Err(failure) => fail_all_rules(rules, &failure.error),
        }
    }

    async fn revoke_each(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults {
        let calls: Vec<_> = rules
            .chunks(1)
            .map(|rule| self.revoke_single(group_id, rule))
            .collect();
        let results: Vec<RevokeResults> = stream::iter(calls)
            .buffered(MAX_CONCURRENT_CALLS)
            .collect()
            .await;
        results.into_iter().flatten().collect()
    }

    async fn revoke_single(&self, group_id: &str, rule: &[IngressRule]) -> RevokeResults {
        match self.send_revoke(group_id, rule).await {
            Ok(results) => results,
            Err(failure) => fail_all_rules(rule, &failure.error),
        }
    }

    async fn send_revoke(
        &self,
        group_id: &str,
        rules: &[IngressRule],
    ) -> Result<RevokeResults, CallError> {
        let permissions = rules.iter().map(to_permission).collect();
        let output = self
            .ec2
            .revoke_security_group_ingress()
            .group_id(group_id)
            .set_ip_permissions(Some(permissions))
            .send()
            .await
            .map_err(|error| call_error(OPERATION, &error))?;
        Ok(parse_revoke_response(&output, rules)
            .unwrap_or_else(|error| fail_all_rules(rules, &error)))
    }
}

#[async_trait]
impl RevokeIngress for Ec2IngressEditor {
    async fn revoke_rules(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults {
        let mut results = Vec::with_capacity(rules.len());
        for batch in rules.chunks(RULES_PER_CALL) {
            results.extend(self.revoke_batch(group_id, batch).await);
        }
        results
    }
}

/// The result for each rule. Only an explicit `true` is success.
///
/// # Errors
/// When the response cannot be attributed to the rules.
fn parse_revoke_response(
    output: &RevokeSecurityGroupIngressOutput,
    rules: &[IngressRule],
) -> Result<RevokeResults, ServiceError> {
    let unknown = unknown_rules(output)?;
    if output.r#return() != Some(true) {
        let reason = "EC2 did not confirm the call";
        return Err(unexpected_response(OPERATION, reason));
    }
    let all_requested = unknown.iter().all(|unknown| contains_rule(rules, unknown));
    if !all_requested {
        let reason = "UnknownIpPermissions contains a rule that was not in the request";
        return Err(unexpected_response(OPERATION, reason));
    }
    Ok(rules
        .iter()
        .map(|rule| check_rule_revoked(rule, &unknown))
        .collect())
}

/// The rules that EC2 did not find.
fn unknown_rules(
    output: &RevokeSecurityGroupIngressOutput,
) -> Result<Vec<IngressRule>, ServiceError> {
    let mut rules = Vec::new();
    for permission in output.unknown_ip_permissions() {
        let unknown = rules_from_permission(permission).map_err(|reason| {
            unexpected_response(OPERATION, format!("in UnknownIpPermissions: {reason}"))
        })?;
        rules.extend(unknown);
    }
    Ok(rules)
}

fn contains_rule(rules: &[IngressRule], rule: &IngressRule) -> bool {
    rules.iter().any(|other| other.same_content(rule))
}

fn check_rule_revoked(rule: &IngressRule, unknown: &[IngressRule]) -> Result<(), ServiceError> {
    if contains_rule(unknown, rule) {
        let reason = "the rule does not exist: EC2 lists it in UnknownIpPermissions";
        let kind = ErrorKind::RuleNotFound;
        return Err(ServiceError::new(OPERATION, kind, reason));
    }
    Ok(())
}

fn fail_all_rules(rules: &[IngressRule], error: &ServiceError) -> RevokeResults {
    rules.iter().map(|_| Err(error.clone())).collect()
}
