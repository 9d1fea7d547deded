//! What has been seen and done to one group for one event, over all rounds.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::plan::{Addition, ApplyOrder, Plan, Refusal, SkipReason, SkippedAddition};
use portcullis_rules::{Decision, Evaluation, Finding, IngressRule, Removal, SecurityGroup};

use super::access::covers_access;
use super::apply::{AdditionAttempt, ApplyResult, RemovalAttempt};
use super::identity::{RuleKey, contains_content, is_identical_rule, is_same_rule, rule_key};
use crate::report::{FailedAddition, RuleOutcome, RuleStatus, Withdrawal, sort_by_attention};
use crate::services::{Authorized, ErrorKind, ServiceError};

/// The progress of the remediation of one group.
#[derive(Debug, Default)]
pub(super) struct RemediationProgress {
    /// Rules that the plans could not add.
    pub(super) skipped_additions: Vec<SkippedAddition>,
    /// Whether removals or additions came first.
    pub(super) order: ApplyOrder,
    /// Exceptions that have expired.
    pub(super) expired_exceptions: BTreeSet<String>,
    /// Prefix lists that do not exist.
    pub(super) unresolved_prefix_lists: BTreeSet<String>,
    /// How often a plan was applied.
    pub(super) rounds: u32,
    /// Why the last read failed.
    pub(super) unverified: Option<ServiceError>,
    /// Whether the last round left removals to the next one, until their replacements are added.
    pub(super) has_deferred_removals: bool,
    rules: BTreeMap<RuleKey, TrackedRule>,
    added: Vec<AddedRule>,
    failed_additions: Vec<FailedAddition>,
    withdrawals: Vec<Withdrawal>,
    /// The rules of the group at the last read.
    last_read_rules: Vec<IngressRule>,
    /// Whether another round cannot help.
    is_stuck: bool,
}

/// A rule that was added in place of another.
#[derive(Debug)]
struct AddedRule {
    addition: Addition,
    /// Whether somebody else, such as another invocation, had added it already.
    already_existed: bool,
}

/// A rule with findings or changes.
#[derive(Debug)]
struct TrackedRule {
    /// What is known so far. Its status is decided at the end.
    outcome: RuleOutcome,
    /// Whether it has to be removed, as of the last read.
    is_forbidden: bool,
    /// The error of its removal in the last round.
    error: Option<ServiceError>,
    /// What is known of the last call to remove it.
    last_call: RemovalCall,
}

/// What is known of the last call to remove a rule that was not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemovalCall {
    /// There was none, or it had no effect.
    Ineffective,
    /// It did not find the rule.
    RuleNotFound,
    /// It got no answer. The next read tells whether it happened.
    Unanswered,
    /// It failed and may have taken effect nevertheless.
    Unclear,
}

impl RemediationProgress {
    /// Records a read of the group, which settles what happened to calls without an answer.
    pub(super) fn record_read(&mut self, group: &SecurityGroup) {
        self.last_read_rules.clone_from(&group.rules);
        self.settle_unanswered_removals();
        self.settle_failed_additions();
        self.settle_withdrawals();
    }

    /// Records the decision about the group as it was read last.
    pub(super) fn record_decision(&mut self, decision: &Decision) {
        for tracked in self.rules.values_mut() {
            tracked.is_forbidden = false;
        }
        let Evaluation {
            findings,
            unresolved_prefix_lists,
            exceptions_expired,
            ..
        } = &decision.evaluation;
        for finding in findings {
            let tracked = self.track(&finding.ingress);
            tracked.is_forbidden |= finding.enforces();
            tracked.outcome.add_finding(finding.clone());
        }
        for removal in &decision.plan.removals {
            let tracked = self.track(&removal.ingress);
            tracked.is_forbidden = true;
            tracked.outcome.add_removal_reasons(removal);
        }
        let unresolved = unresolved_prefix_lists.iter().cloned();
        self.unresolved_prefix_lists.extend(unresolved);
        self.expired_exceptions
            .extend(exceptions_expired.iter().cloned());
    }

