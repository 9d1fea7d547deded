//! The loop: read, judge, plan, act, read again, until nothing is left or it is clear that something will be.

mod act;
mod check;
mod ledger;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use portcullis_rules::plan::{Attachments, Plan, Refusal};
use portcullis_rules::{Finding, Policy, Quota, SecurityGroup, Situation, judge, plan};

use crate::alert;
use crate::intake::{Change, Origin, Target};
use crate::ports::{ChangeIngress, Clock, ErrorKind, GroupRef, Mode, PortError, ReadGroups, Snapshot, Tell};
use crate::report::{Outcome, Report, wire};
use ledger::Ledger;
use memory::Memory;

/// The hands of the use case. Without a changer it cannot change anything: that is monitor mode.
#[derive(Clone)]
pub struct Hands {
    /// Reads groups.
    pub reader: Arc<dyn ReadGroups>,
    /// Removes and adds rules; `None` is monitor mode.
    pub changer: Option<Arc<dyn ChangeIngress>>,
    /// Tells people.
    pub teller: Arc<dyn Tell>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Hands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hands").field("enforces", &self.changer.is_some()).finish_non_exhaustive()
    }
}

/// What bounds the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How often a group is acted upon for one event before the rest is left to the retry.
    pub rounds: u32,
    /// The pause before a look that may come too early, doubled each time: EC2 answers are eventually consistent.
    pub pause: Duration,
    /// How many pauses are made for a rule that the event names and the group does not show.
    pub patience: u32,
    /// How old an event may be, for such a pause to make sense.
    pub fresh: Duration,
}

impl Default for Limits {
    /// Three rounds; pauses of 0.3 and 0.6 seconds, for events younger than a minute.
    fn default() -> Self {
        Self { rounds: 3, pause: Duration::from_millis(300), patience: 2, fresh: Duration::from_mins(1) }
    }
}

/// Why an event is not done with. The event must come again.
#[derive(Debug, thiserror::Error)]
pub enum RemediationError {
    /// A group could not be read, so nothing is known about it.
    #[error("{group} could not be read: {error}")]
    Unread {
        /// The group.
        group: String,
        /// What the call said.
        error: PortError,
    },
    /// Something that the policy forbids is still there.
    #[error("{group} is not closed: {left} of the rules that the policy forbids are still there, or nobody could look")]
    Incomplete {
        /// The group.
        group: String,
        /// How many boxes the last look still found.
        left: usize,
    },
    /// What happened could not be told. It is kept, and told when the event comes again.
    #[error("what happened to {group} could not be told: {error}")]
    Untold {
        /// The group.
        group: String,
        /// What the call said.
        error: PortError,
    },
}

impl RemediationError {
    /// Stable kebab-case code, for alarms.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unread { .. } => "group-unread",
            Self::Incomplete { .. } => "group-not-closed",
            Self::Untold { .. } => "alert-unsent",
        }
    }
}

/// What became of an event: a report for each group that could be read, and all that went wrong.
#[derive(Debug, Default)]
pub struct Handled {
    /// One for each group.
    pub reports: Vec<Report>,
    /// Empty when the event is done with.
    pub errors: Vec<RemediationError>,
}

/// The use case. One lives as long as its process, so that a repeated event finds what the last attempt left unsaid.
#[derive(Debug)]
pub struct Remediator {
    hands: Hands,
    policy: Policy,
    limits: Limits,
    memory: Memory,
}

impl Remediator {
    /// A remediator for this policy. It enforces exactly when it is handed a changer.
    pub fn new(hands: Hands, policy: Policy, limits: Limits) -> Self {
        Self { hands, policy, limits, memory: Memory::default() }
    }

    /// Whether it may change groups.
    pub fn mode(&self) -> Mode {
        if self.hands.changer.is_some() { Mode::Enforce } else { Mode::Monitor }
    }

    /// Handles one change: each group that it is about is read, closed as far as the policy demands, and told about.
    ///
    /// One group that fails does not keep the others open. When anything is left undone or unsaid,
    /// [`Handled::errors`] says so, and the event must come again.
    pub async fn handle(&self, change: &Change) -> Handled {
        let mut handled = Handled::default();
        let groups = match self.groups(change).await {
            Ok(groups) => groups,
            Err(error) => {
                handled.errors.push(error);
                return handled;
            }
        };
        for group in &groups {
            match self.reconcile(change, group).await {
                Ok(report) => {
                    handled.errors.extend(self.tell(&report).await.err());
                    handled.errors.extend(left_open(&report));
                    handled.reports.push(report);
                }
                Err(error) => {
                    handled.errors.extend(self.tell_unsaid(change, group).await.err());
                    handled.errors.push(RemediationError::Unread { group: group.to_string(), error });
                }
            }
        }
        handled
    }

