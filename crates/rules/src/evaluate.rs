//! Judging: a policy held against the rules of one security group.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::exception::{Exception, MatchInput};
use crate::exposure::compute_exposures;
use crate::group::{IngressRule, SecurityGroup};
use crate::policy::{Policy, PolicyRule};
use crate::scope::Context;
use crate::source::{PrefixLists, Source};
use crate::traffic::TrafficSet;

/// One rule of the policy broken by one ingress rule. There is at most one finding for each such pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The ingress rule, with all that restores it.
    pub ingress: IngressRule,
    /// Its place among the rules of the group, so that twins of the same content stay apart.
    pub index: usize,
    /// The rule of the policy, as it holds for this group.
    pub policy_rule: Arc<PolicyRule>,
    /// The part of the ingress rule that is forbidden, exceptions taken off; all that the rule forbids when the finding
    /// is exempt.
    pub offending: TrafficSet,
    /// The exception that frees the finding wholly.
    pub exempted_by: Option<String>,
}

impl Finding {
    /// Whether the policy demands that the group be changed for this finding.
    pub fn enforces(&self) -> bool {
        self.exempted_by.is_none() && self.policy_rule.action.enforces()
    }
}

/// What judging one group gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Ordered by protocol, ports, source and rule.
    pub findings: Vec<Finding>,
    /// Prefix lists that the group names and whose entries are not known: judged as not the world.
    pub unresolved_prefix_lists: BTreeSet<String>,
    /// Exceptions that freed something.
    pub exceptions_used: BTreeSet<String>,
    /// Exceptions that would have freed something and have ended.
    pub exceptions_expired: BTreeSet<String>,
}

/// Holds a policy against a group.
pub fn evaluate(
    policy: &Policy,
    group: &SecurityGroup,
    lists: &PrefixLists,
    context: &Context,
) -> Evaluation {
    let exposures = compute_exposures(&group.rules, lists);
    let rules = policy.rules_for(group, context);
    let mut judgement = Evaluation {
        unresolved_prefix_lists: find_unresolved_lists(group, lists),
        ..Evaluation::default()
    };
    for (index, (ingress, exposure)) in group.rules.iter().zip(&exposures).enumerate() {
        for rule in &rules {
            let offending = rule.check.offending_traffic(ingress, exposure);
            if !offending.is_empty() {
                let (ingress, rule) = (ingress.clone(), Arc::clone(rule));
                let found = Finding {
                    ingress,
                    index,
                    policy_rule: rule,
                    offending,
                    exempted_by: None,
                };
                let facts = MatchInput { context, lists };
                let finding =
                    apply_exceptions(found, &policy.exceptions, group, &facts, &mut judgement);
                judgement.findings.push(finding);
            }
        }
    }
    judgement.findings.sort_by_cached_key(|finding| {
        (
            finding.ingress.sort_key(),
            finding.policy_rule.id.clone(),
            finding.index,
        )
    });
    judgement
}

