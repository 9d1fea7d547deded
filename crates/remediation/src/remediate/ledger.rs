//! What has been seen and done to one group for one event, over all rounds.

use std::collections::BTreeSet;

use portcullis_rules::plan::{Plan, Refusal};
use portcullis_rules::{Finding, IngressRule, Judgement, Removal, SecurityGroup};

use crate::ports::{ErrorKind, Mode, PortError, Revoked};
use crate::report::{Failure, Outcome};

/// The memory of one reconciliation.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Every finding, each box and rule once.
    pub(super) findings: Vec<Finding>,
    /// What the last look still found that an enforcing rule forbids.
    pub(super) remaining: Vec<Finding>,
    /// What went.
    pub(super) removed: Vec<Removal>,
    /// Prefix lists without entries.
    pub(super) unresolved_prefix_lists: BTreeSet<String>,
    /// How often we acted.
    pub(super) rounds: u32,
    /// The error of the last look, when it failed.
    pub(super) unverified: Option<PortError>,
    /// Removals whose call gave no answer: the next look tells whether they happened.
    unanswered: Vec<Removal>,
    failed: Vec<Failure>,
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
        for finding in &judgement.findings {
            if !self.findings.iter().any(|known| same(known, finding)) {
                self.findings.push(finding.clone());
            }
        }
        self.remaining = judgement.findings.into_iter().filter(Finding::enforces).collect();
        self.unresolved_prefix_lists.extend(judgement.unresolved_prefix_lists);
    }

    /// Whether there is something to do and doing it may help.
    pub(super) fn may_go_on(&self, plan: &Plan, rounds: u32) -> bool {
        !plan.is_empty() && !self.stuck && self.rounds < rounds
    }

    /// Takes in what became of each removal.
    pub(super) fn acted(&mut self, removals: Vec<Removal>, answers: Revoked) {
        self.rounds = self.rounds.saturating_add(1);
        self.failed.clear();
        let mut helped = false;
        let missing = || Err(PortError::new("RevokeSecurityGroupIngress", ErrorKind::Other, "no answer for this rule"));
        for (removal, answer) in removals.into_iter().zip(answers.into_iter().chain(std::iter::repeat_with(missing))) {
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

    /// Monitor mode: this is what would go.
    pub(super) fn would_remove(&mut self, removals: Vec<Removal>) {
        self.removed = removals;
    }

    /// The group went after we acted: nothing of it is open.
    pub(super) fn group_gone(&mut self) {
        self.remaining.clear();
        self.unanswered.clear();
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
