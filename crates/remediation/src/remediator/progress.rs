//! What has been seen and done to one group for one event, over all rounds.

use std::collections::BTreeSet;

use portcullis_rules::plan::{Addition, ApplyOrder, Plan, Refusal, RefusalReason, SkippedAddition};
use portcullis_rules::{Evaluation, Finding, IngressRule, Removal, SecurityGroup};

use super::apply::ApplyResult;
use crate::report::{FailedAddition, FailedRemoval, GroupOutcome};
use crate::services::{ErrorKind, Mode, ServiceError};

/// The memory of one reconciliation.
#[derive(Debug, Default)]
pub(super) struct RemediationProgress {
    /// Every finding, each box and rule once.
    pub(super) findings: Vec<Finding>,
    /// What the last look still found that an enforcing rule forbids.
    pub(super) remaining: Vec<Finding>,
    /// What went.
    pub(super) removed: Vec<Removal>,
    /// What was put in the place of what went.
    pub(super) added: Vec<Addition>,
    /// What the plans could not keep.
    pub(super) skipped_additions: Vec<SkippedAddition>,
    /// Whether removals came before what took their place.
    pub(super) order: ApplyOrder,
    /// Exceptions that have ended.
    pub(super) expired_exceptions: BTreeSet<String>,
    /// Prefix lists without entries.
    pub(super) unresolved_prefix_lists: BTreeSet<String>,
    /// How often we acted.
    pub(super) rounds: u32,
    /// The error of the last look, when it failed.
    pub(super) unverified: Option<ServiceError>,
    /// Removals whose call gave no answer: the next look tells whether they happened.
    unanswered_removals: Vec<Removal>,
    last_failed_removals: Vec<FailedRemoval>,
    /// Over all rounds, each box once.
    all_failed_additions: Vec<FailedAddition>,
    /// The boxes of the last look.
    last_read_rules: Vec<IngressRule>,
    has_deferred_removals: bool,
    stuck: bool,
}

impl RemediationProgress {
    /// Takes in what a look and its judgement gave.
    pub(super) fn record_evaluation(&mut self, group: &SecurityGroup, judgement: Evaluation) {
        let shows = |rule: &IngressRule| group.rules.iter().any(|there| there.same_content(rule));
        for removal in std::mem::take(&mut self.unanswered_removals) {
            if !shows(&removal.ingress) {
                self.removed.push(removal);
            }
        }
        for missed in std::mem::take(&mut self.all_failed_additions) {
            if !shows(&missed.addition.ingress) {
                self.all_failed_additions.push(missed);
            } else if missed.error.kind == ErrorKind::NoAnswer {
                self.record_addition(missed.addition);
            } else {
                // Somebody else put it there.
            }
        }
        self.last_read_rules.clone_from(&group.rules);
        for finding in &judgement.findings {
            if !self
                .findings
                .iter()
                .any(|known| is_same_finding(known, finding))
            {
                self.findings.push(finding.clone());
            }
        }
        self.remaining = judgement
            .findings
            .into_iter()
            .filter(Finding::enforces)
            .collect();
        self.unresolved_prefix_lists
            .extend(judgement.unresolved_prefix_lists);
        self.expired_exceptions.extend(judgement.exceptions_expired);
    }

    /// Whether there is something to do and doing it may help.
    pub(super) fn can_continue(&self, plan: &Plan, rounds: u32) -> bool {
        !plan.is_empty() && !self.stuck && self.rounds < rounds
    }

    /// Whether a removal waits for what is to take its place.
    pub(super) const fn has_deferred_removals(&self) -> bool {
        self.has_deferred_removals
    }

    /// Takes in what became of a plan.
    pub(super) fn record_apply(&mut self, plan: Plan, act: ApplyResult) {
        self.rounds = self.rounds.saturating_add(1);
        self.last_failed_removals.clear();
        self.has_deferred_removals = act.has_deferred_removals;
        if plan.order == ApplyOrder::RemoveFirst && !plan.additions.is_empty() {
            self.order = ApplyOrder::RemoveFirst;
        }
        // Where every removal failed nothing was lost.
        let may_be_gone = |answer: &Result<(), ServiceError>| {
            answer
                .as_ref()
                .map_or_else(|error| error.kind == ErrorKind::NoAnswer, |()| true)
        };
        if act.removals.iter().any(|(_, answer)| may_be_gone(answer)) {
            plan.skipped_additions
                .into_iter()
                .for_each(|loss| self.record_skipped_addition(loss));
        }
        for (addition, answer) in act.additions {
            match answer {
                Ok(()) => self.record_addition(addition),
                Err(error) => self.record_failed_addition(addition, error),
            }
        }
        // A removal that waits for its replacement is tried again.
        let mut helped = act.has_deferred_removals || act.removals.is_empty();
        for (removal, answer) in act.removals {
            match answer {
                Ok(()) => {
                    helped = true;
                    self.record_removal(removal);
                }
                // Somebody else was faster, or the rule is not what it was: look again.
                Err(error) if error.kind == ErrorKind::RuleNotFound => helped = true,
                Err(error) => {
                    if error.kind == ErrorKind::NoAnswer {
                        helped = true;
                        self.unanswered_removals.push(removal.clone());
                    }
                    self.last_failed_removals.push(FailedRemoval {
                        ingress: removal.ingress,
                        error,
                    });
                }
            }
        }
        self.stuck = !helped;
    }

