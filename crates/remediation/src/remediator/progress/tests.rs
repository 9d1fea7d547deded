//! The outcome of each rule after some rounds.

use portcullis_rules::Action;
use portcullis_rules::plan::{Purpose, RefusalReason};
use portcullis_rules::traffic::ProtocolSet;

use super::*;
use crate::report::samples::{decide_with_policy, sample_group, web_only_policy};
use crate::services::Authorized;

const WIDE: &str = "tcp 80-443 0.0.0.0/0";

/// The decision of the web-only policy about a group, recorded as the remediator does.
fn record_group(progress: &mut RemediationProgress, lines: &[&str]) -> Decision {
    let group = sample_group(lines);
    let decision = decide_with_policy(&web_only_policy(), &group);
    progress.record_read(&group);
    progress.record_decision(&decision);
    decision
}

/// Applies a plan with the same answer to each removal. Every addition succeeds.
fn apply_plan(
    progress: &mut RemediationProgress,
    decision: &Decision,
    answer: &Result<(), ServiceError>,
) {
    let plan = decision.plan.clone();
    let removals = plan.removals.clone().into_iter();
    let additions = plan.additions.clone().into_iter();
    let result = ApplyResult {
        removals: removals.map(|removal| (removal, answer.clone())).collect(),
        additions: additions
            .map(|addition| (addition, Ok(Authorized::Added)))
            .collect(),
        ..ApplyResult::default()
    };
    progress.record_apply(plan, result);
}

fn revoke_error(kind: ErrorKind) -> ServiceError {
    ServiceError::new("RevokeSecurityGroupIngress", kind, "injected")
}

fn statuses(rules: &[RuleOutcome]) -> Vec<&'static str> {
    let statuses = rules.iter().map(|outcome| outcome.status.as_str());
    statuses.collect()
}

#[test]
fn a_removed_rule_is_applied_with_its_replacements() {
    let mut progress = RemediationProgress::default();
    let decision = record_group(&mut progress, &[WIDE]);
    apply_plan(&mut progress, &decision, &Ok(()));
    record_group(&mut progress, &[]);
    let rules = progress.rule_outcomes(&[]);
    assert_eq!(statuses(&rules), ["applied"]);
    assert!(rules[0].removed && !rules[0].is_replacement);
    assert_eq!(rules[0].replacements, decision.plan.additions);
    assert_eq!(rules[0].action, Some(Action::Narrow));
}

#[test]
fn an_unanswered_removal_is_resolved_by_the_next_read() {
    let unanswered = Err(revoke_error(ErrorKind::NoAnswer));
    for (next_read, status, removed) in [(&[][..], "applied", true), (&[WIDE], "failed", false)] {
        let mut progress = RemediationProgress::default();
        let decision = record_group(&mut progress, &[WIDE]);
        apply_plan(&mut progress, &decision, &unanswered);
        record_group(&mut progress, next_read);
        let rules = progress.rule_outcomes(&[]);
        assert_eq!(statuses(&rules), [status]);
        assert_eq!(rules[0].removed, removed);
    }
}

#[test]
fn a_rule_that_came_back_is_reopened() {
    let mut progress = RemediationProgress::default();
    let decision = record_group(&mut progress, &[WIDE]);
    apply_plan(&mut progress, &decision, &Ok(()));
    record_group(&mut progress, &[WIDE]);
    let rules = progress.rule_outcomes(&[]);
    assert_eq!(statuses(&rules), ["reopened"]);
    assert!(rules[0].removed);
}

#[test]
fn a_rule_that_disappeared_is_gone() {
    let mut progress = RemediationProgress::default();
    let decision = record_group(&mut progress, &["tcp 23 0.0.0.0/0"]);
    let not_found = Err(revoke_error(ErrorKind::RuleNotFound));
    apply_plan(&mut progress, &decision, &not_found);
    record_group(&mut progress, &[]);
    let rules = progress.rule_outcomes(&[]);
    assert_eq!(statuses(&rules), ["gone"]);
    assert!(!rules[0].removed);
}

