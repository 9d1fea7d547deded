//! Enforces the policy on one group, in rounds.

use portcullis_rules::plan::Refusal;
use portcullis_rules::{Decision, Policy, SecurityGroup};

use super::apply::Applier;
use super::audit_log::{log_audit_records, log_withdrawals};
use super::decision::{PlanDetails, decide_group};
use super::limits::Limits;
use super::progress::RemediationProgress;
use super::reads::reread_group;
use super::services::Services;
use crate::event::GroupChange;
use crate::report::{GroupOutcome, GroupReport, PolicyIdentity};
use crate::services::{ErrorKind, GroupRef, IngressEditor, Mode, ServiceError, Snapshot};

/// Everything that enforcing the policy on one group needs.
pub(super) struct Enforcement<'a> {
    pub(super) services: &'a Services,
    pub(super) policy: &'a Policy,
    pub(super) limits: Limits,
    pub(super) editor: &'a dyn IngressEditor,
    pub(super) change: &'a GroupChange,
    /// How the event refers to the group.
    pub(super) named: &'a GroupRef,
    pub(super) details: &'a PlanDetails,
}

impl Enforcement<'_> {
    /// Plans, applies and reads again until nothing forbidden is left or another round cannot help.
    pub(super) async fn enforce_policy(&self, first_read: Snapshot) -> GroupReport {
        let applier = Applier {
            editor: self.editor,
            clock: self.services.clock.as_ref(),
            limits: self.limits,
        };
        let first_group = first_read.group.clone();
        let mut snapshot = first_read;
        let mut progress = RemediationProgress::default();
        let refusals = loop {
            progress.record_read(&snapshot.group);
            let decision = self.decide(&snapshot, &progress);
            progress.record_decision(&decision);
            let plan = decision.plan;
            if !progress.can_continue(&plan, self.limits.max_rounds) {
                break plan.refusals;
            }
            log_audit_records(&self.change.origin, &plan);
            let is_last_round = progress.rounds.saturating_add(1) >= self.limits.max_rounds;
            let result = applier.apply_plan(&plan, is_last_round).await;
            let refusals = plan.refusals.clone();
            progress.record_apply(plan, result);
            let read = self
                .reread_corrected(applier, &snapshot, &mut progress)
                .await;
            match read {
                Ok(now) => snapshot = now,
                Err(error) if error.kind == ErrorKind::GroupNotFound => {
                    progress.record_group_deleted();
                    break Vec::new();
                }
                Err(error) => {
                    progress.record_verification_error(error);
                    let group_id = &snapshot.group.id;
                    self.correct_replacements(applier, group_id, &mut progress)
                        .await;
                    break refusals;
                }
            }
        };
        self.build_report(first_group, progress, &refusals)
    }

    /// Decides about the group, within the limit of removals over all rounds.
    fn decide(&self, snapshot: &Snapshot, progress: &RemediationProgress) -> Decision {
        let already_removed = progress.removed_ingress_rules();
        let now = self.services.clock.now();
        let change = (self.change, now);
        let group = (&snapshot.group, &snapshot.prefix_lists);
        decide_group(self.policy, group, change, self.details, &already_removed)
    }

    /// The read after a plan was applied. If it shows that someone else changed the group at the
    /// same time, the replacements are corrected, and the group is read once more.
    async fn reread_corrected(
        &self,
        applier: Applier<'_>,
        snapshot: &Snapshot,
        progress: &mut RemediationProgress,
    ) -> Result<Snapshot, ServiceError> {
        let now = self.read_again(snapshot, progress).await?;
        progress.record_read(&now.group);
        let group_id = &now.group.id;
        if !self.correct_replacements(applier, group_id, progress).await {
            return Ok(now);
        }
        self.read_again(snapshot, progress).await
    }

    /// Removes the replacements of rules that someone else removed, and adds those again that
    /// another invocation has withdrawn. Returns whether there was anything to change.
    async fn correct_replacements(
        &self,
        applier: Applier<'_>,
        group_id: &str,
        progress: &mut RemediationProgress,
    ) -> bool {
        let to_withdraw = progress.additions_to_withdraw();
        let to_restore = progress.additions_to_restore();
        let is_changed = !to_withdraw.is_empty() || !to_restore.is_empty();
        if !to_withdraw.is_empty() {
            log_withdrawals(&self.change.origin, group_id, &to_withdraw);
            for (addition, answer) in applier.withdraw_additions(group_id, to_withdraw).await {
                progress.record_withdrawal(addition, answer);
            }
        }
        for attempt in applier.authorize_additions(group_id, to_restore).await {
            progress.record_restored_addition(attempt);
        }
        is_changed
    }

    async fn read_again(
        &self,
        snapshot: &Snapshot,
        progress: &RemediationProgress,
    ) -> Result<Snapshot, ServiceError> {
        reread_group(
            self.services,
            &self.limits,
            &snapshot.group.id,
            progress.rounds,
            progress.has_deferred_removals || progress.has_shared_additions(),
        )
        .await
    }

    fn build_report(
        &self,
        group: SecurityGroup,
        progress: RemediationProgress,
        refusals: &[Refusal],
    ) -> GroupReport {
        let rules = progress.rule_outcomes(refusals);
        let outcome = GroupOutcome::from_rules(&rules, progress.unverified.is_none());
        let is_closed = outcome == GroupOutcome::Closed;
        GroupReport {
            outcome,
            mode: Mode::Enforce,
            policy: PolicyIdentity::from_policy(self.policy),
            origin: self.change.origin.clone(),
            opened: self.change.evaluation_context(None).opened,
            group_ref: self.named.clone(),
            group,
            rules,
            skipped_additions: progress.skipped_additions,
            order: progress.order,
            unresolved_prefix_lists: progress.unresolved_prefix_lists,
            expired_exceptions: progress.expired_exceptions,
            rounds: progress.rounds,
            closed_at: is_closed.then(|| self.services.clock.now()),
            unverified: progress.unverified,
        }
    }
}