    /// The entry of this rule. A rule that came back has another id, and an entry of its own.
    fn track(&mut self, rule: &IngressRule) -> &mut TrackedRule {
        let entry = self.rules.entry(rule_key(rule));
        entry.or_insert_with(|| TrackedRule {
            outcome: RuleOutcome::new(rule.clone(), RuleStatus::Reported),
            is_forbidden: false,
            error: None,
            last_call: RemovalCall::Ineffective,
        })
    }

    /// A removal without an answer happened if the rule is not there.
    fn settle_unanswered_removals(&mut self) {
        for tracked in self.rules.values_mut() {
            if contains_content(&self.last_read_rules, &tracked.outcome.rule) {
                tracked.last_call = RemovalCall::Ineffective;
            } else if tracked.last_call == RemovalCall::Unanswered {
                tracked.last_call = RemovalCall::Ineffective;
                tracked.outcome.removed = true;
            }
        }
    }

    /// An addition without an answer happened if the rule is there. If another one that failed is
    /// there, somebody else added it.
    fn settle_failed_additions(&mut self) {
        for failed in std::mem::take(&mut self.failed_additions) {
            if !contains_content(&self.last_read_rules, &failed.addition.ingress) {
                self.failed_additions.push(failed);
            } else if failed.error.kind == ErrorKind::NoAnswer {
                self.record_addition(failed.addition, Authorized::Added);
            }
        }
    }

    /// A withdrawal that failed happened nevertheless if the rule is not there.
    fn settle_withdrawals(&mut self) {
        for withdrawal in &mut self.withdrawals {
            let rule = &withdrawal.addition.ingress;
            if withdrawal.error.is_some() && !contains_content(&self.last_read_rules, rule) {
                withdrawal.error = None;
                forget_added(&mut self.added, rule);
            }
        }
    }

    /// The additions that have to be removed again, because somebody else removed the rule that
    /// they replace: they would open again what was just closed.
    ///
    /// An addition that somebody else had made already is left alone, and so is one that keeps
    /// access of another rule which was removed.
    pub(super) fn additions_to_withdraw(&self) -> Vec<Addition> {
        let ours = self.added.iter().filter(|added| !added.already_existed);
        ours.map(|added| &added.addition)
            .filter(|addition| self.is_gone(&addition.replaces))
            .filter(|addition| self.is_there_as_added(&addition.ingress))
            .filter(|addition| !self.is_access_of_removed_rule(&addition.ingress))
            .cloned()
            .collect()
    }

    /// Whether a rule is gone, and Portcullis did not remove it.
    fn is_gone(&self, rule: &IngressRule) -> bool {
        let Some(tracked) = self.rules.get(&rule_key(rule)) else {
            return false;
        };
        let is_not_found = tracked.last_call == RemovalCall::RuleNotFound;
        let is_unclear = matches!(
            tracked.last_call,
            RemovalCall::Unanswered | RemovalCall::Unclear
        );
        if tracked.outcome.removed || is_unclear {
            return false;
        }
        if self.unverified.is_some() {
            return is_not_found;
        }
        !contains_content(&self.last_read_rules, rule)
    }

    /// Whether the rule is, or may be, there with the description and tags that it was added with.
    fn is_there_as_added(&self, rule: &IngressRule) -> bool {
        let mut read = self.last_read_rules.iter();
        self.unverified.is_some() || read.any(|known| is_identical_rule(known, rule))
    }

    fn is_access_of_removed_rule(&self, rule: &IngressRule) -> bool {
        let mut removed = self.removed_rules();
        removed.any(|removed| covers_access(removed, rule))
    }

