//! The sweeper.
//!
//! The next page is read while the current one is evaluated, so at most two are in memory. If the
//! sweep may change groups, each group with enforced findings goes through the [`Remediator`],
//! which reads it again, remediates it and publishes an alert. Everything else goes into one
//! digest.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{Either, select};
use portcullis_rules::{Finding, Policy, PrefixLists, SecurityGroup};

use crate::alert::{AlertLinks, AlertOptions, compose_digest};
use crate::event::{Actor, GroupChange, Origin, SweepRequest, Target};
use crate::remediator::{
    AlertFilter, EventOutcome, Limits, PlanDetails, RemediationError, Remediator, Services,
    decide_group,
};
use crate::report::{GroupReport, PolicyIdentity, StopReason, SweepReport};
use crate::services::{GroupLister, GroupPage, GroupRef, next_page_checked};

/// Sweeps regions. One instance lives as long as its process, so that a retried sweep finds the
/// alerts that are still pending.
#[derive(Debug)]
pub struct Sweeper {
    services: Services,
    policy: Policy,
    identity: PolicyIdentity,
    remediator: Option<Remediator>,
    links: AlertLinks,
    /// The groups whose alert was not published, by sweep and group.
    pending_alerts: Mutex<PendingAlerts>,
}

type PendingAlerts = BTreeMap<(String, String), GroupChange>;

impl Sweeper {
    /// A sweeper for this policy. It changes groups if the services have an editor; otherwise it
    /// reports.
    pub fn new(services: Services, policy: Policy, limits: Limits) -> Self {
        let remediator = services.editor.is_some().then(|| {
            Remediator::new(services.clone(), policy.clone(), limits)
                .with_alerts(AlertFilter::ChangesOnly)
        });
        Self {
            services,
            identity: PolicyIdentity::from_policy(&policy),
            policy,
            remediator,
            links: AlertLinks::default(),
            pending_alerts: Mutex::default(),
        }
    }

    /// Composes the digest and the alerts about groups with these links. The digest contains all
    /// findings.
    #[must_use]
    pub fn with_alert_options(self, options: AlertOptions) -> Self {
        let remediator = self.remediator;
        Self {
            links: options.links.clone(),
            remediator: remediator.map(|remediator| remediator.with_alert_options(options)),
            ..self
        }
    }

    /// Reports this version and hash of the policy.
    #[must_use]
    pub fn with_policy_identity(self, identity: PolicyIdentity) -> Self {
        Self {
            remediator: self
                .remediator
                .map(|remediator| remediator.with_policy_identity(identity.clone())),
            identity,
            ..self
        }
    }

    /// Sweeps until the last page, the deadline, or a page that cannot be read, and publishes the
    /// digest.
    ///
    /// [`SweepReport::errors`] is empty if every group was handled and every alert was published.
    pub async fn sweep(&self, lister: &dyn GroupLister, request: &SweepRequest) -> SweepReport {
        let remediates = self.remediator.is_some();
        let now = self.services.clock.now();
        let mut report = SweepReport::new(request, &self.identity, remediates, now);
        self.retry_pending_alerts(&mut report).await;
        self.sweep_pages(lister, request, &mut report).await;
        report.ended = self.services.clock.now();
        if report.needs_alert() {
            let digest = compose_digest(&report, &self.links);
            report.digest_error = self.services.publisher.publish(&digest).await.err();
        }
        report
    }

    /// All pages. The next one is read while the current one is evaluated.
    async fn sweep_pages(
        &self,
        lister: &dyn GroupLister,
        request: &SweepRequest,
        report: &mut SweepReport,
    ) {
        let mut token = request.token.clone();
        let mut seen = BTreeSet::new();
        let mut answer = next_page_checked(lister, token.as_deref(), &mut seen).await;
        loop {
            let page = match answer {
                Ok(page) => page,
                Err(error) => {
                    return report.mark_unfinished(token, StopReason::PageUnreadable(error));
                }
            };
            let next_token = page.next_token.clone();
            let next_page = async {
                match next_token.as_deref() {
                    Some(next) => Some(next_page_checked(lister, Some(next), &mut seen).await),
                    None => None,
                }
            };
            let current_page = self.sweep_page(lister, request, page, report);
            match join_until_deadline(next_page, current_page).await {
                Some(Some(next_answer)) => (token, answer) = (next_token, next_answer),
                Some(None) => return,
                None => return report.mark_unfinished(token, StopReason::DeadlineReached),
            }
        }
    }

