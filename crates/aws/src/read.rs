//! Reading groups: two calls side by side, merged.
//!
//! `DescribeSecurityGroupRules` has ids, descriptions and tags of the rules and nothing of the group; it answers "none"
//! for a group that does not exist. `DescribeSecurityGroups` has the group, and its rules without their ids. EC2 is
//! eventually consistent, so either may be behind: a rule that one of them knows is there.

use std::collections::BTreeSet;
use std::error::Error;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesOutput;
use aws_sdk_ec2::operation::describe_security_groups::DescribeSecurityGroupsOutput;
use aws_sdk_ec2::types::{Filter, SecurityGroup as Described, SecurityGroupRule};
use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use portcullis_remediation::{ErrorKind, GroupReader, GroupRef, ServiceError, Snapshot};
use portcullis_rules::SecurityGroup;
use portcullis_rules::plan::Attachments;

use crate::error::{CallError, call_error};
use crate::merge::merge_group;
use crate::{attachments, prefix_lists};

/// Names the operation in errors.
pub(crate) const DESCRIBE_SECURITY_GROUPS: &str = "DescribeSecurityGroups";
/// Names the operation in errors.
pub(crate) const DESCRIBE_SECURITY_GROUP_RULES: &str = "DescribeSecurityGroupRules";

/// The most that EC2 gives at once for these calls (API Reference, `MaxResults`).
pub(crate) const MAX_PAGE_SIZE: i32 = 1000;

/// Reads security groups with `DescribeSecurityGroups`, `DescribeSecurityGroupRules` and
/// `GetManagedPrefixListEntries`, and what they are attached to with `DescribeNetworkInterfaces`. Changes nothing.
#[derive(Debug, Clone)]
pub struct Ec2GroupReader {
    ec2: Client,
}

impl Ec2GroupReader {
    pub(crate) fn new(ec2: Client) -> Self {
        Self { ec2 }
    }

    async fn read_by_id(&self, id: &str) -> Result<SecurityGroup, ServiceError> {
        let group = GroupRef::Id(id.to_owned());
        let (described, rules) = tokio::join!(self.describe_group(&group), self.describe_rules(id));
        let rules = rules?;
        match described {
            Err(error) if error.kind == ErrorKind::GroupNotFound && !rules.is_empty() => {
                Err(unexpected_response(
                    DESCRIBE_SECURITY_GROUPS,
                    format!("{id} has rules but is not found: {}", error.message),
                ))
            }
            described => merge_group(&described?, &rules),
        }
    }

    async fn read_by_name(&self, group: &GroupRef) -> Result<SecurityGroup, ServiceError> {
        let described = self.describe_group(group).await?;
        let rules = self
            .describe_rules(described.group_id().unwrap_or_default())
            .await?;
        merge_group(&described, &rules)
    }

    /// The one group. EC2 answers an unknown one with an error, so an answer without it is no proof that there is none.
    async fn describe_group(&self, group: &GroupRef) -> Result<Described, ServiceError> {
        let call = self.ec2.describe_security_groups();
        let call = match group {
            GroupRef::Id(id) => call.group_ids(id),
            GroupRef::Name(name) => call.group_names(name),
        };
        let answer = call
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_SECURITY_GROUPS, &error))?;
        let is_it = |found: &Described| match group {
            GroupRef::Id(id) => found.group_id() == Some(id),
            GroupRef::Name(name) => found.group_name() == Some(name) && found.group_id().is_some(),
        };
        let mut found: Vec<_> = answer.security_groups.unwrap_or_default();
        let count = found.len();
        match found.pop() {
            Some(only) if count == 1 && is_it(&only) => Ok(only),
            Some(_) | None => {
                let reason =
                    format!("asked for {group}, got {count} groups and not that one alone");
                Err(unexpected_response(DESCRIBE_SECURITY_GROUPS, reason))
            }
        }
    }

    /// Ingress rules of one group, all pages.
    async fn describe_rules(&self, group_id: &str) -> Result<Vec<SecurityGroupRule>, ServiceError> {
        let call = self.ec2.describe_security_group_rules();
        let stream = call
            .filters(ec2_filter("group-id", group_id))
            .into_paginator()
            .page_size(MAX_PAGE_SIZE)
            .send();
        let next_token = DescribeSecurityGroupRulesOutput::next_token;
        let rules = collect_pages(DESCRIBE_SECURITY_GROUP_RULES, stream, next_token)
            .await?
            .into_iter()
            .flat_map(|page| page.security_group_rules.unwrap_or_default())
            .filter(|rule| rule.is_egress() != Some(true))
            .filter(|rule| rule.group_id().is_none_or(|id| id == group_id));
        Ok(rules.collect())
    }
}

#[async_trait]
impl GroupReader for Ec2GroupReader {
    async fn read_group(&self, group: &GroupRef) -> Result<Snapshot, ServiceError> {
        let group = match group {
            GroupRef::Id(id) => self.read_by_id(id).await?,
            GroupRef::Name(_) => self.read_by_name(group).await?,
        };
        let prefix_lists = prefix_lists::read_referenced_lists(&self.ec2, &group.rules).await?;
        Ok(Snapshot {
            group,
            prefix_lists,
        })
    }

    async fn groups_using_prefix_list(
        &self,
        prefix_list: &str,
    ) -> Result<Vec<String>, ServiceError> {
        let stream = self
            .ec2
            .describe_security_groups()
            .filters(ec2_filter("ip-permission.prefix-list-id", prefix_list))
            .into_paginator()
            .page_size(MAX_PAGE_SIZE)
            .send();
        let ids: Result<BTreeSet<_>, _> = collect_pages(
            DESCRIBE_SECURITY_GROUPS,
            stream,
            DescribeSecurityGroupsOutput::next_token,
        )
        .await?
        .into_iter()
        .flat_map(|page| page.security_groups.unwrap_or_default())
        .map(|group| {
            group
                .group_id
                .ok_or_else(|| unexpected_response(DESCRIBE_SECURITY_GROUPS, "a group has no id"))
        })
        .collect();
        Ok(ids?.into_iter().collect())
    }

    async fn read_attachments(&self, group: &SecurityGroup) -> Result<Attachments, ServiceError> {
        attachments::read_attachments(&self.ec2, group).await
    }
}

pub(crate) fn ec2_filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// All pages, or the failure of one.
///
/// The SDK's paginator ends in silence when a token comes twice, so the last page must be one without a token.
pub(crate) async fn collect_pages<O, E>(
    operation: &'static str,
    mut stream: PaginationStream<Result<O, SdkError<E, HttpResponse>>>,
    next_token: fn(&O) -> Option<&str>,
) -> Result<Vec<O>, CallError>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let mut pages = Vec::new();
    while let Some(page) = stream.next().await {
        pages.push(page.map_err(|error| call_error(operation, &error))?);
    }
    match pages.last().and_then(next_token) {
        None | Some("") => Ok(pages),
        Some(token) => Err(CallError {
            error: unexpected_response(operation, format!("the page token {token} came twice")),
            code: None,
            refused: false,
        }),
    }
}

/// An answer that makes no sense.
pub(crate) fn unexpected_response(
    operation: &'static str,
    reason: impl Into<String>,
) -> ServiceError {
    ServiceError::new(operation, ErrorKind::Other, reason)
}
