//! Listing all groups of a region, a page at a time.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use portcullis_remediation::{GroupPage, ListGroups, PortError};
use portcullis_rules::{PrefixLists, SecurityGroup};

use crate::error::failure;
use crate::merge::merge;
use crate::prefix_lists;
use crate::read::{GROUPS, PAGE, odd};

/// Lists groups with `DescribeSecurityGroups`, and the entries of the prefix lists that they name with
/// `GetManagedPrefixListEntries`, each list once. Changes nothing.
#[derive(Debug)]
pub struct Lister {
    ec2: Client,
    page_size: i32,
    known: Mutex<Known>,
}

/// The prefix lists met so far, and the names of all that were asked for: some do not exist.
#[derive(Debug, Default)]
struct Known {
    lists: PrefixLists,
    asked: BTreeSet<String>,
}

impl Lister {
    pub(crate) fn new(ec2: Client) -> Self {
        Self { ec2, page_size: PAGE, known: Mutex::default() }
    }

    /// With pages of another size; EC2 takes 5 to 1000.
    #[must_use]
    pub fn page_size(self, page_size: i32) -> Self {
        Self { page_size, ..self }
    }

    /// Reads the lists that these groups name and nobody has asked for yet.
    async fn lists(&self, groups: &[SecurityGroup]) -> Result<PrefixLists, PortError> {
        let mut unknown = prefix_lists::ids(groups.iter().flat_map(|group| &group.rules));
        let mut lists = {
            let known = self.known();
            unknown.retain(|id| !known.asked.contains(*id));
            known.lists.clone()
        };
        if !unknown.is_empty() {
            prefix_lists::read(&self.ec2, unknown.clone(), &mut lists).await?;
            let mut known = self.known();
            known.lists.clone_from(&lists);
            known.asked.extend(unknown.into_iter().map(str::to_owned));
        }
        Ok(lists)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ListGroups for Lister {
    async fn page(&self, token: Option<&str>) -> Result<GroupPage, PortError> {
        let call =
            self.ec2.describe_security_groups().max_results(self.page_size).set_next_token(token.map(str::to_owned));
        let answer = call.send().await.map_err(|error| failure(GROUPS, &error).error)?;
        let next = answer.next_token.filter(|token| !token.is_empty());
        let described = answer.security_groups.unwrap_or_default().into_iter();
        let groups = described.map(|group| merge(group, &[])).collect::<Result<Vec<_>, _>>()?;
        if groups.iter().any(|group| group.id.is_empty()) {
            return Err(odd(GROUPS, "a group has no id"));
        }
        let prefix_lists = self.lists(&groups).await?;
        Ok(GroupPage { groups, prefix_lists, next })
    }
}
