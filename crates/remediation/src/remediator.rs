//! The loop: read, judge, plan, act, read again, until nothing is left or it is clear that something will be.

mod apply;
mod guard;
mod outbox;
mod progress;

use std::sync::Arc;
use std::time::Duration;

use portcullis_rules::plan::{Attachments, Plan, Refusal};
use portcullis_rules::{Finding, PlanInput, Policy, SecurityGroup, build_plan, evaluate};

use crate::alert;
use crate::event::{GroupChange, Origin, Target};
use crate::report::{GroupOutcome, GroupReport, json};
use crate::services::{
    AlertPublisher, Clock, ErrorKind, GroupReader, GroupRef, IngressEditor, Mode, ServiceError,
    Snapshot,
};
use outbox::AlertOutbox;
use progress::RemediationProgress;

/// The hands of the use case. Without a changer it cannot change anything: that is monitor mode.
#[derive(Clone)]
pub struct Services {
    /// Reads groups.
    pub reader: Arc<dyn GroupReader>,
    /// Removes and adds rules; `None` is monitor mode.
    pub editor: Option<Arc<dyn IngressEditor>>,
    /// Tells people.
    pub publisher: Arc<dyn AlertPublisher>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands")
            .field("enforces", &self.editor.is_some())
            .finish_non_exhaustive()
    }
}

/// What bounds the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How often a group is acted upon for one event before the rest is left to the retry.
    pub max_rounds: u32,
    /// The pause before a look that may come too early, doubled each time: EC2 answers are eventually consistent.
    pub initial_delay: Duration,
    /// How many pauses are made for a rule that the event names and the group does not show.
    pub max_rereads: u32,
    /// How old an event may be, for such a pause to make sense.
    pub max_event_age: Duration,
}

impl Default for Limits {
    /// Three rounds; pauses of 0.3 and 0.6 seconds, for events younger than a minute.
    fn default() -> Self {
        Self {
            max_rounds: 3,
            initial_delay: Duration::from_millis(300),
            max_rereads: 2,
            max_event_age: Duration::from_mins(1),
        }
    }
}

/// Why an event is not done with. The event must come again.
#[derive(Debug, thiserror::Error)]
pub enum RemediationError {
    /// A group could not be read, so nothing is known about it.
    #[error("{group} could not be read: {error}")]
    GroupUnreadable {
        /// The group.
        group: String,
        /// What the call said.
        error: ServiceError,
    },
    /// Something that the policy forbids is still there.
    #[error(
        "{group} is not closed: {remaining_rules} of the rules that the policy forbids are still there, or nobody could look"
    )]
    GroupNotClosed {
        /// The group.
        group: String,
        /// How many boxes the last look still found.
        remaining_rules: usize,
    },
    /// What happened could not be told. It is kept, and told when the event comes again.
    #[error("what happened to {group} could not be told: {error}")]
    AlertNotSent {
        /// The group.
        group: String,
        /// What the call said.
        error: ServiceError,
    },
}

impl RemediationError {
    /// Stable kebab-case code, for alarms.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GroupUnreadable { .. } => "group-unread",
            Self::GroupNotClosed { .. } => "group-not-closed",
            Self::AlertNotSent { .. } => "alert-unsent",
        }
    }
}

/// What became of an event: a report for each group that could be read, and all that went wrong.
#[derive(Debug, Default)]
pub struct EventOutcome {
    /// One for each group.
    pub reports: Vec<GroupReport>,
    /// Empty when the event is done with.
    pub errors: Vec<RemediationError>,
}

/// The use case. One lives as long as its process, so that a repeated event finds what the last attempt left unsaid.
#[derive(Debug)]
pub struct Remediator {
    services: Services,
    policy: Policy,
    limits: Limits,
    outbox: AlertOutbox,
}

