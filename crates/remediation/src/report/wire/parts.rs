//! The parts of the report.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_rules::plan::{Addition, Loss, Purpose, Refusal};
use portcullis_rules::{Action, Finding, IngressRule, Protocol, Removal, SecurityGroup, Severity, TrafficSet};
use serde::Serialize;

use super::Text;
use crate::intake::{Actor, Origin};
use crate::ports::PortError;
use crate::report::{Failure, Report, Unkept};

/// How much of a text from outside that restores nothing is kept, in characters.
const MAX_TEXT: usize = 1024;

/// One rule of the policy broken by one ingress rule: the shape that `portcullis audit --format json` prints too.
#[derive(Debug, Clone, Serialize)]
pub struct FindingV1<'a> {
    group_id: &'a str,
    group_name: Option<&'a str>,
    vpc_id: Option<&'a str>,
    security_group_rule_id: Option<&'a str>,
    protocol: Text<Protocol>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: Text<&'a portcullis_rules::Source>,
    rule: &'a str,
    severity: Text<Severity>,
    action: Text<Action>,
    references: &'a [String],
    offending_ports: Text<&'a TrafficSet>,
    exempt: Option<&'a str>,
}

impl<'a> FindingV1<'a> {
    /// A finding in this group.
    pub fn new(group: &'a SecurityGroup, finding: &'a Finding) -> Self {
        let ingress = &finding.ingress;
        let (from_port, to_port) = ingress.shown_ports();
        Self {
            group_id: &group.id,
            group_name: group.name.as_deref(),
            vpc_id: group.vpc_id.as_deref(),
            security_group_rule_id: ingress.id.as_deref(),
            protocol: Text(ingress.protocol()),
            from_port,
            to_port,
            source: Text(&ingress.source),
            rule: &finding.rule.id,
            severity: Text(finding.rule.severity),
            action: Text(finding.rule.action),
            references: &finding.rule.references,
            offending_ports: Text(&finding.offending),
            exempt: finding.exempt.as_deref(),
        }
    }
}

/// The full content of one ingress rule, its ports as EC2 has them: all that restores it.
#[derive(Debug, Clone, Serialize)]
pub struct RuleV1<'a> {
    security_group_rule_id: Option<&'a str>,
    protocol: Text<Protocol>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: Text<&'a portcullis_rules::Source>,
    source_owner_id: Option<&'a str>,
    description: Option<&'a str>,
    tags: &'a BTreeMap<String, String>,
}

impl<'a> RuleV1<'a> {
    /// The content of this rule.
    pub fn new(ingress: &'a IngressRule) -> Self {
        let written = ingress.written_ports();
        let source_owner_id = match &ingress.source {
            portcullis_rules::Source::Group(group) => group.owner_id.as_deref(),
            portcullis_rules::Source::Cidr(_) | portcullis_rules::Source::PrefixList(_) => None,
        };
        Self {
            security_group_rule_id: ingress.id.as_deref(),
            protocol: Text(ingress.protocol()),
            from_port: written.from,
            to_port: written.to,
            source: Text(&ingress.source),
            source_owner_id,
            description: ingress.description.as_deref(),
            tags: &ingress.tags,
        }
    }
}

/// A rule that was removed (in monitor mode: would be) and the rules of the policy that it breaks.
#[derive(Debug, Clone, Serialize)]
pub struct RemovalV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    because: &'a [String],
    action: Text<Action>,
}

impl<'a> RemovalV1<'a> {
    /// A removal.
    pub fn new(removal: &'a Removal) -> Self {
        Self { rule: RuleV1::new(&removal.ingress), because: &removal.because, action: Text(removal.action) }
    }
}

/// A rule that was added (in monitor mode: would be) in the place of one that was removed.
#[derive(Debug, Clone, Serialize)]
pub struct AdditionV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    purpose: &'static str,
    instead_of: Option<&'a str>,
}

impl<'a> AdditionV1<'a> {
    /// An addition.
    pub fn new(addition: &'a Addition) -> Self {
        let purpose = match addition.purpose {
            Purpose::Keep => "keep",
            Purpose::Trust => "trust",
        };
        Self { rule: RuleV1::new(&addition.ingress), purpose, instead_of: addition.instead_of.id.as_deref() }
    }
}

/// A rule that could not be kept or opened again, as the plan foresaw.
#[derive(Debug, Clone, Serialize)]
pub struct LossV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    code: &'static str,
    sentence: &'static str,
}

impl<'a> LossV1<'a> {
    /// A loss.
    pub fn new(loss: &'a Loss) -> Self {
        let rule = RuleV1::new(&loss.ingress);
        Self { rule, code: loss.reason.code(), sentence: loss.reason.sentence() }
    }
}

/// A rule that was to be added in the place of one that was removed, and the call that failed.
#[derive(Debug, Clone, Serialize)]
pub struct UnkeptV1<'a> {
    #[serde(flatten)]
    rule: AdditionV1<'a>,
    #[serde(flatten)]
    error: ErrorV1<'a>,
}

