//! The document of `plan --format json`, version 1. Keys are never absent: unknown values are null.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_remediation::report::json::{
    EventV1, FindingV1, ReplacementV1, SecurityGroupRuleV1, SkippedAdditionV1, order_name,
    protocol_numbers,
};
use portcullis_remediation::{Alert, GroupRef};
use portcullis_rules::plan::{Addition, Refusal};
use portcullis_rules::{Decision, Policy, Removal};
use serde::Serialize;

use super::plans::{History, IgnoredEvent, MissingGroup, PlanFailure, PlannedGroup, Plans};
use crate::describe::{Problem, ProblemCode};

/// The document.
#[derive(Debug, Serialize)]
pub(super) struct PlansV1<'a> {
    version: u32,
    policy: &'a str,
    mode: &'static str,
    plans: Vec<PlanV1<'a>>,
    ignored: Vec<IgnoredEventV1<'a>>,
    missing: Vec<MissingGroupV1<'a>>,
    /// Null for a single event.
    history: Option<HistoryV1>,
    /// Whether everything was read and planned; false if there are `errors`.
    complete: bool,
    errors: Vec<PlanErrorV1<'a>>,
}

/// A group of a history that is not in the input.
#[derive(Debug, Serialize)]
struct MissingGroupV1<'a> {
    group_id: Option<&'a str>,
    group_name: Option<&'a str>,
    account: Option<&'a str>,
    region: Option<&'a str>,
    events: usize,
}

#[derive(Debug, Serialize)]
struct HistoryV1 {
    files: usize,
    skipped_files: Vec<SkippedFilesV1>,
    events: usize,
    ignored: Vec<IgnoreReasonV1>,
    outcomes: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Serialize)]
struct SkippedFilesV1 {
    kind: &'static str,
    files: usize,
}

#[derive(Debug, Serialize)]
struct IgnoreReasonV1 {
    reason: &'static str,
    events: usize,
}

#[derive(Debug, Serialize)]
struct PlanV1<'a> {
    event: EventV1<'a>,
    group_id: &'a str,
    group_name: Option<&'a str>,
    outcome: &'static str,
    findings: Vec<FindingV1<'a>>,
    removals: Vec<RemovalV1<'a>>,
    additions: Vec<AdditionV1<'a>>,
    /// Null when there are no additions.
    order: Option<&'static str>,
    skipped_additions: Vec<SkippedAdditionV1<'a>>,
    refusals: Vec<RefusalV1<'a>>,
    unresolved_prefix_lists: &'a BTreeSet<String>,
    expired_exceptions: &'a BTreeSet<String>,
    message: Option<AlertV1<'a>>,
}

#[derive(Debug, Serialize)]
struct RemovalV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    policy_rules: &'a [String],
    action: String,
    dropped_protocols: Option<String>,
}

#[derive(Debug, Serialize)]
struct AdditionV1<'a> {
    #[serde(flatten)]
    replacement: ReplacementV1<'a>,
    replaces: SecurityGroupRuleV1<'a>,
}

/// A rule that would not be removed although the policy forbids it.
#[derive(Debug, Serialize)]
struct RefusalV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    code: &'static str,
    message: &'static str,
}

