//! Applies one plan: additions and removals in the order of the plan.

use portcullis_rules::plan::{Addition, ApplyOrder, Plan, sort_additions_by_priority};
use portcullis_rules::{IngressRule, Removal};

use super::limits::Limits;
use crate::services::{Authorized, Clock, ErrorKind, IngressEditor, ServiceError};

type CallResult = Result<(), ServiceError>;

/// A removal that was tried, and its result.
pub(super) type RemovalAttempt = (Removal, CallResult);

/// A withdrawal of an addition, and its result.
pub(super) type WithdrawalAttempt = (Addition, CallResult);

/// An addition that was tried, or could not be, and its result.
pub(super) type AdditionAttempt = (Addition, Result<Authorized, ServiceError>);

/// The result of applying a plan.
#[derive(Debug, Default)]
pub(super) struct ApplyResult {
    /// Each removal that was tried, and its result.
    pub(super) removals: Vec<RemovalAttempt>,
    /// Each addition that was tried, or could not be, and its result.
    pub(super) additions: Vec<AdditionAttempt>,
    /// Whether removals were left to the next round, until their replacements are added.
    pub(super) has_deferred_removals: bool,
    /// Whether the rules quota had no room for additions before the removals, so that they came
    /// after them.
    pub(super) removals_came_first: bool,
}

/// What applying a plan needs.
#[derive(Clone, Copy)]
pub(super) struct Applier<'a> {
    pub(super) editor: &'a dyn IngressEditor,
    pub(super) clock: &'a dyn Clock,
    pub(super) limits: Limits,
}

impl Applier<'_> {
    /// Applies a plan.
    ///
    /// If additions come first and the replacement of a rule fails for a transient reason, the
    /// removal of that rule waits for the next round, so that a throttled call does not block
    /// allowed access. In the last round the removal has priority, and the addition is retried
    /// afterwards.
    ///
    /// If EC2 refuses an addition because of the rules quota, the rule that it replaces is removed
    /// first, and then the addition is retried.
    pub(super) async fn apply_plan(self, plan: &Plan, is_last_round: bool) -> ApplyResult {
        let mut result = ApplyResult::default();
        if plan.order == ApplyOrder::AddFirst {
            result.additions = self
                .authorize_additions(&plan.group_id, plan.additions.clone())
                .await;
        }
        let (deferred, removals): (Vec<_>, Vec<_>) = plan
            .removals
            .iter()
            .cloned()
            .partition(|removal| !is_last_round && is_deferred(&result.additions, removal));
        result.has_deferred_removals = !deferred.is_empty();
        result.removals = self.revoke_removals(&plan.group_id, removals).await;
        if plan.order == ApplyOrder::RemoveFirst {
            result.additions = self.authorize_replacements(plan, &result.removals).await;
        } else {
            self.retry_over_quota(&plan.group_id, &mut result).await;
        }
        self.retry_additions(&plan.group_id, &mut result).await;
        result
    }

    async fn revoke_removals(&self, group_id: &str, removals: Vec<Removal>) -> Vec<RemovalAttempt> {
        if removals.is_empty() {
            return Vec::new();
        }
        let rules: Vec<_> = removals
            .iter()
            .map(|removal| removal.ingress.clone())
            .collect();
        let results = self.editor.revoke_rules(group_id, &rules).await;
        pair_with_results(removals, results, "RevokeSecurityGroupIngress")
    }

    /// Makes these additions, sorted by priority: if the rules quota has room for some of them
    /// only, it is for the first ones.
    pub(super) async fn authorize_additions(
        &self,
        group_id: &str,
        mut additions: Vec<Addition>,
    ) -> Vec<AdditionAttempt> {
        if additions.is_empty() {
            return Vec::new();
        }
        sort_additions_by_priority(&mut additions);
        let rules: Vec<IngressRule> = additions
            .iter()
            .map(|addition| addition.ingress.clone())
            .collect();
        let results = self.editor.authorize_rules(group_id, &rules).await;
        pair_with_results(additions, results, "AuthorizeSecurityGroupIngress")
    }

    /// Adds the replacements of removed rules. Nothing is added for a rule that is still there, or
    /// for one that someone else removed at the same time, because that would undo their change.
    async fn authorize_replacements(
        &self,
        plan: &Plan,
        removals: &[RemovalAttempt],
    ) -> Vec<AdditionAttempt> {
        let mut to_add = Vec::new();
        let mut not_tried = Vec::new();
        for addition in &plan.additions {
            match removal_result(removals, &addition.replaces) {
                Some(Err(error)) if error.kind == ErrorKind::RuleNotFound => {
                    not_tried.push((addition.clone(), Err(error.clone())));
                }
                Some(Err(error)) if error.kind != ErrorKind::NoAnswer => {}
                _ => to_add.push(addition.clone()),
            }
        }
        let mut additions = self.authorize_additions(&plan.group_id, to_add).await;
        additions.extend(not_tried);
        additions
    }

    /// Removes additions whose original rule someone else removed. Calls that fail for a transient
    /// reason are retried after a pause.
    pub(super) async fn withdraw_additions(
        &self,
        group_id: &str,
        additions: Vec<Addition>,
    ) -> Vec<WithdrawalAttempt> {
        let mut pause = self.limits.initial_delay;
        let mut attempts = self.revoke_additions(group_id, additions).await;
        for _ in 1..self.limits.max_rounds {
            let (to_retry, mut settled): (Vec<_>, Vec<_>) = attempts
                .into_iter()
                .partition(|(_, result)| result.as_ref().is_err_and(is_transient));
            if to_retry.is_empty() {
                return settled;
            }
            self.clock.sleep(pause).await;
            pause = pause.saturating_mul(2);
            let additions = to_retry.into_iter().map(|(addition, _)| addition).collect();
            settled.extend(self.revoke_additions(group_id, additions).await);
            attempts = settled;
        }
        attempts
    }

    async fn revoke_additions(
        &self,
        group_id: &str,
        additions: Vec<Addition>,
    ) -> Vec<WithdrawalAttempt> {
        let rules: Vec<_> = additions
            .iter()
            .map(|addition| addition.ingress.clone())
            .collect();
        let results = self.editor.revoke_rules(group_id, &rules).await;
        pair_with_results(additions, results, "RevokeSecurityGroupIngress")
    }

    /// Retries the additions for which the rules quota had no room before the rules that they
    /// replace were removed. They are retried one after another, so that earlier ones have
    /// precedence.
    async fn retry_over_quota(&self, group_id: &str, result: &mut ApplyResult) {
        for attempt in &mut result.additions {
            let (addition, answer) = &*attempt;
            let is_over_quota = answer.as_ref().is_err_and(is_over_quota);
            if !is_over_quota || !may_be_removed(&result.removals, &addition.replaces) {
                continue;
            }
            result.removals_came_first = true;
            let additions = vec![addition.clone()];
            let retried = self.authorize_additions(group_id, additions).await;
            if let Some(retried) = retried.into_iter().next() {
                *attempt = retried;
            }
        }
    }

    /// Retries, after pauses, the additions that failed for a transient reason although the rule
    /// they replace was removed. Later plans no longer contain that rule.
    async fn retry_additions(&self, group_id: &str, result: &mut ApplyResult) {
        let mut pause = self.limits.initial_delay;
        for _ in 1..self.limits.max_rounds {
            let additions = std::mem::take(&mut result.additions);
            let (to_retry, settled): (Vec<_>, Vec<_>) = additions
                .into_iter()
                .partition(|attempt| needs_retry(attempt, &result.removals));
            result.additions = settled;
            if to_retry.is_empty() {
                break;
            }
            self.clock.sleep(pause).await;
            pause = pause.saturating_mul(2);
            let to_retry = to_retry.into_iter().map(|(addition, _)| addition).collect();
            let retried = self.authorize_additions(group_id, to_retry).await;
            result.additions.extend(retried);
        }
    }
}

