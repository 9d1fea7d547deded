//! Carrying out one plan: additions and removals in the order the plan says.

use portcullis_rules::plan::{Addition, Order, Plan};
use portcullis_rules::{IngressRule, Removal};

use super::Limits;
use crate::ports::{Authorized, ChangeIngress, Clock, ErrorKind, PortError, Revoked};

type Tried<T> = Vec<(T, Result<(), PortError>)>;

/// What became of a plan.
#[derive(Debug, Default)]
pub(super) struct Act {
    /// Each removal that was tried, and its answer.
    pub(super) removals: Tried<Removal>,
    /// Each addition that was tried, or could not be, and its answer.
    pub(super) additions: Tried<Addition>,
    /// Whether removals wait for what is to take their place.
    pub(super) waits: bool,
}

/// Does what the plan says.
///
/// Where additions come first, a box whose replacement could not be added for a passing reason waits for the next round:
/// what stays allowed is not cut for a throttled call. In the last round closing comes before keeping, and what could
/// not be added is tried again after it.
pub(super) async fn carry_out(
    changer: &dyn ChangeIngress,
    clock: &dyn Clock,
    limits: Limits,
    plan: &Plan,
    last: bool,
) -> Act {
    let mut act = Act::default();
    if plan.order == Order::AddFirst {
        act.additions = add(changer, &plan.group_id, plan.additions.clone()).await;
    }
    let waits = |removal: &Removal| !last && act.additions.iter().any(|tried| holds_back(tried, &removal.ingress));
    let (waiting, removals): (Vec<_>, Vec<_>) = plan.removals.iter().cloned().partition(waits);
    act.waits = !waiting.is_empty();
    let boxes: Vec<IngressRule> = removals.iter().map(|removal| removal.ingress.clone()).collect();
    if !boxes.is_empty() {
        let answers: Revoked = changer.revoke(&plan.group_id, &boxes).await;
        act.removals = removals.into_iter().zip(padded(answers, "RevokeSecurityGroupIngress")).collect();
    }
    if plan.order == Order::RemoveFirst {
        act.additions = add_after(changer, plan, &act.removals).await;
    }
    add_again(changer, clock, limits, &plan.group_id, &mut act).await;
    act
}

async fn add(changer: &dyn ChangeIngress, group_id: &str, additions: Vec<Addition>) -> Tried<Addition> {
    if additions.is_empty() {
        return Vec::new();
    }
    let boxes: Vec<IngressRule> = additions.iter().map(|addition| addition.ingress.clone()).collect();
    let answers: Authorized = changer.authorize(group_id, &boxes).await;
    additions.into_iter().zip(padded(answers, "AuthorizeSecurityGroupIngress")).collect()
}

/// Adds what takes the place of boxes that went. Nothing is added for a box that is still there, and nothing for one that
/// somebody else took away at the same moment: that would open what they closed.
async fn add_after(changer: &dyn ChangeIngress, plan: &Plan, removals: &Tried<Removal>) -> Tried<Addition> {
    let mut free = Vec::new();
    let mut not_tried = Vec::new();
    for addition in &plan.additions {
        match answer(removals, &addition.instead_of) {
            Some(Err(error)) if error.kind == ErrorKind::RuleNotFound => {
                not_tried.push((addition.clone(), Err(error.clone())));
            }
            Some(Err(error)) if error.kind != ErrorKind::NoAnswer => {}
            _ => free.push(addition.clone()),
        }
    }
    let mut tried = add(changer, &plan.group_id, free).await;
    tried.extend(not_tried);
    tried
}

/// Tries again, after pauses, what could not be added for a passing reason although the box in whose place it comes is
/// gone: the plans of later rounds know nothing of that box.
async fn add_again(changer: &dyn ChangeIngress, clock: &dyn Clock, limits: Limits, group_id: &str, act: &mut Act) {
    let mut pause = limits.pause;
    for _ in 1..limits.rounds {
        let is_missed = |(addition, failed): &(Addition, Result<(), PortError>)| {
            let gone = match answer(&act.removals, &addition.instead_of) {
                Some(Ok(())) => true,
                Some(Err(error)) => error.kind == ErrorKind::NoAnswer,
                None => false,
            };
            gone && failed.as_ref().is_err_and(is_passing)
        };
        let (missed, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut act.additions).into_iter().partition(is_missed);
        act.additions = rest;
        if missed.is_empty() {
            break;
        }
        clock.sleep(pause).await;
        pause = pause.saturating_mul(2);
        let missed = missed.into_iter().map(|(addition, _)| addition).collect();
        act.additions.extend(add(changer, group_id, missed).await);
    }
}

fn answer<'a>(removals: &'a Tried<Removal>, gone: &IngressRule) -> Option<&'a Result<(), PortError>> {
    removals.iter().find(|(removal, _)| removal.ingress == *gone).map(|(_, answer)| answer)
}

/// The answers, and an error for each box that got none.
fn padded(answers: Vec<Result<(), PortError>>, operation: &'static str) -> impl Iterator<Item = Result<(), PortError>> {
    let missing = move || Err(PortError::new(operation, ErrorKind::Other, "no answer for this rule"));
    answers.into_iter().chain(std::iter::repeat_with(missing))
}

/// Whether an addition failed for a passing reason and was to come in the place of this box.
fn holds_back((addition, answer): &(Addition, Result<(), PortError>), gone: &IngressRule) -> bool {
    addition.instead_of == *gone && answer.as_ref().is_err_and(is_passing)
}

const fn is_passing(error: &PortError) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::NoAnswer)
}