#[derive(Debug, Serialize)]
struct AlertV1<'a> {
    subject: &'a str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct IgnoredEventV1<'a> {
    event: Option<EventV1<'a>>,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct PlanErrorV1<'a> {
    event: Option<EventV1<'a>>,
    group_id: Option<&'a str>,
    region: Option<&'a str>,
    code: ErrorCodeV1,
    path: Option<&'a str>,
    message: &'a str,
    help: Option<&'a str>,
}

/// The kind of an error.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ErrorCodeV1 {
    Event(&'static str),
    Input(ProblemCode),
}

impl<'a> PlansV1<'a> {
    /// The document of the plans, with the problems of the input among the errors.
    pub(super) fn new(policy: &'a Policy, plans: &'a Plans) -> Self {
        let failures = plans.errors.iter().map(PlanErrorV1::new);
        let problems = plans.problems.iter().map(PlanErrorV1::from_problem);
        Self {
            version: 1,
            policy: &policy.name,
            mode: plans.mode.as_str(),
            plans: plans.planned.iter().map(PlanV1::new).collect(),
            ignored: plans.ignored.iter().map(IgnoredEventV1::new).collect(),
            missing: plans
                .missing_groups
                .iter()
                .map(|(missing, events)| MissingGroupV1::new(missing, *events))
                .collect(),
            history: plans
                .history
                .as_ref()
                .map(|history| HistoryV1::new(history, plans)),
            complete: plans.errors.is_empty() && plans.problems.is_empty(),
            errors: failures.chain(problems).collect(),
        }
    }
}

impl<'a> MissingGroupV1<'a> {
    fn new(missing: &'a MissingGroup, events: usize) -> Self {
        let (group_id, group_name) = match &missing.group {
            GroupRef::Id(id) => (Some(id.as_str()), None),
            GroupRef::Name(name) => (None, Some(name.as_str())),
        };
        Self {
            group_id,
            group_name,
            account: missing.account.as_deref(),
            region: missing.region.as_deref(),
            events,
        }
    }
}

impl HistoryV1 {
    fn new(history: &History, plans: &Plans) -> Self {
        let mut ignored = Vec::new();
        for (&reason, &events) in &history.ignored {
            ignored.push(IgnoreReasonV1 { reason, events });
        }
        let mut skipped_files = Vec::new();
        for (&kind, &files) in &history.skipped_files {
            skipped_files.push(SkippedFilesV1 { kind, files });
        }
        Self {
            files: history.files,
            skipped_files,
            events: history.events,
            ignored,
            outcomes: plans.count_outcomes(),
        }
    }
}

impl<'a> PlanV1<'a> {
    fn new(planned: &'a PlannedGroup) -> Self {
        let report = &planned.report;
        let group = &report.group;
        let Decision {
            evaluation, plan, ..
        } = &planned.decision;
        let findings = evaluation.findings.iter();
        let skipped = plan.skipped_additions.iter();
        Self {
            event: EventV1::new(&report.origin),
            group_id: &group.id,
            group_name: group.name.as_deref(),
            outcome: report.outcome.as_str(),
            findings: findings
                .map(|finding| FindingV1::new(group, finding))
                .collect(),
            removals: plan.removals.iter().map(RemovalV1::new).collect(),
            additions: plan.additions.iter().map(AdditionV1::new).collect(),
            order: (!plan.additions.is_empty()).then(|| order_name(plan.order)),
            skipped_additions: skipped.map(SkippedAdditionV1::new).collect(),
            refusals: plan.refusals.iter().map(RefusalV1::new).collect(),
            unresolved_prefix_lists: &report.unresolved_prefix_lists,
            expired_exceptions: &report.expired_exceptions,
            message: planned.alert.as_ref().map(AlertV1::new),
        }
    }
}

impl<'a> RemovalV1<'a> {
    fn new(removal: &'a Removal) -> Self {
        Self {
            rule: SecurityGroupRuleV1::new(&removal.ingress),
            policy_rules: &removal.policy_rules,
            action: removal.action.to_string(),
            dropped_protocols: protocol_numbers(removal.dropped_protocols),
        }
    }
}

impl<'a> AdditionV1<'a> {
    fn new(addition: &'a Addition) -> Self {
        Self {
            replacement: ReplacementV1::new(addition),
            replaces: SecurityGroupRuleV1::new(&addition.replaces),
        }
    }
}

impl<'a> RefusalV1<'a> {
    fn new(refusal: &'a Refusal) -> Self {
        Self {
            rule: SecurityGroupRuleV1::new(&refusal.ingress),
            code: refusal.reason.code(),
            message: refusal.reason.message(),
        }
    }
}

impl<'a> AlertV1<'a> {
    fn new(alert: &'a Alert) -> Self {
        Self {
            subject: &alert.subject,
            text: &alert.email,
        }
    }
}

impl<'a> IgnoredEventV1<'a> {
    fn new(ignored: &'a IgnoredEvent) -> Self {
        Self {
            event: ignored.origin.as_ref().map(EventV1::new),
            reason: &ignored.reason,
        }
    }
}

impl<'a> PlanErrorV1<'a> {
    fn new(failure: &'a PlanFailure) -> Self {
        Self {
            event: failure.origin.as_ref().map(EventV1::new),
            group_id: failure.group_id.as_deref(),
            region: failure
                .origin
                .as_ref()
                .and_then(|origin| origin.region.as_deref()),
            code: ErrorCodeV1::Event(failure.code),
            path: failure.path.as_deref(),
            message: &failure.message,
            help: failure.help.as_deref(),
        }
    }

    fn from_problem(problem: &'a Problem) -> Self {
        Self {
            event: None,
            group_id: problem.group_id.as_deref(),
            region: problem.region.as_deref(),
            code: ErrorCodeV1::Input(problem.code),
            path: problem.path.as_deref(),
            message: &problem.message,
            help: problem.help.as_deref(),
        }
    }
}
