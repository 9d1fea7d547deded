//! The rules that were added in place of removed ones, over all rounds.

use portcullis_rules::IngressRule;
use portcullis_rules::plan::Addition;

use super::identity::{contains_content, is_identical_rule, is_same_rule};
use crate::report::{FailedAddition, Withdrawal};
use crate::services::{Authorized, ErrorKind, ServiceError};

/// The replacements of one group.
#[derive(Debug, Default)]
pub(super) struct Replacements {
    added: Vec<AddedRule>,
    failed: Vec<FailedAddition>,
    withdrawals: Vec<Withdrawal>,
}

/// A rule that was added in place of another.
#[derive(Debug)]
struct AddedRule {
    addition: Addition,
    /// Whether someone else, such as another invocation, had added it already.
    already_existed: bool,
}

impl Replacements {
    /// Records a read of the group, which shows whether failed calls took effect.
    pub(super) fn resolve(&mut self, last_read: &[IngressRule]) {
        self.resolve_failed_additions(last_read);
        self.resolve_failed_withdrawals(last_read);
    }

    /// An addition without an answer took effect if the rule is there. If the rule of another
    /// failed addition is there, someone else added it.
    fn resolve_failed_additions(&mut self, last_read: &[IngressRule]) {
        for failed in std::mem::take(&mut self.failed) {
            if !contains_content(last_read, &failed.addition.ingress) {
                self.failed.push(failed);
            } else if failed.error.kind == ErrorKind::NoAnswer {
                self.record_addition(failed.addition, Authorized::Added);
            }
        }
    }

    /// A failed withdrawal took effect if the rule is not there.
    fn resolve_failed_withdrawals(&mut self, last_read: &[IngressRule]) {
        for withdrawal in &mut self.withdrawals {
            let rule = &withdrawal.addition.ingress;
            if withdrawal.error.is_some() && !contains_content(last_read, rule) {
                withdrawal.error = None;
                forget_added(&mut self.added, rule);
            }
        }
    }

    /// Records an addition that succeeded.
    pub(super) fn record_addition(&mut self, addition: Addition, authorized: Authorized) {
        self.forget_failed_addition(&addition.ingress);
        self.forget_withdrawal(&addition.ingress);
        let is_known = self
            .added
            .iter()
            .any(|known| known.addition.ingress.same_content(&addition.ingress));
        if !is_known {
            self.added.push(AddedRule {
                addition,
                already_existed: authorized == Authorized::AlreadyExists,
            });
        }
    }

    /// Records an addition that failed.
    pub(super) fn record_failed_addition(&mut self, addition: Addition, error: ServiceError) {
        self.forget_failed_addition(&addition.ingress);
        self.failed.push(FailedAddition { addition, error });
    }

    /// Records the result of making an addition again that another invocation had made.
    pub(super) fn record_restored_addition(
        &mut self,
        addition: Addition,
        answer: Result<Authorized, ServiceError>,
    ) {
        forget_added(&mut self.added, &addition.ingress);
        match answer {
            Ok(_) => self.record_addition(addition, Authorized::Added),
            Err(error) => self.record_failed_addition(addition, error),
        }
    }

    /// Records the result of removing an addition again. If it was not found, someone else did.
    pub(super) fn record_withdrawal(
        &mut self,
        addition: Addition,
        answer: Result<(), ServiceError>,
    ) {
        let error = answer
            .err()
            .filter(|error| error.kind != ErrorKind::RuleNotFound);
        self.forget_withdrawal(&addition.ingress);
        if error.is_none() {
            forget_added(&mut self.added, &addition.ingress);
        }
        self.withdrawals.push(Withdrawal { addition, error });
    }

    /// Forgets an addition that failed, because it is reported in another way.
    pub(super) fn forget_failed_addition(&mut self, rule: &IngressRule) {
        self.failed
            .retain(|failed| !failed.addition.ingress.same_content(rule));
    }

    fn forget_withdrawal(&mut self, rule: &IngressRule) {
        self.withdrawals
            .retain(|known| !known.addition.ingress.same_content(rule));
    }

    /// Records that the group was deleted, so that nothing can be added to it.
    pub(super) fn record_group_deleted(&mut self) {
        self.failed.clear();
    }

    /// The additions that this invocation made.
    pub(super) fn added_here(&self) -> impl Iterator<Item = &Addition> {
        self.added
            .iter()
            .filter(|added| !added.already_existed)
            .map(|added| &added.addition)
    }

    /// The additions whose rule someone else had added already.
    pub(super) fn added_elsewhere(&self) -> impl Iterator<Item = &Addition> {
        self.added
            .iter()
            .filter(|added| added.already_existed)
            .map(|added| &added.addition)
    }

    /// Whether this rule is one of the additions.
    pub(super) fn contains_rule(&self, rule: &IngressRule) -> bool {
        self.added
            .iter()
            .any(|added| is_identical_rule(&added.addition.ingress, rule))
    }

    /// The additions in place of this rule.
    pub(super) fn additions_for(&self, rule: &IngressRule) -> impl Iterator<Item = &Addition> {
        self.added
            .iter()
            .map(|added| &added.addition)
            .filter(|addition| is_same_rule(&addition.replaces, rule))
    }

    /// The additions in place of this rule that failed.
    pub(super) fn failed_additions_for(&self, rule: &IngressRule) -> Vec<FailedAddition> {
        self.failed
            .iter()
            .filter(|failed| is_same_rule(&failed.addition.replaces, rule))
            .cloned()
            .collect()
    }

    /// The additions in place of this rule that had to be removed again.
    pub(super) fn withdrawals_for(&self, rule: &IngressRule) -> Vec<Withdrawal> {
        self.withdrawals
            .iter()
            .filter(|withdrawal| is_same_rule(&withdrawal.addition.replaces, rule))
            .cloned()
            .collect()
    }
}

fn forget_added(added: &mut Vec<AddedRule>, rule: &IngressRule) {
    added.retain(|known| !known.addition.ingress.same_content(rule));
}