impl<'a> UnkeptV1<'a> {
    pub(super) fn new(unkept: &'a Unkept) -> Self {
        Self { rule: AdditionV1::new(&unkept.addition), error: ErrorV1::new(&unkept.error) }
    }
}

/// A call that failed.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorV1<'a> {
    operation: &'static str,
    kind: &'static str,
    message: Cow<'a, str>,
}

impl<'a> ErrorV1<'a> {
    pub(super) fn new(error: &'a PortError) -> Self {
        Self { operation: error.operation, kind: error.kind.code(), message: bounded(&error.message) }
    }
}

/// A rule that was to go and did not.
#[derive(Debug, Clone, Serialize)]
pub struct FailureV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    #[serde(flatten)]
    error: ErrorV1<'a>,
}

impl<'a> FailureV1<'a> {
    pub(super) fn new(failure: &'a Failure) -> Self {
        Self { rule: RuleV1::new(&failure.ingress), error: ErrorV1::new(&failure.error) }
    }
}

/// A rule that the policy wants gone and that was left on purpose.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalV1<'a> {
    #[serde(flatten)]
    rule: RuleV1<'a>,
    code: &'static str,
    sentence: &'static str,
}

impl<'a> RefusalV1<'a> {
    /// A refusal.
    pub fn new(refusal: &'a Refusal) -> Self {
        let rule = RuleV1::new(&refusal.ingress);
        Self { rule, code: refusal.reason.code(), sentence: refusal.reason.sentence() }
    }
}

/// The event.
#[derive(Debug, Clone, Serialize)]
pub struct EventV1<'a> {
    id: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    time: Option<String>,
    account: Option<Cow<'a, str>>,
    region: Option<Cow<'a, str>>,
    actor: ActorV1<'a>,
    source_ip: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
}

impl<'a> EventV1<'a> {
    pub(super) fn new(origin: &'a Origin) -> Self {
        Self {
            id: maybe(origin.event_id.as_ref()),
            name: bounded(&origin.event_name),
            time: origin.time.map(|time| time.to_string()),
            account: maybe(origin.account.as_ref()),
            region: maybe(origin.region.as_ref()),
            actor: ActorV1::new(&origin.actor),
            source_ip: maybe(origin.source_ip.as_ref()),
            user_agent: maybe(origin.user_agent.as_ref()),
        }
    }
}

/// Who made the call.
#[derive(Debug, Clone, Serialize)]
pub struct ActorV1<'a> {
    kind: Option<Cow<'a, str>>,
    who: Option<Cow<'a, str>>,
    arn: Option<Cow<'a, str>>,
    invoked_by: Option<Cow<'a, str>>,
}

impl<'a> ActorV1<'a> {
    fn new(actor: &'a Actor) -> Self {
        Self {
            kind: maybe(actor.kind.as_ref()),
            who: maybe(actor.who.as_ref()),
            arn: maybe(actor.arn.as_ref()),
            invoked_by: maybe(actor.invoked_by.as_ref()),
        }
    }
}

/// The group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupV1<'a> {
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    vpc_id: Option<Cow<'a, str>>,
    owner_id: Option<Cow<'a, str>>,
}

impl<'a> GroupV1<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let group = &report.group;
        Self {
            id: Some(&group.id).filter(|id| !id.is_empty()).map(|id| bounded(id)),
            name: maybe(group.name.as_ref()),
            vpc_id: maybe(group.vpc_id.as_ref()),
            owner_id: maybe(group.owner_id.as_ref()),
        }
    }
}

/// How long each list is before any cut.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CountsV1 {
    findings: usize,
    removed: usize,
    added: usize,
    losses: usize,
    unkept: usize,
    failures: usize,
    refusals: usize,
    remaining: usize,
    unresolved_prefix_lists: usize,
    expired_exceptions: usize,
}

impl CountsV1 {
    pub(super) fn new(report: &Report) -> Self {
        Self {
            findings: report.findings.len(),
            removed: report.removed.len(),
            added: report.added.len(),
            losses: report.losses.len(),
            unkept: report.unkept.len(),
            failures: report.failures.len(),
            refusals: report.refusals.len(),
            remaining: report.remaining.len(),
            unresolved_prefix_lists: report.unresolved_prefix_lists.len(),
            expired_exceptions: report.expired_exceptions.len(),
        }
    }

    /// The length of the longest list.
    pub(super) fn most(&self) -> usize {
        let changes = [self.removed, self.added, self.losses, self.unkept, self.failures, self.refusals];
        let others = [self.findings, self.remaining, self.unresolved_prefix_lists, self.expired_exceptions];
        changes.into_iter().chain(others).max().unwrap_or_default()
    }
}

fn maybe(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| bounded(text))
}

/// The beginning of a text, marked where it was cut.
fn bounded(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TEXT) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}
