//! Removing rules by their content.
//!
//! Never by id: a rule that was modified after it was judged keeps its id, and nobody has judged what it is now. How
//! EC2 answers for a rule that is not there depends on the VPC (API Reference, `RevokeSecurityGroupIngress`): in the
//! default VPC it succeeds and lists `UnknownIpPermissions`; elsewhere it fails with `InvalidPermission.NotFound` and
//! removes nothing at all.

use async_trait::async_trait;
use aws_sdk_ec2::operation::revoke_security_group_ingress::RevokeSecurityGroupIngressOutput;
use futures_util::stream::{self, StreamExt as _};
use portcullis_remediation::{ErrorKind, PortError, RevokeIngress, Revoked};
use portcullis_rules::IngressRule;

use crate::boxes::{from_permission, to_permission};
use crate::change::{AT_ONCE, BOXES_PER_CALL, Changer, one_box_may_be_the_reason};
use crate::error::{Failure, failure};

const OPERATION: &str = "RevokeSecurityGroupIngress";

impl Changer {
    /// One call for all; one each when EC2 will not have them together.
    async fn revoke_some(&self, group_id: &str, rules: &[IngressRule]) -> Revoked {
        match self.revoke_call(group_id, rules).await {
            Ok(revoked) => revoked,
            Err(failure) if rules.len() > 1 && one_box_may_be_the_reason(&failure, rules) => {
                tracing::info!(group.id = group_id, error = %failure.error, "revoking one by one");
                self.revoke_each(group_id, rules).await
            }
            Err(failure) => rules.iter().map(|_| Err(failure.error.clone())).collect(),
        }
    }

    async fn revoke_each(&self, group_id: &str, rules: &[IngressRule]) -> Revoked {
        let calls: Vec<_> = rules
            .chunks(1)
            .map(|rule| async move {
                match self.revoke_call(group_id, rule).await {
                    Ok(revoked) => revoked,
                    Err(failure) => vec![Err(failure.error)],
                }
            })
            .collect();
        let revoked: Vec<Revoked> = stream::iter(calls).buffered(AT_ONCE).collect().await;
        revoked.into_iter().flatten().collect()
    }

    async fn revoke_call(&self, group_id: &str, rules: &[IngressRule]) -> Result<Revoked, Failure> {
        let answer = self
            .ec2
            .revoke_security_group_ingress()
            .group_id(group_id)
            .set_ip_permissions(Some(rules.iter().map(to_permission).collect()))
            .send()
            .await
            .map_err(|error| failure(OPERATION, &error))?;
        Ok(outcomes(&answer, rules))
    }
}

#[async_trait]
impl RevokeIngress for Changer {
    async fn revoke(&self, group_id: &str, rules: &[IngressRule]) -> Revoked {
        let mut revoked = Vec::with_capacity(rules.len());
        for some in rules.chunks(BOXES_PER_CALL) {
            revoked.extend(self.revoke_some(group_id, some).await);
        }
        revoked
    }
}

/// What the answer says of each box. Only a plain "true" is success.
fn outcomes(answer: &RevokeSecurityGroupIngressOutput, rules: &[IngressRule]) -> Revoked {
    let unknown: Result<Vec<_>, _> = answer.unknown_ip_permissions().iter().map(from_permission).collect();
    let unknown: Vec<IngressRule> = match unknown {
        Ok(boxes) => boxes.into_iter().flatten().collect(),
        Err(reason) => return all(rules, &format!("in UnknownIpPermissions {reason}")),
    };
    if answer.r#return() != Some(true) {
        return all(rules, "EC2 did not answer that it succeeded");
    }
    let is_ours = |stray: &IngressRule| rules.iter().any(|rule| rule.same_content(stray));
    if !unknown.iter().all(is_ours) {
        return all(rules, "UnknownIpPermissions names a rule that was not asked for");
    }
    rules.iter().map(|rule| outcome(rule, &unknown)).collect()
}

fn outcome(rule: &IngressRule, unknown: &[IngressRule]) -> Result<(), PortError> {
    if unknown.iter().any(|missing| missing.same_content(rule)) {
        let reason = "EC2 lists it in UnknownIpPermissions: there is no such rule";
        return Err(PortError::new(OPERATION, ErrorKind::RuleNotFound, reason));
    }
    Ok(())
}

fn all(rules: &[IngressRule], reason: &str) -> Revoked {
    let error = PortError::new(OPERATION, ErrorKind::Other, reason);
    rules.iter().map(|_| Err(error.clone())).collect()
}
