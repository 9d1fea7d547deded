//! Reads the entries of managed prefix lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::describe_managed_prefix_lists::DescribeManagedPrefixListsOutput;
use aws_sdk_ec2::operation::get_managed_prefix_list_entries::GetManagedPrefixListEntriesOutput;
use aws_sdk_ec2::types::PrefixListEntry;
use futures_util::stream::{self, StreamExt as _};
use ipnet::IpNet;
use portcullis_remediation::ServiceError;
use portcullis_remediation::services::PrefixListState;
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, PrefixLists};

use crate::call::{collect_pages, ec2_filter_any, unexpected_response};
use crate::error::call_error;

const OPERATION: &str = "GetManagedPrefixListEntries";
const DESCRIBE: &str = "DescribeManagedPrefixLists";

/// Largest page (EC2 API Reference, `GetManagedPrefixListEntries` and
/// `DescribeManagedPrefixLists`, `MaxResults`).
const MAX_ENTRIES_PER_PAGE: i32 = 100;

/// Lists that are read concurrently: enough for any real group, without a burst against the
/// account's request quota.
const MAX_CONCURRENT_LISTS: usize = 4;

/// The entries of the lists that were read for one event; `None` for a list that does not exist.
#[derive(Debug, Default)]
pub(crate) struct ListCache(Mutex<BTreeMap<String, Option<Vec<IpNet>>>>);

impl ListCache {
    /// Forgets all lists.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The entries of these lists. Only those are read that are not known yet. A list that does not
    /// exist (any more) is left out.
    ///
    /// # Errors
    /// When a list cannot be read or has an invalid entry.
    pub(crate) async fn read_entries(
        &self,
        ec2: &Client,
        ids: BTreeSet<&str>,
    ) -> Result<PrefixLists, ServiceError> {
        let unknown = self.unknown_ids(&ids);
        let mut read = PrefixLists::empty();
        let errors = read_lists_into(ec2, unknown.clone(), &mut read).await;
        if let Some(error) = errors.into_values().next() {
            return Err(error);
        }
        let mut known = self.lock();
        for id in unknown {
            let entries = read.entries(id).map(<[_]>::to_vec);
            known.insert(id.to_owned(), entries);
        }
        let mut lists = PrefixLists::empty();
        for id in ids {
            if let Some(Some(entries)) = known.get(id) {
                lists.insert(id, entries.iter().copied());
            }
        }
        Ok(lists)
    }

    fn unknown_ids<'a>(&self, ids: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let known = self.lock();
        let ids = ids.iter().copied();
        ids.filter(|id| !known.contains_key(*id)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<Vec<IpNet>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads these lists and adds them to `lists`. Returns the errors of those that cannot be read or
/// have an invalid entry, by list id.
pub(crate) async fn read_lists_into(
    ec2: &Client,
    ids: BTreeSet<&str>,
    lists: &mut PrefixLists,
) -> BTreeMap<String, ServiceError> {
    let calls: Vec<_> = ids
        .into_iter()
        .map(|id| async move { (id, read_list_cidrs(ec2, id).await) })
        .collect();
    let results: Vec<_> = stream::iter(calls)
        .buffered(MAX_CONCURRENT_LISTS)
        .collect()
        .await;
    let mut errors = BTreeMap::new();
    for (id, result) in results {
        match result {
            Ok(Some(cidrs)) => lists.insert(id, cidrs),
            Ok(None) => {}
            Err(error) => {
                let message = format!("{id}: {}", error.message);
                errors.insert(id.to_owned(), ServiceError { message, ..error });
            }
        }
    }
    errors
}

/// The CIDR blocks of a list; `None` if the list does not exist.
async fn read_list_cidrs(ec2: &Client, id: &str) -> Result<Option<Vec<IpNet>>, ServiceError> {
    let Some(entries) = read_list_entries(ec2, id).await? else {
        return Ok(None);
    };
    let cidrs = entries.iter().map(parse_entry).collect::<Result<_, _>>()?;
    Ok(Some(cidrs))
}

fn parse_entry(entry: &PrefixListEntry) -> Result<IpNet, ServiceError> {
    parse_cidr(entry.cidr().unwrap_or_default())
        .map_err(|error| unexpected_response(OPERATION, format!("cannot parse an entry: {error}")))
}

/// The ids of the lists that these rules refer to.
pub(crate) fn referenced_list_ids<'a>(
    rules: impl IntoIterator<Item = &'a IngressRule>,
) -> BTreeSet<&'a str> {
    rules
        .into_iter()
        .filter_map(|rule| rule.source.prefix_list_id())
        .collect()
}

