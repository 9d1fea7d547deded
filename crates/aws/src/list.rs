//! Lists all groups of a region, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesOutput;
use aws_sdk_ec2::operation::describe_security_groups::DescribeSecurityGroupsOutput;
use aws_sdk_ec2::types::{SecurityGroup as Described, SecurityGroupRule};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use portcullis_remediation::{ErrorKind, GroupLister, GroupPage, ServiceError};
use portcullis_rules::{PrefixLists, SecurityGroup};

use crate::call::{
    DESCRIBE_SECURITY_GROUP_RULES, DESCRIBE_SECURITY_GROUPS, MAX_PAGE_SIZE, collect_pages,
    ec2_filter_any, unexpected_response,
};
use crate::error::call_error;
use crate::merge::{add_rule_ids, group_without_rules, merge_group};
use crate::prefix_lists::{read_lists_into, referenced_list_ids};

/// Most values that EC2 accepts in a filter (User Guide, "List and filter your resources").
const MAX_FILTER_VALUES: usize = 200;

/// Concurrent calls for rules: a page of a thousand groups with findings takes five calls.
const MAX_CONCURRENT_RULE_CALLS: usize = 2;

/// Groups that cannot be read, without their rules, and why.
type UnreadableGroups = Vec<(SecurityGroup, ServiceError)>;

/// Lists groups with `DescribeSecurityGroups`, their rules with `DescribeSecurityGroupRules`, and
/// the entries of the prefix lists they refer to with `GetManagedPrefixListEntries`, each list
/// once. Changes nothing.
#[derive(Debug)]
pub struct Ec2GroupLister {
    ec2: Client,
    page_size: i32,
    cache: Mutex<PrefixListCache>,
}

/// The prefix lists read so far, and the ids of all that were requested: some do not exist.
#[derive(Debug, Default)]
struct PrefixListCache {
    lists: PrefixLists,
    requested: BTreeSet<String>,
}

impl Ec2GroupLister {
    pub(crate) fn new(ec2: Client) -> Self {
        Self {
            ec2,
            page_size: MAX_PAGE_SIZE,
            cache: Mutex::default(),
        }
    }

    /// Sets the page size. EC2 accepts 5 to 1000.
    #[must_use]
    pub fn with_page_size(self, page_size: i32) -> Self {
        Self { page_size, ..self }
    }

    async fn describe_groups(
        &self,
        token: Option<&str>,
    ) -> Result<DescribeSecurityGroupsOutput, ServiceError> {
        self.ec2
            .describe_security_groups()
            .max_results(self.page_size)
            .set_next_token(token.map(str::to_owned))
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_SECURITY_GROUPS, &error).error)
    }

    /// All known lists after reading those of these groups that were not requested before, and the
    /// errors of those that cannot be read.
    async fn load_prefix_lists(
        &self,
        groups: &[SecurityGroup],
    ) -> (PrefixLists, BTreeMap<String, ServiceError>) {
        let rules = groups.iter().flat_map(|group| &group.rules);
        let mut new_ids = referenced_list_ids(rules);
        let mut lists = {
            let cache = self.lock_cache();
            new_ids.retain(|id| !cache.requested.contains(*id));
            cache.lists.clone()
        };
        if new_ids.is_empty() {
            return (lists, BTreeMap::new());
        }
        let errors = read_lists_into(&self.ec2, new_ids.clone(), &mut lists).await;
        let readable = new_ids
            .into_iter()
            .filter(|id| !errors.contains_key(*id))
            .map(str::to_owned);
        let mut cache = self.lock_cache();
        cache.lists.clone_from(&lists);
        cache.requested.extend(readable);
        drop(cache);
        (lists, errors)
    }

    /// The ingress rules of these groups, by group id.
    async fn rules_by_group(
        &self,
        groups: &[SecurityGroup],
    ) -> Result<BTreeMap<String, Vec<SecurityGroupRule>>, ServiceError> {
        let calls: Vec<_> = groups
            .chunks(MAX_FILTER_VALUES)
            .map(|chunk| self.describe_rules(chunk))
            .collect();
        let chunks: Vec<_> = stream::iter(calls)
            .buffered(MAX_CONCURRENT_RULE_CALLS)
            .try_collect()
            .await?;
        let mut by_group = BTreeMap::<_, Vec<_>>::new();
        for rule in chunks.into_iter().flatten() {
            if rule.is_egress() != Some(true) {
                by_group
                    .entry(rule_group_id(&rule)?)
                    .or_default()
                    .push(rule);
            }
        }
        Ok(by_group)
    }

    async fn describe_rules(
        &self,
        groups: &[SecurityGroup],
    ) -> Result<Vec<SecurityGroupRule>, ServiceError> {
        let ids = groups.iter().map(|group| group.id.as_str());
        let stream = self
            .ec2
            .describe_security_group_rules()
            .filters(ec2_filter_any("group-id", ids))
            .into_paginator()
            .page_size(MAX_PAGE_SIZE)
            .send();
        let next_token = DescribeSecurityGroupRulesOutput::next_token;
        let pages = collect_pages(DESCRIBE_SECURITY_GROUP_RULES, stream, next_token).await?;
        Ok(pages
            .into_iter()
            .flat_map(|page| page.security_group_rules.unwrap_or_default())
            .collect())
    }

    fn lock_cache(&self) -> MutexGuard<'_, PrefixListCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rule_group_id(rule: &SecurityGroupRule) -> Result<String, ServiceError> {
    rule.group_id()
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| unexpected_response(DESCRIBE_SECURITY_GROUP_RULES, "a rule has no group id"))
}

