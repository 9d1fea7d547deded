//! Openings: security group rules with all of their findings.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use portcullis_rules::{Action, Finding, IngressRule, SecurityGroup, Severity};

/// A finding and its group.
#[derive(Debug, Clone, Copy)]
pub struct GroupFinding<'a> {
    /// The group.
    pub group: &'a SecurityGroup,
    /// The finding in it.
    pub finding: &'a Finding,
}

/// A security group rule that some policy rule forbids, with its findings.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// The group.
    pub group: &'a SecurityGroup,
    /// The security group rule.
    pub ingress: &'a IngressRule,
    /// The findings, ordered by severity, the most severe first. Exempt findings come last.
    pub findings: Vec<&'a Finding>,
}

impl Opening<'_> {
    /// Whether exceptions exempt all findings.
    pub fn is_exempt(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.exempted_by.is_some())
    }

    /// The highest severity of a finding that counts; of any finding if all are exempt.
    pub fn severity(&self) -> Option<Severity> {
        self.findings
            .first()
            .map(|finding| finding.policy_rule.severity)
    }

    /// The strongest action of the findings that are not exempt; `None` if all are exempt.
    pub fn action(&self) -> Option<Action> {
        self.findings
            .iter()
            .filter(|finding| finding.exempted_by.is_none())
            .map(|finding| finding.policy_rule.action)
            .max()
    }
}

/// The openings of these findings, the worst first: by severity, then by action. Exempt openings
/// come last.
pub fn collect_openings<'a>(
    findings: impl IntoIterator<Item = GroupFinding<'a>>,
) -> Vec<Opening<'a>> {
    let mut by_rule: BTreeMap<(&str, usize), Opening<'a>> = BTreeMap::new();
    for GroupFinding { group, finding } in findings {
        let key = (group.id.as_str(), finding.index);
        let opening = by_rule.entry(key).or_insert_with(|| Opening {
            group,
            ingress: &finding.ingress,
            findings: Vec::new(),
        });
        opening.findings.push(finding);
    }
    let mut openings: Vec<_> = by_rule.into_values().collect();
    for opening in &mut openings {
        opening
            .findings
            .sort_by_key(|finding| finding_order(finding));
    }
    openings.sort_by_cached_key(|opening| {
        (
            opening.is_exempt(),
            Reverse(opening.severity()),
            Reverse(opening.action()),
            opening.group.id.clone(),
            opening.ingress.sort_key(),
        )
    });
    openings
}

fn finding_order(finding: &Finding) -> (bool, Reverse<Severity>, Reverse<Action>) {
    let policy_rule = &finding.policy_rule;
    (
        finding.exempted_by.is_some(),
        Reverse(policy_rule.severity),
        Reverse(policy_rule.action),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_rules::baseline::baseline_policy;
    use portcullis_rules::{Context, PrefixLists, evaluate};

    fn group_with_rules(lines: &[&str]) -> SecurityGroup {
        SecurityGroup {
            id: "sg-1".to_owned(),
            rules: lines.iter().map(|line| line.parse().unwrap()).collect(),
            ..SecurityGroup::default()
        }
    }

    fn opening_lines(openings: &[Opening<'_>]) -> Vec<String> {
        let line = |opening: &Opening<'_>| {
            let policy_rules = opening.findings.iter().map(|it| &*it.policy_rule.id);
            let policy_rules: Vec<_> = policy_rules.collect();
            format!("{}: {}", opening.ingress, policy_rules.join(" "))
        };
        openings.iter().map(line).collect()
    }

    #[test]
    fn an_opening_has_all_findings_of_a_rule_and_the_worst_is_first() {
        let policy = baseline_policy();
        let lines = ["tcp 1-2 10.0.0.0/8", "tcp 20-25 0.0.0.0/0", "-1 - ::/0"];
        let group = group_with_rules(&lines);
        let context = Context::default();
        let mut found = evaluate(&policy, &group, &PrefixLists::empty(), &context).findings;
        let of = |found: &[Finding]| {
            let group = &group;
            let findings = found.iter().map(|finding| GroupFinding { group, finding });
            opening_lines(&collect_openings(findings))
        };
        let all = "all-traffic high-risk-ports restricted-common-ports uncommon-ports port-range";
        let range = "high-risk-ports restricted-common-ports uncommon-ports port-range";
        assert_eq!(
            of(&found),
            [
                format!("all - ::/0: {all}"),
                format!("tcp 20-25 0.0.0.0/0: {range}"),
                "tcp 1-2 10.0.0.0/8: port-range-internal".to_owned(),
            ]
        );
        for finding in found.iter_mut().filter(|finding| finding.index == 2) {
            finding.exempted_by = Some("x".to_owned());
        }
        assert_eq!(of(&found).last(), Some(&format!("all - ::/0: {all}")));
    }
}
