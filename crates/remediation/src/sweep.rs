//! The sweep: every group of a region is judged, page by page. What events missed, and what was open before there was
//! anybody to see it, is found here.
//!
//! While one page is judged the next is read, so at most two are held. Where the sweep may change groups, each with
//! something to enforce goes through the [`Remediator`], which reads it again, closes it and tells about it. Everything
//! else is told in one digest at the end.

mod quiet;
#[cfg(test)]
pub(crate) mod samples;
mod swept;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};
use jiff::Timestamp;
use portcullis_rules::{Finding, Judgement, Policy, PrefixLists, SecurityGroup, judge};

pub use swept::{GroupNote, RuleTally, SweepError, Swept, Unfinished, Why};

use crate::alert;
use crate::intake::{Actor, Change, Origin, Target};
use crate::ports::{GroupPage, GroupRef, ListGroups, turn};
use crate::remediate::{Handled, Hands, Limits, RemediationError, Remediator};
use quiet::Deeds;

/// What one sweep is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// A name for it, the same when it is tried again.
    pub id: String,
    /// The account that is swept.
    pub account: Option<String>,
    /// The region that is swept.
    pub region: Option<String>,
    /// Where an unfinished sweep goes on; `None` begins with the first page.
    pub token: Option<String>,
    /// From when on nothing new may be begun.
    pub deadline: Timestamp,
}

/// The use case. One lives as long as its process, so that a repeated sweep says what the last one could not.
#[derive(Debug)]
pub struct Sweeper {
    hands: Hands,
    policy: Policy,
    remediator: Option<Remediator>,
    /// By sweep and group.
    unsaid: Mutex<BTreeMap<(String, String), Change>>,
}

impl Sweeper {
    /// A sweeper for this policy. It changes groups exactly when it is handed a changer; otherwise it reports.
    pub fn new(hands: Hands, policy: Policy, limits: Limits) -> Self {
        let remediator = hands.changer.is_some().then(|| {
            let teller = Arc::new(Deeds(Arc::clone(&hands.teller)));
            Remediator::new(Hands { teller, ..hands.clone() }, policy.clone(), limits)
        });
        Self { hands, policy, remediator, unsaid: Mutex::default() }
    }

    /// Sweeps until the last page, the deadline, or a page that cannot be read, and tells the digest.
    ///
    /// [`Swept::errors`] is empty when nothing was left undone or unsaid.
    pub async fn sweep(&self, lister: &dyn ListGroups, errand: &Errand) -> Swept {
        let now = self.hands.clock.now();
        let mut swept = Swept::begin(errand, &self.policy, self.remediator.is_some(), now);
        self.say_unsaid(&mut swept).await;
        self.pages(lister, errand, &mut swept).await;
        swept.ended = self.hands.clock.now();
        if swept.is_news() {
            swept.untold = self.hands.teller.tell(&alert::digest(&swept)).await.err();
        }
        swept
    }

    /// All pages; the next one is read while the current one is judged.
    async fn pages(&self, lister: &dyn ListGroups, errand: &Errand, swept: &mut Swept) {
        let mut token = errand.token.clone();
        let mut seen = BTreeSet::new();
        let mut answer = turn(lister, token.as_deref(), &mut seen).await;
        loop {
            let page = match answer {
                Ok(page) => page,
                Err(error) => return swept.stop(token, Why::Unread(error)),
            };
            let next = page.next.clone();
            let ahead = async {
                match next.as_deref() {
                    Some(next) => Some(turn(lister, Some(next), &mut seen).await),
                    None => None,
                }
            };
            let Some(following) = unless_late(ahead, self.page(lister, errand, page, swept)).await else {
                return swept.stop(token, Why::Late);
            };
            let Some(following) = following else { return };
            (token, answer) = (next, following);
        }
    }

