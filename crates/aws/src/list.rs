//! Listing all groups of a region, a page at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_security_group_rules::DescribeSecurityGroupRulesOutput;
use aws_sdk_ec2::types::{Filter, SecurityGroupRule};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use portcullis_remediation::{ErrorKind, GroupLister, GroupPage, ServiceError};
use portcullis_rules::{PrefixLists, SecurityGroup};

use crate::error::call_error;
use crate::merge::{add_rule_ids, group_without_rules, merge_group};
use crate::prefix_lists;
use crate::read::{
    DESCRIBE_SECURITY_GROUP_RULES, DESCRIBE_SECURITY_GROUPS, MAX_PAGE_SIZE, collect_pages,
    unexpected_response,
};

/// EC2 takes at most so many values in a filter (User Guide, "List and filter your resources").
const MAX_FILTER_VALUES: usize = 200;

/// Calls for rules at the same time: a page of a thousand bad groups takes five.
const MAX_CONCURRENT_RULE_CALLS: usize = 2;

/// Lists groups with `DescribeSecurityGroups`, their rules with `DescribeSecurityGroupRules`, and the entries of the
/// prefix lists that they name with `GetManagedPrefixListEntries`, each list once. Changes nothing.
#[derive(Debug)]
pub struct Ec2GroupLister {
    ec2: Client,
    page_size: i32,
    cache: Mutex<PrefixListCache>,
}

/// The prefix lists met so far, and the names of all that were asked for: some do not exist.
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

    /// With pages of another size; EC2 takes 5 to 1000.
    #[must_use]
    pub fn with_page_size(self, page_size: i32) -> Self {
        Self { page_size, ..self }
    }

    /// The lists that are known after reading those which these groups name and nobody has asked for yet; and those that
    /// cannot be read.
    async fn load_prefix_lists(
        &self,
        groups: &[SecurityGroup],
    ) -> (PrefixLists, BTreeMap<String, ServiceError>) {
        let mut unknown =
            prefix_lists::referenced_list_ids(groups.iter().flat_map(|group| &group.rules));
        let mut lists = {
            let known = self.lock_cache();
            unknown.retain(|id| !known.requested.contains(*id));
            known.lists.clone()
        };
        if unknown.is_empty() {
            return (lists, BTreeMap::new());
        }
        let unread = prefix_lists::read_lists_into(&self.ec2, unknown.clone(), &mut lists).await;
        let mut known = self.lock_cache();
        known.lists.clone_from(&lists);
        known.requested.extend(
            unknown
                .into_iter()
                .filter(|id| !unread.contains_key(*id))
                .map(str::to_owned),
        );
        (lists, unread)
    }

    /// The ingress rules of these groups, by group.
    async fn rules_by_group(
        &self,
        groups: &[SecurityGroup],
    ) -> Result<BTreeMap<String, Vec<SecurityGroupRule>>, ServiceError> {
        let calls: Vec<_> = groups
            .chunks(MAX_FILTER_VALUES)
            .map(|some| self.describe_rules(some))
            .collect();
        let answers: Vec<_> = stream::iter(calls)
            .buffered(MAX_CONCURRENT_RULE_CALLS)
            .try_collect()
            .await?;
        let mut rules = BTreeMap::<_, Vec<_>>::new();
        for rule in answers
            .into_iter()
            .flatten()
            .filter(|rule| rule.is_egress() != Some(true))
        {
            let group = rule.group_id().filter(|id| !id.is_empty());
            let group = group.ok_or_else(|| {
                unexpected_response(DESCRIBE_SECURITY_GROUP_RULES, "a rule names no group")
            })?;
            rules.entry(group.to_owned()).or_default().push(rule);
        }
        Ok(rules)
    }

    async fn describe_rules(
        &self,
        groups: &[SecurityGroup],
    ) -> Result<Vec<SecurityGroupRule>, ServiceError> {
        let ids = groups.iter().map(|group| group.id.clone()).collect();
        let filter = Filter::builder()
            .name("group-id")
            .set_values(Some(ids))
            .build();
        let stream = self
            .ec2
            .describe_security_group_rules()
            .filters(filter)
            .into_paginator()
            .page_size(MAX_PAGE_SIZE)
            .send();
        let pages = collect_pages(
            DESCRIBE_SECURITY_GROUP_RULES,
            stream,
            DescribeSecurityGroupRulesOutput::next_token,
        )
        .await?;
        Ok(pages
            .into_iter()
            .flat_map(|page| page.security_group_rules.unwrap_or_default())
            .collect())
    }

    fn lock_cache(&self) -> MutexGuard<'_, PrefixListCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another attempt may do better: then the whole page is worth one.
const fn is_transient(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Throttled | ErrorKind::NoAnswer)
}

/// The groups that name none of these lists, and those that do: nobody can judge them.
fn split_off_unreadable(
    groups: Vec<SecurityGroup>,
    unread: &BTreeMap<String, ServiceError>,
) -> (Vec<SecurityGroup>, Vec<(SecurityGroup, ServiceError)>) {
    let (mut good, mut hidden) = (Vec::new(), Vec::new());
    for group in groups {
        let error = prefix_lists::referenced_list_ids(&group.rules)
            .into_iter()
            .find_map(|id| unread.get(id))
            .cloned();
        match error {
            Some(error) => hidden.push((
                SecurityGroup {
                    rules: Vec::new(),
                    ..group
                },
                error,
            )),
            None => good.push(group),
        }
    }
    (good, hidden)
}

#[async_trait]
impl GroupLister for Ec2GroupLister {
    async fn list_page(&self, token: Option<&str>) -> Result<GroupPage, ServiceError> {
        let call = self
            .ec2
            .describe_security_groups()
            .max_results(self.page_size)
            .set_next_token(token.map(str::to_owned));
        let answer = call
            .send()
            .await
            .map_err(|error| call_error(DESCRIBE_SECURITY_GROUPS, &error).error)?;
        let next = answer.next_token.filter(|token| !token.is_empty());
        let (mut groups, mut unread) = (Vec::new(), Vec::new());
        for described in answer.security_groups.unwrap_or_default() {
            if described.group_id().is_none_or(str::is_empty) {
                return Err(unexpected_response(
                    DESCRIBE_SECURITY_GROUPS,
                    "a group has no id",
                ));
            }
            // One odd rule shall not hide the other groups of the region.
            match merge_group(&described, &[]) {
                Ok(group) => groups.push(group),
                Err(error) => unread.push((group_without_rules(&described), error)),
            }
        }
        let (prefix_lists, unread_lists) = self.load_prefix_lists(&groups).await;
        if let Some(error) = unread_lists.values().find(|error| is_transient(error.kind)) {
            return Err(error.clone());
        }
        let (groups, hidden) = split_off_unreadable(groups, &unread_lists);
        unread.extend(hidden);
        Ok(GroupPage {
            groups,
            prefix_lists,
            unreadable_groups: unread,
            next_token: next,
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
