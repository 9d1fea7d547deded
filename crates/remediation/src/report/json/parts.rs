//! The parts of the report.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_rules::plan::{Addition, Purpose, Refusal, SkippedAddition};
use portcullis_rules::{
    Action, Finding, IngressRule, Protocol, Removal, SecurityGroup, Severity, TrafficSet,
};
use serde::Serialize;

use super::DisplayString;
use crate::event::{Actor, Origin};
use crate::report::{FailedAddition, FailedRemoval, GroupReport};
use crate::services::ServiceError;

/// How much of a text from outside that restores nothing is kept, in characters.
const MAX_TEXT_CHARS: usize = 1024;

/// One rule of the policy broken by one ingress rule: the shape that `portcullis audit --format json` prints too.
#[derive(Debug, Clone, Serialize)]
pub struct FindingV1<'a> {
    group_id: &'a str,
    group_name: Option<&'a str>,
    vpc_id: Option<&'a str>,
    security_group_rule_id: Option<&'a str>,
    protocol: DisplayString<Protocol>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: DisplayString<&'a portcullis_rules::Source>,
    rule: &'a str,
    severity: DisplayString<Severity>,
    action: DisplayString<Action>,
    references: &'a [String],
    offending_ports: DisplayString<&'a TrafficSet>,
    exempt: Option<&'a str>,
}

impl<'a> FindingV1<'a> {
    /// A finding in this group.
    pub fn new(group: &'a SecurityGroup, finding: &'a Finding) -> Self {
        let ingress = &finding.ingress;
        let (from_port, to_port) = ingress.display_ports();
        Self {
            group_id: &group.id,
            group_name: group.name.as_deref(),
            vpc_id: group.vpc_id.as_deref(),
            security_group_rule_id: ingress.id.as_deref(),
            protocol: DisplayString(ingress.protocol()),
            from_port,
            to_port,
            source: DisplayString(&ingress.source),
            rule: &finding.policy_rule.id,
            severity: DisplayString(finding.policy_rule.severity),
            action: DisplayString(finding.policy_rule.action),
            references: &finding.policy_rule.references,
            offending_ports: DisplayString(&finding.offending),
            exempt: finding.exempted_by.as_deref(),
        }
    }
}

/// The full content of one ingress rule, its ports as EC2 has them: all that restores it.
#[derive(Debug, Clone, Serialize)]
pub struct SecurityGroupRuleV1<'a> {
    security_group_rule_id: Option<&'a str>,
    protocol: DisplayString<Protocol>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    source: DisplayString<&'a portcullis_rules::Source>,
    source_owner_id: Option<&'a str>,
    description: Option<&'a str>,
    tags: &'a BTreeMap<String, String>,
}

impl<'a> SecurityGroupRuleV1<'a> {
    /// The content of this rule.
    pub fn new(ingress: &'a IngressRule) -> Self {
        let written = ingress.ec2_ports();
        let source_owner_id = match &ingress.source {
            portcullis_rules::Source::Group(group) => group.owner_id.as_deref(),
            portcullis_rules::Source::Cidr(_) | portcullis_rules::Source::PrefixList(_) => None,
        };
        Self {
            security_group_rule_id: ingress.id.as_deref(),
            protocol: DisplayString(ingress.protocol()),
            from_port: written.from,
            to_port: written.to,
            source: DisplayString(&ingress.source),
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
    rule: SecurityGroupRuleV1<'a>,
    policy_rules: &'a [String],
    action: DisplayString<Action>,
}

impl<'a> RemovalV1<'a> {
    /// A removal.
    pub fn new(removal: &'a Removal) -> Self {
        Self {
            rule: SecurityGroupRuleV1::new(&removal.ingress),
            policy_rules: &removal.policy_rules,
            action: DisplayString(removal.action),
        }
    }
}

/// A rule that was added (in monitor mode: would be) in the place of one that was removed.
#[derive(Debug, Clone, Serialize)]
pub struct AdditionV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    purpose: &'static str,
    replaces: Option<&'a str>,
}

impl<'a> AdditionV1<'a> {
    /// An addition.
    pub fn new(addition: &'a Addition) -> Self {
        let purpose = match addition.purpose {
            Purpose::Keep => "keep",
            Purpose::Trust => "trust",
        };
        Self {
            rule: SecurityGroupRuleV1::new(&addition.ingress),
            purpose,
            replaces: addition.replaces.id.as_deref(),
        }
    }
}

/// A rule that could not be kept or opened again, as the plan foresaw.
#[derive(Debug, Clone, Serialize)]
pub struct SkippedAdditionV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    code: &'static str,
    message: &'static str,
}

