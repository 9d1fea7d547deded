//! What was found and changed in one group for one event, over all rounds.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::plan::{Addition, ApplyOrder, Plan, Refusal, SkipReason, SkippedAddition};
use portcullis_rules::{Decision, Evaluation, Finding, IngressRule, Removal, SecurityGroup};

use super::access::covers_access;
use super::apply::{AdditionAttempt, ApplyResult, RemovalAttempt};
use super::identity::{RuleKey, contains_content, is_identical_rule, is_same_rule, rule_key};
use super::replacements::Replacements;
use crate::report::{RuleOutcome, RuleStatus, sort_by_attention};
use crate::services::{ErrorKind, ServiceError};

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
    replacements: Replacements,
    /// The rules of the group at the last read.
    last_read_rules: Vec<IngressRule>,
    /// Whether another round cannot help.
    is_stuck: bool,
}

/// A rule with findings or changes.
#[derive(Debug)]
struct TrackedRule {
    /// What is known so far. Its status is decided at the end.
    outcome: RuleOutcome,
    /// Whether it had to be removed at the last read.
    is_forbidden: bool,
    /// The error of its removal in the last round.
    error: Option<ServiceError>,
    /// The result of the last call to remove it, as far as it was not confirmed.
    last_call: RemovalCall,
}

/// The result of the last call to remove a rule, as far as it was not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemovalCall {
    /// There was none, or it had no effect.
    Ineffective,
    /// It did not find the rule.
    RuleNotFound,
    /// It got no answer. The next read shows whether it took effect.
    Unanswered,
    /// It failed and may have taken effect anyway.
    Unclear,
}

impl RemediationProgress {
    /// Records a read of the group, which shows whether calls without an answer took effect.
    pub(super) fn record_read(&mut self, group: &SecurityGroup) {
        self.last_read_rules.clone_from(&group.rules);
        self.resolve_unanswered_removals();
        self.replacements.resolve(&self.last_read_rules);
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
        self.unresolved_prefix_lists
            .extend(unresolved_prefix_lists.iter().cloned());
        self.expired_exceptions
            .extend(exceptions_expired.iter().cloned());
    }

    /// The entry of this rule. A rule that was added again has another id and a separate entry.
    fn track(&mut self, rule: &IngressRule) -> &mut TrackedRule {
        self.rules
            .entry(rule_key(rule))
            .or_insert_with(|| TrackedRule {
                outcome: RuleOutcome::new(rule.clone(), RuleStatus::Reported),
                is_forbidden: false,
                error: None,
                last_call: RemovalCall::Ineffective,
            })
    }

    /// A removal without an answer took effect if the rule is not there.
    fn resolve_unanswered_removals(&mut self) {
        for tracked in self.rules.values_mut() {
            if contains_content(&self.last_read_rules, &tracked.outcome.rule) {
                tracked.last_call = RemovalCall::Ineffective;
            } else if tracked.last_call == RemovalCall::Unanswered {
                tracked.last_call = RemovalCall::Ineffective;
                tracked.outcome.removed = true;
            }
        }
    }

    /// The additions that have to be removed again, because someone else removed the rule that they
    /// replace: they would undo that change.
    ///
    /// An addition that someone else had made already is left alone, and so is one that keeps
    /// access of another rule that was removed.
    pub(super) fn additions_to_withdraw(&self) -> Vec<Addition> {
        self.replacements
            .added_here()
            .filter(|addition| self.is_removed_by_others(&addition.replaces))
            .filter(|addition| self.is_there_as_added(&addition.ingress))
            .filter(|addition| !self.is_access_of_removed_rule(&addition.ingress))
            .cloned()
            .collect()
    }

    /// Whether a rule is no longer there although Portcullis did not remove it.
    fn is_removed_by_others(&self, rule: &IngressRule) -> bool {
        let Some(tracked) = self.rules.get(&rule_key(rule)) else {
            return false;
        };
        match tracked.last_call {
            _ if tracked.outcome.removed => false,
            RemovalCall::Unanswered | RemovalCall::Unclear => false,
            RemovalCall::RuleNotFound if self.unverified.is_some() => true,
            RemovalCall::Ineffective if self.unverified.is_some() => false,
            RemovalCall::RuleNotFound | RemovalCall::Ineffective => {
                !contains_content(&self.last_read_rules, rule)
            }
        }
    }

