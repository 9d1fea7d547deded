//! The sweep: every group of a region is judged, page by page. What events missed, and what was open before there was
//! anybody to see it, is found here.
//!
//! While one page is judged the next is read, so at most two are held. Where the sweep may change groups, each with
//! something to enforce goes through the [`Remediator`], which reads it again, closes it and tells about it. Everything
//! else is told in one digest at the end.

mod changes_only;
pub mod json;
#[cfg(test)]
pub(crate) mod samples;
mod sweep_report;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};
use jiff::Timestamp;
use portcullis_rules::{Evaluation, Finding, Policy, PrefixLists, SecurityGroup, evaluate};

pub use sweep_report::{GroupSummary, RuleCount, StopReason, SweepError, SweepReport, Unfinished};

use crate::alert;
use crate::event::{Actor, GroupChange, Origin, Target};
use crate::remediator::{EventOutcome, Limits, RemediationError, Remediator, Services};
use crate::services::{GroupLister, GroupPage, GroupRef, next_page_checked};
use changes_only::ChangesOnly;

/// What one sweep is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRequest {
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
    services: Services,
    policy: Policy,
    remediator: Option<Remediator>,
    /// By sweep and group.
    pending_alerts: Mutex<BTreeMap<(String, String), GroupChange>>,
}

impl Sweeper {
    /// A sweeper for this policy. It changes groups exactly when it is handed a changer; otherwise it reports.
    pub fn new(hands: Services, policy: Policy, limits: Limits) -> Self {
        let remediator = hands.editor.is_some().then(|| {
            let teller = Arc::new(ChangesOnly(Arc::clone(&hands.publisher)));
            Remediator::new(
                Services {
                    publisher: teller,
                    ..hands.clone()
                },
                policy.clone(),
                limits,
            )
        });
        Self {
            services: hands,
            policy,
            remediator,
            pending_alerts: Mutex::default(),
        }
    }

    /// Sweeps until the last page, the deadline, or a page that cannot be read, and tells the digest.
    ///
    /// [`SweepReport::errors`] is empty when nothing was left undone or unsaid.
    pub async fn sweep(&self, lister: &dyn GroupLister, errand: &SweepRequest) -> SweepReport {
        let now = self.services.clock.now();
        let mut swept = SweepReport::new(errand, &self.policy, self.remediator.is_some(), now);
        self.retry_pending_alerts(&mut swept).await;
        self.sweep_pages(lister, errand, &mut swept).await;
        swept.ended = self.services.clock.now();
        if swept.needs_alert() {
            swept.digest_error = self
                .services
                .publisher
                .publish(&alert::compose_digest(&swept))
                .await
                .err();
        }
        swept
    }

    /// All pages; the next one is read while the current one is judged.
    async fn sweep_pages(
        &self,
        lister: &dyn GroupLister,
        errand: &SweepRequest,
        swept: &mut SweepReport,
    ) {
        let mut token = errand.token.clone();
        let mut seen = BTreeSet::new();
        let mut answer = next_page_checked(lister, token.as_deref(), &mut seen).await;
        loop {
            let page = match answer {
                Ok(page) => page,
                Err(error) => {
                    return swept.mark_unfinished(token, StopReason::PageUnreadable(error));
                }
            };
            let next = page.next_token.clone();
            let ahead = async {
                match next.as_deref() {
                    Some(next) => Some(next_page_checked(lister, Some(next), &mut seen).await),
                    None => None,
                }
            };
            let Some(following) =
                join_until_deadline(ahead, self.sweep_page(lister, errand, page, swept)).await
            else {
                return swept.mark_unfinished(token, StopReason::DeadlineReached);
            };
            let Some(following) = following else { return };
            (token, answer) = (next, following);
        }
    }

    /// Judges one page; false when time ran out before its end, so that it has to be judged again.
    async fn sweep_page(
        &self,
        lister: &dyn GroupLister,
        errand: &SweepRequest,
        mut page: GroupPage,
        swept: &mut SweepReport,
    ) -> bool {
        self.load_rule_tags(lister, errand, &mut page).await;
        for (group, error) in page.unreadable_groups {
            swept.record_group(&group);
            swept.record_unreadable_group(&group, &error);
        }
        for group in page.groups {
            if self.services.clock.now() >= errand.deadline {
                return false;
            }
            self.sweep_group(errand, group, &page.prefix_lists, swept)
                .await;
        }
        true
    }

