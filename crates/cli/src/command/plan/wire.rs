//! `plan --format json`, version 1. Keys are never absent: what is not known is null.

use std::collections::BTreeMap;

use portcullis_remediation::intake::{Actor, Origin};
use portcullis_remediation::report::wire::{FindingV1, RuleV1};
use portcullis_remediation::{GroupRef, Mode};
use portcullis_rules::plan::{Addition, Loss, Order, Purpose, Refusal};
use portcullis_rules::{Policy, Removal};
use serde::Serialize;

use super::events::History;
use super::history::Missing;
use super::{Failed, Ignored, Planned, Plans};
use crate::describe::Problem;

#[derive(Debug, Serialize)]
pub(super) struct PlansV1<'a> {
    version: u32,
    policy: &'a str,
    mode: &'static str,
    plans: Vec<PlanV1<'a>>,
    ignored: Vec<IgnoredV1<'a>>,
    missing: Vec<MissingV1<'a>>,
    /// Null for a single event.
    history: Option<HistoryV1>,
    errors: Vec<ErrorV1<'a>>,
}

/// A group of a history that is not in the input.
#[derive(Debug, Serialize)]
struct MissingV1<'a> {
    group_id: Option<&'a str>,
    group_name: Option<&'a str>,
    account: Option<&'a str>,
    region: Option<&'a str>,
    events: usize,
}

#[derive(Debug, Serialize)]
struct HistoryV1 {
    files: usize,
    events: usize,
    ignored: Vec<ReasonV1>,
    outcomes: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Serialize)]
struct ReasonV1 {
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
    /// Which comes first; null when there is nothing to add.
    order: Option<&'static str>,
    losses: Vec<RefusalV1<'a>>,
    refusals: Vec<RefusalV1<'a>>,
    unresolved_prefix_lists: Vec<&'a str>,
    expired_exceptions: Vec<&'a str>,
    message: Option<MessageV1<'a>>,
}

#[derive(Debug, Serialize)]
struct EventV1<'a> {
    id: Option<&'a str>,
    name: &'a str,
    time: Option<String>,
    account: Option<&'a str>,
    region: Option<&'a str>,
    actor: ActorV1<'a>,
}

#[derive(Debug, Serialize)]
struct ActorV1<'a> {
    kind: Option<&'a str>,
    who: Option<&'a str>,
    arn: Option<&'a str>,
    invoked_by: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct RemovalV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    because: &'a [String],
    action: String,
}

#[derive(Debug, Serialize)]
struct AdditionV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    purpose: &'static str,
    instead_of: RuleV1<'a>,
}

/// A rule that is not removed, or not added, and why.
#[derive(Debug, Serialize)]
struct RefusalV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    code: &'static str,
    sentence: &'static str,
}

