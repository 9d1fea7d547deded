//! The entries of managed prefix lists.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::get_managed_prefix_list_entries::GetManagedPrefixListEntriesOutput;
use aws_sdk_ec2::types::PrefixListEntry;
use futures_util::stream::{self, StreamExt as _};
use ipnet::IpNet;
use portcullis_remediation::{ErrorKind, ServiceError};
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, PrefixLists, Source};

use crate::read::collect_pages;

const OPERATION: &str = "GetManagedPrefixListEntries";

/// The most that EC2 gives at once (API Reference, `GetManagedPrefixListEntries`, `MaxResults`).
const MAX_ENTRIES_PER_PAGE: i32 = 100;

/// Lists read at the same time: enough for any real group, and no burst against the account's request quota.
const MAX_CONCURRENT_LISTS: usize = 4;

/// Reads the lists that these rules name. One that does not exist (any more) is left out.
///
/// # Errors
/// When a list cannot be read or has an entry that is no CIDR.
pub(crate) async fn read_referenced_lists(
    ec2: &Client,
    rules: &[IngressRule],
) -> Result<PrefixLists, ServiceError> {
    let mut lists = PrefixLists::empty();
    let unread = read_lists_into(ec2, referenced_list_ids(rules), &mut lists).await;
    unread.into_values().next().map_or(Ok(lists), Err)
}

/// Reads these lists and adds them to others. What cannot be read, or has an entry that is no CIDR, comes back with the
/// reason.
pub(crate) async fn read_lists_into(
    ec2: &Client,
    ids: BTreeSet<&str>,
    lists: &mut PrefixLists,
) -> BTreeMap<String, ServiceError> {
    let calls: Vec<_> = ids
        .into_iter()
        .map(|id| async move { (id, read_list_cidrs(ec2, id).await) })
        .collect();
    let answers: Vec<_> = stream::iter(calls)
        .buffered(MAX_CONCURRENT_LISTS)
        .collect()
        .await;
    let mut unread = BTreeMap::new();
    for (id, answer) in answers {
        match answer {
            Ok(Some(blocks)) => lists.insert(id, blocks),
            Ok(None) => {}
            Err(error) => {
                let message = format!("{id}: {}", error.message);
                unread.insert(id.to_owned(), ServiceError { message, ..error });
            }
        }
    }
    unread
}

/// The blocks of a list; `None` if there is no such list.
async fn read_list_cidrs(ec2: &Client, id: &str) -> Result<Option<Vec<IpNet>>, ServiceError> {
    let Some(entries) = read_list_entries(ec2, id).await? else {
        return Ok(None);
    };
    let blocks = entries
        .iter()
        .map(|entry| parse_cidr(entry.cidr().unwrap_or_default()))
        .collect::<Result<_, _>>();
    blocks.map(Some).map_err(|error| {
        ServiceError::new(
            OPERATION,
            ErrorKind::Other,
            format!("an entry cannot be understood: {error}"),
        )
    })
}

/// The lists that these rules name.
pub(crate) fn referenced_list_ids<'a>(
    rules: impl IntoIterator<Item = &'a IngressRule>,
) -> BTreeSet<&'a str> {
    rules
        .into_iter()
        .filter_map(|rule| match &rule.source {
            Source::PrefixList(id) => Some(id.as_str()),
            Source::Cidr(_) | Source::Group(_) => None,
        })
        .collect()
}

async fn read_list_entries(
    ec2: &Client,
    id: &str,
) -> Result<Option<Vec<PrefixListEntry>>, ServiceError> {
    let call = ec2.get_managed_prefix_list_entries().prefix_list_id(id);
    let stream = call.into_paginator().page_size(MAX_ENTRIES_PER_PAGE).send();
    let pages = collect_pages(
        OPERATION,
        stream,
        GetManagedPrefixListEntriesOutput::next_token,
    );
    match pages.await {
        Ok(pages) => Ok(Some(
            pages
                .into_iter()
                .flat_map(|page| page.entries.unwrap_or_default())
                .collect(),
        )),
        Err(failure) if is_list_not_found(failure.code.as_deref()) => Ok(None),
        Err(failure) => Err(failure.error),
    }
}

/// Both spellings occur: the API Reference lists `InvalidPrefixListID.NotFound`, the newer calls answer with `Id`.
fn is_list_not_found(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("InvalidPrefixListID.NotFound" | "InvalidPrefixListId.NotFound")
    )
}