    async fn sweep_group(
        &self,
        errand: &SweepRequest,
        listed: SecurityGroup,
        lists: &PrefixLists,
        swept: &mut SweepReport,
    ) {
        let change = synthetic_change(errand, &listed.id);
        swept.record_group(&listed);
        let found = self.evaluate_group(&change, &listed, lists);
        let enforces = found.findings.iter().any(Finding::enforces);
        match &self.remediator {
            Some(remediator) if enforces => {
                let handled = remediator.handle_change(&change).await;
                swept.record_remediation(&listed, &found, &handled);
                self.update_pending_alert((errand.id.clone(), listed.id), change, &handled);
            }
            Some(_) | None => swept.record_findings(&listed, &found),
        }
    }

    fn evaluate_group(
        &self,
        change: &GroupChange,
        group: &SecurityGroup,
        lists: &PrefixLists,
    ) -> Evaluation {
        evaluate(
            &self.policy,
            group,
            lists,
            &change.evaluation_context(Some(self.services.clock.now())),
        )
    }

    /// Gives the groups with findings the tags of their rules, where an exception of the policy asks for them: a list of
    /// groups has no such tags, and without them too much is found, never too little. Groups whose tags cannot be read are
    /// unread.
    async fn load_rule_tags(
        &self,
        lister: &dyn GroupLister,
        errand: &SweepRequest,
        page: &mut GroupPage,
    ) {
        if self
            .policy
            .exceptions
            .iter()
            .all(|exception| exception.rule_tags.is_empty())
        {
            return;
        }
        let lists = &page.prefix_lists;
        let is_bad = |group: &SecurityGroup| {
            !self
                .evaluate_group(&synthetic_change(errand, &group.id), group, lists)
                .findings
                .is_empty()
        };
        let (bad, good): (Vec<_>, _) = std::mem::take(&mut page.groups)
            .into_iter()
            .partition(is_bad);
        page.groups = good;
        match lister.with_rule_ids(bad.clone()).await {
            Ok(identified) => page.groups.extend(identified),
            Err(error) => page
                .unreadable_groups
                .extend(bad.into_iter().map(|group| (group, error.clone()))),
        }
    }

    /// Alerts about groups that an earlier sweep closed and could not tell: such a group has nothing to find any more.
    async fn retry_pending_alerts(&self, swept: &mut SweepReport) {
        let Some(remediator) = &self.remediator else {
            return;
        };
        let owed = self.lock_pending_alerts().clone();
        for (key, change) in owed {
            let handled = remediator.handle_change(&change).await;
            swept.record_retried_alert(&key.1, &handled);
            self.update_pending_alert(key, change, &handled);
        }
    }

    fn update_pending_alert(
        &self,
        key: (String, String),
        change: GroupChange,
        handled: &EventOutcome,
    ) {
        if handled
            .errors
            .iter()
            .any(|error| matches!(error, RemediationError::AlertNotSent { .. }))
        {
            self.lock_pending_alerts().insert(key, change);
        } else {
            self.lock_pending_alerts().remove(&key);
        }
    }

    fn lock_pending_alerts(&self) -> MutexGuard<'_, BTreeMap<(String, String), GroupChange>> {
        self.pending_alerts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both side by side; nothing, and at once, when the work says that time ran out.
async fn join_until_deadline<T>(
    ahead: impl Future<Output = T>,
    work: impl Future<Output = bool>,
) -> Option<T> {
    match select(pin!(ahead), pin!(work)).await {
        Either::Left((answer, work)) => work.await.then_some(answer),
        Either::Right((true, ahead)) => Some(ahead.await),
        Either::Right((false, _)) => None,
    }
}

/// What stands for the event that there is none of: nobody knows who opened the group, and when.
fn synthetic_change(errand: &SweepRequest, group_id: &str) -> GroupChange {
    let origin = Origin {
        event_id: Some(errand.id.clone()),
        event_name: "Sweep".to_owned(),
        account: errand.account.clone(),
        region: errand.region.clone(),
        // Not `who`: an exception for certain principals must not hold because of us.
        actor: Actor {
            invoked_by: Some("Portcullis sweep".to_owned()),
            ..Actor::default()
        },
        ..Origin::default()
    };
    GroupChange {
        origin,
        target: Target::Groups(vec![GroupRef::Id(group_id.to_owned())]),
        claimed_rules: Vec::new(),
    }
}
