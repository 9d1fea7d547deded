//! Evaluation: compares the rules of a security group with a policy and gives findings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
}

impl Evaluation {
    /// The findings that require a change of the group.
    pub fn enforced_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.enforces())
    }

    /// Removes the traffic from a finding that exceptions exempt, and records these exceptions.
    fn apply_exceptions(&mut self, finding: &mut Finding, matching: &[MatchingException<'_>]) {
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

/// The violations of rules with the same exposure: the policy rules by index, with what they
/// forbid.
type Violations = Vec<(usize, TrafficSet)>;

impl Evaluator<'_> {
    fn evaluate(&self) -> Evaluation {
        let mut evaluation = Evaluation {
            unresolved_prefix_lists: find_unresolved_lists(self.group, self.lists),
            ..Evaluation::default()
        };
        // Rules with the same traffic and exposure have the same violations.
        let mut violations_by_class: HashMap<ExposureClass, Violations> = HashMap::new();
        let mut violating_rules = Vec::new();
        for (index, ingress) in self.group.rules.iter().enumerate() {
            let Some(class) = self.exposures.class_of(index) else {
                continue;
            };
            let violations = violations_by_class
                .entry(class)
                .or_insert_with(|| self.violations_of(ingress, class));
            if !violations.is_empty() {
                violating_rules.push((ingress.sort_key(), index, class));
            }
        }
        violating_rules.sort_unstable();
        // Findings of rules with equal keys are ordered by policy rule first.
        for same_key in violating_rules.chunk_by(|one, two| one.0 == two.0) {
            let start = evaluation.findings.len();
            for (_, index, class) in same_key {
                if let Some(violations) = violations_by_class.get(class) {
                    self.add_findings(&mut evaluation, *index, violations);
                }
            }
            if let Some(added) = evaluation.findings.get_mut(start..) {
                added.sort_by(|one, two| one.policy_rule.id.cmp(&two.policy_rule.id));
            }
        }
        evaluation
    }

    fn violations_of(&self, ingress: &IngressRule, class: ExposureClass) -> Violations {
        let Some(exposure) = self.exposures.of_class(class) else {
            return Violations::new();
        };
        self.policy_rules
            .iter()
            .map(|policy_rule| policy_rule.check.offending_traffic(ingress, exposure))
            .enumerate()
            .filter(|(_, offending)| !offending.is_empty())
            .collect()
    }

    fn add_findings(&self, evaluation: &mut Evaluation, index: usize, violations: &Violations) {
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
            let Some(policy_rule) = self.policy_rules.get(*rule_index) else {
                continue;
            };
            let mut finding = Finding {
                ingress: ingress.clone(),
                index,
                policy_rule: Arc::clone(policy_rule),
                offending: offending.clone(),
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
mod tests {
    use super::*;
    use crate::baseline::{COMMON_SERVICE_PORTS, baseline_policy};
    use crate::group::tests::{group, rule};
    use crate::policy::Action;
    use crate::scope::{Glob, OpenedRules, Scope};
    use crate::source::parse_cidr;

    fn finding_lines(lines: &[&str]) -> Vec<String> {
        evaluate(
            &baseline_policy(),
            &group(lines),
            &PrefixLists::empty(),
            &Context::default(),
        )
        .findings
        .iter()
        .map(|finding| {
            let (from, to) = finding.ingress.display_ports();
            let ports = from
                .zip(to)
                .map_or("-".to_owned(), |(from, to)| format!("{from}-{to}"));
            let (protocol, source) = (finding.ingress.protocol(), &finding.ingress.source);
            format!(
                "{protocol} {ports} {source}: {} {}",
                finding.policy_rule.id, finding.offending
            )
        })
        .collect()
    }

    #[test]
    fn ssh_open_to_the_world() {
        assert_eq!(
            finding_lines(&["tcp 22 0.0.0.0/0"]),
            ["tcp 22-22 0.0.0.0/0: restricted-common-ports 22"]
        );
        assert_eq!(
            finding_lines(&["udp 22 ::/0"]),
            ["udp 22-22 ::/0: restricted-common-ports 22"]
        );
    }

    #[test]
    fn only_web_mail_and_name_services_may_be_open_to_the_world() {
        let allowed = [25, 53, 80, 443, 465, 587];
        for port in COMMON_SERVICE_PORTS {
            for protocol in ["tcp", "udp"] {
                let lines = finding_lines(&[&format!("{protocol} {port} 0.0.0.0/0")]);
                assert_eq!(lines.is_empty(), allowed.contains(&port), "{lines:?}");
            }
        }
        assert_eq!(
            finding_lines(&["tcp 5432 0.0.0.0/0"]),
            ["tcp 5432-5432 0.0.0.0/0: high-risk-ports 5432"]
        );
    }

    #[test]
    fn web_ports_open_to_the_world_are_allowed() {
        assert!(
            finding_lines(&[
                "tcp 443 0.0.0.0/0",
                "tcp 80 ::/0",
                "icmp - 0.0.0.0/0",
                "tcp 22 10.0.0.0/8"
            ])
            .is_empty()
        );
    }

    #[test]
    fn an_uncommon_port_open_to_the_world() {
        assert_eq!(
            finding_lines(&["tcp 8040 0.0.0.0/0"]),
            ["tcp 8040-8040 0.0.0.0/0: uncommon-ports 8040"]
        );
    }

    #[test]
    fn a_range_violates_every_rule_it_overlaps() {
        assert_eq!(
            finding_lines(&["tcp 20-25 0.0.0.0/0"]),
            [
                "tcp 20-25 0.0.0.0/0: high-risk-ports 23",
                "tcp 20-25 0.0.0.0/0: port-range 20-25",
                "tcp 20-25 0.0.0.0/0: restricted-common-ports 20-22",
                "tcp 20-25 0.0.0.0/0: uncommon-ports 24",
            ]
        );
    }

    #[test]
    fn all_traffic_violates_port_rules_too() {
        assert_eq!(
            finding_lines(&["-1 - ::/0"]),
            [
                "all - ::/0: all-traffic all",
                "all - ::/0: high-risk-ports 23,135,137-139,445,1433,1521,5432",
                "all - ::/0: port-range all",
                "all - ::/0: restricted-common-ports 20-22,3306,3389,4333",
                "all - ::/0: uncommon-ports 0-19,24,26-52,54-79,81-134,136,140-442,444,\
                 446-464,466-586,588-1432,1434-1520,1522-3305,3307-3388,3390-5431,5433-65535",
            ]
        );
    }

    #[test]
    fn port_ranges_from_other_sources_are_reported() {
        assert_eq!(
            finding_lines(&["tcp 8000-8010 10.0.0.0/8"]),
            ["tcp 8000-8010 10.0.0.0/8: port-range-internal 8000-8010"]
        );
        assert_eq!(
            finding_lines(&["tcp 8000-8010 pl-1"]),
            ["tcp 8000-8010 pl-1: port-range-internal 8000-8010"]
        );
        assert_eq!(
            finding_lines(&["-1 - 10.0.0.0/8"]),
            ["all - 10.0.0.0/8: port-range-internal all"]
        );
        assert!(
            finding_lines(&[
                "tcp 8000-8010 sg-1",
                "-1 - sg-1",
                "icmp - 10.0.0.0/8",
                "47 - 10.0.0.0/8"
            ])
            .is_empty()
        );
    }

    #[test]
    fn broad_sources_are_reported_where_not_open_to_the_world() {
        assert_eq!(
            finding_lines(&["tcp 22 52.0.0.0/8"]),
            ["tcp 22-22 52.0.0.0/8: broad-source 22"]
        );
        assert_eq!(
            finding_lines(&["-1 - 0.0.0.0/1"]),
            [
                "all - 0.0.0.0/1: broad-source all",
                "all - 0.0.0.0/1: port-range-internal all"
            ]
        );
        assert_eq!(
            finding_lines(&["tcp 22-23 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
            [
                "tcp 22-22 128.0.0.0/1: restricted-common-ports 22",
                "tcp 22-23 0.0.0.0/1: broad-source 23",
                "tcp 22-23 0.0.0.0/1: port-range-internal 23",
                "tcp 22-23 0.0.0.0/1: restricted-common-ports 22",
            ]
        );
    }

    #[test]
    fn other_protocols_open_to_the_world_are_reported() {
        assert_eq!(
            finding_lines(&["47 - 0.0.0.0/0"]),
            ["47 - 0.0.0.0/0: other-protocols all"]
        );
        assert!(finding_lines(&["47 - 52.0.0.0/8", "58 - ::/0"]).is_empty());
    }

    #[test]
    fn unresolved_prefix_lists_are_listed() {
        let evaluation = evaluate(
            &baseline_policy(),
            &group(&["tcp 22 pl-2", "tcp 23 pl-2", "tcp 22 pl-1"]),
            &PrefixLists::empty(),
            &Context::default(),
        );
        assert_eq!(
            evaluation
                .unresolved_prefix_lists
                .into_iter()
                .collect::<Vec<_>>(),
            ["pl-1", "pl-2"]
        );
        assert!(evaluation.findings.is_empty());
    }

    #[test]
    fn a_rule_that_is_off_is_not_evaluated() {
        let mut policy = baseline_policy();
        for rule in &mut policy.rules {
            Arc::make_mut(rule).action = Action::Off;
        }
        assert!(
            evaluate(
                &policy,
                &group(&["-1 - 0.0.0.0/0"]),
                &PrefixLists::empty(),
                &Context::default()
            )
            .findings
            .is_empty()
        );
    }

    fn exception(id: &str, ports: &[u16]) -> Exception {
        Exception {
            id: id.to_owned(),
            reason: "agreed".to_owned(),
            owner: "edge@example.com".to_owned(),
            expires: None,
            rules: Vec::new(),
            scope: Scope::default(),
            rule_tags: BTreeMap::new(),
            descriptions: Vec::new(),
            principals: Vec::new(),
            traffic: TrafficSet::tcp(ports.iter().copied().collect()),
            sources: Vec::new(),
        }
    }

    fn policy_with(exceptions: impl IntoIterator<Item = Exception>) -> Policy {
        Policy {
            exceptions: exceptions.into_iter().map(Arc::new).collect(),
            ..baseline_policy()
        }
    }

    /// The findings as rule, policy rule, action, offending ports and exception.
    fn actions(policy: &Policy, context: &Context, lines: &[&str]) -> Vec<String> {
        let nines = parse_cidr("0.0.0.0/0")
            .unwrap()
            .subnets(9)
            .unwrap()
            .collect();
        let lists = PrefixLists::from_iter([("pl-nines", nines)]);
        evaluate(policy, &group(lines), &lists, context)
            .findings
            .iter()
            .map(|finding| {
                let Finding {
                    ingress, offending, ..
                } = finding;
                let PolicyRule { id, action, .. } = &*finding.policy_rule;
                let exempt = finding.exempted_by.as_deref().unwrap_or("-");
                format!("{ingress}: {id} {action} {offending} {exempt}")
            })
            .collect()
    }

    #[test]
    fn an_excepted_source_hides_no_list_that_covers_the_internet() {
        let partner = Exception {
            sources: vec!["8.0.0.0/8".parse().unwrap()],
            ..exception("partner", &[22])
        };
        assert_eq!(
            actions(
                &policy_with([partner]),
                &Context::default(),
                &[
                    "tcp 22 8.0.0.0/8",
                    "tcp 22 pl-nines",
                    "tcp 22 203.0.113.7/32"
                ]
            ),
            [
                "tcp 22 8.0.0.0/8: restricted-common-ports revoke 22 partner",
                "tcp 22 pl-nines: restricted-common-ports revoke 22 -",
            ]
        );
    }

    #[test]
    fn ports_that_an_unknown_principal_may_open_are_only_reported() {
        let deploy = Exception {
            principals: vec![Glob::new("deploy")],
            ..exception("deploy", &[22, 8040])
        };
        let policy = policy_with([deploy]);
        let lines = ["tcp 22 0.0.0.0/0", "tcp 8040-8041 0.0.0.0/0"];
        assert_eq!(
            actions(&policy, &Context::default(), &lines),
            [
                "tcp 22 0.0.0.0/0: restricted-common-ports notify 22 -",
                "tcp 8040-8041 0.0.0.0/0: port-range revoke 8041 -",
                "tcp 8040-8041 0.0.0.0/0: uncommon-ports revoke 8041 -",
            ]
        );
        let opened_ssh = |principal: &str| Context {
            principals: vec![principal.to_owned()],
            opened: OpenedRules::from_iter([&rule("tcp 22 1.2.3.4/0")]),
            ..Context::default()
        };
        assert_eq!(
            actions(&policy, &opened_ssh("alice"), &lines),
            [
                "tcp 22 0.0.0.0/0: restricted-common-ports revoke 22 -",
                "tcp 8040-8041 0.0.0.0/0: port-range revoke 8041 -",
                "tcp 8040-8041 0.0.0.0/0: uncommon-ports revoke 8041 -",
            ],
            "it is known that alice opened port 22, and not who opened the other rule"
        );
        assert_eq!(
            actions(&policy, &opened_ssh("deploy"), &lines)[0],
            "tcp 22 0.0.0.0/0: restricted-common-ports revoke 22 deploy"
        );
    }

    #[test]
    fn traffic_that_exceptions_name_is_listed_for_rules_with_findings() {
        let other_policy_rule = Exception {
            rules: vec!["port-range".to_owned()],
            ..exception("range", &[8041])
        };
        let unknown_principal = Exception {
            principals: vec![Glob::new("deploy")],
            ..exception("deploy", &[8042])
        };
        let expired = Exception {
            expires: "2026-01-01T00:00:00Z".parse().ok(),
            ..exception("expired", &[8043])
        };
        let exceptions = [other_policy_rule, unknown_principal, expired];
        let context = Context {
            now: "2026-06-01T00:00:00Z".parse().ok(),
            ..Context::default()
        };
        let group = group(&["tcp 443 0.0.0.0/0", "tcp 8040-8043 0.0.0.0/0"]);
        let policy = policy_with(exceptions);
        let evaluation = evaluate(&policy, &group, &PrefixLists::empty(), &context);
        let expected = TrafficSet::tcp([8041, 8042].into_iter().collect());
        assert_eq!(evaluation.excepted, BTreeMap::from([(1, expected)]));
        let ids = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&evaluation.exceptions_used), ["range"]);
        assert_eq!(ids(&evaluation.exceptions_undecided), ["deploy"]);
        assert_eq!(ids(&evaluation.exceptions_expired), ["expired"]);
    }
}