    /// The additions that have to be made again. Another invocation had made them before this one,
    /// and has withdrawn them, because it could not know that this one removed the rule.
    pub(super) fn additions_to_restore(&self) -> Vec<Addition> {
        if self.unverified.is_some() {
            return Vec::new();
        }
        let shared = self.added.iter().filter(|added| added.already_existed);
        shared
            .map(|added| &added.addition)
            .filter(|addition| self.is_removed(&addition.replaces))
            .filter(|addition| !contains_content(&self.last_read_rules, &addition.ingress))
            .filter(|addition| !self.is_removed_again(addition))
            .cloned()
            .collect()
    }

    /// Whether another invocation changes the group as well, so that the next read can be too
    /// early.
    pub(super) fn has_shared_additions(&self) -> bool {
        self.added.iter().any(|added| added.already_existed)
    }

    fn is_removed(&self, rule: &IngressRule) -> bool {
        let tracked = self.rules.get(&rule_key(rule));
        tracked.is_some_and(|tracked| tracked.outcome.removed)
    }

    /// Records what came of removing an addition again.
    pub(super) fn record_withdrawal(
        &mut self,
        addition: Addition,
        answer: Result<(), ServiceError>,
    ) {
        let error = answer.err();
        let error = error.filter(|error| error.kind != ErrorKind::RuleNotFound);
        self.forget_withdrawal(&addition.ingress);
        if error.is_none() {
            forget_added(&mut self.added, &addition.ingress);
        }
        self.withdrawals.push(Withdrawal { addition, error });
    }

    /// Records what came of making an addition again.
    pub(super) fn record_restored_addition(&mut self, (addition, answer): AdditionAttempt) {
        forget_added(&mut self.added, &addition.ingress);
        match answer {
            Ok(_) => self.record_addition(addition, Authorized::Added),
            Err(error) => self.record_failed_addition(addition, error),
        }
    }

    /// How many rules have been removed when this plan is applied as well. A rule that an early
    /// read still shows is removed again, and counts once.
    pub(super) fn total_removals(&self, plan: &Plan) -> usize {
        let removed: Vec<_> = self.removed_rules().collect();
        let is_new = |removal: &&Removal| {
            !removed
                .iter()
                .any(|rule| is_same_rule(rule, &removal.ingress))
        };
        let planned = plan.removals.iter().filter(is_new).count();
        removed.len().saturating_add(planned)
    }

    /// Whether there is something to do and another round can help.
    pub(super) fn can_continue(&self, plan: &Plan, max_rounds: u32) -> bool {
        !plan.is_empty() && !self.is_stuck && self.rounds < max_rounds
    }

    /// Records what came of applying a plan.
    pub(super) fn record_apply(&mut self, plan: Plan, result: ApplyResult) {
        self.rounds = self.rounds.saturating_add(1);
        self.has_deferred_removals = result.has_deferred_removals;
        let is_ordered = plan.order == ApplyOrder::RemoveFirst && !plan.additions.is_empty();
        if is_ordered || result.removals_came_first {
            self.order = ApplyOrder::RemoveFirst;
        }
        // If every removal failed, nothing that was skipped is missing.
        if result
            .removals
            .iter()
            .any(|(_, answer)| may_be_done(answer))
        {
            for skipped in plan.skipped_additions {
                self.record_skipped_addition(skipped);
            }
        }
        for (addition, answer) in result.additions {
            match answer {
                Ok(authorized) => self.record_addition(addition, authorized),
                Err(error) if is_out_of_room(&error, &addition, &result.removals) => {
                    self.forget_failed_addition(&addition.ingress);
                    self.record_skipped_addition(SkippedAddition {
                        ingress: addition.ingress,
                        reason: SkipReason::RulesQuota,
                    });
                }
                Err(error) => self.record_failed_addition(addition, error),
            }
        }
        for tracked in self.rules.values_mut() {
            tracked.error = None;
            if tracked.last_call == RemovalCall::RuleNotFound {
                tracked.last_call = RemovalCall::Ineffective;
            }
        }
        // A deferred removal is tried again in the next round.
        let mut can_help = result.has_deferred_removals || result.removals.is_empty();
        for (removal, answer) in result.removals {
            can_help |= self.record_removal(&removal, answer);
        }
        self.is_stuck = !can_help;
    }

