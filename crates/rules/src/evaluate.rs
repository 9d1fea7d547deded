//! Evaluation: compares the rules of a security group with a policy and gives findings.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::exception::{Exception, MatchInput};
use crate::exposure::compute_exposures;
use crate::group::{IngressRule, SecurityGroup};
use crate::policy::{Policy, PolicyRule};
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
    /// The policy rule, with the overrides for this group applied.
    pub policy_rule: Arc<PolicyRule>,
    /// The forbidden traffic, without what exceptions exempt. If the finding is exempt, all traffic
    /// that the policy rule forbids.
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
}

impl Evaluation {
    /// The findings that require a change of the group.
    pub fn enforced_findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.enforces())
    }

    /// Removes exempted traffic from a finding and records the exceptions that applied.
    fn apply_exceptions(
        &mut self,
        finding: &mut Finding,
        exceptions: &[Arc<Exception>],
        group: &SecurityGroup,
        input: &MatchInput<'_>,
    ) {
        let mut remaining = finding.offending.clone();
        let mut last_used = None;
        for exception in exceptions {
            let exempted = exception.traffic.intersection(&remaining);
            if exempted.is_empty()
                || !exception.applies_to(&finding.policy_rule.id, group, &finding.ingress, input)
            {
                continue;
            }
            if exception.is_expired(input.context) {
                self.exceptions_expired.insert(exception.id.clone());
                continue;
            }
            self.exceptions_used.insert(exception.id.clone());
            remaining = remaining.difference(&exempted);
            last_used = Some(&exception.id);
        }
        if remaining.is_empty() {
            finding.exempted_by = last_used.cloned();
        } else {
            finding.offending = remaining;
        }
    }
}

/// Evaluates a security group against a policy.
pub fn evaluate(
    policy: &Policy,
    group: &SecurityGroup,
    lists: &PrefixLists,
    context: &Context,
) -> Evaluation {
    let exposures = compute_exposures(&group.rules, lists);
    let policy_rules = policy.rules_for(group, context);
    let input = MatchInput { context, lists };
    let mut evaluation = Evaluation {
        unresolved_prefix_lists: find_unresolved_lists(group, lists),
        ..Evaluation::default()
    };
    for (index, (ingress, exposure)) in group.rules.iter().zip(&exposures).enumerate() {
        for policy_rule in &policy_rules {
            let offending = policy_rule.check.offending_traffic(ingress, exposure);
            if offending.is_empty() {
                continue;
            }
            let mut finding = Finding {
                ingress: ingress.clone(),
                index,
                policy_rule: Arc::clone(policy_rule),
                offending,
                exempted_by: None,
            };
            evaluation.apply_exceptions(&mut finding, &policy.exceptions, group, &input);
            evaluation.findings.push(finding);
        }
    }
    evaluation.findings.sort_by_cached_key(|finding| {
        (
            finding.ingress.sort_key(),
            finding.policy_rule.id.clone(),
            finding.index,
        )
    });
    evaluation
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
    use crate::baseline::baseline_policy;
    use crate::group::tests::group;
    use crate::policy::Action;

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
}