async fn read_list_entries(
    ec2: &Client,
    id: &str,
) -> Result<Option<Vec<PrefixListEntry>>, ServiceError> {
    let stream = ec2
        .get_managed_prefix_list_entries()
        .prefix_list_id(id)
        .into_paginator()
        .page_size(MAX_ENTRIES_PER_PAGE)
        .send();
    let next_token = GetManagedPrefixListEntriesOutput::next_token;
    match collect_pages(OPERATION, stream, next_token).await {
        Ok(pages) => {
            let entries = pages
                .into_iter()
                .flat_map(|page| page.entries.unwrap_or_default());
            Ok(Some(entries.collect()))
        }
        Err(failure) if is_list_not_found(failure.code.as_deref()) => Ok(None),
        Err(failure) => Err(failure.error),
    }
}

/// Adds the names and `MaxEntries` of these lists. A list that does not exist is left out.
///
/// # Errors
/// When they cannot be read.
pub(crate) async fn read_list_sizes(
    ec2: &Client,
    ids: &BTreeSet<&str>,
    lists: &mut PrefixLists,
) -> Result<(), ServiceError> {
    let stream = ec2
        .describe_managed_prefix_lists()
        .filters(ec2_filter_any("prefix-list-id", ids.iter().copied()))
        .into_paginator()
        .page_size(MAX_ENTRIES_PER_PAGE)
        .send();
    let next_token = DescribeManagedPrefixListsOutput::next_token;
    let pages = collect_pages(DESCRIBE, stream, next_token)
        .await
        .map_err(|failure| failure.error)?;
    let described = pages
        .into_iter()
        .flat_map(|page| page.prefix_lists.unwrap_or_default());
    for list in described {
        let Some(id) = list.prefix_list_id else {
            continue;
        };
        if let Some(name) = list.prefix_list_name {
            lists.set_name(&id, name);
        }
        if let Some(max_entries) = list.max_entries.and_then(|it| usize::try_from(it).ok()) {
            lists.set_max_entries(&id, max_entries);
        }
    }
    Ok(())
}

/// The version and state of a list; `None` if the list does not exist.
///
/// # Errors
/// When it cannot be read, or the response lacks the state. A list that was created without entries
/// has no version, which counts as version 0 (AWS re:Post, "managed prefix list version"; the API
/// Reference does not say so).
pub(crate) async fn read_list_state(
    ec2: &Client,
    id: &str,
) -> Result<Option<PrefixListState>, ServiceError> {
    let request = ec2.describe_managed_prefix_lists().prefix_list_ids(id);
    let output = match request.send().await {
        Ok(output) => output,
        Err(error) => {
            let failure = call_error(DESCRIBE, &error);
            let is_missing = is_list_not_found(failure.code.as_deref());
            return if is_missing {
                Ok(None)
            } else {
                Err(failure.error)
            };
        }
    };
    let mut lists = output.prefix_lists.unwrap_or_default().into_iter();
    let Some(list) = lists.find(|list| list.prefix_list_id() == Some(id)) else {
        return Ok(None);
    };
    let Some(state) = list.state else {
        return Err(unexpected_response(DESCRIBE, format!("{id} has no state")));
    };
    Ok(Some(PrefixListState {
        version: list.version.unwrap_or_default(),
        state: state.as_str().to_owned(),
    }))
}

/// Both spellings occur: the API Reference lists `InvalidPrefixListID.NotFound`, while the newer
/// calls return it with `Id`.
fn is_list_not_found(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("InvalidPrefixListID.NotFound" | "InvalidPrefixListId.NotFound")
    )
}