/// Whether a removal is deferred, because a replacement of its rule failed for a transient reason.
fn is_deferred(additions: &[AdditionAttempt], removal: &Removal) -> bool {
    additions.iter().any(|(addition, result)| {
        addition.replaces == removal.ingress && result.as_ref().is_err_and(is_transient)
    })
}

/// Whether an addition failed for a transient reason although its rule was removed, or may have
/// been.
fn needs_retry((addition, result): &AdditionAttempt, removals: &[RemovalAttempt]) -> bool {
    may_be_removed(removals, &addition.replaces) && result.as_ref().is_err_and(is_transient)
}

/// Whether this rule was removed, or may have been.
fn may_be_removed(removals: &[RemovalAttempt], rule: &IngressRule) -> bool {
    match removal_result(removals, rule) {
        Some(Ok(())) => true,
        Some(Err(error)) => error.kind == ErrorKind::NoAnswer,
        None => false,
    }
}

fn removal_result<'a>(
    removals: &'a [RemovalAttempt],
    rule: &IngressRule,
) -> Option<&'a CallResult> {
    removals
        .iter()
        .find(|(removal, _)| removal.ingress == *rule)
        .map(|(_, result)| result)
}

/// Each attempt with its result. A rule without a result counts as failed.
fn pair_with_results<T, A>(
    attempts: Vec<T>,
    results: Vec<Result<A, ServiceError>>,
    operation: &'static str,
) -> Vec<(T, Result<A, ServiceError>)> {
    let mut results = results.into_iter();
    attempts
        .into_iter()
        .map(|attempt| {
            let result = results
                .next()
                .unwrap_or_else(|| Err(missing_result(operation)));
            (attempt, result)
        })
        .collect()
}

fn missing_result(operation: &'static str) -> ServiceError {
    ServiceError::new(operation, ErrorKind::Other, "no answer for this rule")
}

const fn is_transient(error: &ServiceError) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::NoAnswer)
}

fn is_over_quota(error: &ServiceError) -> bool {
    error.kind == ErrorKind::RulesQuota
}