/// Whether a retry of the whole page may succeed.
const fn is_transient(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Throttled | ErrorKind::NoAnswer)
}

/// The groups that can be parsed, and those that cannot: one invalid rule must not hide the other
/// groups of the region.
///
/// # Errors
/// When a group has no id.
fn convert_groups(
    described: Vec<Described>,
) -> Result<(Vec<SecurityGroup>, UnreadableGroups), ServiceError> {
    let (mut groups, mut unreadable) = (Vec::new(), Vec::new());
    for group in described {
        if group.group_id().is_none_or(str::is_empty) {
            let reason = "a group has no id";
            return Err(unexpected_response(DESCRIBE_SECURITY_GROUPS, reason));
        }
        match merge_group(&group, &[]) {
            Ok(group) => groups.push(group),
            Err(error) => unreadable.push((group_without_rules(&group), error)),
        }
    }
    Ok((groups, unreadable))
}

/// The groups that refer to none of these lists, and those that do and cannot be evaluated.
fn split_off_unreadable(
    groups: Vec<SecurityGroup>,
    list_errors: &BTreeMap<String, ServiceError>,
) -> (Vec<SecurityGroup>, UnreadableGroups) {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for mut group in groups {
        let error = referenced_list_ids(&group.rules)
            .into_iter()
            .find_map(|id| list_errors.get(id));
        match error.cloned() {
            Some(error) => {
                group.rules.clear();
                unreadable.push((group, error));
            }
            None => readable.push(group),
        }
    }
    (readable, unreadable)
}

#[async_trait]
impl GroupLister for Ec2GroupLister {
    async fn list_page(&self, token: Option<&str>) -> Result<GroupPage, ServiceError> {
        let output = self.describe_groups(token).await?;
        let described = output.security_groups.unwrap_or_default();
        let (groups, mut unreadable_groups) = convert_groups(described)?;
        let (prefix_lists, list_errors) = self.load_prefix_lists(&groups).await;
        if let Some(error) = list_errors.values().find(|error| is_transient(error.kind)) {
            return Err(error.clone());
        }
        let (groups, without_lists) = split_off_unreadable(groups, &list_errors);
        unreadable_groups.extend(without_lists);
        Ok(GroupPage {
            groups,
            prefix_lists,
            unreadable_groups,
            next_token: output.next_token.filter(|token| !token.is_empty()),
        })
    }

    async fn with_rule_ids(
        &self,
        groups: Vec<SecurityGroup>,
    ) -> Result<Vec<SecurityGroup>, ServiceError> {
        let rules = self.rules_by_group(&groups).await?;
        groups
            .into_iter()
            .map(|group| {
                let rules = rules.get(&group.id).map_or(&[][..], Vec::as_slice);
                add_rule_ids(group, rules)
            })
            .collect()
    }
}
