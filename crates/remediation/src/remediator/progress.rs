//! What was found and changed in one group for one event, over all rounds.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_rules::plan::{Addition, ApplyOrder, Plan, Refusal, SkippedAddition};
use portcullis_rules::{Decision, Evaluation, Finding, IngressRule, Removal, SecurityGroup};

use super::apply::ApplyResult;
use crate::report::{FailedAddition, RuleOutcome, RuleStatus, sort_by_attention};
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
    added: Vec<Addition>,
    failed_additions: Vec<FailedAddition>,
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
    /// Whether its removal got no answer. The next read shows whether it took effect.
    is_unanswered: bool,
}

impl RemediationProgress {
    /// Records a read of the group, which shows whether calls without an answer took effect.
    pub(super) fn record_read(&mut self, group: &SecurityGroup) {
        self.last_read_rules.clone_from(&group.rules);
        self.resolve_unanswered_removals();
        self.resolve_failed_additions();
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
        let entry = self.rules.entry(rule_key(rule));
        entry.or_insert_with(|| TrackedRule {
            outcome: RuleOutcome::new(rule.clone(), RuleStatus::Reported),
            is_forbidden: false,
            error: None,
            is_unanswered: false,
        })
    }

    /// A removal without an answer took effect if the rule is not there.
    fn resolve_unanswered_removals(&mut self) {
        for tracked in self.rules.values_mut() {
            let is_unanswered = std::mem::take(&mut tracked.is_unanswered);
            if is_unanswered && !contains_content(&self.last_read_rules, &tracked.outcome.rule) {
                tracked.outcome.removed = true;
            }
        }
    }

    /// An addition without an answer took effect if the rule is there. If the rule of another
    /// failed addition is there, someone else added it.
    fn resolve_failed_additions(&mut self) {
        for failed in std::mem::take(&mut self.failed_additions) {
            if !contains_content(&self.last_read_rules, &failed.addition.ingress) {
                self.failed_additions.push(failed);
            } else if failed.error.kind == ErrorKind::NoAnswer {
                self.record_addition(failed.addition);
            }
        }
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
        if plan.order == ApplyOrder::RemoveFirst && !plan.additions.is_empty() {
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
        for (addition, answer) in result.additions {
            match answer {
                Ok(()) => self.record_addition(addition),
                Err(error) => self.record_failed_addition(addition, error),
            }
        }
        for tracked in self.rules.values_mut() {
            tracked.error = None;
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
            Err(error) if error.kind == ErrorKind::RuleNotFound => true,
            Err(error) => {
                tracked.is_unanswered = error.kind == ErrorKind::NoAnswer;
                tracked.error = Some(error);
                tracked.is_unanswered
            }
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

    fn record_failed_addition(&mut self, addition: Addition, error: ServiceError) {
        self.forget_failed_addition(&addition.ingress);
        self.failed_additions
            .push(FailedAddition { addition, error });
    }

    fn record_addition(&mut self, addition: Addition) {
        self.forget_failed_addition(&addition.ingress);
        let is_known = self
            .added
            .iter()
            .any(|known| known.ingress.same_content(&addition.ingress));
        if !is_known {
            self.added.push(addition);
        }
    }

    fn forget_failed_addition(&mut self, rule: &IngressRule) {
        self.failed_additions
            .retain(|failed| !failed.addition.ingress.same_content(rule));
    }

    /// Records that the group was deleted after a plan was applied, so nothing is open.
    pub(super) fn record_group_deleted(&mut self) {
        for tracked in self.rules.values_mut() {
            tracked.is_forbidden = false;
            tracked.is_unanswered = false;
        }
        self.failed_additions.clear();
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
        outcome.is_replacement = self
            .added
            .iter()
            .any(|addition| is_identical_rule(&addition.ingress, rule));
        outcome.replacements = self
            .added
            .iter()
            .filter(|addition| is_same_rule(&addition.replaces, rule))
            .filter(|addition| !self.is_removed_again(addition))
            .cloned()
            .collect();
        if outcome.removed || !contains_content(&self.last_read_rules, rule) {
            outcome.failed_additions = self
                .failed_additions
                .iter()
                .filter(|failed| is_same_rule(&failed.addition.replaces, rule))
                .cloned()
                .collect();
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
    let has_changes =
        outcome.removed || !outcome.replacements.is_empty() || !outcome.failed_additions.is_empty();
    has_changes || outcome.status.is_open() || !outcome.findings.is_empty()
}

/// Whether a call succeeded, or may have.
fn may_be_done(answer: &Result<(), ServiceError>) -> bool {
    match answer {
        Ok(()) => true,
        Err(error) => error.kind == ErrorKind::NoAnswer,
    }
}

fn contains_content(rules: &[IngressRule], rule: &IngressRule) -> bool {
    rules.iter().any(|other| other.same_content(rule))
}

/// What identifies a security group rule: its content and its id.
type RuleKey = ((String, (Option<i32>, Option<i32>), String), Option<String>);

fn rule_key(rule: &IngressRule) -> RuleKey {
    (rule.sort_key(), rule.id.clone())
}

/// Whether both are the same security group rule of EC2.
fn is_same_rule(rule: &IngressRule, other: &IngressRule) -> bool {
    rule.id == other.id && rule.same_content(other)
}

/// Whether an undo cannot distinguish the rules: content, description and tags are equal, whatever
/// the ids.
fn is_identical_rule(rule: &IngressRule, other: &IngressRule) -> bool {
    let is_equal = rule.description == other.description && rule.tags == other.tags;
    is_equal && rule.same_content(other)
}

#[cfg(test)]
mod tests;