#[derive(Debug, Serialize)]
struct MessageV1<'a> {
    subject: &'a str,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct IgnoredV1<'a> {
    event: Option<EventV1<'a>>,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct ErrorV1<'a> {
    event: Option<EventV1<'a>>,
    group_id: Option<&'a str>,
    path: Option<&'a str>,
    message: &'a str,
}

impl<'a> PlansV1<'a> {
    pub(super) fn new(policy: &'a Policy, plans: &'a Plans, problems: &'a [Problem]) -> Self {
        let errors = plans.errors.iter().map(ErrorV1::new);
        Self {
            version: 1,
            policy: &policy.name,
            mode: if policy.monitor { Mode::Monitor } else { Mode::Enforce }.as_str(),
            plans: plans.planned.iter().map(PlanV1::new).collect(),
            ignored: plans.ignored.iter().map(IgnoredV1::new).collect(),
            missing: plans.missing.iter().map(|(missing, events)| MissingV1::new(missing, *events)).collect(),
            history: plans.history.as_ref().map(|history| HistoryV1::new(history, plans)),
            errors: errors.chain(problems.iter().map(ErrorV1::of_input)).collect(),
        }
    }
}

impl<'a> MissingV1<'a> {
    fn new(missing: &'a Missing, events: usize) -> Self {
        let (group_id, group_name) = match &missing.group {
            GroupRef::Id(id) => (Some(id.as_str()), None),
            GroupRef::Name(name) => (None, Some(name.as_str())),
        };
        let (account, region) = (missing.account.as_deref(), missing.region.as_deref());
        Self { group_id, group_name, account, region, events }
    }
}

impl HistoryV1 {
    fn new(history: &History, plans: &Plans) -> Self {
        let ignored = history.ignored.iter().map(|(reason, events)| ReasonV1 { reason, events: *events });
        Self { files: history.files, events: history.events, ignored: ignored.collect(), outcomes: plans.outcomes() }
    }
}

impl<'a> PlanV1<'a> {
    fn new(planned: &'a Planned) -> Self {
        let report = &planned.report;
        let group = &report.group;
        Self {
            event: EventV1::new(&report.origin),
            group_id: &group.id,
            group_name: group.name.as_deref(),
            outcome: report.outcome.as_str(),
            findings: report.findings.iter().map(|finding| FindingV1::new(group, finding)).collect(),
            removals: report.removed.iter().map(RemovalV1::new).collect(),
            additions: report.added.iter().map(AdditionV1::new).collect(),
            order: (!report.added.is_empty()).then(|| order(report.order)),
            losses: report.losses.iter().map(RefusalV1::of_loss).collect(),
            refusals: report.refusals.iter().map(RefusalV1::new).collect(),
            unresolved_prefix_lists: report.unresolved_prefix_lists.iter().map(String::as_str).collect(),
            expired_exceptions: report.expired_exceptions.iter().map(String::as_str).collect(),
            message: planned.message.as_ref().map(|alert| MessageV1 { subject: &alert.subject, text: &alert.email }),
        }
    }
}

impl<'a> EventV1<'a> {
    fn new(origin: &'a Origin) -> Self {
        Self {
            id: origin.event_id.as_deref(),
            name: &origin.event_name,
            time: origin.time.map(|time| time.to_string()),
            account: origin.account.as_deref(),
            region: origin.region.as_deref(),
            actor: ActorV1::new(&origin.actor),
        }
    }
}

impl<'a> ActorV1<'a> {
    fn new(actor: &'a Actor) -> Self {
        Self {
            kind: actor.kind.as_deref(),
            who: actor.who.as_deref(),
            arn: actor.arn.as_deref(),
            invoked_by: actor.invoked_by.as_deref(),
        }
    }
}

impl<'a> RemovalV1<'a> {
    fn new(removal: &'a Removal) -> Self {
        let action = removal.action.to_string();
        Self { rule: RuleV1::new(&removal.ingress), because: &removal.because, action }
    }
}

impl<'a> AdditionV1<'a> {
    fn new(addition: &'a Addition) -> Self {
        let purpose = match addition.purpose {
            Purpose::Keep => "keep",
            Purpose::Trust => "trust",
        };
        let instead_of = RuleV1::new(&addition.instead_of);
        Self { rule: RuleV1::new(&addition.ingress), purpose, instead_of }
    }
}

const fn order(order: Order) -> &'static str {
    match order {
        Order::AddFirst => "add-first",
        Order::RemoveFirst => "remove-first",
    }
}

impl<'a> RefusalV1<'a> {
    fn new(refusal: &'a Refusal) -> Self {
        let rule = RuleV1::new(&refusal.ingress);
        Self { rule, code: refusal.reason.code(), sentence: refusal.reason.sentence() }
    }

    fn of_loss(loss: &'a Loss) -> Self {
        let rule = RuleV1::new(&loss.ingress);
        Self { rule, code: loss.reason.code(), sentence: loss.reason.sentence() }
    }
}

impl<'a> IgnoredV1<'a> {
    fn new(ignored: &'a Ignored) -> Self {
        Self { event: ignored.origin.as_ref().map(EventV1::new), reason: &ignored.reason }
    }
}

impl<'a> ErrorV1<'a> {
    fn new(failed: &'a Failed) -> Self {
        Self {
            event: failed.origin.as_ref().map(EventV1::new),
            group_id: failed.group_id.as_deref(),
            path: failed.path.as_deref(),
            message: &failed.message,
        }
    }

    fn of_input(problem: &'a Problem) -> Self {
        Self {
            event: None,
            group_id: problem.group_id.as_deref(),
            path: Some(&problem.path),
            message: &problem.message,
        }
    }
}
