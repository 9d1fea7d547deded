//! Findings.

use portcullis_rules::{Action, Finding, Protocol, SecurityGroup, Severity, Source, TrafficSet};
use serde::Serialize;

use super::text::DisplayString;

/// A finding as an audit and a plan print it: with its group and its security group rule.
#[derive(Debug, Clone, Serialize)]
pub struct FindingV1<'a> {
    group_id: &'a str,
    group_name: Option<&'a str>,
    vpc_id: Option<&'a str>,
    security_group_rule_id: Option<&'a str>,
    protocol: DisplayString<Protocol>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: DisplayString<&'a Source>,
    #[serde(flatten)]
    finding: RuleFindingV1<'a>,
}

impl<'a> FindingV1<'a> {
    /// A finding in this group.
    pub fn new(group: &'a SecurityGroup, finding: &'a Finding) -> Self {
        let rule = &finding.ingress;
        let (from_port, to_port) = rule.display_ports();
        Self {
            group_id: &group.id,
            group_name: group.name.as_deref(),
            vpc_id: group.vpc_id.as_deref(),
            security_group_rule_id: rule.id.as_deref(),
            protocol: DisplayString(rule.protocol()),
            from_port,
            to_port,
            source: DisplayString(&rule.source),
            finding: RuleFindingV1::new(finding),
        }
    }
}

/// A finding about a security group rule that is known from the context.
#[derive(Debug, Clone, Serialize)]
pub struct RuleFindingV1<'a> {
    rule: &'a str,
    severity: DisplayString<Severity>,
    action: DisplayString<Action>,
    references: &'a [String],
    offending_ports: DisplayString<&'a TrafficSet>,
    exempt: Option<&'a str>,
}

impl<'a> RuleFindingV1<'a> {
    /// A finding.
    pub fn new(finding: &'a Finding) -> Self {
        Self {
            rule: &finding.policy_rule.id,
            severity: DisplayString(finding.policy_rule.severity),
            action: DisplayString(finding.policy_rule.action),
            references: &finding.policy_rule.references,
            offending_ports: DisplayString(&finding.offending),
            exempt: finding.exempted_by.as_deref(),
        }
    }
}
