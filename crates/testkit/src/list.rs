//! Groups listed page by page, with faults, and a watch over how far a sweep reads ahead.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use portcullis_remediation::ports::{ErrorKind, GroupPage, ListGroups, PortError};
use portcullis_rules::{PrefixLists, SecurityGroup};

use crate::{Call, FakeEc2};

/// How often a page that waits for the one before it is polled before it gives up.
const PATIENCE: u32 = 10_000;

/// Pages of groups; the token of the page at place 2 is `page-2`.
#[derive(Debug, Default)]
pub struct FakeList {
    pages: Vec<Vec<SecurityGroup>>,
    lists: PrefixLists,
    watched: Option<Arc<FakeEc2>>,
    known: Option<Arc<FakeEc2>>,
    unreadable: Vec<(usize, SecurityGroup)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: BTreeMap<usize, ErrorKind>,
    nameless: Option<ErrorKind>,
    asked: Vec<usize>,
    greed: usize,
}

impl FakeList {
    /// These pages.
    pub fn with(pages: impl IntoIterator<Item = Vec<SecurityGroup>>) -> Self {
        Self { pages: pages.into_iter().collect(), ..Self::default() }
    }

    /// With these prefix lists.
    #[must_use]
    pub fn lists(self, lists: PrefixLists) -> Self {
        Self { lists, ..self }
    }

    /// A page comes only when the first group of the page before it was read by itself: whoever does not handle one page
    /// while waiting for the next gets an error.
    #[must_use]
    pub fn watching(self, ec2: &Arc<FakeEc2>) -> Self {
        Self { watched: Some(Arc::clone(ec2)), ..self }
    }

    /// Rules get the ids and tags that they have there.
    #[must_use]
    pub fn identifying(self, ec2: &Arc<FakeEc2>) -> Self {
        Self { known: Some(Arc::clone(ec2)), ..self }
    }

    /// On the page at this place there is a group more, and nobody understands its rules.
    #[must_use]
    pub fn unreadable(mut self, place: usize, group: SecurityGroup) -> Self {
        self.unreadable.push((place, group));
        self
    }

    /// The page at this place cannot be read, once.
    pub fn fail(&self, place: usize, kind: ErrorKind) {
        self.state().faults.insert(place, kind);
    }

    /// The rules cannot be read, once.
    pub fn fail_rules(&self, kind: ErrorKind) {
        self.state().nameless = Some(kind);
    }

    /// The places of the pages asked for so far.
    pub fn asked(&self) -> Vec<usize> {
        self.state().asked.clone()
    }

    /// How often a page was asked for while one before the last was not done with: more than two pages held.
    pub fn greed(&self) -> usize {
        self.state().greed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_read(&self, group: Option<&SecurityGroup>) -> bool {
        let (Some(ec2), Some(group)) = (&self.watched, group) else { return true };
        ec2.calls().contains(&Call::Read(group.id.clone()))
    }

    /// Whether the first group of the page before this one is being handled, sooner or later.
    async fn the_page_before_is_begun(&self, place: usize) -> bool {
        let before = place.checked_sub(1).and_then(|before| self.pages.get(before)).and_then(|page| page.first());
        let mut left = PATIENCE;
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
impl ListGroups for FakeList {
    async fn page(&self, token: Option<&str>) -> Result<GroupPage, PortError> {
        let failed = |kind, message: &str| PortError::new("DescribeSecurityGroups", kind, message);
        let place = token.map_or(Some(0), |token| token.strip_prefix("page-")?.parse::<usize>().ok());
        let place = place.ok_or_else(|| failed(ErrorKind::Other, "InvalidNextToken"))?;
        let groups = self.pages.get(place).cloned().unwrap_or_default();
        let before_last = place.checked_sub(2).and_then(|before| self.pages.get(before)).and_then(|page| page.last());
        {
            let mut state = self.state();
            state.asked.push(place);
            state.greed = state.greed.saturating_add(usize::from(!self.was_read(before_last)));
            if let Some(kind) = state.faults.remove(&place) {
                return Err(failed(kind, "injected"));
            }
        }
        if !self.the_page_before_is_begun(place).await {
            return Err(failed(ErrorKind::NoAnswer, "nobody handled the page before meanwhile"));
        }
        let following = place.saturating_add(1);
        let next = (following < self.pages.len()).then(|| format!("page-{following}"));
        let unread = self
            .unreadable
            .iter()
            .filter(|(page, _)| *page == place)
            .map(|(_, group)| (group.clone(), failed(ErrorKind::Other, "a permission cannot be understood")));
        Ok(GroupPage { groups, prefix_lists: self.lists.clone(), unread: unread.collect(), next })
    }
    /// Gives each rule without an id one, of its group and its place: `sgr-1-0`.
    async fn identified(&self, mut groups: Vec<SecurityGroup>) -> Result<Vec<SecurityGroup>, PortError> {
        if let Some(kind) = self.state().nameless.take() {
            return Err(PortError::new("DescribeSecurityGroupRules", kind, "injected"));
        }
        for group in &mut groups {
            if let Some(known) = &self.known {
                group.rules = known.boxes(&group.id);
            }
            let name = group.id.replacen("sg-", "sgr-", 1);
            for (place, rule) in group.rules.iter_mut().enumerate() {
                rule.id.get_or_insert_with(|| format!("{name}-{place}"));
            }
        }
        Ok(groups)
    }
}