    /// Whether the rule is, or may be, there with the description and tags that it was added with.
    fn is_there_as_added(&self, rule: &IngressRule) -> bool {
        let mut last_read = self.last_read_rules.iter();
        self.unverified.is_some() || last_read.any(|known| is_identical_rule(known, rule))
    }

    fn is_access_of_removed_rule(&self, rule: &IngressRule) -> bool {
        self.removed_rules()
            .any(|removed| covers_access(removed, rule))
    }

    /// The additions that have to be made again. Another invocation had made them before this one,
    /// and withdrew them, because it could not know that this one removed the rule.
    pub(super) fn additions_to_restore(&self) -> Vec<Addition> {
        if self.unverified.is_some() {
            return Vec::new();
        }
        self.replacements
            .added_elsewhere()
            .filter(|addition| self.is_removed(&addition.replaces))
            .filter(|addition| !contains_content(&self.last_read_rules, &addition.ingress))
            .filter(|addition| !self.is_removed_again(addition))
            .cloned()
            .collect()
    }

    /// Whether another invocation changes the group as well, so that the next read can be stale.
    pub(super) fn has_shared_additions(&self) -> bool {
        self.replacements.added_elsewhere().next().is_some()
    }

    fn is_removed(&self, rule: &IngressRule) -> bool {
        self.rules
            .get(&rule_key(rule))
            .is_some_and(|tracked| tracked.outcome.removed)
    }

    /// Records the result of withdrawing an addition.
    pub(super) fn record_withdrawal(
        &mut self,
        addition: Addition,
        answer: Result<(), ServiceError>,
    ) {
        self.replacements.record_withdrawal(addition, answer);
    }

    /// Records the result of making an addition again.
    pub(super) fn record_restored_addition(&mut self, (addition, answer): AdditionAttempt) {
        self.replacements.record_restored_addition(addition, answer);
    }

    /// The rules that were removed in earlier rounds.
    pub(super) fn removed_ingress_rules(&self) -> Vec<IngressRule> {
        self.removed_rules().cloned().collect()
    }

    /// Whether there is something to do and another round can help.
    pub(super) fn can_continue(&self, plan: &Plan, max_rounds: u32) -> bool {
        !plan.is_empty() && !self.is_stuck && self.rounds < max_rounds
    }