impl Remediator {
    /// A remediator for this policy. It enforces exactly when it is handed a changer.
    pub fn new(hands: Services, policy: Policy, limits: Limits) -> Self {
        Self {
            services: hands,
            policy,
            limits,
            outbox: AlertOutbox::default(),
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

    /// Handles one change: each group that it is about is read, closed as far as the policy demands, and told about.
    ///
    /// One group that fails does not keep the others open. When anything is left undone or unsaid,
    /// [`EventOutcome::errors`] says so, and the event must come again.
    pub async fn handle_change(&self, change: &GroupChange) -> EventOutcome {
        let mut handled = EventOutcome::default();
        let groups = match self.affected_groups(change).await {
            Ok(groups) => groups,
            Err(error) => {
                handled.errors.push(error);
                return handled;
            }
        };
        for group in &groups {
            match self.remediate_group(change, group).await {
                Ok(report) => {
                    handled.errors.extend(self.send_alert(&report).await.err());
                    handled.errors.extend(not_closed_error(&report));
                    handled.reports.push(report);
                }
                Err(error) => {
                    handled
                        .errors
                        .extend(self.send_pending_alerts(change, group).await.err());
                    handled.errors.push(RemediationError::GroupUnreadable {
                        group: group.to_string(),
                        error,
                    });
                }
            }
        }
        handled
    }

    async fn affected_groups(
        &self,
        change: &GroupChange,
    ) -> Result<Vec<GroupRef>, RemediationError> {
        match &change.target {
            Target::Groups(groups) => Ok(groups.clone()),
            Target::PrefixList(list) => {
                match self.services.reader.groups_using_prefix_list(list).await {
                    Ok(ids) => Ok(ids.into_iter().map(GroupRef::Id).collect()),
                    Err(error) => Err(RemediationError::GroupUnreadable {
                        group: format!("the groups that use {list}"),
                        error,
                    }),
                }
            }
        }
    }

    /// Brings one group to what the policy allows.
    ///
    /// # Errors
    /// When the group could not be read and nothing was done to it yet.
    async fn remediate_group(
        &self,
        change: &GroupChange,
        named: &GroupRef,
    ) -> Result<GroupReport, ServiceError> {
        let mut ledger = RemediationProgress::default();
        let mut snapshot = match self.read_initial_snapshot(change, named).await {
            Err(error) if error.kind == ErrorKind::GroupNotFound => {
                return Ok(self.deleted_group_report(change, named));
            }
            other => other?,
        };
        let first = snapshot.group.clone();
        let attachments = self.attachments_if_needed(change, &snapshot).await?;
        let refusals = loop {
            let plan = self.evaluate_and_plan(change, &snapshot, attachments, &mut ledger);
            if !ledger.can_continue(&plan, self.limits.max_rounds) {
                break plan.refusals;
            }
            let Some(changer) = &self.services.editor else {
                break ledger.record_dry_run(plan);
            };
            log_audit_records(&change.origin, &plan);
            let last = ledger.rounds.saturating_add(1) >= self.limits.max_rounds;
            let clock = self.services.clock.as_ref();
            let act = apply::apply_plan(changer.as_ref(), clock, self.limits, &plan, last).await;
            let refusals = plan.refusals.clone();
            ledger.record_apply(plan, act);
            match self.reread_group(&snapshot, &ledger).await {
                Ok(now) => snapshot = now,
                Err(error) if error.kind == ErrorKind::GroupNotFound => {
                    ledger.record_group_deleted();
                    break Vec::new();
                }
                Err(error) => {
                    ledger.record_verification_error(error);
                    break refusals;
                }
            }
        };
        Ok(self.build_report(change, named, first, ledger, refusals))
    }

    /// What the group is attached to, if a guardrail needs to know and there is anything to do.
    async fn attachments_if_needed(
        &self,
        change: &GroupChange,
        snapshot: &Snapshot,
    ) -> Result<Attachments, ServiceError> {
        let context = change.evaluation_context(Some(self.services.clock.now()));
        let is_needed = self.policy.guardrails.needs_attachments() && {
            let judgement = evaluate(
                &self.policy,
                &snapshot.group,
                &snapshot.prefix_lists,
                &context,
            );
            judgement.findings.iter().any(Finding::enforces)
        };
        if is_needed {
            self.services.reader.read_attachments(&snapshot.group).await
        } else {
            Ok(Attachments::default())
        }
    }

    /// Judges what was read, and plans. A plan that its independent checker objects to is refused whole.
    ///
    /// Whether a group of another account (a shared VPC) may be changed is for EC2 to say: its "no" is a failure, told and
    /// retried, and never a success with a hole left open.
    fn evaluate_and_plan(
        &self,
        change: &GroupChange,
        snapshot: &Snapshot,
        attachments: Attachments,
        ledger: &mut RemediationProgress,
    ) -> Plan {
        let context = change.evaluation_context(Some(self.services.clock.now()));
        let Snapshot {
            group,
            prefix_lists: lists,
        } = snapshot;
        let judgement = evaluate(&self.policy, group, lists, &context);
        let situation = PlanInput {
            attachments,
            already_removed: &ledger.removed,
            ..PlanInput::new(&self.policy, group, lists, &context)
        };
        let plan = build_plan(&situation, &judgement);
        let plan = guard::guard_plan(plan, &situation, &judgement);
        ledger.record_evaluation(group, judgement);
        plan
    }

    /// The first look. An answer that lacks the group, or a rule which a fresh event says was just added, came too
    /// early: look again, and believe it after a while.
    async fn read_initial_snapshot(
        &self,
        change: &GroupChange,
        named: &GroupRef,
    ) -> Result<Snapshot, ServiceError> {
        let mut answer = self.services.reader.read_group(named).await;
        let mut pause = self.limits.initial_delay;
        for _ in 0..self.limits.max_rereads {
            if !self.is_recent_event(change) || !is_stale_read(&answer, change) {
                break;
            }
            self.services.clock.sleep(pause).await;
            pause = pause.saturating_mul(2);
            answer = self.services.reader.read_group(named).await;
        }
        answer
    }

    fn is_recent_event(&self, change: &GroupChange) -> bool {
        change.origin.time.is_some_and(|time| {
            let age = self
                .services
                .clock
                .now()
                .as_second()
                .saturating_sub(time.as_second());
            u64::try_from(age).is_ok_and(|age| age <= self.limits.max_event_age.as_secs())
        })
    }

    /// The look after acting. An answer that still shows what was just removed came too early, so later looks wait.
    async fn reread_group(
        &self,
        before: &Snapshot,
        ledger: &RemediationProgress,
    ) -> Result<Snapshot, ServiceError> {
        let id = GroupRef::Id(before.group.id.clone());
        if ledger.rounds > 1 || ledger.has_deferred_removals() {
            let doublings = ledger.rounds.saturating_sub(2).min(6);
            self.services
                .clock
                .sleep(self.limits.initial_delay.saturating_mul(1 << doublings))
                .await;
        }
        self.services.reader.read_group(&id).await
    }

    fn deleted_group_report(&self, change: &GroupChange, named: &GroupRef) -> GroupReport {
        let group = match named {
            GroupRef::Id(id) => SecurityGroup {
                id: id.clone(),
                ..Default::default()
            },
            GroupRef::Name(name) => SecurityGroup {
                name: Some(name.clone()),
                ..Default::default()
            },
        };
        let mut report = self.build_report(
            change,
            named,
            group,
            RemediationProgress::default(),
            Vec::new(),
        );
        report.outcome = GroupOutcome::GroupDeleted;
        report.closed_at = None;
        report
    }

    fn build_report(
        &self,
        change: &GroupChange,
        named: &GroupRef,
        group: SecurityGroup,
        ledger: RemediationProgress,
        refusals: Vec<Refusal>,
    ) -> GroupReport {
        let outcome = ledger.outcome(self.mode(), &refusals);
        let closed_at = (outcome == GroupOutcome::Closed).then(|| self.services.clock.now());
        GroupReport {
            outcome,
            mode: self.mode(),
            policy: self.policy.name.clone(),
            origin: change.origin.clone(),
            group_ref: named.clone(),
            group,
            failed_removals: ledger.failed_removals(),
            failed_additions: ledger.failed_additions(),
            findings: ledger.findings,
            removed: ledger.removed,
            added: ledger.added,
            skipped_additions: ledger.skipped_additions,
            order: ledger.order,
            refusals,
            remaining: ledger.remaining,
            unresolved_prefix_lists: ledger.unresolved_prefix_lists,
            expired_exceptions: ledger.expired_exceptions,
            rounds: ledger.rounds,
            closed_at,
            unverified: ledger.unverified,
        }
    }

    /// Tells about a report that is news, once, and whatever an earlier attempt at the same event left unsaid.
    async fn send_alert(&self, report: &GroupReport) -> Result<(), RemediationError> {
        let key = outbox::AlertKey::new(&report.origin, &report.group_ref);
        if report.needs_alert() && !self.outbox.was_sent(&key, report) {
            self.outbox.enqueue(&key, report);
        }
        self.flush_pending_alerts(&key).await
    }

    async fn send_pending_alerts(
        &self,
        change: &GroupChange,
        named: &GroupRef,
    ) -> Result<(), RemediationError> {
        self.flush_pending_alerts(&outbox::AlertKey::new(&change.origin, named))
            .await
    }

    /// Tells all that is owed about an event and a group, oldest first.
    async fn flush_pending_alerts(&self, key: &outbox::AlertKey) -> Result<(), RemediationError> {
        while let Some(report) = self.outbox.next_pending(key) {
            let sent = self
                .services
                .publisher
                .publish(&alert::compose_alert(&report))
                .await;
            sent.map_err(|error| {
                tracing::error!(group.id = key.group, report = %json::to_json(&report), "alert unsent");
                RemediationError::AlertNotSent { group: key.group.clone(), error }
            })?;
            self.outbox.mark_sent(key, &report);
        }
        Ok(())
    }
}

/// Before anything is changed, the log has all that undoes it: the alert may yet fail.
fn log_audit_records(origin: &Origin, plan: &Plan) {
    for removal in &plan.removals {
        let restore =
            json::authorize_command(&plan.group_id, origin.region.as_deref(), &removal.ingress)
                .join(" ");
        tracing::info!(
            event.id = origin.event_id,
            group.id = %plan.group_id,
            rule.id = removal.ingress.id,
            ingress = %removal.ingress,
            because = removal.policy_rules.join(","),
            restore,
            "revoking"
        );
    }
    for addition in &plan.additions {
        let retract =
            json::revoke_command(&plan.group_id, origin.region.as_deref(), &addition.ingress)
                .join(" ");
        tracing::info!(
            event.id = origin.event_id,
            group.id = %plan.group_id,
            instead_of = addition.replaces.id,
            ingress = %addition.ingress,
            retract,
            "adding"
        );
    }
}

fn is_stale_read(answer: &Result<Snapshot, ServiceError>, change: &GroupChange) -> bool {
    match answer {
        Ok(Snapshot { group, .. }) => !change
            .claimed_rules
            .iter()
            .all(|claim| group.rules.iter().any(|rule| rule.same_content(claim))),
        Err(error) => error.kind == ErrorKind::GroupNotFound,
    }
}

fn not_closed_error(report: &GroupReport) -> Option<RemediationError> {
    let group = report.group_ref.to_string();
    let boxes: std::collections::BTreeSet<_> = report
        .remaining
        .iter()
        .map(|finding: &Finding| finding.index)
        .collect();
    (report.outcome == GroupOutcome::NotClosed).then_some(RemediationError::GroupNotClosed {
        group,
        remaining_rules: boxes.len(),
    })
}
