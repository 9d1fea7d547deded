//! Adding rules in the place of removed ones.
//!
//! One permission for each box, with the description in its one range, list or pair. Tags are not part of a permission:
//! those of a call (`TagSpecifications`) go to every rule that it makes (API Reference, `AuthorizeSecurityGroupIngress`),
//! so boxes go together exactly when their tags are the same. EC2 takes all permissions of a call or none; where it
//! refuses them together, each goes alone. A box that is there already (`InvalidPermission.Duplicate`, which also follows
//! an answer that got lost) is a success; it keeps the description and the tags that it has.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{IpPermission, ResourceType, Tag, TagSpecification};
use futures_util::stream::{self, StreamExt as _};
use portcullis_remediation::services::AuthorizeResults;
use portcullis_remediation::{AuthorizeIngress, ErrorKind, ServiceError};
use portcullis_rules::IngressRule;
use portcullis_rules::group::Tags;

use crate::convert::to_described_permission;
use crate::edit::{
    Ec2IngressEditor, MAX_CONCURRENT_CALLS, RULES_PER_CALL, single_rule_may_be_at_fault,
};
use crate::error::{CallError, call_error};

const OPERATION: &str = "AuthorizeSecurityGroupIngress";

/// "There is such a rule already" (Amazon EC2 API Reference, "Error codes for the Amazon EC2 API").
const DUPLICATE_RULE_CODE: &str = "InvalidPermission.Duplicate";

/// A box and its place in the request.
type IndexedRule<'a> = (usize, &'a IngressRule);

impl Ec2IngressEditor {
    /// One call for all; one each when EC2 will not have them together.
    async fn authorize_batch(&self, group_id: &str, some: &[IndexedRule<'_>]) -> AuthorizeResults {
        let rules: Vec<IngressRule> = some.iter().map(|(_, rule)| (*rule).clone()).collect();
        match self.send_authorize(group_id, &rules).await {
            Err(failure) if rules.len() > 1 && single_rule_may_be_at_fault(&failure, &rules) => {
                tracing::info!(group.id = group_id, error = %failure.error, "authorizing one by one");
                self.authorize_each(group_id, &rules).await
            }
            outcome => {
                let outcome = accept_duplicate(outcome, &rules);
                rules.iter().map(|_| outcome.clone()).collect()
            }
        }
    }

    async fn authorize_each(&self, group_id: &str, rules: &[IngressRule]) -> AuthorizeResults {
        let calls: Vec<_> =
            rules
                .chunks(1)
                .map(|rule| async move {
                    accept_duplicate(self.send_authorize(group_id, rule).await, rule)
                })
                .collect();
        stream::iter(calls)
            .buffered(MAX_CONCURRENT_CALLS)
            .collect()
            .await
    }

    async fn send_authorize(&self, group_id: &str, rules: &[IngressRule]) -> Result<(), CallError> {
        let permissions: Vec<IpPermission> = rules.iter().map(to_described_permission).collect();
        let answer = self
            .ec2
            .authorize_security_group_ingress()
            .group_id(group_id)
            .set_ip_permissions(Some(permissions))
            .set_tag_specifications(rules.first().and_then(tag_specifications))
            .send()
            .await
            .map_err(|error| call_error(OPERATION, &error))?;
        if answer.r#return() == Some(true) {
            return Ok(());
        }
        let error = ServiceError::new(
            OPERATION,
            ErrorKind::Other,
            "EC2 did not answer that it succeeded",
        );
        Err(CallError {
            error,
            code: None,
            refused: false,
        })
    }
}

#[async_trait]
impl AuthorizeIngress for Ec2IngressEditor {
    async fn authorize_rules(&self, group_id: &str, rules: &[IngressRule]) -> AuthorizeResults {
        let calls: Vec<_> = batch_by_tags(rules)
            .into_iter()
            .map(|some| async move {
                let outcomes = self.authorize_batch(group_id, &some).await;
                some.iter()
                    .map(|(place, _)| *place)
                    .zip(outcomes)
                    .collect::<Vec<_>>()
            })
            .collect();
        let outcomes: Vec<_> = stream::iter(calls)
            .buffered(MAX_CONCURRENT_CALLS)
            .collect()
            .await;
        let mut outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
        outcomes.sort_by_key(|(place, _)| *place);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

/// What is sent in one call: boxes with the same tags, and not too many.
fn batch_by_tags(rules: &[IngressRule]) -> Vec<Vec<IndexedRule<'_>>> {
    let mut alike: BTreeMap<Tags, Vec<IndexedRule<'_>>> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        alike
            .entry(settable_tags(rule))
            .or_default()
            .push((place, rule));
    }
    alike
        .values()
        .flat_map(|some| some.chunks(RULES_PER_CALL).map(<[_]>::to_vec))
        .collect()
}

/// A box alone that is there already is a success; of several, nobody knows which one it is.
fn accept_duplicate(
    outcome: Result<(), CallError>,
    rules: &[IngressRule],
) -> Result<(), ServiceError> {
    match outcome {
        Err(failure)
            if rules.len() == 1 && failure.code.as_deref() == Some(DUPLICATE_RULE_CODE) =>
        {
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}

/// The tags that we can set: `aws:` is kept for AWS, and EC2 refuses a call with such a key (Amazon EC2 User Guide, "Tag
/// restrictions").
fn settable_tags(rule: &IngressRule) -> Tags {
    let own = rule
        .tags
        .iter()
        .filter(|(key, _)| !key.to_ascii_lowercase().starts_with("aws:"));
    own.map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// `None` without tags: then the call needs no permission to tag.
fn tag_specifications(rule: &IngressRule) -> Option<Vec<TagSpecification>> {
    let tags = settable_tags(rule);
    if tags.is_empty() {
        return None;
    }
    let tags = tags
        .into_iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect();
    let all = TagSpecification::builder()
        .resource_type(ResourceType::SecurityGroupRule)
        .set_tags(Some(tags));
    Some(vec![all.build()])
}