    /// Records the result of applying a plan.
    pub(super) fn record_apply(&mut self, plan: Plan, result: ApplyResult) {
        self.rounds = self.rounds.saturating_add(1);
        self.has_deferred_removals = result.has_deferred_removals;
        let is_ordered = plan.order == ApplyOrder::RemoveFirst && !plan.additions.is_empty();
        if is_ordered || result.removals_came_first {
            self.order = ApplyOrder::RemoveFirst;
        }
        // If every removal failed, no access was lost, so no addition was skipped.
        if result
            .removals
            .iter()
            .any(|(_, answer)| may_be_done(answer))
        {
            for skipped in plan.skipped_additions {
                self.record_skipped_addition(skipped);
            }
        }
        for attempt in result.additions {
            self.record_addition(attempt, &result.removals);
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
            // Someone else removed or changed the rule first: the next read shows which.
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

    /// Records the answer to an addition. If EC2 refuses it because of the rules quota although the
    /// rule it replaces was removed, it is a skipped addition.
    fn record_addition(
        &mut self,
        (addition, answer): AdditionAttempt,
        removals: &[RemovalAttempt],
    ) {
        match answer {
            Ok(authorized) => self.replacements.record_addition(addition, authorized),
            Err(error) if is_out_of_room(&error, &addition, removals) => {
                self.replacements.forget_failed_addition(&addition.ingress);
                self.record_skipped_addition(SkippedAddition {
                    ingress: addition.ingress,
                    reason: SkipReason::RulesQuota,
                });
            }
            Err(error) => self.replacements.record_failed_addition(addition, error),
        }
    }

    fn record_skipped_addition(&mut self, skipped: SkippedAddition) {
        let is_known = self
            .skipped_additions
            .iter()
            .filter(|known| known.reason == skipped.reason)
            .any(|known| known.ingress.same_content(&skipped.ingress));
        if !is_known {
            self.skipped_additions.push(skipped);
        }
    }

    /// Records that the group was deleted after a plan was applied, so nothing is open.
    pub(super) fn record_group_deleted(&mut self) {
        for tracked in self.rules.values_mut() {
            tracked.is_forbidden = false;
            tracked.last_call = RemovalCall::Ineffective;
        }
        self.replacements.record_group_deleted();
        self.last_read_rules.clear();
    }

    /// Records that the group could not be read again. Forbidden rules that have not been removed
    /// may still be there.
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
        outcome.is_replacement = self.replacements.contains_rule(rule);
        outcome.replacements = self
            .replacements
            .additions_for(rule)
            .filter(|addition| !self.is_removed_again(addition))
            .cloned()
            .collect();
        outcome.withdrawals = self.replacements.withdrawals_for(rule);
        if outcome.removed || !contains_content(&self.last_read_rules, rule) {
            outcome.failed_additions = self.replacements.failed_additions_for(rule);
        }
        outcome
    }

    fn rule_status(&self, tracked: &TrackedRule, refusals: &[Refusal]) -> RuleStatus {
        let outcome = &tracked.outcome;
        let refusal = refusals
            .iter()
            .find(|refusal| is_same_rule(&refusal.ingress, &outcome.rule));
        if let Some(refusal) = refusal {
            RuleStatus::Refused(refusal.reason)
        } else if tracked.is_forbidden {
            self.open_status(tracked.error.clone())
        } else if outcome.removed {
            RuleStatus::Applied
        } else if outcome.findings.iter().any(Finding::enforces) {
            RuleStatus::Gone
        } else if outcome.is_exempt() {
            RuleStatus::Exempt
        } else {
            RuleStatus::Reported
        }
    }

    /// The status of a rule that has to be removed and is, or may be, still there.
    fn open_status(&self, error: Option<ServiceError>) -> RuleStatus {
        if self.unverified.is_some() {
            RuleStatus::Unverified(error)
        } else {
            error.map_or(RuleStatus::Reopened, RuleStatus::Failed)
        }
    }

    /// Whether a rule that was added was removed again in a later round.
    fn is_removed_again(&self, addition: &Addition) -> bool {
        self.removed_rules()
            .any(|removed| is_identical_rule(removed, &addition.ingress))
    }

    fn removed_rules(&self) -> impl Iterator<Item = &IngressRule> {
        self.rules
            .values()
            .map(|tracked| &tracked.outcome)
            .filter(|outcome| outcome.removed)
            .map(|outcome| &outcome.rule)
    }
}

/// A plan can remove a rule without findings because of other removals. If such a rule was neither
/// removed nor replaced and is no longer forbidden, there is nothing to report.
fn is_worth_reporting(outcome: &RuleOutcome) -> bool {
    let has_changes = outcome.removed
        || !outcome.replacements.is_empty()
        || !outcome.failed_additions.is_empty()
        || !outcome.withdrawals.is_empty();
    has_changes || outcome.status.is_open() || !outcome.findings.is_empty()
}

/// Whether the rules quota had no room for an addition although the rule it replaces was removed.
fn is_out_of_room(error: &ServiceError, addition: &Addition, removals: &[RemovalAttempt]) -> bool {
    let mut removed = removals.iter().filter(|(_, answer)| answer.is_ok());
    error.kind == ErrorKind::RulesQuota
        && removed.any(|(removal, _)| removal.ingress == addition.replaces)
}

/// Whether a call succeeded, or may have.
fn may_be_done(answer: &Result<(), ServiceError>) -> bool {
    match answer {
        Ok(()) => true,
        Err(error) => error.kind == ErrorKind::NoAnswer,
    }
}

#[cfg(test)]
mod tests;
