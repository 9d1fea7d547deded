//! The remediator: handles one event at a time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use portcullis_rules::{Policy, Severity, Source, evaluate};

use super::decision::{PlanDetails, decide_group};
use super::enforce::Enforcement;
use super::error::{EventOutcome, RemediationError};
use super::limits::Limits;
use super::outbox::{AlertKey, AlertOutbox};
use super::reads::{read_initial_snapshot, wait_for_prefix_list};
use super::services::Services;
use crate::alert::{AlertOptions, compose_alert_with};
use crate::event::{GroupChange, PrefixListChange, Target};
use crate::report::{GroupOutcome, GroupReport, PolicyIdentity, json};
use crate::services::{ErrorKind, GroupRef, Mode, ServiceError, Snapshot};

/// Which reports are published as separate alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertFilter {
    /// All reports that people need an alert about.
    All,
    /// Only reports about groups that were changed, or should have been. Every sweep finds refused
    /// and reported rules again, so these go into its digest. The same applies to events that
    /// Portcullis caused itself.
    ChangesOnly,
}

impl AlertFilter {
    fn accepts(self, report: &GroupReport, min_severity: Severity) -> bool {
        let is_change = !matches!(
            report.outcome,
            GroupOutcome::Reported | GroupOutcome::Refused
        );
        report.needs_alert_from(min_severity)
            && (self == Self::All || is_change || report.has_failed_withdrawals())
    }
}

/// Remediates the security groups of events. One instance lives as long as its process, so that a
/// retried event finds the alerts that are still pending.
#[derive(Debug)]
pub struct Remediator {
    services: Services,
    policy: Policy,
    limits: Limits,
    alerts: AlertFilter,
    alert_options: AlertOptions,
    outbox: AlertOutbox,
    own_roles: BTreeSet<String>,
    identity: PolicyIdentity,
}

impl Remediator {
    /// A remediator for this policy. It enforces the policy if the services have an editor.
    pub fn new(services: Services, policy: Policy, limits: Limits) -> Self {
        let identity = PolicyIdentity::from_policy(&policy);
        Self {
            identity,
            services,
            policy,
            limits,
            alerts: AlertFilter::All,
            alert_options: AlertOptions::default(),
            outbox: AlertOutbox::default(),
            own_roles: BTreeSet::new(),
        }
    }

    /// Publishes alerts about these reports only.
    #[must_use]
    pub fn with_alerts(self, alerts: AlertFilter) -> Self {
        Self { alerts, ..self }
    }

    /// Composes alerts with these links, and alerts people of findings that the policy only reports
    /// from this severity on.
    #[must_use]
    pub fn with_alert_options(self, alert_options: AlertOptions) -> Self {
        Self {
            alert_options,
            ..self
        }
    }

    /// Reports this version and hash of the policy.
    #[must_use]
    pub fn with_policy_identity(self, identity: PolicyIdentity) -> Self {
        Self { identity, ..self }
    }

    /// Recognizes events that Portcullis caused itself by the ARNs of its roles. Who opened the
    /// rules that it adds is unknown, so an exception for certain principals must not end because
    /// of them.
    #[must_use]
    pub fn with_own_roles(self, own_roles: impl IntoIterator<Item = String>) -> Self {
        Self {
            own_roles: own_roles.into_iter().collect(),
            ..self
        }
    }

    /// Whether it may change groups.
    pub fn mode(&self) -> Mode {
        if self.services.editor.is_some() {
            Mode::Enforce
        } else {
            Mode::Monitor
        }
    }

    /// Handles one change: reads each affected group, removes what the policy forbids, and
    /// publishes an alert.
    ///
    /// An error in one group does not affect the others. If a group is still open, could not be
    /// read, or an alert was not published, [`EventOutcome::errors`] is not empty, and the event
    /// has to be retried.
    pub async fn handle_change(&self, change: &GroupChange) -> EventOutcome {
        // Boxed, because the future is large.
        Box::pin(self.handle_change_until(change, Timestamp::MAX, &|_| {})).await
    }

    /// Handles one change as [`Remediator::handle_change`] does, but starts no further group after
    /// the deadline. If groups are left, that is an error, and the retry evaluates all of them
    /// again.
    ///
    /// `on_report` is called with the report about each group as soon as the group is done.
    pub async fn handle_change_until(
        &self,
        change: &GroupChange,
        deadline: Timestamp,
        on_report: &(dyn Fn(&GroupReport) + Sync),
    ) -> EventOutcome {
        let mut event = EventOutcome::default();
        let change = &self.with_known_actor(change);
        self.services.reader.start_event();
        let groups = match self.affected_groups(change).await {
            Ok(groups) => groups,
            Err(error) => {
                event.errors.push(error);
                return event;
            }
        };
        for (index, group) in groups.iter().enumerate() {
            if index > 0 && self.services.clock.now() >= deadline {
                let count = groups.len().saturating_sub(index);
                let error = RemediationError::GroupsNotEvaluated { count };
                event.errors.push(error);
                break;
            }
            self.handle_group(change, group, on_report, &mut event)
                .await;
        }
        event
    }

    /// The change, with the information whether Portcullis made it.
    fn with_known_actor(&self, change: &GroupChange) -> GroupChange {
        let mut change = change.clone();
        let actor = &mut change.origin.actor;
        actor.is_portcullis = actor
            .issuer
            .as_ref()
            .is_some_and(|role| self.own_roles.contains(role));
        change
    }