    /// Evaluates one page. Returns false if the deadline passed before its end, so that the page
    /// has to be evaluated again.
    async fn sweep_page(
        &self,
        lister: &dyn GroupLister,
        request: &SweepRequest,
        mut page: GroupPage,
        report: &mut SweepReport,
    ) -> bool {
        self.load_rule_tags(lister, request, &mut page).await;
        for (group, error) in page.unreadable_groups {
            report.record_group(&group);
            report.record_failed_group(&group, &[], error.to_string());
        }
        for group in page.groups {
            if self.services.clock.now() >= request.deadline {
                return false;
            }
            self.sweep_group(request, group, &page.prefix_lists, report)
                .await;
        }
        true
    }

    async fn sweep_group(
        &self,
        request: &SweepRequest,
        group: SecurityGroup,
        lists: &PrefixLists,
        report: &mut SweepReport,
    ) {
        let change = sweep_change(request, &group.id);
        report.record_group(&group);
        let planned = self.plan_group(&change, &group, lists);
        let is_enforced = planned.findings().any(Finding::enforces);
        match &self.remediator {
            Some(remediator) if is_enforced => {
                let event = remediator.handle_change(&change).await;
                let error = event.errors.first().map(ToString::to_string);
                let remediated = event.reports.first().unwrap_or(&planned);
                report.record_report(remediated, error);
                self.update_pending_alert((request.id.clone(), group.id), change, &event);
            }
            Some(_) | None => {
                let error = RemediationError::from_report(&planned);
                report.record_report(&planned, error.map(|error| error.to_string()));
            }
        }
    }

    /// The report about a listed group that is not changed. What the group is attached to is
    /// unknown.
    fn plan_group(
        &self,
        change: &GroupChange,
        group: &SecurityGroup,
        lists: &PrefixLists,
    ) -> GroupReport {
        let decision = decide_group(
            &self.policy,
            (group, lists),
            (change, self.services.clock.now()),
            &PlanDetails::default(),
            &[],
        );
        let named = GroupRef::Id(group.id.clone());
        GroupReport::planned(&self.policy, change, &named, group, &decision)
    }

    /// Reads the tags of rules for the groups with findings, if an exception of the policy matches
    /// on them: `DescribeSecurityGroups` does not return them, and without them there are too many
    /// findings, never too few. If the tags of a group cannot be read, the group counts as
    /// unreadable.
    async fn load_rule_tags(
        &self,
        lister: &dyn GroupLister,
        request: &SweepRequest,
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
        let groups = std::mem::take(&mut page.groups);
        let (with_findings, clean): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| {
            let change = sweep_change(request, &group.id);
            self.plan_group(&change, group, &page.prefix_lists)
                .findings()
                .next()
                .is_some()
        });
        page.groups = clean;
        match lister.with_rule_ids(with_findings.clone()).await {
            Ok(groups) => page.groups.extend(groups),
            Err(error) => {
                for group in with_findings {
                    page.unreadable_groups.push((group, error.clone()));
                }
            }
        }
    }

    /// Publishes pending alerts about groups that an earlier sweep closed. Such a group no longer
    /// has findings.
    async fn retry_pending_alerts(&self, report: &mut SweepReport) {
        let Some(remediator) = &self.remediator else {
            return;
        };
        let pending = self.lock_pending_alerts().clone();
        for (key, change) in pending {
            let event = remediator.handle_change(&change).await;
            if let Some(error) = event.errors.first() {
                let unknown = SecurityGroup {
                    id: key.1.clone(),
                    ..SecurityGroup::default()
                };
                let known = event.reports.first();
                let (group, rules) = known.map_or((&unknown, &[][..]), |known| {
                    (&known.group, known.rules.as_slice())
                });
                report.record_failed_group(group, rules, error.to_string());
            }
            self.update_pending_alert(key, change, &event);
        }
    }

    fn update_pending_alert(
        &self,
        key: (String, String),
        change: GroupChange,
        event: &EventOutcome,
    ) {
        let is_pending = event
            .errors
            .iter()
            .any(|error| matches!(error, RemediationError::AlertNotSent { .. }));
        let mut pending = self.lock_pending_alerts();
        if is_pending {
            pending.insert(key, change);
        } else {
            pending.remove(&key);
        }
    }

    fn lock_pending_alerts(&self) -> MutexGuard<'_, PendingAlerts> {
        self.pending_alerts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs both futures concurrently. Returns `None` immediately if `work` reports that the deadline
/// has passed.
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

/// The change that a sweep handles instead of an event. Who opened the group, and when, is unknown.
fn sweep_change(request: &SweepRequest, group_id: &str) -> GroupChange {
    let origin = Origin {
        event_id: Some(request.id.clone()),
        event_name: Origin::SWEEP.to_owned(),
        account: request.account.clone(),
        region: request.region.clone(),
        // Not `who`: an exception for certain principals must not match a sweep.
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
