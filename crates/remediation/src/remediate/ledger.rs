//! What has been seen and done to one group for one event, over all rounds.

use std::collections::BTreeSet;

use portcullis_rules::plan::{Addition, Loss, Order, Plan, Refusal, RefusalReason};
use portcullis_rules::{Finding, IngressRule, Judgement, Removal, SecurityGroup};

use super::act::Act;
use crate::ports::{ErrorKind, Mode, PortError};
use crate::report::{Failure, Outcome, Unkept};

/// The memory of one reconciliation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Every finding, each box and rule once.
    pub(super) findings: Vec<Finding>,
    /// What the last look still found that an enforcing rule forbids.
    pub(super) remaining: Vec<Finding>,
    /// What went.
    pub(super) removed: Vec<Removal>,
    /// What was put in the place of what went.
    pub(super) added: Vec<Addition>,
    /// What the plans could not keep.
    pub(super) losses: Vec<Loss>,
    /// Whether removals came before what took their place.
    pub(super) order: Order,
    /// Exceptions that have ended.
    pub(super) expired_exceptions: BTreeSet<String>,
    /// Prefix lists without entries.
    pub(super) unresolved_prefix_lists: BTreeSet<String>,
    /// How often we acted.
    pub(super) rounds: u32,
    /// The error of the last look, when it failed.
    pub(super) unverified: Option<PortError>,
    /// Removals whose call gave no answer: the next look tells whether they happened.
    unanswered: Vec<Removal>,
    failed: Vec<Failure>,
    /// Over all rounds, each box once.
    not_added: Vec<Unkept>,
    /// The boxes of the last look.
    shown: Vec<IngressRule>,
    waits: bool,
    stuck: bool,
}

impl Ledger {
    /// Takes in what a look and its judgement gave.
    pub(super) fn looked(&mut self, group: &SecurityGroup, judgement: Judgement) {
        let shows = |rule: &IngressRule| group.rules.iter().any(|there| there.same_content(rule));
        for removal in std::mem::take(&mut self.unanswered) {
            if !shows(&removal.ingress) {
                self.removed.push(removal);
            }
        }
        for missed in std::mem::take(&mut self.not_added) {
            if !shows(&missed.addition.ingress) {
                self.not_added.push(missed);
            } else if missed.error.kind == ErrorKind::NoAnswer {
                self.add(missed.addition);
            } else {
                // Somebody else put it there.
            }
        }
        self.shown.clone_from(&group.rules);
        for finding in &judgement.findings {
            if !self.findings.iter().any(|known| same(known, finding)) {
                self.findings.push(finding.clone());
            }
        }
        self.remaining = judgement.findings.into_iter().filter(Finding::enforces).collect();
        self.unresolved_prefix_lists.extend(judgement.unresolved_prefix_lists);
        self.expired_exceptions.extend(judgement.exceptions_expired);
    }

    /// Whether there is something to do and doing it may help.
    pub(super) fn may_go_on(&self, plan: &Plan, rounds: u32) -> bool {
        !plan.is_empty() && !self.stuck && self.rounds < rounds
    }

    /// Whether a removal waits for what is to take its place.
    pub(super) const fn waits(&self) -> bool {
        self.waits
    }

    /// Takes in what became of a plan.
    pub(super) fn acted(&mut self, plan: Plan, act: Act) {
        self.rounds = self.rounds.saturating_add(1);
        self.failed.clear();
        self.waits = act.waits;
        if plan.order == Order::RemoveFirst && !plan.additions.is_empty() {
            self.order = Order::RemoveFirst;
        }
        // Where every removal failed nothing was lost.
        let may_be_gone = |answer: &Result<(), PortError>| {
            answer.as_ref().map_or_else(|error| error.kind == ErrorKind::NoAnswer, |()| true)
        };
        if act.removals.iter().any(|(_, answer)| may_be_gone(answer)) {
            plan.losses.into_iter().for_each(|loss| self.lose(loss));
        }
        for (addition, answer) in act.additions {
            match answer {
                Ok(()) => self.add(addition),
                Err(error) => self.miss(addition, error),
            }
        }
        // A removal that waits for its replacement is tried again.
        let mut helped = act.waits || act.removals.is_empty();
        for (removal, answer) in act.removals {
            match answer {
                Ok(()) => {
                    helped = true;
                    self.remove(removal);
                }
                // Somebody else was faster, or the rule is not what it was: look again.
                Err(error) if error.kind == ErrorKind::RuleNotFound => helped = true,
                Err(error) => {
                    if error.kind == ErrorKind::NoAnswer {
                        helped = true;
                        self.unanswered.push(removal.clone());
                    }
                    self.failed.push(Failure { ingress: removal.ingress, error });
                }
            }
        }
        self.stuck = !helped;
    }