    async fn groups(&self, change: &Change) -> Result<Vec<GroupRef>, RemediationError> {
        match &change.target {
            Target::Groups(groups) => Ok(groups.clone()),
            Target::PrefixList(list) => match self.hands.reader.groups_using(list).await {
                Ok(ids) => Ok(ids.into_iter().map(GroupRef::Id).collect()),
                Err(error) => Err(RemediationError::Unread { group: format!("the groups that use {list}"), error }),
            },
        }
    }

    /// Brings one group to what the policy allows.
    ///
    /// # Errors
    /// When the group could not be read and nothing was done to it yet.
    async fn reconcile(&self, change: &Change, named: &GroupRef) -> Result<Report, PortError> {
        let mut ledger = Ledger::default();
        let mut snapshot = match self.first_look(change, named).await {
            Err(error) if error.kind == ErrorKind::GroupNotFound => return Ok(self.vanished(change, named)),
            other => other?,
        };
        let first = snapshot.group.clone();
        let attachments = self.attachments(change, &snapshot).await?;
        let refusals = loop {
            let plan = self.assess(change, &snapshot, attachments, &mut ledger);
            if !ledger.may_go_on(&plan, self.limits.rounds) {
                break plan.refusals;
            }
            let Some(changer) = &self.hands.changer else {
                break ledger.would_do(plan);
            };
            note_receipts(&change.origin, &plan);
            let last = ledger.rounds.saturating_add(1) >= self.limits.rounds;
            let clock = self.hands.clock.as_ref();
            let act = act::carry_out(changer.as_ref(), clock, self.limits, &plan, last).await;
            let refusals = plan.refusals.clone();
            ledger.acted(plan, act);
            match self.look_again(&snapshot, &ledger).await {
                Ok(now) => snapshot = now,
                Err(error) if error.kind == ErrorKind::GroupNotFound => {
                    ledger.group_gone();
                    break Vec::new();
                }
                Err(error) => {
                    ledger.unverified(error);
                    break refusals;
                }
            }
        };
        Ok(self.report(change, named, first, ledger, refusals))
    }

    /// What the group is attached to, if a guardrail needs to know and there is anything to do.
    async fn attachments(&self, change: &Change, snapshot: &Snapshot) -> Result<Attachments, PortError> {
        let context = change.origin.context(Some(self.hands.clock.now()));
        let is_needed = self.policy.guardrails.needs_attachments() && {
            let judgement = judge(&self.policy, &snapshot.group, &snapshot.prefix_lists, &context);
            judgement.findings.iter().any(Finding::enforces)
        };
        if is_needed { self.hands.reader.attachments(&snapshot.group).await } else { Ok(Attachments::default()) }
    }

    /// Judges what was read, and plans. A plan that its independent checker objects to is refused whole.
    ///
    /// Whether a group of another account (a shared VPC) may be changed is for EC2 to say: its "no" is a failure, told and
    /// retried, and never a success with a hole left open.
    fn assess(&self, change: &Change, snapshot: &Snapshot, attachments: Attachments, ledger: &mut Ledger) -> Plan {
        let context = change.origin.context(Some(self.hands.clock.now()));
        let Snapshot { group, prefix_lists: lists } = snapshot;
        let judgement = judge(&self.policy, group, lists, &context);
        let (policy, context, quota) = (&self.policy, &context, Quota::default());
        let situation = Situation { policy, group, lists, context, foreign: false, attachments, quota };
        let plan = check::checked(plan(&situation, &judgement), &situation, &judgement, &ledger.removed);
        ledger.looked(group, judgement);
        plan
    }

    /// The first look. An answer that lacks the group, or a rule which a fresh event says was just added, came too
    /// early: look again, and believe it after a while.
    async fn first_look(&self, change: &Change, named: &GroupRef) -> Result<Snapshot, PortError> {
        let mut answer = self.hands.reader.group(named).await;
        let mut pause = self.limits.pause;
        for _ in 0..self.limits.patience {
            if !self.is_fresh(change) || !came_too_early(&answer, change) {
                break;
            }
            self.hands.clock.sleep(pause).await;
            pause = pause.saturating_mul(2);
            answer = self.hands.reader.group(named).await;
        }
        answer
    }

