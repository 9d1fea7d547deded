//! Adds rules in place of removed ones.
//!
//! Each rule is sent as one permission, with the description in its one range, list or pair. Tags
//! are not part of a permission: the tags of a call (`TagSpecifications`) apply to every rule it
//! creates (EC2 API Reference, `AuthorizeSecurityGroupIngress`), so only rules with the same tags
//! share a call. EC2 accepts all permissions of a call or none; if it rejects them together, each
//! is sent alone, one after another if the rules quota has no room for all of them, so that earlier
//! ones have precedence. A rule that already exists (`InvalidPermission.Duplicate`, which can also
//! follow a lost response) is a success, and keeps its description and tags.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{IpPermission, ResourceType, Tag, TagSpecification};
use futures_util::stream::{self, StreamExt as _};
use portcullis_remediation::services::{AuthorizeResults, Authorized};
use portcullis_remediation::{AuthorizeIngress, ErrorKind, ServiceError};
use portcullis_rules::IngressRule;
use portcullis_rules::group::Tags;

use crate::call::unexpected_response;
use crate::convert::to_described_permission;
use crate::edit::{
    Ec2IngressEditor, MAX_CONCURRENT_CALLS, RULES_PER_CALL, single_rule_may_be_at_fault,
};
use crate::error::{CallError, call_error};

const OPERATION: &str = "AuthorizeSecurityGroupIngress";

/// "The rule already exists" (Amazon EC2 API Reference, "Error codes for the Amazon EC2 API").
const DUPLICATE_RULE_CODE: &str = "InvalidPermission.Duplicate";

/// A rule and its index in the request.
type IndexedRule<'a> = (usize, &'a IngressRule);

/// The result for a rule and its index in the request.
type IndexedResult = (usize, Result<Authorized, ServiceError>);

impl Ec2IngressEditor {
    async fn authorize_indexed(
        &self,
        group_id: &str,
        batch: Vec<IndexedRule<'_>>,
    ) -> Vec<IndexedResult> {
        let rules: Vec<_> = batch.iter().map(|(_, rule)| (*rule).clone()).collect();
        let results = self.authorize_batch(group_id, &rules).await;
        batch
            .into_iter()
            .map(|(index, _)| index)
            .zip(results)
            .collect()
    }

    /// Authorizes all rules in one call, or in one call each if EC2 rejects them together.
    async fn authorize_batch(&self, group_id: &str, rules: &[IngressRule]) -> AuthorizeResults {
        match self.send_authorize(group_id, rules).await {
            Err(failure) if rules.len() > 1 && single_rule_may_be_at_fault(&failure, rules) => {
                let error = &failure.error;
                tracing::info!(group.id = group_id, %error, "authorizing rules one by one");
                let concurrency = if error.kind == ErrorKind::RulesQuota {
                    1
                } else {
                    MAX_CONCURRENT_CALLS
                };
                self.authorize_each(group_id, rules, concurrency).await
            }
            result => {
                let result = accept_duplicate(result, rules);
                rules.iter().map(|_| result.clone()).collect()
            }
        }
    }

    async fn authorize_each(
        &self,
        group_id: &str,
        rules: &[IngressRule],
        concurrency: usize,
    ) -> AuthorizeResults {
        let calls: Vec<_> = rules
            .chunks(1)
            .map(|rule| self.authorize_single(group_id, rule))
            .collect();
        stream::iter(calls).buffered(concurrency).collect().await
    }

    async fn authorize_single(
        &self,
        group_id: &str,
        rule: &[IngressRule],
    ) -> Result<Authorized, ServiceError> {
        accept_duplicate(self.send_authorize(group_id, rule).await, rule)
    }

    async fn send_authorize(&self, group_id: &str, rules: &[IngressRule]) -> Result<(), CallError> {
        let permissions: Vec<IpPermission> = rules.iter().map(to_described_permission).collect();
        let output = self
            .ec2
            .authorize_security_group_ingress()
            .group_id(group_id)
            .set_ip_permissions(Some(permissions))
            .set_tag_specifications(rules.first().and_then(tag_specifications))
            .send()
            .await
            .map_err(|error| call_error(OPERATION, &error))?;
        if output.r#return() != Some(true) {
            let reason = "EC2 did not confirm the call";
            return Err(CallError::from(unexpected_response(OPERATION, reason)));
        }
        Ok(())
    }
}

#[async_trait]
impl AuthorizeIngress for Ec2IngressEditor {
    async fn authorize_rules(&self, group_id: &str, rules: &[IngressRule]) -> AuthorizeResults {
        let calls: Vec<_> = batch_by_tags(rules)
            .into_iter()
            .map(|batch| self.authorize_indexed(group_id, batch))
            .collect();
        let batches: Vec<Vec<IndexedResult>> = stream::iter(calls)
            .buffered(MAX_CONCURRENT_CALLS)
            .collect()
            .await;
        let mut results: Vec<_> = batches.into_iter().flatten().collect();
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

/// The rules of each call: they have the same tags, and there are not too many.
fn batch_by_tags(rules: &[IngressRule]) -> Vec<Vec<IndexedRule<'_>>> {
    let mut by_tags: BTreeMap<Tags, Vec<IndexedRule<'_>>> = BTreeMap::new();
    for indexed in rules.iter().enumerate() {
        let tags = indexed.1.settable_tags();
        by_tags.entry(tags).or_default().push(indexed);
    }
    by_tags
        .values()
        .flat_map(|rules| rules.chunks(RULES_PER_CALL).map(<[_]>::to_vec))
        .collect()
}

/// A duplicate is a success if the call had one rule: of several, it is unknown which one already
/// exists.
fn accept_duplicate(
    result: Result<(), CallError>,
    rules: &[IngressRule],
) -> Result<Authorized, ServiceError> {
    match result {
        Err(failure) if rules.len() == 1 && is_duplicate(&failure) => Ok(Authorized::AlreadyExists),
        Err(failure) => Err(failure.error),
        Ok(()) => Ok(Authorized::Added),
    }
}

fn is_duplicate(failure: &CallError) -> bool {
    failure.code.as_deref() == Some(DUPLICATE_RULE_CODE)
}

/// `None` without tags: the call then needs no permission to create tags.
fn tag_specifications(rule: &IngressRule) -> Option<Vec<TagSpecification>> {
    let tags: Vec<_> = rule
        .settable_tags()
        .into_iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect();
    if tags.is_empty() {
        return None;
    }
    let specification = TagSpecification::builder()
        .resource_type(ResourceType::SecurityGroupRule)
        .set_tags(Some(tags))
        .build();
    Some(vec![specification])
}
