//! The entries of managed prefix lists.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::get_managed_prefix_list_entries::GetManagedPrefixListEntriesOutput;
use aws_sdk_ec2::types::PrefixListEntry;
use futures_util::stream::{self, StreamExt as _};
use ipnet::IpNet;
use portcullis_remediation::{ErrorKind, PortError};
use portcullis_rules::source::parse_cidr;
use portcullis_rules::{IngressRule, PrefixLists, Source};

use crate::read::pages;

const OPERATION: &str = "GetManagedPrefixListEntries";

/// The most that EC2 gives at once (API Reference, `GetManagedPrefixListEntries`, `MaxResults`).
const PAGE: i32 = 100;

/// Lists read at the same time: enough for any real group, and no burst against the account's request quota.
const AT_ONCE: usize = 4;

/// Reads the lists that these rules name. One that does not exist (any more) is left out.
///
/// # Errors
/// When a list cannot be read or has an entry that is no CIDR.
pub(crate) async fn of(ec2: &Client, rules: &[IngressRule]) -> Result<PrefixLists, PortError> {
    let mut lists = PrefixLists::none();
    let unread = read(ec2, ids(rules), &mut lists).await;
    unread.into_values().next().map_or(Ok(lists), Err)
}

/// Reads these lists and adds them to others. What cannot be read, or has an entry that is no CIDR, comes back with the
/// reason.
pub(crate) async fn read(ec2: &Client, ids: BTreeSet<&str>, lists: &mut PrefixLists) -> BTreeMap<String, PortError> {
    let calls: Vec<_> = ids.into_iter().map(|id| async move { (id, blocks(ec2, id).await) }).collect();
    let answers: Vec<_> = stream::iter(calls).buffered(AT_ONCE).collect().await;
    let mut unread = BTreeMap::new();
    for (id, answer) in answers {
        match answer {
            Ok(Some(blocks)) => lists.insert(id, blocks),
            Ok(None) => {}
            Err(error) => {
                let message = format!("{id}: {}", error.message);
                unread.insert(id.to_owned(), PortError { message, ..error });
            }
        }
    }
    unread
}

/// The blocks of a list; `None` if there is no such list.
async fn blocks(ec2: &Client, id: &str) -> Result<Option<Vec<IpNet>>, PortError> {
    let Some(entries) = entries(ec2, id).await? else { return Ok(None) };
    let blocks = entries.iter().map(|entry| parse_cidr(entry.cidr().unwrap_or_default())).collect::<Result<_, _>>();
    blocks
        .map(Some)
        .map_err(|error| PortError::new(OPERATION, ErrorKind::Other, format!("an entry cannot be understood: {error}")))
}

/// The lists that these rules name.
pub(crate) fn ids<'a>(rules: impl IntoIterator<Item = &'a IngressRule>) -> BTreeSet<&'a str> {
    rules
        .into_iter()
        .filter_map(|rule| match &rule.source {
            Source::PrefixList(id) => Some(id.as_str()),
            Source::Cidr(_) | Source::Group(_) => None,
        })
        .collect()
}

async fn entries(ec2: &Client, id: &str) -> Result<Option<Vec<PrefixListEntry>>, PortError> {
    let call = ec2.get_managed_prefix_list_entries().prefix_list_id(id);
    let stream = call.into_paginator().page_size(PAGE).send();
    let pages = pages(OPERATION, stream, GetManagedPrefixListEntriesOutput::next_token);
    match pages.await {
        Ok(pages) => Ok(Some(pages.into_iter().flat_map(|page| page.entries.unwrap_or_default()).collect())),
        Err(failure) if is_missing(failure.code.as_deref()) => Ok(None),
        Err(failure) => Err(failure.error),
    }
}

/// Both spellings occur: the API Reference lists `InvalidPrefixListID.NotFound`, the newer calls answer with `Id`.
fn is_missing(code: Option<&str>) -> bool {
    matches!(code, Some("InvalidPrefixListID.NotFound" | "InvalidPrefixListId.NotFound"))
}