    /// Monitor mode: this is what would be done. Gives the refusals back.
    pub(super) fn would_do(&mut self, plan: Plan) -> Vec<Refusal> {
        self.removed = plan.removals;
        self.added = plan.additions;
        self.losses = plan.losses;
        self.order = plan.order;
        plan.refusals
    }

    /// What was to be added in the place of boxes that are gone, could not be, and is not there.
    pub(super) fn unkept(&self) -> Vec<Unkept> {
        let is_gone = |missed: &&Unkept| {
            let instead_of = &missed.addition.instead_of;
            self.removed.iter().any(|removal| removal.ingress == *instead_of)
                || !self.shown.iter().any(|there| there.same_content(instead_of))
        };
        self.not_added.iter().filter(is_gone).cloned().collect()
    }

    /// The group went after we acted: nothing of it is open.
    pub(super) fn group_gone(&mut self) {
        self.remaining.clear();
        self.unanswered.clear();
        self.not_added.clear();
    }

    /// What could not be removed and is still there, or may be.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let remains =
            |failure: &&Failure| self.remaining.iter().any(|finding| finding.ingress.same_content(&failure.ingress));
        self.failed.iter().filter(remains).cloned().collect()
    }

    /// The last look failed: what was there before, less what went since, may be left.
    pub(super) fn unverified(&mut self, error: PortError) {
        let removed = &self.removed;
        self.remaining.retain(|finding| !removed.iter().any(|removal| removal.ingress == finding.ingress));
        self.unverified = Some(error);
    }

    /// How it ended.
    pub(super) fn outcome(&self, mode: Mode, refusals: &[Refusal]) -> Outcome {
        let refused = |finding: &Finding| refusals.iter().any(|refusal| refusal.ingress.same_content(&finding.ingress));
        if self.unverified.is_some() {
            Outcome::Incomplete
        } else if !self.remaining.is_empty() {
            match mode {
                // A plan that does not pass its own check is a defect: it must be noticed, so the event must come again.
                _ if refusals.iter().any(|refusal| refusal.reason == RefusalReason::Unsound) => Outcome::Incomplete,
                _ if self.remaining.iter().all(refused) => Outcome::Refused,
                Mode::Monitor => Outcome::WouldClose,
                Mode::Enforce => Outcome::Incomplete,
            }
        } else if !self.removed.is_empty() {
            Outcome::Closed
        } else if self.findings.iter().any(|finding| finding.exempt.is_none()) {
            Outcome::Noticed
        } else {
            Outcome::Clean
        }
    }

    fn lose(&mut self, loss: Loss) {
        let is_same = |known: &Loss| known.reason == loss.reason && known.ingress.same_content(&loss.ingress);
        if !self.losses.iter().any(is_same) {
            self.losses.push(loss);
        }
    }

    fn miss(&mut self, addition: Addition, error: PortError) {
        self.not_added.retain(|missed| !missed.addition.ingress.same_content(&addition.ingress));
        self.not_added.push(Unkept { addition, error });
    }

    fn add(&mut self, addition: Addition) {
        self.not_added.retain(|missed| !missed.addition.ingress.same_content(&addition.ingress));
        if !self.added.iter().any(|known| known.ingress.same_content(&addition.ingress)) {
            self.added.push(addition);
        }
    }

    /// A box that came back and went again is told once.
    fn remove(&mut self, removal: Removal) {
        if !self.removed.iter().any(|known| known.ingress == removal.ingress) {
            self.removed.push(removal);
        }
    }
}

/// Whether two findings are the same rule broken by the same box; a box that came back has another id.
fn same(one: &Finding, other: &Finding) -> bool {
    one.rule.id == other.rule.id && one.ingress.id == other.ingress.id && one.ingress.same_content(&other.ingress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples;

    #[test]
    fn a_defect_is_never_a_success() {
        let report = samples::unsound();
        let ledger = Ledger { remaining: report.remaining.clone(), ..Ledger::default() };
        for mode in [Mode::Enforce, Mode::Monitor] {
            assert_eq!(ledger.outcome(mode, &report.refusals), Outcome::Incomplete);
        }
        let refusals = samples::too_many();
        let ledger = Ledger { remaining: refusals.remaining.clone(), ..Ledger::default() };
        assert_eq!(ledger.outcome(Mode::Enforce, &refusals.refusals), Outcome::Refused);
        assert_eq!(ledger.outcome(Mode::Enforce, &refusals.refusals[1..]), Outcome::Incomplete);
    }
}
