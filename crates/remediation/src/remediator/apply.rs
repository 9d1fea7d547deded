//! Applying one plan: additions and removals in the order that the plan says.

use portcullis_rules::plan::{Addition, ApplyOrder, Plan};
use portcullis_rules::{IngressRule, Removal};

use super::limits::Limits;
use crate::services::{Authorized, Clock, ErrorKind, IngressEditor, ServiceError};

type CallResult = Result<(), ServiceError>;

/// A removal that was tried, and its result.
pub(super) type RemovalAttempt = (Removal, CallResult);

/// An addition that was tried, or could not be, and its result.
pub(super) type AdditionAttempt = (Addition, Result<Authorized, ServiceError>);

/// What came of applying a plan.
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
    /// removal of that rule waits for the next round, so that a throttled call does not cut allowed
    /// access. In the last round closing has priority: the rule is removed, and the addition is
    /// tried again afterwards.
    ///
    /// If EC2 rejects an addition because of the rules quota, the rule it replaces is removed
    /// first, and then the addition is tried again.
    pub(super) async fn apply_plan(self, plan: &Plan, is_last_round: bool) -> ApplyResult {
        let mut result = ApplyResult::default();
        if plan.order == ApplyOrder::AddFirst {
            let additions = plan.additions.clone();
            result.additions = self.authorize_additions(&plan.group_id, additions).await;
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
        let results = pad_results(results, "RevokeSecurityGroupIngress");
        removals.into_iter().zip(results).collect()
    }

    pub(super) async fn authorize_additions(
        &self,
        group_id: &str,
        additions: Vec<Addition>,
    ) -> Vec<AdditionAttempt> {
        if additions.is_empty() {
            return Vec::new();
        }
        let rules: Vec<IngressRule> = additions
            .iter()
            .map(|addition| addition.ingress.clone())
            .collect();
        let results = self.editor.authorize_rules(group_id, &rules).await;
        let results = pad_results(results, "AuthorizeSecurityGroupIngress");
        additions.into_iter().zip(results).collect()
    }

    /// Adds the replacements of removed rules. Nothing is added for a rule that is still there, and
    /// nothing for one that somebody else removed at the same moment: that would open what they
    /// closed.
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

    /// Removes additions again, whose rule somebody else removed meanwhile. A call that fails for a
    /// transient reason is repeated after a pause.
    pub(super) async fn withdraw_additions(
        &self,
        group_id: &str,
        additions: Vec<Addition>,
    ) -> Vec<(Addition, CallResult)> {
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
            let again = to_retry.into_iter().map(|(addition, _)| addition).collect();
            settled.extend(self.revoke_additions(group_id, again).await);
            attempts = settled;
        }
        attempts
    }

    async fn revoke_additions(
        &self,
        group_id: &str,
        additions: Vec<Addition>,
    ) -> Vec<(Addition, CallResult)> {
        let added = additions.iter();
        let rules: Vec<_> = added.map(|addition| addition.ingress.clone()).collect();
        let results = self.editor.revoke_rules(group_id, &rules).await;
        let results = pad_results(results, "RevokeSecurityGroupIngress");
        additions.into_iter().zip(results).collect()
    }

    /// Tries additions again for which the rules quota had no room before the rules that they
    /// replace were removed. They are tried one after another, so that earlier ones have
    /// precedence.
    async fn retry_over_quota(&self, group_id: &str, result: &mut ApplyResult) {
        for attempt in &mut result.additions {
            let is_over_quota = attempt.1.as_ref().is_err_and(is_over_quota);
            if !is_over_quota || !may_be_removed(&result.removals, &attempt.0.replaces) {
                continue;
            }
            result.removals_came_first = true;
            let addition = attempt.0.clone();
            let retried = self.authorize_additions(group_id, vec![addition]).await;
            if let Some(retried) = retried.into_iter().next() {
                *attempt = retried;
            }
        }
    }

    /// Tries additions again, after pauses, that failed for a transient reason although the rule
    /// they replace was removed. The plans of later rounds do not know that rule.
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
            let additions = to_retry.into_iter().map(|(addition, _)| addition).collect();
            let retried = self.authorize_additions(group_id, additions).await;
            result.additions.extend(retried);
        }
    }
}

/// Whether a removal waits, because a replacement of its rule failed for a transient reason.
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
    let mut attempts = removals.iter();
    let attempt = attempts.find(|(removal, _)| removal.ingress == *rule)?;
    Some(&attempt.1)
}

/// The results, and an error for each rule without one.
fn pad_results<T>(
    results: Vec<Result<T, ServiceError>>,
    operation: &'static str,
) -> impl Iterator<Item = Result<T, ServiceError>> {
    let missing = move || {
        let message = "no answer for this rule";
        Err(ServiceError::new(operation, ErrorKind::Other, message))
    };
    results.into_iter().chain(std::iter::repeat_with(missing))
}

const fn is_transient(error: &ServiceError) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::NoAnswer)
}

fn is_over_quota(error: &ServiceError) -> bool {
    error.kind == ErrorKind::RulesQuota
}
