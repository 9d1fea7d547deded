//! Evaluation: compares the rules of a security group with a policy and gives findings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::exception::{Exception, ExceptionMatch};
use crate::exposure::{ExposureClass, Exposures, compute_exposures};
use crate::group::{IngressRule, SecurityGroup};
use crate::policy::{Action, ExistingRules, Policy, PolicyRule};
use crate::scope::Context;
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

/// A security group rule that violates a policy rule. There is at most one finding for each such
/// pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The security group rule.
    pub ingress: IngressRule,
    /// The index of the security group rule in its group, which distinguishes rules with the same
    /// content.
    pub index: usize,
    /// The policy rule, with the overrides for this group applied. Its action is `notify` if an
    /// exception might exempt all of the traffic, and only the unknown principal decides, or if a
    /// guardrail allows only notifications about rules that the event did not open.
    pub policy_rule: Arc<PolicyRule>,
    /// The forbidden traffic, without what exceptions exempt or might exempt. If the finding is
    /// exempt, all traffic that the policy rule forbids.
    pub offending: TrafficSet,
    /// The id of the exception that exempts the finding completely.
    pub exempted_by: Option<String>,
}

impl Finding {
    /// Whether the policy requires a change of the group for this finding.
    pub fn enforces(&self) -> bool {
        self.exempted_by.is_none() && self.policy_rule.action.enforces()
    }
}

/// The result of evaluating one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// The findings, ordered by protocol, ports, source and policy rule.
    pub findings: Vec<Finding>,
    /// Prefix lists of the group whose entries are not known. Rules with such a source are
    /// evaluated as not open to the world.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// The ids of the exceptions that exempted traffic.
    pub exceptions_used: BTreeSet<String>,
    /// The ids of the exceptions that would have exempted traffic but are expired.
    pub exceptions_expired: BTreeSet<String>,
    /// The ids of the exceptions that might have exempted traffic: it is not known who opened the
    /// security group rule.
    pub exceptions_undecided: BTreeSet<String>,
    /// The traffic that exceptions name, by the index of a security group rule with findings:
    /// those that apply to the rule, and those for which only its principal is not known. Whatever
    /// the action is, this traffic is kept unless a policy rule still forbids it.
    pub excepted: BTreeMap<usize, TrafficSet>,
    /// The traffic that is open to the world and that no policy rule forbids, by the index of the
    /// security group rule. Traffic that an exception exempts is forbidden by a policy rule, so it
    /// is not part of it.
    pub open_and_allowed: BTreeMap<usize, TrafficSet>,
}

impl Evaluation {
    /// The findings that require a change of the group.
    pub fn enforced_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.enforces())
    }

    /// Removes the traffic from a finding that exceptions exempt, and records these exceptions.
    fn apply_exceptions(&mut self, finding: &mut Finding, matching: &[MatchingException<'_>]) {
        if matching.is_empty() {
            return;
        }
        let mut remaining = finding.offending.clone();
        let mut undecided = TrafficSet::default();
        let mut last_used = None;
        for candidate in matching {
            let exception = candidate.exception;
            if !exception.is_for_policy_rule(&finding.policy_rule.id) {
                continue;
            }
            let exempted = exception.traffic.intersection(&remaining);
            if exempted.is_empty() {
                continue;
            }
            let id = exception.id.clone();
            match candidate.effect {
                Effect::Expired => {
                    self.exceptions_expired.insert(id);
                }
                Effect::Undecided => {
                    self.exceptions_undecided.insert(id);
                    undecided = undecided.union(&exempted);
                }
                Effect::Exempts => {
                    self.exceptions_used.insert(id);
                    remaining = remaining.difference(&exempted);
                    last_used = Some(&exception.id);
                }
            }
        }
        if remaining.is_empty() {
            finding.exempted_by = last_used.cloned();
            return;
        }
        let decided = remaining.difference(&undecided);
        if decided.is_empty() {
            limit_action_to_notify(&mut finding.policy_rule);
            finding.offending = remaining;
        } else {
            finding.offending = decided;
        }
    }
}

fn limit_action_to_notify(policy_rule: &mut Arc<PolicyRule>) {
    if policy_rule.action > Action::Notify {
        Arc::make_mut(policy_rule).action = Action::Notify;
    }
}

/// An exception that matches a security group rule, at least if its principal is the right one.
struct MatchingException<'a> {
    exception: &'a Exception,
    effect: Effect,
}

/// What an exception that matches a security group rule does. The order is that in which they are
/// applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// It exempts traffic.
    Exempts,
    /// It may exempt traffic: it is not known who opened the rule.
    Undecided,
    /// It has expired.
    Expired,
}

/// Evaluates a security group against a policy.
pub fn evaluate(
    policy: &Policy,
    group: &SecurityGroup,
    lists: &PrefixLists,
    context: &Context,
) -> Evaluation {
    let evaluator = Evaluator {
        group,
        lists,
        context,
        existing: policy.guardrails.existing,
        exposures: compute_exposures(&group.rules, lists),
        policy_rules: sorted_policy_rules(policy, group, context),
        exceptions: policy
            .exceptions
            .iter()
            .map(AsRef::as_ref)
            .filter(|exception| exception.is_for_group(group, context))
            .collect(),
    };
    evaluator.evaluate()
}

/// The policy rules for the group, by id.
fn sorted_policy_rules(
    policy: &Policy,
    group: &SecurityGroup,
    context: &Context,
) -> Vec<Arc<PolicyRule>> {
    let mut policy_rules = policy.rules_for(group, context);
    policy_rules.sort_by(|one, two| one.id.cmp(&two.id));
    policy_rules
}