/// The finding with what exceptions free taken off.
fn apply_exceptions(
    mut finding: Finding,
    exceptions: &[Arc<Exception>],
    group: &SecurityGroup,
    facts: &MatchInput<'_>,
    judgement: &mut Evaluation,
) -> Finding {
    let mut left = finding.offending.clone();
    let mut last = None;
    for exception in exceptions {
        let freed = exception.traffic.intersection(&left);
        if freed.is_empty()
            || !exception.applies_to(&finding.policy_rule.id, group, &finding.ingress, facts)
        {
            continue;
        }
        if exception.is_expired(facts.context) {
            judgement.exceptions_expired.insert(exception.id.clone());
            continue;
        }
        judgement.exceptions_used.insert(exception.id.clone());
        left = left.difference(&freed);
        last = Some(exception.id.clone());
    }
    if left.is_empty() {
        finding.exempted_by = last;
    } else {
        finding.offending = left;
    }
    finding
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

    fn judged(lines: &[&str]) -> Vec<String> {
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
    fn ssh_from_anywhere() {
        assert_eq!(
            judged(&["tcp 22 0.0.0.0/0"]),
            ["tcp 22-22 0.0.0.0/0: restricted-common-ports 22"]
        );
        assert_eq!(
            judged(&["udp 22 ::/0"]),
            ["udp 22-22 ::/0: restricted-common-ports 22"]
        );
    }

    #[test]
    fn the_web_from_anywhere_is_fine() {
        assert!(
            judged(&[
                "tcp 443 0.0.0.0/0",
                "tcp 80 ::/0",
                "icmp - 0.0.0.0/0",
                "tcp 22 10.0.0.0/8"
            ])
            .is_empty()
        );
    }

    #[test]
    fn an_uncommon_port() {
        assert_eq!(
            judged(&["tcp 8040 0.0.0.0/0"]),
            ["tcp 8040-8040 0.0.0.0/0: uncommon-ports 8040"]
        );
    }

    #[test]
    fn a_range_breaks_every_rule_it_touches() {
        assert_eq!(
            judged(&["tcp 20-25 0.0.0.0/0"]),
            [
                "tcp 20-25 0.0.0.0/0: port-range 20-25",
                "tcp 20-25 0.0.0.0/0: restricted-common-ports 20-22",
                "tcp 20-25 0.0.0.0/0: uncommon-ports 24",
            ]
        );
    }

    #[test]
    fn all_traffic_gives_ports_to_the_rules_that_name_them() {
        assert_eq!(
            judged(&["-1 - ::/0"]),
            [
                "all - ::/0: all-traffic all",
                "all - ::/0: port-range all",
                "all - ::/0: restricted-common-ports 20-22,3306,3389,4333",
                "all - ::/0: uncommon-ports 0-19,24,26-52,54-79,81-134,136,140-442,444,446-464,466-586,588-1432,\
             1434-1520,1522-3305,3307-3388,3390-5431,5433-65535",
            ]
        );
    }

    #[test]
    fn ranges_from_elsewhere_are_told() {
        assert_eq!(
            judged(&["tcp 8000-8010 10.0.0.0/8"]),
            ["tcp 8000-8010 10.0.0.0/8: port-range-internal 8000-8010"]
        );
        assert_eq!(
            judged(&["tcp 8000-8010 pl-1"]),
            ["tcp 8000-8010 pl-1: port-range-internal 8000-8010"]
        );
        assert_eq!(
            judged(&["-1 - 10.0.0.0/8"]),
            ["all - 10.0.0.0/8: port-range-internal all"]
        );
        assert!(
            judged(&[
                "tcp 8000-8010 sg-1",
                "-1 - sg-1",
                "icmp - 10.0.0.0/8",
                "47 - 10.0.0.0/8"
            ])
            .is_empty()
        );
    }

    #[test]
    fn broad_sources_are_told_as_far_as_they_are_not_the_world() {
        assert_eq!(
            judged(&["tcp 22 52.0.0.0/8"]),
            ["tcp 22-22 52.0.0.0/8: broad-source 22"]
        );
        assert_eq!(
            judged(&["-1 - 0.0.0.0/1"]),
            [
                "all - 0.0.0.0/1: broad-source all",
                "all - 0.0.0.0/1: port-range-internal all"
            ]
        );
        assert_eq!(
            judged(&["tcp 22-23 0.0.0.0/1", "tcp 22 128.0.0.0/1"]),
            [
                "tcp 22-22 128.0.0.0/1: restricted-common-ports 22",
                "tcp 22-23 0.0.0.0/1: broad-source 23",
                "tcp 22-23 0.0.0.0/1: port-range-internal 23",
                "tcp 22-23 0.0.0.0/1: restricted-common-ports 22",
            ]
        );
    }

    #[test]
    fn other_protocols_open_to_the_world_are_told() {
        assert_eq!(
            judged(&["47 - 0.0.0.0/0"]),
            ["47 - 0.0.0.0/0: other-protocols all"]
        );
        assert!(judged(&["47 - 52.0.0.0/8", "58 - ::/0"]).is_empty());
    }

    #[test]
    fn a_list_that_is_not_known_is_named() {
        let judgement = evaluate(
            &baseline_policy(),
            &group(&["tcp 22 pl-2", "tcp 23 pl-2", "tcp 22 pl-1"]),
            &PrefixLists::empty(),
            &Context::default(),
        );
        assert_eq!(
            judgement
                .unresolved_prefix_lists
                .into_iter()
                .collect::<Vec<_>>(),
            ["pl-1", "pl-2"]
        );
        assert!(judgement.findings.is_empty());
    }

    #[test]
    fn a_rule_that_is_off_is_not_judged() {
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