    fn is_fresh(&self, change: &Change) -> bool {
        change.origin.time.is_some_and(|time| {
            let age = self.hands.clock.now().as_second().saturating_sub(time.as_second());
            u64::try_from(age).is_ok_and(|age| age <= self.limits.fresh.as_secs())
        })
    }

    /// The look after acting. An answer that still shows what was just removed came too early, so later looks wait.
    async fn look_again(&self, before: &Snapshot, ledger: &Ledger) -> Result<Snapshot, PortError> {
        let id = GroupRef::Id(before.group.id.clone());
        if ledger.rounds > 1 || ledger.waits() {
            let doublings = ledger.rounds.saturating_sub(2).min(6);
            self.hands.clock.sleep(self.limits.pause.saturating_mul(1 << doublings)).await;
        }
        self.hands.reader.group(&id).await
    }

    fn vanished(&self, change: &Change, named: &GroupRef) -> Report {
        let group = match named {
            GroupRef::Id(id) => SecurityGroup { id: id.clone(), ..Default::default() },
            GroupRef::Name(name) => SecurityGroup { name: Some(name.clone()), ..Default::default() },
        };
        let mut report = self.report(change, named, group, Ledger::default(), Vec::new());
        report.outcome = Outcome::Vanished;
        report.closed_at = None;
        report
    }

    fn report(
        &self,
        change: &Change,
        named: &GroupRef,
        group: SecurityGroup,
        ledger: Ledger,
        refusals: Vec<Refusal>,
    ) -> Report {
        let outcome = ledger.outcome(self.mode(), &refusals);
        let closed_at = (outcome == Outcome::Closed).then(|| self.hands.clock.now());
        Report {
            outcome,
            mode: self.mode(),
            policy: self.policy.name.clone(),
            origin: change.origin.clone(),
            named: named.clone(),
            group,
            failures: ledger.failures(),
            unkept: ledger.unkept(),
            findings: ledger.findings,
            removed: ledger.removed,
            added: ledger.added,
            losses: ledger.losses,
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
    async fn tell(&self, report: &Report) -> Result<(), RemediationError> {
        let key = memory::Key::of(&report.origin, &report.named);
        if report.is_news() && !self.memory.was_told(&key, report) {
            self.memory.owe(&key, report);
        }
        self.settle(&key).await
    }

    async fn tell_unsaid(&self, change: &Change, named: &GroupRef) -> Result<(), RemediationError> {
        self.settle(&memory::Key::of(&change.origin, named)).await
    }

    /// Tells all that is owed about an event and a group, oldest first.
    async fn settle(&self, key: &memory::Key) -> Result<(), RemediationError> {
        while let Some(report) = self.memory.owed(key) {
            let sent = self.hands.teller.tell(&alert::compose(&report)).await;
            sent.map_err(|error| {
                tracing::error!(group.id = key.group, report = %wire::to_json(&report), "alert unsent");
                RemediationError::Untold { group: key.group.clone(), error }
            })?;
            self.memory.told(key, &report);
        }
        Ok(())
    }
}

/// Before anything is changed, the log has all that undoes it: the alert may yet fail.
fn note_receipts(origin: &Origin, plan: &Plan) {
    for removal in &plan.removals {
        let restore = wire::authorize(&plan.group_id, origin.region.as_deref(), &removal.ingress).join(" ");
        tracing::info!(
            event.id = origin.event_id,
            group.id = %plan.group_id,
            rule.id = removal.ingress.id,
            ingress = %removal.ingress,
            because = removal.because.join(","),
            restore,
            "revoking"
        );
    }
    for addition in &plan.additions {
        let retract = wire::revoke(&plan.group_id, origin.region.as_deref(), &addition.ingress).join(" ");
        tracing::info!(
            event.id = origin.event_id,
            group.id = %plan.group_id,
            instead_of = addition.instead_of.id,
            ingress = %addition.ingress,
            retract,
            "adding"
        );
    }
}

fn came_too_early(answer: &Result<Snapshot, PortError>, change: &Change) -> bool {
    match answer {
        Ok(Snapshot { group, .. }) => {
            !change.claims.iter().all(|claim| group.rules.iter().any(|rule| rule.same_content(claim)))
        }
        Err(error) => error.kind == ErrorKind::GroupNotFound,
    }
}

fn left_open(report: &Report) -> Option<RemediationError> {
    let group = report.named.to_string();
    let boxes: std::collections::BTreeSet<_> = report.remaining.iter().map(|finding: &Finding| finding.index).collect();
    (report.outcome == Outcome::Incomplete).then_some(RemediationError::Incomplete { group, left: boxes.len() })
}