struct Evaluator<'a> {
    group: &'a SecurityGroup,
    lists: &'a PrefixLists,
    context: &'a Context,
    existing: ExistingRules,
    exposures: Exposures,
    policy_rules: Vec<Arc<PolicyRule>>,
    /// The exceptions for this group.
    exceptions: Vec<&'a Exception>,
}

/// The policy rules that a security group rule violates, by index, with what they forbid.
type Violations = Vec<(usize, TrafficSet)>;

/// The result for rules with the same traffic and exposure.
#[derive(Default)]
struct ClassResult {
    violations: Violations,
    /// The number of rules that still need the violations.
    rule_count: usize,
    /// The traffic that is open to the world and that none of them forbids.
    allowed: TrafficSet,
}

impl ClassResult {
    /// The violations for the next rule. The last one gets the original: in most groups, each class
    /// has one rule.
    fn take_violations(&mut self) -> Violations {
        self.rule_count = self.rule_count.saturating_sub(1);
        if self.rule_count == 0 {
            std::mem::take(&mut self.violations)
        } else {
            self.violations.clone()
        }
    }
}

impl Evaluator<'_> {
    fn evaluate(&self) -> Evaluation {
        let mut evaluation = Evaluation {
            unresolved_prefix_lists: find_unresolved_lists(self.group, self.lists),
            ..Evaluation::default()
        };
        let mut results: BTreeMap<ExposureClass, ClassResult> = BTreeMap::new();
        let mut violating_rules = Vec::new();
        for (index, ingress) in self.group.rules.iter().enumerate() {
            let Some(class) = self.exposures.class_of(index) else {
                continue;
            };
            let result = results
                .entry(class)
                .or_insert_with(|| self.evaluate_class(ingress, class));
            if !result.allowed.is_empty() {
                let allowed = result.allowed.clone();
                evaluation.open_and_allowed.insert(index, allowed);
            }
            if !result.violations.is_empty() {
                result.rule_count = result.rule_count.saturating_add(1);
                violating_rules.push((ingress.sort_key(), index, class));
            }
        }
        violating_rules.sort_unstable();
        // Findings of rules with equal keys are ordered by policy rule first.
        for same_key in violating_rules.chunk_by(|one, two| one.0 == two.0) {
            let start = evaluation.findings.len();
            for (_, index, class) in same_key {
                if let Some(result) = results.get_mut(class) {
                    self.add_findings(&mut evaluation, *index, result.take_violations());
                }
            }
            if let Some(added) = evaluation.findings.get_mut(start..) {
                added.sort_by(|one, two| one.policy_rule.id.cmp(&two.policy_rule.id));
            }
        }
        evaluation
    }

    fn evaluate_class(&self, ingress: &IngressRule, class: ExposureClass) -> ClassResult {
        let Some(exposure) = self.exposures.of_class(class) else {
            return ClassResult::default();
        };
        let mut result = ClassResult {
            allowed: exposure.open.clone(),
            ..ClassResult::default()
        };
        for (rule_index, policy_rule) in self.policy_rules.iter().enumerate() {
            let offending = policy_rule.check.offending_traffic(ingress, exposure);
            if !offending.is_empty() {
                result.allowed = result.allowed.difference(&offending);
                result.violations.push((rule_index, offending));
            }
        }
        result
    }

    fn add_findings(&self, evaluation: &mut Evaluation, index: usize, violations: Violations) {
        let Some(ingress) = self.group.rules.get(index) else {
            return;
        };
        let matching = self.matching_exceptions(ingress);
        let excepted = matching
            .iter()
            .filter(|candidate| candidate.effect != Effect::Expired)
            .fold(TrafficSet::default(), |all, candidate| {
                all.union(&candidate.exception.traffic)
            });
        if !excepted.is_empty() {
            evaluation.excepted.insert(index, excepted);
        }
        let only_notify = self.only_notifies_about(ingress);
        for (rule_index, offending) in violations {
            let Some(policy_rule) = self.policy_rules.get(rule_index) else {
                continue;
            };
            let mut finding = Finding {
                ingress: ingress.clone(),
                index,
                policy_rule: Arc::clone(policy_rule),
                offending,
                exempted_by: None,
            };
            evaluation.apply_exceptions(&mut finding, &matching);
            if only_notify {
                limit_action_to_notify(&mut finding.policy_rule);
            }
            evaluation.findings.push(finding);
        }
    }

    /// Whether a guardrail allows only notifications about a rule, because the event did not open
    /// it.
    fn only_notifies_about(&self, ingress: &IngressRule) -> bool {
        self.existing == ExistingRules::Notify && !self.context.opened.contains(ingress)
    }

    /// The exceptions that match a rule, in the order in which they are applied.
    fn matching_exceptions(&self, ingress: &IngressRule) -> Vec<MatchingException<'_>> {
        let mut matching = Vec::new();
        for exception in self.exceptions.iter().copied() {
            let is_expired = exception.is_expired(self.context);
            let effect = match exception.match_rule(ingress, self.lists, self.context) {
                ExceptionMatch::Yes if is_expired => Effect::Expired,
                ExceptionMatch::Yes => Effect::Exempts,
                ExceptionMatch::UnknownPrincipal if !is_expired => Effect::Undecided,
                ExceptionMatch::UnknownPrincipal | ExceptionMatch::No => continue,
            };
            matching.push(MatchingException { exception, effect });
        }
        matching.sort_by_key(|candidate| candidate.effect);
        matching
    }
}

fn find_unresolved_lists(group: &SecurityGroup, lists: &PrefixLists) -> BTreeSet<String> {
    group
        .rules
        .iter()
        .filter_map(|rule| match &rule.source {
            Source::PrefixList(id) if lists.entries(id).is_none() => Some(id.clone()),
            Source::PrefixList(_) | Source::Cidr(_) | Source::Group(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