    /// Records the answer to a removal. Returns whether another round can help.
    fn record_removal(&mut self, removal: &Removal, answer: Result<(), ServiceError>) -> bool {
        let tracked = self.track(&removal.ingress);
        match answer {
            Ok(()) => {
                tracked.outcome.removed = true;
                true
            }
            // Somebody else removed the rule first, or changed it: the next read tells.
            Err(error) if error.kind == ErrorKind::RuleNotFound => {
                if tracked.last_call != RemovalCall::Unclear {
                    tracked.last_call = RemovalCall::RuleNotFound;
                }
                true
            }
            Err(error) => {
                let is_unanswered = error.kind == ErrorKind::NoAnswer;
                if is_unanswered {
                    tracked.last_call = RemovalCall::Unanswered;
                } else if error.kind == ErrorKind::Other {
                    tracked.last_call = RemovalCall::Unclear;
                }
                tracked.error = Some(error);
                is_unanswered
            }
        }
    }

    fn record_skipped_addition(&mut self, skipped: SkippedAddition) {
        let is_same = |known: &SkippedAddition| {
            known.reason == skipped.reason && known.ingress.same_content(&skipped.ingress)
        };
        if !self.skipped_additions.iter().any(is_same) {
            self.skipped_additions.push(skipped);
        }
    }

    fn record_failed_addition(&mut self, addition: Addition, error: ServiceError) {
        self.forget_failed_addition(&addition.ingress);
        self.failed_additions
            .push(FailedAddition { addition, error });
    }

    fn record_addition(&mut self, addition: Addition, authorized: Authorized) {
        self.forget_failed_addition(&addition.ingress);
        self.forget_withdrawal(&addition.ingress);
        let mut added = self.added.iter().map(|known| &known.addition.ingress);
        if !added.any(|rule| rule.same_content(&addition.ingress)) {
            self.added.push(AddedRule {
                addition,
                already_existed: authorized == Authorized::AlreadyExists,
            });
        }
    }

    fn forget_failed_addition(&mut self, rule: &IngressRule) {
        self.failed_additions
            .retain(|failed| !failed.addition.ingress.same_content(rule));
    }

    /// Records that the group was deleted after a plan was applied: nothing of it is open.
    pub(super) fn record_group_deleted(&mut self) {
        for tracked in self.rules.values_mut() {
            tracked.is_forbidden = false;
            tracked.last_call = RemovalCall::Ineffective;
        }
        self.failed_additions.clear();
        self.last_read_rules.clear();
    }

    /// Records that the group could not be read again. What was there before and has not been
    /// removed since may be left.
    pub(super) fn record_verification_error(&mut self, error: ServiceError) {
        for tracked in self.rules.values_mut() {
            tracked.is_forbidden &= !tracked.outcome.removed;
        }
        self.unverified = Some(error);
    }

    /// The outcome of each rule, sorted by attention. `refusals` are those of the last plan.
    pub(super) fn rule_outcomes(&self, refusals: &[Refusal]) -> Vec<RuleOutcome> {
        let mut rules: Vec<_> = self
            .rules
            .values()
            .map(|tracked| self.rule_outcome(tracked, refusals))
            .filter(is_worth_reporting)
            .collect();
        sort_by_attention(&mut rules);
        rules
    }