#[test]
fn without_another_read_what_was_not_removed_is_unverified() {
    let mut progress = RemediationProgress::default();
    let decision = record_group(&mut progress, &["tcp 23 0.0.0.0/0"]);
    let denied = Err(revoke_error(ErrorKind::Denied));
    apply_plan(&mut progress, &decision, &denied);
    progress.record_verification_error(revoke_error(ErrorKind::Throttled));
    let rules = progress.rule_outcomes(&[]);
    let expected = RuleStatus::Unverified(Some(revoke_error(ErrorKind::Denied)));
    assert_eq!(rules[0].status, expected);
}

#[test]
fn the_refusals_of_the_last_plan_decide() {
    let mut progress = RemediationProgress::default();
    record_group(&mut progress, &["tcp 23 0.0.0.0/0"]);
    let refusal = Refusal {
        ingress: sample_group(&["tcp 23 0.0.0.0/0"]).rules.remove(0),
        reason: RefusalReason::TooManyRemovals,
    };
    let rules = progress.rule_outcomes(&[refusal]);
    assert_eq!(statuses(&rules), ["refused"]);
}

/// Removes a rule in a second round that has the content of a replacement of the first round.
fn remove_replacement(change: impl Fn(&mut IngressRule)) -> Vec<RuleOutcome> {
    let mut progress = RemediationProgress::default();
    let decision = record_group(&mut progress, &[WIDE]);
    apply_plan(&mut progress, &decision, &Ok(()));
    let mut rule = decision.plan.additions[0].ingress.clone();
    rule.id = Some("sgr-new".to_owned());
    change(&mut rule);
    let removal = Removal {
        ingress: rule,
        policy_rules: vec!["another-rule".to_owned()],
        action: Action::Revoke,
        dropped_protocols: ProtocolSet::empty(),
    };
    let mut second = decision;
    second.evaluation.findings.clear();
    second.plan.removals = vec![removal];
    second.plan.additions.clear();
    progress.record_decision(&second);
    apply_plan(&mut progress, &second, &Ok(()));
    record_group(&mut progress, &[]);
    progress.rule_outcomes(&[])
}

#[test]
fn a_replacement_that_was_removed_again_is_not_part_of_an_undo() {
    let rules = remove_replacement(|_| ());
    let [replacement, original] = [true, false].map(|is_replacement| {
        let found = rules
            .iter()
            .find(|outcome| outcome.is_replacement == is_replacement);
        found.unwrap()
    });
    assert_eq!(replacement.status, RuleStatus::Applied);
    assert_eq!(
        original.replacements.len(),
        1,
        "the other one is still there"
    );
    assert_eq!(original.replacements[0].purpose, Purpose::Keep);
}

#[test]
fn a_rule_with_another_description_is_not_a_replacement() {
    let rules = remove_replacement(|rule| rule.description = Some("a twin".to_owned()));
    assert!(rules.iter().all(|outcome| !outcome.is_replacement));
    let replacements = rules.iter().map(|outcome| outcome.replacements.len());
    assert_eq!(replacements.sum::<usize>(), 2);
}

#[test]
fn a_rule_that_is_only_planned_to_be_removed_is_reported_while_it_is_there() {
    let mut progress = RemediationProgress::default();
    let mut decision = record_group(&mut progress, &["tcp 80 52.0.0.0/6"]);
    decision.plan.removals = vec![Removal {
        ingress: sample_group(&["tcp 80 52.0.0.0/6"]).rules.remove(0),
        policy_rules: vec!["broad".to_owned()],
        action: Action::Revoke,
        dropped_protocols: ProtocolSet::empty(),
    }];
    progress.record_decision(&decision);
    let denied = Err(revoke_error(ErrorKind::Denied));
    apply_plan(&mut progress, &decision, &denied);
    progress.record_decision(&decision);
    let rules = progress.rule_outcomes(&[]);
    assert_eq!(statuses(&rules), ["failed"]);
    assert_eq!(rules[0].policy_rules, ["broad"]);
    record_group(&mut progress, &["tcp 80 52.0.0.0/6"]);
    assert_eq!(progress.rule_outcomes(&[]), []);
}