    /// Monitor mode: this is what would be done. Gives the refusals back.
    pub(super) fn record_dry_run(&mut self, plan: Plan) -> Vec<Refusal> {
        self.removed = plan.removals;
        self.added = plan.additions;
        self.skipped_additions = plan.skipped_additions;
        self.order = plan.order;
        plan.refusals
    }

    /// What was to be added in the place of boxes that are gone, could not be, and is not there.
    pub(super) fn failed_additions(&self) -> Vec<FailedAddition> {
        let is_gone = |missed: &&FailedAddition| {
            let instead_of = &missed.addition.replaces;
            self.removed
                .iter()
                .any(|removal| removal.ingress == *instead_of)
                || !self
                    .last_read_rules
                    .iter()
                    .any(|there| there.same_content(instead_of))
        };
        self.all_failed_additions
            .iter()
            .filter(is_gone)
            .cloned()
            .collect()
    }

    /// The group went after we acted: nothing of it is open.
    pub(super) fn record_group_deleted(&mut self) {
        self.remaining.clear();
        self.unanswered_removals.clear();
        self.all_failed_additions.clear();
    }

    /// What could not be removed and is still there, or may be.
    pub(super) fn failed_removals(&self) -> Vec<FailedRemoval> {
        let remains = |failure: &&FailedRemoval| {
            self.remaining
                .iter()
                .any(|finding| finding.ingress.same_content(&failure.ingress))
        };
        self.last_failed_removals
            .iter()
            .filter(remains)
            .cloned()
            .collect()
    }

    /// The last look failed: what was there before, less what went since, may be left.
    pub(super) fn record_verification_error(&mut self, error: ServiceError) {
        let removed = &self.removed;
        self.remaining.retain(|finding| {
            !removed
                .iter()
                .any(|removal| removal.ingress == finding.ingress)
        });
        self.unverified = Some(error);
    }

    /// How it ended.
    pub(super) fn outcome(&self, mode: Mode, refusals: &[Refusal]) -> GroupOutcome {
        let refused = |finding: &Finding| {
            refusals
                .iter()
                .any(|refusal| refusal.ingress.same_content(&finding.ingress))
        };
        if self.unverified.is_some() {
            GroupOutcome::NotClosed
        } else if !self.remaining.is_empty() {
            match mode {
                // A plan that does not pass its own check is a defect: it must be noticed, so the event must come again.
                _ if refusals
                    .iter()
                    .any(|refusal| refusal.reason == RefusalReason::FailedVerification) =>
                {
                    GroupOutcome::NotClosed
                }
                _ if self.remaining.iter().all(refused) => GroupOutcome::Refused,
                Mode::Monitor => GroupOutcome::WouldClose,
                Mode::Enforce => GroupOutcome::NotClosed,
            }
        } else if !self.removed.is_empty() {
            GroupOutcome::Closed
        } else if self
            .findings
            .iter()
            .any(|finding| finding.exempted_by.is_none())
        {
            GroupOutcome::Reported
        } else {
            GroupOutcome::Clean
        }
    }

    fn record_skipped_addition(&mut self, loss: SkippedAddition) {
        let is_same = |known: &SkippedAddition| {
            known.reason == loss.reason && known.ingress.same_content(&loss.ingress)
        };
        if !self.skipped_additions.iter().any(is_same) {
            self.skipped_additions.push(loss);
        }
    }

    fn record_failed_addition(&mut self, addition: Addition, error: ServiceError) {
        self.all_failed_additions
            .retain(|missed| !missed.addition.ingress.same_content(&addition.ingress));
        self.all_failed_additions
            .push(FailedAddition { addition, error });
    }

    fn record_addition(&mut self, addition: Addition) {
        self.all_failed_additions
            .retain(|missed| !missed.addition.ingress.same_content(&addition.ingress));
        if !self
            .added
            .iter()
            .any(|known| known.ingress.same_content(&addition.ingress))
        {
            self.added.push(addition);
        }
    }

    /// A box that came back and went again is told once.
    fn record_removal(&mut self, removal: Removal) {
        if !self
            .removed
            .iter()
            .any(|known| known.ingress == removal.ingress)
        {
            self.removed.push(removal);
        }
    }
}

/// Whether two findings are the same rule broken by the same box; a box that came back has another id.
fn is_same_finding(one: &Finding, other: &Finding) -> bool {
    one.policy_rule.id == other.policy_rule.id
        && one.ingress.id == other.ingress.id
        && one.ingress.same_content(&other.ingress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples;

    #[test]
    fn a_defect_is_never_a_success() {
        let report = samples::failed_verification_report();
        let ledger = RemediationProgress {
            remaining: report.remaining.clone(),
            ..RemediationProgress::default()
        };
        for mode in [Mode::Enforce, Mode::Monitor] {
            assert_eq!(
                ledger.outcome(mode, &report.refusals),
                GroupOutcome::NotClosed
            );
        }
        let refusals = samples::removal_limit_report();
        let ledger = RemediationProgress {
            remaining: refusals.remaining.clone(),
            ..RemediationProgress::default()
        };
        assert_eq!(
            ledger.outcome(Mode::Enforce, &refusals.refusals),
            GroupOutcome::Refused
        );
        assert_eq!(
            ledger.outcome(Mode::Enforce, &refusals.refusals[1..]),
            GroupOutcome::NotClosed
        );
    }
}