    /// Judges one page; false when time ran out before its end, so that it has to be judged again.
    async fn page(&self, lister: &dyn ListGroups, errand: &Errand, mut page: GroupPage, swept: &mut Swept) -> bool {
        self.identify(lister, errand, &mut page).await;
        for (group, error) in page.unread {
            swept.looked_at(&group);
            swept.unread(&group, &error);
        }
        for group in page.groups {
            if self.hands.clock.now() >= errand.deadline {
                return false;
            }
            self.group(errand, group, &page.prefix_lists, swept).await;
        }
        true
    }

    async fn group(&self, errand: &Errand, listed: SecurityGroup, lists: &PrefixLists, swept: &mut Swept) {
        let change = change(errand, &listed.id);
        swept.looked_at(&listed);
        let found = self.judge(&change, &listed, lists);
        let enforces = found.findings.iter().any(Finding::enforces);
        match &self.remediator {
            Some(remediator) if enforces => {
                let handled = remediator.handle(&change).await;
                swept.handled(&listed, &found, &handled);
                self.keep_unsaid((errand.id.clone(), listed.id), change, &handled);
            }
            Some(_) | None => swept.found(&listed, &found),
        }
    }

    fn judge(&self, change: &Change, group: &SecurityGroup, lists: &PrefixLists) -> Judgement {
        judge(&self.policy, group, lists, &change.origin.context(Some(self.hands.clock.now())))
    }

    /// Gives the groups with findings the tags of their rules, where an exception of the policy asks for them: a list of
    /// groups has no such tags, and without them too much is found, never too little. Groups whose tags cannot be read are
    /// unread.
    async fn identify(&self, lister: &dyn ListGroups, errand: &Errand, page: &mut GroupPage) {
        if self.policy.exceptions.iter().all(|exception| exception.rule_tags.is_empty()) {
            return;
        }
        let lists = &page.prefix_lists;
        let is_bad = |group: &SecurityGroup| !self.judge(&change(errand, &group.id), group, lists).findings.is_empty();
        let (bad, good): (Vec<_>, _) = std::mem::take(&mut page.groups).into_iter().partition(is_bad);
        page.groups = good;
        match lister.identified(bad.clone()).await {
            Ok(identified) => page.groups.extend(identified),
            Err(error) => page.unread.extend(bad.into_iter().map(|group| (group, error.clone()))),
        }
    }

    /// Alerts about groups that an earlier sweep closed and could not tell: such a group has nothing to find any more.
    async fn say_unsaid(&self, swept: &mut Swept) {
        let Some(remediator) = &self.remediator else { return };
        let owed = self.unsaid().clone();
        for (key, change) in owed {
            let handled = remediator.handle(&change).await;
            swept.said(&key.1, &handled);
            self.keep_unsaid(key, change, &handled);
        }
    }

    fn keep_unsaid(&self, key: (String, String), change: Change, handled: &Handled) {
        if handled.errors.iter().any(|error| matches!(error, RemediationError::Untold { .. })) {
            self.unsaid().insert(key, change);
        } else {
            self.unsaid().remove(&key);
        }
    }

    fn unsaid(&self) -> MutexGuard<'_, BTreeMap<(String, String), Change>> {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both side by side; nothing, and at once, when the work says that time ran out.
async fn unless_late<T>(ahead: impl Future<Output = T>, work: impl Future<Output = bool>) -> Option<T> {
    match select(pin!(ahead), pin!(work)).await {
        Either::Left((answer, work)) => work.await.then_some(answer),
        Either::Right((true, ahead)) => Some(ahead.await),
        Either::Right((false, _)) => None,
    }
}

/// What stands for the event that there is none of: nobody knows who opened the group, and when.
fn change(errand: &Errand, group_id: &str) -> Change {
    let origin = Origin {
        event_id: Some(errand.id.clone()),
        event_name: "Sweep".to_owned(),
        account: errand.account.clone(),
        region: errand.region.clone(),
        // Not `who`: an exception for certain principals must not hold because of us.
        actor: Actor { invoked_by: Some("Portcullis sweep".to_owned()), ..Actor::default() },
        ..Origin::default()
    };
    Change { origin, target: Target::Groups(vec![GroupRef::Id(group_id.to_owned())]), claims: Vec::new() }
}