    async fn handle_group(
        &self,
        change: &GroupChange,
        group: &GroupRef,
        on_report: &(dyn Fn(&GroupReport) + Sync),
        event: &mut EventOutcome,
    ) {
        let key = AlertKey::new(&change.origin, group);
        match self.remediate_group(change, group).await {
            Ok(mut report) => {
                report.policy.clone_from(&self.identity);
                on_report(&report);
                let alert_error = self.send_alert(&key, &report).await.err();
                event.errors.extend(alert_error);
                event.errors.extend(RemediationError::from_report(&report));
                event.reports.push(report);
            }
            Err(error) => {
                let alert_error = self.flush_pending_alerts(&key).await.err();
                event.errors.extend(alert_error);
                let error = RemediationError::group_unreadable(group, error);
                event.errors.push(error);
            }
        }
    }

    async fn affected_groups(
        &self,
        change: &GroupChange,
    ) -> Result<Vec<GroupRef>, RemediationError> {
        let list = match &change.target {
            Target::Groups(groups) => return Ok(groups.clone()),
            Target::PrefixList(list) => list,
        };
        let groups = self.groups_using_list(list).await;
        groups.map_err(|error| RemediationError::GroupUnreadable {
            group: format!("the groups that use {}", list.id),
            error,
        })
    }

    /// The groups that use a changed prefix list, once EC2 has applied the change.
    async fn groups_using_list(
        &self,
        list: &PrefixListChange,
    ) -> Result<Vec<GroupRef>, ServiceError> {
        wait_for_prefix_list(&self.services, &self.limits, list).await?;
        let ids = self.services.reader.groups_using_prefix_list(&list.id);
        Ok(ids.await?.into_iter().map(GroupRef::Id).collect())
    }

    /// Remediates one group. In monitor mode the report contains what would be done.
    ///
    /// # Errors
    /// When the group could not be read and nothing was done to it yet.
    async fn remediate_group(
        &self,
        change: &GroupChange,
        named: &GroupRef,
    ) -> Result<GroupReport, ServiceError> {
        let read = read_initial_snapshot(&self.services, &self.limits, change, named).await;
        let snapshot = match read {
            Err(error) if error.kind == ErrorKind::GroupNotFound => {
                let mode = self.mode();
                return Ok(GroupReport::group_deleted(
                    &self.policy,
                    change,
                    named,
                    mode,
                ));
            }
            other => other?,
        };
        let details = self.read_plan_details(change, &snapshot).await?;
        if let Some(editor) = self.services.editor.as_deref() {
            let enforcement = Enforcement {
                services: &self.services,
                policy: &self.policy,
                limits: self.limits,
                editor,
                change,
                named,
                details: &details,
            };
            return Ok(enforcement.enforce_policy(snapshot).await);
        }
        let now = self.services.clock.now();
        let group = (&snapshot.group, &snapshot.prefix_lists);
        let decision = decide_group(&self.policy, group, (change, now), &details, &[]);
        let policy = &self.policy;
        Ok(GroupReport::planned(
            policy,
            change,
            named,
            &snapshot.group,
            &decision,
        ))
    }

    /// What a plan for the group depends on besides the group, if there is anything to enforce.
    async fn read_plan_details(
        &self,
        change: &GroupChange,
        snapshot: &Snapshot,
    ) -> Result<PlanDetails, ServiceError> {
        let needs_attachments = self.policy.guardrails.needs_attachments();
        let sources = snapshot.group.rules.iter().map(|rule| &rule.source);
        let mut lists = self.policy.trusted_prefix_lists();
        lists.extend(sources.filter_map(Source::prefix_list_id));
        let mut details = PlanDetails::default();
        if !needs_attachments && lists.is_empty() {
            return Ok(details);
        }
        let context = change.evaluation_context(Some(self.services.clock.now()));
        let Snapshot {
            group,
            prefix_lists,
        } = snapshot;
        let evaluation = evaluate(&self.policy, group, prefix_lists, &context);
        if evaluation.enforced_findings().next().is_none() {
            return Ok(details);
        }
        let reader = &self.services.reader;
        if needs_attachments {
            details.attachments = reader.read_attachments(group).await?;
        }
        if !lists.is_empty() {
            details.prefix_lists = reader.read_prefix_lists(&lists).await?;
        }
        Ok(details)
    }

    /// Publishes an alert about a report, unless an equivalent one was published before, and every
    /// alert that is pending from an earlier attempt at the same event.
    async fn send_alert(
        &self,
        key: &AlertKey,
        report: &GroupReport,
    ) -> Result<(), RemediationError> {
        let filter = if report.origin.actor.is_portcullis {
            AlertFilter::ChangesOnly
        } else {
            self.alerts
        };
        let min_severity = self.alert_options.min_severity;
        if filter.accepts(report, min_severity) && !self.outbox.was_sent(key, report) {
            self.outbox.enqueue(key, report);
        }
        self.flush_pending_alerts(key).await
    }

    /// Publishes the pending alerts about an event and a group, oldest first.
    async fn flush_pending_alerts(&self, key: &AlertKey) -> Result<(), RemediationError> {
        while let Some(report) = self.outbox.next_pending(key) {
            let alert = compose_alert_with(&report, &self.alert_options);
            if let Err(error) = self.services.publisher.publish(&alert).await {
                let group = key.group.to_string();
                let report = json::to_json(&report);
                tracing::error!(group.id = group, report = report, "alert not published");
                return Err(RemediationError::AlertNotSent { group, error });
            }
            self.outbox.mark_sent(key, &report);
        }
        Ok(())
    }
}
