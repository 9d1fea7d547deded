//! Reads a group with two concurrent calls and merges their responses.
//!
//! `DescribeSecurityGroupRules` returns the ids, descriptions and tags of the rules but nothing
//! about the group, and an empty list if the group does not exist. `DescribeSecurityGroups` returns
//! the group, and its rules without their ids. EC2 is eventually consistent, so either response may
//! be stale: a rule that appears in one of them is taken to exist.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesOutput;
use aws_sdk_ec2::operation::describe_security_groups::DescribeSecurityGroupsOutput;
use aws_sdk_ec2::types::{SecurityGroup as Described, SecurityGroupRule};
use portcullis_remediation::services::{GroupAttachments, PrefixListState};
use portcullis_remediation::{ErrorKind, GroupReader, GroupRef, ServiceError, Snapshot};
use portcullis_rules::{PrefixLists, SecurityGroup};

use crate::attachments;
use crate::call::{
    DESCRIBE_SECURITY_GROUP_RULES, DESCRIBE_SECURITY_GROUPS, MAX_PAGE_SIZE, collect_pages,
    ec2_filter, unexpected_response,
};
use crate::error::call_error;
use crate::merge::merge_group;
use crate::prefix_lists::{ListCache, read_list_sizes, read_list_state, referenced_list_ids};

/// Reads security groups with `DescribeSecurityGroups`, `DescribeSecurityGroupRules`,
/// `GetManagedPrefixListEntries` and `DescribeManagedPrefixLists`, and their attachments with
/// `DescribeNetworkInterfaces`. Changes nothing.
#[derive(Debug, Clone)]
pub struct Ec2GroupReader {
    ec2: Client,
    lists: Arc<ListCache>,
}

impl Ec2GroupReader {
    pub(crate) fn new(ec2: Client) -> Self {
        let lists = Arc::default();
        Self { ec2, lists }
    }

    async fn read_by_id(&self, id: &str) -> Result<SecurityGroup, ServiceError> {
        let group = GroupRef::Id(id.to_owned());
        let (described, rules) = tokio::join!(self.describe_group(&group), self.describe_rules(id));
        let rules = rules?;
        match described {
            Err(error) if error.kind == ErrorKind::GroupNotFound && !rules.is_empty() => {
                let reason = format!("{id} has rules but is not found: {}", error.message);
                Err(unexpected_response(DESCRIBE_SECURITY_GROUPS, reason))
            }
            described => merge_group(&described?, &rules),
        }
    }

    async fn read_by_name(&self, group: &GroupRef) -> Result<SecurityGroup, ServiceError> {
        let described = self.describe_group(group).await?;
        let id = described.group_id().unwrap_or_default();
        let rules = self.describe_rules(id).await?;
        merge_group(&described, &rules)
    }

    /// The one group. EC2 returns an error for an unknown group, so a response without the group
    /// does not prove that it does not exist.
    ///
    /// The filter repeats the id or name, because EC2 throttles calls without filter and page size
    /// first (Amazon EC2 Developer Guide, "Request throttling for the Amazon EC2 API"). A filter
    /// alone would turn an unknown group into an empty response.
    async fn describe_group(&self, group: &GroupRef) -> Result<Described, ServiceError> {
        let all_groups = self.ec2.describe_security_groups();
        let request = match group {
            GroupRef::Id(id) => all_groups.group_ids(id).filters(ec2_filter("group-id", id)),
            GroupRef::Name(name) => all_groups
                .group_names(name)
                .filters(ec2_filter("group-name", name)),
        };
        let output = request
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_SECURITY_GROUPS, &error))?;
        let mut found: Vec<_> = output.security_groups.unwrap_or_default();
        let count = found.len();
        match found.pop() {
            Some(only) if count == 1 && is_requested_group(&only, group) => Ok(only),
            Some(_) | None => {
                let reason = format!("expected exactly {group}, got {count} groups");
                Err(unexpected_response(DESCRIBE_SECURITY_GROUPS, reason))
            }
        }
    }

    /// The ingress rules of one group, from all pages.
    async fn describe_rules(&self, group_id: &str) -> Result<Vec<SecurityGroupRule>, ServiceError> {
        let stream = self
            .ec2
            .describe_security_group_rules()
            .filters(ec2_filter("group-id", group_id))
            .into_paginator()
            .page_size(MAX_PAGE_SIZE)
            .send();
        let next_token = DescribeSecurityGroupRulesOutput::next_token;
        let pages = collect_pages(DESCRIBE_SECURITY_GROUP_RULES, stream, next_token).await?;
        let rules = pages
            .into_iter()
            .flat_map(|page| page.security_group_rules.unwrap_or_default())
            .filter(|rule| rule.is_egress() != Some(true))
            .filter(|rule| rule.group_id().is_none_or(|id| id == group_id));
        Ok(rules.collect())
    }
}

fn is_requested_group(found: &Described, group: &GroupRef) -> bool {
    match group {
        GroupRef::Id(id) => found.group_id() == Some(id),
        GroupRef::Name(name) => found.group_name() == Some(name) && found.group_id().is_some(),
    }
}

#[async_trait]
impl GroupReader for Ec2GroupReader {
    fn start_event(&self) {
        self.lists.clear();
    }

    async fn read_group(&self, group: &GroupRef) -> Result<Snapshot, ServiceError> {
        let group = match group {
            GroupRef::Id(id) => self.read_by_id(id).await?,
            GroupRef::Name(_) => self.read_by_name(group).await?,
        };
        let ids = referenced_list_ids(&group.rules);
        let prefix_lists = self.lists.read_entries(&self.ec2, ids).await?;
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
        let next_token = DescribeSecurityGroupsOutput::next_token;
        let pages = collect_pages(DESCRIBE_SECURITY_GROUPS, stream, next_token).await?;
        let ids: BTreeSet<String> = pages
            .into_iter()
            .flat_map(|page| page.security_groups.unwrap_or_default())
            .map(require_group_id)
            .collect::<Result<_, _>>()?;
        Ok(ids.into_iter().collect())
    }

    async fn read_prefix_list_state(
        &self,
        prefix_list: &str,
    ) -> Result<Option<PrefixListState>, ServiceError> {
        read_list_state(&self.ec2, prefix_list).await
    }

    async fn read_prefix_lists(&self, ids: &BTreeSet<&str>) -> Result<PrefixLists, ServiceError> {
        let mut lists = self.lists.read_entries(&self.ec2, ids.clone()).await?;
        if let Err(error) = read_list_sizes(&self.ec2, ids, &mut lists).await {
            tracing::warn!(%error, "the sizes of prefix lists are unknown");
        }
        Ok(lists)
    }

    async fn read_attachments(
        &self,
        group: &SecurityGroup,
    ) -> Result<GroupAttachments, ServiceError> {
        attachments::read_attachments(&self.ec2, group).await
    }
}

fn require_group_id(group: Described) -> Result<String, ServiceError> {
    group
        .group_id
        .ok_or_else(|| unexpected_response(DESCRIBE_SECURITY_GROUPS, "a group has no id"))
}