impl<'a> SkippedAdditionV1<'a> {
    /// A loss.
    pub fn new(loss: &'a SkippedAddition) -> Self {
        let rule = SecurityGroupRuleV1::new(&loss.ingress);
        Self {
            rule,
            code: loss.reason.code(),
            message: loss.reason.message(),
        }
    }
}

/// A rule that was to be added in the place of one that was removed, and the call that failed.
#[derive(Debug, Clone, Serialize)]
pub struct FailedAdditionV1<'a> {
    #[serde(flatten)]
    rule: AdditionV1<'a>,
    #[serde(flatten)]
    error: ErrorV1<'a>,
}

impl<'a> FailedAdditionV1<'a> {
    pub(super) fn new(unkept: &'a FailedAddition) -> Self {
        Self {
            rule: AdditionV1::new(&unkept.addition),
            error: ErrorV1::new(&unkept.error),
        }
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
    pub(super) fn new(error: &'a ServiceError) -> Self {
        Self {
            operation: error.operation,
            kind: error.kind.code(),
            message: truncate_text(&error.message),
        }
    }
}

/// A rule that was to go and did not.
#[derive(Debug, Clone, Serialize)]
pub struct FailedRemovalV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    #[serde(flatten)]
    error: ErrorV1<'a>,
}

impl<'a> FailedRemovalV1<'a> {
    pub(super) fn new(failure: &'a FailedRemoval) -> Self {
        Self {
            rule: SecurityGroupRuleV1::new(&failure.ingress),
            error: ErrorV1::new(&failure.error),
        }
    }
}

/// A rule that the policy wants gone and that was left on purpose.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalV1<'a> {
    #[serde(flatten)]
    rule: SecurityGroupRuleV1<'a>,
    code: &'static str,
    message: &'static str,
}

impl<'a> RefusalV1<'a> {
    /// A refusal.
    pub fn new(refusal: &'a Refusal) -> Self {
        let rule = SecurityGroupRuleV1::new(&refusal.ingress);
        Self {
            rule,
            code: refusal.reason.code(),
            message: refusal.reason.message(),
        }
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
            id: truncate_optional(origin.event_id.as_ref()),
            name: truncate_text(&origin.event_name),
            time: origin.time.map(|time| time.to_string()),
            account: truncate_optional(origin.account.as_ref()),
            region: truncate_optional(origin.region.as_ref()),
            actor: ActorV1::new(&origin.actor),
            source_ip: truncate_optional(origin.source_ip.as_ref()),
            user_agent: truncate_optional(origin.user_agent.as_ref()),
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
            kind: truncate_optional(actor.kind.as_ref()),
            who: truncate_optional(actor.who.as_ref()),
            arn: truncate_optional(actor.arn.as_ref()),
            invoked_by: truncate_optional(actor.invoked_by.as_ref()),
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
    pub(super) fn new(report: &'a GroupReport) -> Self {
        let group = &report.group;
        Self {
            id: Some(&group.id)
                .filter(|id| !id.is_empty())
                .map(|id| truncate_text(id)),
            name: truncate_optional(group.name.as_ref()),
            vpc_id: truncate_optional(group.vpc_id.as_ref()),
            owner_id: truncate_optional(group.owner_id.as_ref()),
        }
    }
}

/// How long each list is before any cut.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CountsV1 {
    findings: usize,
    removed: usize,
    added: usize,
    skipped_additions: usize,
    failed_additions: usize,
    failures: usize,
    refusals: usize,
    remaining: usize,
    unresolved_prefix_lists: usize,
    expired_exceptions: usize,
}

impl CountsV1 {
    pub(super) fn new(report: &GroupReport) -> Self {
        Self {
            findings: report.findings.len(),
            removed: report.removed.len(),
            added: report.added.len(),
            skipped_additions: report.skipped_additions.len(),
            failed_additions: report.failed_additions.len(),
            failures: report.failed_removals.len(),
            refusals: report.refusals.len(),
            remaining: report.remaining.len(),
            unresolved_prefix_lists: report.unresolved_prefix_lists.len(),
            expired_exceptions: report.expired_exceptions.len(),
        }
    }

    /// The length of the longest list.
    pub(super) fn longest_list(&self) -> usize {
        let changes = [
            self.removed,
            self.added,
            self.skipped_additions,
            self.failed_additions,
            self.failures,
            self.refusals,
        ];
        let others = [
            self.findings,
            self.remaining,
            self.unresolved_prefix_lists,
            self.expired_exceptions,
        ];
        changes.into_iter().chain(others).max().unwrap_or_default()
    }
}

fn truncate_optional(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| truncate_text(text))
}

/// The beginning of a text, marked where it was cut.
fn truncate_text(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}