    fn rule_outcome(&self, tracked: &TrackedRule, refusals: &[Refusal]) -> RuleOutcome {
        let mut outcome = tracked.outcome.clone();
        let rule = &tracked.outcome.rule;
        outcome.status = self.rule_status(tracked, refusals);
        outcome.is_replacement = self
            .added
            .iter()
            .any(|added| is_identical_rule(&added.addition.ingress, rule));
        let added = self.added.iter().map(|added| &added.addition);
        outcome.replacements = added
            .filter(|addition| is_same_rule(&addition.replaces, rule))
            .filter(|addition| !self.is_removed_again(addition))
            .cloned()
            .collect();
        let withdrawals = self.withdrawals.iter();
        outcome.withdrawals = withdrawals
            .filter(|withdrawal| is_same_rule(&withdrawal.addition.replaces, rule))
            .cloned()
            .collect();
        if outcome.removed || !contains_content(&self.last_read_rules, rule) {
            let failed = self.failed_additions.iter();
            outcome.failed_additions = failed
                .filter(|failed| is_same_rule(&failed.addition.replaces, rule))
                .cloned()
                .collect();
        }
        outcome
    }

    fn rule_status(&self, tracked: &TrackedRule, refusals: &[Refusal]) -> RuleStatus {
        let outcome = &tracked.outcome;
        let is_forbidden = tracked.is_forbidden;
        let is_verified = self.unverified.is_none();
        let refusal = refusals
            .iter()
            .find(|refusal| is_same_rule(&refusal.ingress, &outcome.rule));
        match (&tracked.error, refusal) {
            (Some(error), _) if is_forbidden && is_verified => RuleStatus::Failed(error.clone()),
            (Some(error), _) if is_forbidden => RuleStatus::Unverified(Some(error.clone())),
            (_, Some(refusal)) => RuleStatus::Refused(refusal.reason),
            _ if is_forbidden && is_verified => RuleStatus::Reopened,
            _ if is_forbidden => RuleStatus::Unverified(None),
            _ if outcome.removed => RuleStatus::Applied,
            _ if outcome.findings.iter().any(Finding::enforces) => RuleStatus::Gone,
            _ if outcome.is_exempt() => RuleStatus::Exempt,
            _ => RuleStatus::Reported,
        }
    }

    /// Whether a rule that was added was removed again in a later round.
    fn is_removed_again(&self, addition: &Addition) -> bool {
        self.removed_rules()
            .any(|removed| is_identical_rule(removed, &addition.ingress))
    }

    fn forget_withdrawal(&mut self, rule: &IngressRule) {
        self.withdrawals
            .retain(|known| !known.addition.ingress.same_content(rule));
    }

    fn removed_rules(&self) -> impl Iterator<Item = &IngressRule> {
        let outcomes = self.rules.values().map(|tracked| &tracked.outcome);
        let removed = outcomes.filter(|outcome| outcome.removed);
        removed.map(|outcome| &outcome.rule)
    }
}

/// A rule without findings is one that the plan removes because of other removals. If it was
/// neither removed nor replaced, and does not have to be any more, there is nothing to report.
fn is_worth_reporting(outcome: &RuleOutcome) -> bool {
    let has_changes = outcome.removed
        || !outcome.replacements.is_empty()
        || !outcome.failed_additions.is_empty()
        || !outcome.withdrawals.is_empty();
    has_changes || outcome.status.is_open() || !outcome.findings.is_empty()
}

fn forget_added(added: &mut Vec<AddedRule>, rule: &IngressRule) {
    added.retain(|known| !known.addition.ingress.same_content(rule));
}

/// Whether the rules quota had no room for an addition although the rule it replaces was removed.
fn is_out_of_room(error: &ServiceError, addition: &Addition, removals: &[RemovalAttempt]) -> bool {
    let mut removed = removals.iter().filter(|(_, answer)| answer.is_ok());
    error.kind == ErrorKind::RulesQuota
        && removed.any(|(removal, _)| removal.ingress == addition.replaces)
}

/// Whether a call succeeded, or may have.
fn may_be_done(answer: &Result<(), ServiceError>) -> bool {
    let is_failed = |error: &ServiceError| error.kind != ErrorKind::NoAnswer;
    !answer.as_ref().is_err_and(is_failed)
}
