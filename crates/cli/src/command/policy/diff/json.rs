//! The document of `policy diff --format json`, version 1.
//!
//! Keys are never absent: unknown values are null.

use portcullis_rules::IngressRule;
use serde::Serialize;

use super::change::{Change, Direction};
use super::findings::{FindingChange, FindingState};
use super::plans::{PlanChange, PlanState};
use super::report::{DiffReport, PolicySummary};
use crate::describe::Problem;

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct DiffV1<'a> {
    version: u32,
    old: PolicyV1<'a>,
    new: PolicyV1<'a>,
    weakened: bool,
    changes: &'a [Change],
    /// Null without `--input`.
    findings: Option<Vec<FindingChangeV1<'a>>>,
    /// Null without `--events`.
    plans: Option<Vec<PlanChangeV1<'a>>>,
    /// Whether everything was evaluated; null without `--input`.
    complete: Option<bool>,
    errors: &'a [Problem],
}

#[derive(Debug, Serialize)]
struct PolicyV1<'a> {
    name: &'a str,
    mode: &'static str,
}

#[derive(Debug, Serialize)]
struct FindingChangeV1<'a> {
    direction: Direction,
    group_id: &'a str,
    group_name: Option<&'a str>,
    #[serde(flatten)]
    security_group_rule: SecurityGroupRuleV1,
    rule: &'a str,
    before: Option<FindingStateV1<'a>>,
    after: Option<FindingStateV1<'a>>,
}

#[derive(Debug, Serialize)]
struct SecurityGroupRuleV1 {
    security_group_rule_id: Option<String>,
    protocol: String,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: String,
}

#[derive(Debug, Serialize)]
struct FindingStateV1<'a> {
    severity: String,
    action: String,
    offending_ports: String,
    exempt: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct PlanChangeV1<'a> {
    direction: Direction,
    group_id: &'a str,
    group_name: Option<&'a str>,
    events: usize,
    event_ids: &'a [String],
    before: PlanStateV1,
    after: PlanStateV1,
}

#[derive(Debug, Serialize)]
struct PlanStateV1 {
    outcome: &'static str,
    removals: Vec<SecurityGroupRuleV1>,
    additions: Vec<SecurityGroupRuleV1>,
    refusals: Vec<DiffRefusalV1>,
}

#[derive(Debug, Serialize)]
struct DiffRefusalV1 {
    #[serde(flatten)]
    security_group_rule: SecurityGroupRuleV1,
    code: &'static str,
}

impl<'a> DiffV1<'a> {
    /// The document of a report.
    pub(super) fn new(report: &'a DiffReport) -> Self {
        let findings = report.findings.as_ref();
        let plans = report.plans.as_ref();
        Self {
            version: 1,
            old: PolicyV1::new(&report.old),
            new: PolicyV1::new(&report.new),
            weakened: report.is_weakened(),
            changes: &report.changes,
            findings: findings.map(|changes| changes.iter().map(FindingChangeV1::new).collect()),
            plans: plans.map(|changes| changes.iter().map(PlanChangeV1::new).collect()),
            complete: report.problems.as_ref().map(Vec::is_empty),
            errors: report.problems.as_deref().unwrap_or_default(),
        }
    }
}

impl<'a> PolicyV1<'a> {
    fn new(policy: &'a PolicySummary) -> Self {
        Self {
            name: &policy.name,
            mode: policy.mode,
        }
    }
}

impl<'a> FindingChangeV1<'a> {
    fn new(change: &'a FindingChange) -> Self {
        Self {
            direction: change.direction,
            group_id: &change.group.id,
            group_name: change.group.name.as_deref(),
            security_group_rule: SecurityGroupRuleV1::new(&change.ingress),
            rule: &change.policy_rule,
            before: change.before.as_ref().map(FindingStateV1::new),
            after: change.after.as_ref().map(FindingStateV1::new),
        }
    }
}

impl SecurityGroupRuleV1 {
    fn new(rule: &IngressRule) -> Self {
        let (from_port, to_port) = rule.display_ports();
        Self {
            security_group_rule_id: rule.id.clone(),
            protocol: rule.protocol().to_string(),
            from_port,
            to_port,
            source: rule.source.to_string(),
        }
    }
}

impl<'a> FindingStateV1<'a> {
    fn new(state: &'a FindingState) -> Self {
        Self {
            severity: state.severity.to_string(),
            action: state.action.to_string(),
            offending_ports: state.offending.to_string(),
            exempt: state.exempted_by.as_deref(),
        }
    }
}

impl<'a> PlanChangeV1<'a> {
    fn new(change: &'a PlanChange) -> Self {
        Self {
            direction: change.direction,
            group_id: &change.group.id,
            group_name: change.group.name.as_deref(),
            events: change.event_count,
            event_ids: &change.event_ids,
            before: PlanStateV1::new(&change.before),
            after: PlanStateV1::new(&change.after),
        }
    }
}

impl PlanStateV1 {
    fn new(state: &PlanState) -> Self {
        let refusals = state.refuses.iter();
        Self {
            outcome: state.outcome,
            removals: state.removes.iter().map(SecurityGroupRuleV1::new).collect(),
            additions: state.adds.iter().map(SecurityGroupRuleV1::new).collect(),
            refusals: refusals
                .map(|(rule, code)| DiffRefusalV1 {
                    security_group_rule: SecurityGroupRuleV1::new(rule),
                    code,
                })
                .collect(),
        }
    }
}
