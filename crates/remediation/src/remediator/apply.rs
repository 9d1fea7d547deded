//! Carrying out one plan: additions and removals in the order the plan says.

use portcullis_rules::plan::{Addition, ApplyOrder, Plan};
use portcullis_rules::{IngressRule, Removal};

use super::Limits;
use crate::services::{
    AuthorizeResults, Clock, ErrorKind, IngressEditor, RevokeResults, ServiceError,
};

type Attempts<T> = Vec<(T, Result<(), ServiceError>)>;

/// What became of a plan.
#[derive(Debug, Default)]
pub(super) struct ApplyResult {
    /// Each removal that was tried, and its answer.
    pub(super) removals: Attempts<Removal>,
    /// Each addition that was tried, or could not be, and its answer.
    pub(super) additions: Attempts<Addition>,
    /// Whether removals wait for what is to take their place.
    pub(super) has_deferred_removals: bool,
}

/// Does what the plan says.
///
/// Where additions come first, a box whose replacement could not be added for a passing reason waits for the next round:
/// what stays allowed is not cut for a throttled call. In the last round closing comes before keeping, and what could
/// not be added is tried again after it.
pub(super) async fn apply_plan(
    changer: &dyn IngressEditor,
    clock: &dyn Clock,
    limits: Limits,
    plan: &Plan,
    last: bool,
) -> ApplyResult {
    let mut act = ApplyResult::default();
    if plan.order == ApplyOrder::AddFirst {
        act.additions = authorize_additions(changer, &plan.group_id, plan.additions.clone()).await;
    }
    let waits = |removal: &Removal| {
        !last
            && act
                .additions
                .iter()
                .any(|tried| defers_removal(tried, &removal.ingress))
    };
    let (waiting, removals): (Vec<_>, Vec<_>) = plan.removals.iter().cloned().partition(waits);
    act.has_deferred_removals = !waiting.is_empty();
    let boxes: Vec<IngressRule> = removals
        .iter()
        .map(|removal| removal.ingress.clone())
        .collect();
    if !boxes.is_empty() {
        let answers: RevokeResults = changer.revoke_rules(&plan.group_id, &boxes).await;
        act.removals = removals
            .into_iter()
            .zip(pad_results(answers, "RevokeSecurityGroupIngress"))
            .collect();
    }
    if plan.order == ApplyOrder::RemoveFirst {
        act.additions = authorize_replacements(changer, plan, &act.removals).await;
    }
    retry_additions(changer, clock, limits, &plan.group_id, &mut act).await;
    act
}

async fn authorize_additions(
    changer: &dyn IngressEditor,
    group_id: &str,
    additions: Vec<Addition>,
) -> Attempts<Addition> {
    if additions.is_empty() {
        return Vec::new();
    }
    let boxes: Vec<IngressRule> = additions
        .iter()
        .map(|addition| addition.ingress.clone())
        .collect();
    let answers: AuthorizeResults = changer.authorize_rules(group_id, &boxes).await;
    additions
        .into_iter()
        .zip(pad_results(answers, "AuthorizeSecurityGroupIngress"))
        .collect()
}

/// Adds what takes the place of boxes that went. Nothing is added for a box that is still there, and nothing for one that
/// somebody else took away at the same moment: that would open what they closed.
async fn authorize_replacements(
    changer: &dyn IngressEditor,
    plan: &Plan,
    removals: &Attempts<Removal>,
) -> Attempts<Addition> {
    let mut free = Vec::new();
    let mut not_tried = Vec::new();
    for addition in &plan.additions {
        match removal_result(removals, &addition.replaces) {
            Some(Err(error)) if error.kind == ErrorKind::RuleNotFound => {
                not_tried.push((addition.clone(), Err(error.clone())));
            }
            Some(Err(error)) if error.kind != ErrorKind::NoAnswer => {}
            _ => free.push(addition.clone()),
        }
    }
    let mut tried = authorize_additions(changer, &plan.group_id, free).await;
    tried.extend(not_tried);
    tried
}

/// Tries again, after pauses, what could not be added for a passing reason although the box in whose place it comes is
/// gone: the plans of later rounds know nothing of that box.
async fn retry_additions(
    changer: &dyn IngressEditor,
    clock: &dyn Clock,
    limits: Limits,
    group_id: &str,
    act: &mut ApplyResult,
) {
    let mut pause = limits.initial_delay;
    for _ in 1..limits.max_rounds {
        let is_missed = |(addition, failed): &(Addition, Result<(), ServiceError>)| {
            let gone = match removal_result(&act.removals, &addition.replaces) {
                Some(Ok(())) => true,
                Some(Err(error)) => error.kind == ErrorKind::NoAnswer,
                None => false,
            };
            gone && failed.as_ref().is_err_and(is_transient)
        };
        let (missed, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut act.additions)
            .into_iter()
            .partition(is_missed);
        act.additions = rest;
        if missed.is_empty() {
            break;
        }
        clock.sleep(pause).await;
        pause = pause.saturating_mul(2);
        let missed = missed.into_iter().map(|(addition, _)| addition).collect();
        act.additions
            .extend(authorize_additions(changer, group_id, missed).await);
    }
}

fn removal_result<'a>(
    removals: &'a Attempts<Removal>,
    gone: &IngressRule,
) -> Option<&'a Result<(), ServiceError>> {
    removals
        .iter()
        .find(|(removal, _)| removal.ingress == *gone)
        .map(|(_, answer)| answer)
}

/// The answers, and an error for each box that got none.
fn pad_results(
    answers: Vec<Result<(), ServiceError>>,
    operation: &'static str,
) -> impl Iterator<Item = Result<(), ServiceError>> {
    let missing = move || {
        Err(ServiceError::new(
            operation,
            ErrorKind::Other,
            "no answer for this rule",
        ))
    };
    answers.into_iter().chain(std::iter::repeat_with(missing))
}

/// Whether an addition failed for a passing reason and was to come in the place of this box.
fn defers_removal(
    (addition, answer): &(Addition, Result<(), ServiceError>),
    gone: &IngressRule,
) -> bool {
    addition.replaces == *gone && answer.as_ref().is_err_and(is_transient)
}

const fn is_transient(error: &ServiceError) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::NoAnswer)
}
