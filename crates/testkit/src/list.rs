//! Groups listed page by page, with faults, and a watch over how far a sweep reads ahead.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use portcullis_remediation::services::{ErrorKind, GroupLister, GroupPage, ServiceError};
use portcullis_rules::{PrefixLists, SecurityGroup};

use crate::{Call, FakeEc2};

/// How often a page that waits for the one before it is polled before it gives up.
const MAX_POLLS: u32 = 10_000;

/// Pages of groups; the token of the page at place 2 is `page-2`.
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
    /// These pages.
    pub fn with_pages(pages: impl IntoIterator<Item = Vec<SecurityGroup>>) -> Self {
        Self {
            pages: pages.into_iter().collect(),
            ..Self::default()
        }
    }

    /// With these prefix lists.
    #[must_use]
    pub fn with_prefix_lists(self, lists: PrefixLists) -> Self {
        Self {
            prefix_lists: lists,
            ..self
        }
    }

    /// A page comes only when the first group of the page before it was read by itself: whoever does not handle one page
    /// while waiting for the next gets an error.
    #[must_use]
    pub fn with_read_ahead_check(self, ec2: &Arc<FakeEc2>) -> Self {
        Self {
            read_ahead_check: Some(Arc::clone(ec2)),
            ..self
        }
    }

    /// Rules get the ids and tags that they have there.
    #[must_use]
    pub fn with_rule_ids_from(self, ec2: &Arc<FakeEc2>) -> Self {
        Self {
            rule_ids_from: Some(Arc::clone(ec2)),
            ..self
        }
    }

    /// On the page at this place there is a group more, and nobody understands its rules.
    #[must_use]
    pub fn with_unreadable_group(mut self, place: usize, group: SecurityGroup) -> Self {
        self.unreadable_groups.push((place, group));
        self
    }

    /// The page at this place cannot be read, once.
    pub fn fail_page(&self, place: usize, kind: ErrorKind) {
        self.state().faults.insert(place, kind);
    }

    /// The rules cannot be read, once.
    pub fn fail_rules(&self, kind: ErrorKind) {
        self.state().rules_fault = Some(kind);
    }

    /// The places of the pages asked for so far.
    pub fn requested_pages(&self) -> Vec<usize> {
        self.state().requested_pages.clone()
    }

    /// How often a page was asked for while one before the last was not done with: more than two pages held.
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

    /// Whether the first group of the page before this one is being handled, sooner or later.
    async fn previous_page_started(&self, place: usize) -> bool {
        let before = place
            .checked_sub(1)
            .and_then(|before| self.pages.get(before))
            .and_then(|page| page.first());
        let mut left = MAX_POLLS;
        poll_fn(|context| {
            left = left.saturating_sub(1);
            if self.was_read(before) || left == 0 {
                return Poll::Ready(left > 0);
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

#[async_trait]
impl GroupLister for FakeGroupLister {
    async fn list_page(&self, token: Option<&str>) -> Result<GroupPage, ServiceError> {
        let failed =
            |kind, message: &str| ServiceError::new("DescribeSecurityGroups", kind, message);
        let place = token.map_or(Some(0), |token| {
            token.strip_prefix("page-")?.parse::<usize>().ok()
        });
        let place = place.ok_or_else(|| failed(ErrorKind::Other, "InvalidNextToken"))?;
        let groups = self.pages.get(place).cloned().unwrap_or_default();
        let before_last = place
            .checked_sub(2)
            .and_then(|before| self.pages.get(before))
            .and_then(|page| page.last());
        {
            let mut state = self.state();
            state.requested_pages.push(place);
            state.excess_pages = state
                .excess_pages
                .saturating_add(usize::from(!self.was_read(before_last)));
            if let Some(kind) = state.faults.remove(&place) {
                return Err(failed(kind, "injected"));
            }
        }
        if !self.previous_page_started(place).await {
            return Err(failed(
                ErrorKind::NoAnswer,
                "nobody handled the page before meanwhile",
            ));
        }
        let following = place.saturating_add(1);
        let next = (following < self.pages.len()).then(|| format!("page-{following}"));
        let unread = self
            .unreadable_groups
            .iter()
            .filter(|(page, _)| *page == place)
            .map(|(_, group)| {
                (
                    group.clone(),
                    failed(ErrorKind::Other, "a permission cannot be understood"),
                )
            });
        Ok(GroupPage {
            groups,
            prefix_lists: self.prefix_lists.clone(),
            unreadable_groups: unread.collect(),
            next_token: next,
        })
    }
    /// Gives each rule without an id one, of its group and its place: `sgr-1-0`.
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
            for (place, rule) in group.rules.iter_mut().enumerate() {
                rule.id.get_or_insert_with(|| format!("{name}-{place}"));
            }
        }
        Ok(groups)
    }
}
