//! Removing rules by their content.
//!
//! Never by id: a rule that was modified after it was judged keeps its id, and nobody has judged what it is now. How
//! EC2 answers for a rule that is not there depends on the VPC (API Reference, `RevokeSecurityGroupIngress`): in the
//! default VPC it succeeds and lists `UnknownIpPermissions`; elsewhere it fails with `InvalidPermission.NotFound` and
//! removes nothing at all.

use async_trait::async_trait;
use aws_sdk_ec2::operation::revoke_security_group_ingress::RevokeSecurityGroupIngressOutput;
use futures_util::stream::{self, StreamExt as _};
use portcullis_remediation::{ErrorKind, RevokeIngress, RevokeResults, ServiceError};
use portcullis_rules::IngressRule;

use crate::convert::{rules_from_permission, to_permission};
use crate::edit::{
    Ec2IngressEditor, MAX_CONCURRENT_CALLS, RULES_PER_CALL, single_rule_may_be_at_fault,
};
use crate::error::{CallError, call_error};

const OPERATION: &str = "RevokeSecurityGroupIngress";

impl Ec2IngressEditor {
    /// One call for all; one each when EC2 will not have them together.
    async fn revoke_batch(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults {
        match self.send_revoke(group_id, rules).await {
            Ok(revoked) => revoked,
            Err(failure) if rules.len() > 1 && single_rule_may_be_at_fault(&failure, rules) => {
                tracing::info!(group.id = group_id, error = %failure.error, "revoking one by one");
                self.revoke_each(group_id, rules).await
            }
            Err(failure) => rules.iter().map(|_| Err(failure.error.clone())).collect(),
        }
    }

    async fn revoke_each(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults {
        let calls: Vec<_> = rules
            .chunks(1)
            .map(|rule| async move {
                match self.send_revoke(group_id, rule).await {
                    Ok(revoked) => revoked,
                    Err(failure) => vec![Err(failure.error)],
                }
            })
            .collect();
        let revoked: Vec<RevokeResults> = stream::iter(calls)
            .buffered(MAX_CONCURRENT_CALLS)
            .collect()
            .await;
        revoked.into_iter().flatten().collect()
    }

    async fn send_revoke(
        &self,
        group_id: &str,
        rules: &[IngressRule],
    ) -> Result<RevokeResults, CallError> {
        let answer = self
            .ec2
            .revoke_security_group_ingress()
            .group_id(group_id)
            .set_ip_permissions(Some(rules.iter().map(to_permission).collect()))
            .send()
            .await
            .map_err(|error| call_error(OPERATION, &error))?;
        Ok(parse_revoke_response(&answer, rules))
    }
}

#[async_trait]
impl RevokeIngress for Ec2IngressEditor {
    async fn revoke_rules(&self, group_id: &str, rules: &[IngressRule]) -> RevokeResults {
        let mut revoked = Vec::with_capacity(rules.len());
        for some in rules.chunks(RULES_PER_CALL) {
            revoked.extend(self.revoke_batch(group_id, some).await);
        }
        revoked
    }
}

/// What the answer says of each box. Only a plain "true" is success.
fn parse_revoke_response(
    answer: &RevokeSecurityGroupIngressOutput,
    rules: &[IngressRule],
) -> RevokeResults {
    let unknown: Result<Vec<_>, _> = answer
        .unknown_ip_permissions()
        .iter()
        .map(rules_from_permission)
        .collect();
    let unknown: Vec<IngressRule> = match unknown {
        Ok(boxes) => boxes.into_iter().flatten().collect(),
        Err(reason) => return fail_all_rules(rules, &format!("in UnknownIpPermissions {reason}")),
    };
    if answer.r#return() != Some(true) {
        return fail_all_rules(rules, "EC2 did not answer that it succeeded");
    }
    let is_ours = |stray: &IngressRule| rules.iter().any(|rule| rule.same_content(stray));
    if !unknown.iter().all(is_ours) {
        return fail_all_rules(
            rules,
            "UnknownIpPermissions names a rule that was not asked for",
        );
    }
    rules
        .iter()
        .map(|rule| check_rule_revoked(rule, &unknown))
        .collect()
}

fn check_rule_revoked(rule: &IngressRule, unknown: &[IngressRule]) -> Result<(), ServiceError> {
    if unknown.iter().any(|missing| missing.same_content(rule)) {
        let reason = "EC2 lists it in UnknownIpPermissions: there is no such rule";
        return Err(ServiceError::new(
            OPERATION,
            ErrorKind::RuleNotFound,
            reason,
        ));
    }
    Ok(())
}

fn fail_all_rules(rules: &[IngressRule], reason: &str) -> RevokeResults {
    let error = ServiceError::new(OPERATION, ErrorKind::Other, reason);
    rules.iter().map(|_| Err(error.clone())).collect()
}
