//! A fake group lister with pages and faults. It can check how far a sweep reads ahead.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use portcullis_remediation::services::{ErrorKind, GroupLister, GroupPage, ServiceError};
use portcullis_rules::{PrefixLists, SecurityGroup};

use crate::{Call, FakeEc2};

/// How often a page request polls for the previous page to be handled before it fails.
const MAX_POLLS: u32 = 10_000;

/// Lists pages of groups. The token of the page with index 2 is `page-2`.
#[derive(Debug, Default)]
pub struct FakeGroupLister {
    pages: Vec<Vec<SecurityGroup>>,
    prefix_lists: PrefixLists,
    read_ahead_check: Option<Arc<FakeEc2>>,
    rule_ids_from: Option<Arc<FakeEc2>>,
    unreadable_groups: Vec<(usize, SecurityGroup)>,
    state: Mutex<ListerState>,
}

#[derive(Debug, Default)]
struct ListerState {
    faults: BTreeMap<usize, ErrorKind>,
    rules_fault: Option<ErrorKind>,
    requested_pages: Vec<usize>,
    excess_pages: usize,
}

impl FakeGroupLister {
    /// A lister with these pages.
    pub fn with_pages(pages: impl IntoIterator<Item = Vec<SecurityGroup>>) -> Self {
        Self {
            pages: pages.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Sets the prefix lists of every page.
    #[must_use]
    pub fn with_prefix_lists(self, lists: PrefixLists) -> Self {
        Self {
            prefix_lists: lists,
            ..self
        }
    }

    /// Returns a page only after the first group of the previous page was read in this EC2. A
    /// caller that does not handle one page while it waits for the next gets an error.
    #[must_use]
    pub fn with_read_ahead_check(self, ec2: &Arc<FakeEc2>) -> Self {
        Self {
            read_ahead_check: Some(Arc::clone(ec2)),
            ..self
        }
    }

    /// Takes the ids and tags of rules from this EC2.
    #[must_use]
    pub fn with_rule_ids_from(self, ec2: &Arc<FakeEc2>) -> Self {
        Self {
            rule_ids_from: Some(Arc::clone(ec2)),
            ..self
        }
    }

    /// Adds a group with rules that cannot be read to the page with this index.
    #[must_use]
    pub fn with_unreadable_group(mut self, page: usize, group: SecurityGroup) -> Self {
        self.unreadable_groups.push((page, group));
        self
    }

    /// Makes the next request for the page with this index fail.
    pub fn fail_page(&self, page: usize, kind: ErrorKind) {
        self.state().faults.insert(page, kind);
    }

    /// Makes the next request for rules fail.
    pub fn fail_rules(&self, kind: ErrorKind) {
        self.state().rules_fault = Some(kind);
    }

    /// The indexes of all pages requested so far.
    pub fn requested_pages(&self) -> Vec<usize> {
        self.state().requested_pages.clone()
    }

    /// How often a page was requested before the page two before it was handled, so that the caller
    /// held more than two pages.
    pub fn excess_pages(&self) -> usize {
        self.state().excess_pages
    }

    fn state(&self) -> MutexGuard<'_, ListerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_read(&self, group: Option<&SecurityGroup>) -> bool {
        let (Some(ec2), Some(group)) = (&self.read_ahead_check, group) else {
            return true;
        };
        ec2.calls().contains(&Call::Read(group.id.clone()))
    }

    /// Records the request for a page and fails if a fault was set for it.
    fn record_request(&self, page: usize) -> Result<(), ServiceError> {
        let last_group = page
            .checked_sub(2)
            .and_then(|earlier| self.pages.get(earlier))
            .and_then(|groups| groups.last());
        let mut state = self.state();
        state.requested_pages.push(page);
        if !self.was_read(last_group) {
            state.excess_pages = state.excess_pages.saturating_add(1);
        }
        match state.faults.remove(&page) {
            Some(kind) => Err(list_error(kind, "injected")),
            None => Ok(()),
        }
    }

    fn unreadable_groups_of(&self, page: usize) -> Vec<(SecurityGroup, ServiceError)> {
        self.unreadable_groups
            .iter()
            .filter(|(index, _)| *index == page)
            .map(|(_, group)| {
                let error = list_error(ErrorKind::Other, "a permission cannot be understood");
                (group.clone(), error)
            })
            .collect()
    }

    /// Waits until the first group of the previous page was read. Returns false if that never
    /// happens.
    async fn previous_page_started(&self, page: usize) -> bool {
        let first_group = page
            .checked_sub(1)
            .and_then(|previous| self.pages.get(previous))
            .and_then(|groups| groups.first());
        let mut polls_left = MAX_POLLS;
        poll_fn(|context| {
            polls_left = polls_left.saturating_sub(1);
            if self.was_read(first_group) || polls_left == 0 {
                return Poll::Ready(polls_left > 0);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

fn list_error(kind: ErrorKind, message: &str) -> ServiceError {
    ServiceError::new("DescribeSecurityGroups", kind, message)
}

fn parse_token(token: &str) -> Result<usize, ServiceError> {
    token
        .strip_prefix("page-")
        .and_then(|index| index.parse().ok())
        .ok_or_else(|| list_error(ErrorKind::Other, "InvalidNextToken"))
}

#[async_trait]
impl GroupLister for FakeGroupLister {
    async fn list_page(&self, token: Option<&str>) -> Result<GroupPage, ServiceError> {
        let page = match token {
            None => 0,
            Some(token) => parse_token(token)?,
        };
        self.record_request(page)?;
        if !self.previous_page_started(page).await {
            return Err(list_error(
                ErrorKind::NoAnswer,
                "the previous page was not handled",
            ));
        }
        let next = page.saturating_add(1);
        Ok(GroupPage {
            groups: self.pages.get(page).cloned().unwrap_or_default(),
            prefix_lists: self.prefix_lists.clone(),
            unreadable_groups: self.unreadable_groups_of(page),
            next_token: (next < self.pages.len()).then(|| format!("page-{next}")),
        })
    }

    /// Assigns an id to each rule without one, from its group and its index: `sgr-1-0`.
    async fn with_rule_ids(
        &self,
        mut groups: Vec<SecurityGroup>,
    ) -> Result<Vec<SecurityGroup>, ServiceError> {
        if let Some(kind) = self.state().rules_fault.take() {
            return Err(ServiceError::new(
                "DescribeSecurityGroupRules",
                kind,
                "injected",
            ));
        }
        for group in &mut groups {
            if let Some(known) = &self.rule_ids_from {
                group.rules = known.ingress_rules(&group.id);
            }
            let name = group.id.replacen("sg-", "sgr-", 1);
            for (index, rule) in group.rules.iter_mut().enumerate() {
                rule.id.get_or_insert_with(|| format!("{name}-{index}"));
            }
        }
        Ok(groups)
    }
}
