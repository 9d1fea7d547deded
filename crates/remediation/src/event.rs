//! Intake: from an event to the groups it is about. Strict about what decides, tolerant of everything else.
//!
//! CloudTrail records come bare, inside an EventBridge envelope (`detail`), or inside what Lambda hands to an
//! on-failure destination (`requestPayload`). Only the name of the call, its success and the group decide; who did it
//! and what the request said are read as far as they are there, because the judgement comes from the group itself.

mod actor;
mod claimed_rules;

use jiff::Timestamp;
use portcullis_rules::{Context, IngressRule, OpenedRules};
use serde_json::Value;

pub use actor::Actor;

use crate::services::GroupRef;

/// What an event turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodedEvent {
    /// A call that may have widened access: look at these groups.
    Change(Box<GroupChange>),
    /// Nothing that can widen access.
    Ignored {
        /// Where the event came from, for the log line.
        origin: Box<Origin>,
        /// Why it needs no look.
        reason: IgnoreReason,
    },
}

/// Why an event needs no look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreReason {
    /// The call failed, so it changed nothing.
    #[error("the call failed with {0}, so it changed nothing")]
    CallFailed(String),
    /// Another call.
    #[error("{0} cannot open a security group to incoming traffic")]
    UnrelatedCall(String),
}

/// A successful call that may have widened access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// Who, when and from where.
    pub origin: Origin,
    /// What to look at.
    pub target: Target,
    /// The ingress rules that the event says were added or changed, as far as they can be read. They are never judged;
    /// they tell whether a first look came too early, and which findings this event brought.
    pub claimed_rules: Vec<IngressRule>,
}

impl GroupChange {
    /// What the engine needs to know about the change: where it happened, who made it and which
    /// rules it opened. `now` is the time by which exceptions expire.
    pub fn evaluation_context(&self, now: Option<Timestamp>) -> Context {
        Context {
            opened: self.claimed_rules.iter().collect(),
            ..self.origin.evaluation_context(now)
        }
    }
}

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Security groups, each once.
    Groups(Vec<GroupRef>),
    /// A managed prefix list (`pl-...`): every group that uses it.
    PrefixList(String),
}

/// Where an event came from. Everything but the call's name may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// CloudTrail's id of the event, the same in every copy that is delivered.
    pub event_id: Option<String>,
    /// The API call: `AuthorizeSecurityGroupIngress`.
    pub event_name: String,
    /// When the call was made.
    pub time: Option<Timestamp>,
    /// The account in which the group is.
    pub account: Option<String>,
    /// The region in which the group is.
    pub region: Option<String>,
    /// Who made the call.
    pub actor: Actor,
    /// The address, or the AWS service, from which the call came.
    pub source_ip: Option<String>,
    /// The caller's user agent.
    pub user_agent: Option<String>,
}

impl Origin {
    /// What the engine needs to know of where and when: `now` is the time to judge exceptions by.
    pub fn evaluation_context(&self, now: Option<Timestamp>) -> Context {
        let Actor {
            who, arn, issuer, ..
        } = &self.actor;
        let principals = [arn, issuer, who].into_iter().flatten().cloned().collect();
        Context {
            now,
            account: self.account.clone(),
            region: self.region.clone(),
            principals,
            opened: OpenedRules::None,
        }
    }
}

/// An event that should name a group and cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("the event is not JSON: {0}")]
    NotJson(String),
    /// JSON, but no CloudTrail record.
    #[error(
        "the event is no CloudTrail record: `{0}` is missing (expected a record, an EventBridge event with `detail`, \
         or a failed invocation with `requestPayload`)"
    )]
    NotCloudTrailRecord(&'static str),
    /// A record that names no group.
    #[error(
        "the {event_name} event {event_id} names no security group: looked at requestParameters.groupId, \
         requestParameters.ModifySecurityGroupRulesRequest.GroupId, \
         responseElements.securityGroupRuleSet.items[].groupId, responseElements.groupId and \
         requestParameters.groupName"
    )]
    MissingGroup {
        /// The API call.
        event_name: String,
        /// CloudTrail's id of the event.
        event_id: String,
    },
    /// A record of a prefix list change that names no list.
    #[error("the {event_name} event {event_id} names no prefix list")]
    MissingPrefixList {
        /// The API call.
        event_name: String,
        /// CloudTrail's id of the event.
        event_id: String,
    },
}

/// Reads an event from its bytes.
///
/// # Errors
/// When the event is no CloudTrail record, or should name a group and names none.
pub fn decode_event(bytes: &[u8]) -> Result<DecodedEvent, DecodeError> {
    let event: Value =
        serde_json::from_slice(bytes).map_err(|error| DecodeError::NotJson(error.to_string()))?;
    decode_event_value(&event)
}

/// Reads an event.
///
/// # Errors
/// As [`intake`].
pub fn decode_event_value(event: &Value) -> Result<DecodedEvent, DecodeError> {
    let event = event.get("requestPayload").unwrap_or(event);
    let record = event
        .get("detail")
        .filter(|detail| detail.is_object())
        .unwrap_or(event);
    let name = non_empty_text(record, "/eventName")
        .ok_or(DecodeError::NotCloudTrailRecord("eventName"))?;
    let source = non_empty_text(record, "/eventSource")
        .ok_or(DecodeError::NotCloudTrailRecord("eventSource"))?;
    let origin = decode_origin(event, record, &name);
    if let Some(code) = non_empty_text(record, "/errorCode") {
        return Ok(DecodedEvent::Ignored {
            origin: Box::new(origin),
            reason: IgnoreReason::CallFailed(code),
        });
    }
    if source != "ec2.amazonaws.com" {
        let reason = IgnoreReason::UnrelatedCall(format!("{name} of {source}"));
        return Ok(DecodedEvent::Ignored {
            origin: Box::new(origin),
            reason,
        });
    }
    let target = match name.as_str() {
        "AuthorizeSecurityGroupIngress" | "ModifySecurityGroupRules" => {
            decode_group_target(record, &origin)?
        }
        "ModifyManagedPrefixList" | "RestoreManagedPrefixListVersion" => {
            decode_prefix_list_target(record, &origin)?
        }
        _ => {
            return Ok(DecodedEvent::Ignored {
                origin: Box::new(origin),
                reason: IgnoreReason::UnrelatedCall(name),
            });
        }
    };
    let claims = claimed_rules::decode_claimed_rules(record);
    Ok(DecodedEvent::Change(Box::new(GroupChange {
        origin,
        target,
        claimed_rules: claims,
    })))
}

fn decode_origin(event: &Value, record: &Value, name: &str) -> Origin {
    Origin {
        event_id: non_empty_text(record, "/eventID").or_else(|| non_empty_text(event, "/id")),
        event_name: name.to_owned(),
        time: non_empty_text(record, "/eventTime").and_then(|time| time.parse().ok()),
        account: non_empty_text(record, "/recipientAccountId")
            .or_else(|| non_empty_text(event, "/account"))
            .or_else(|| non_empty_text(record, "/userIdentity/accountId")),
        region: non_empty_text(record, "/awsRegion").or_else(|| non_empty_text(event, "/region")),
        actor: actor::decode_actor(record),
        source_ip: non_empty_text(record, "/sourceIPAddress"),
        user_agent: non_empty_text(record, "/userAgent"),
    }
}

/// The groups that a record names, each once: by id from the request or the response, else by name.
fn decode_group_target(record: &Value, origin: &Origin) -> Result<Target, DecodeError> {
    let one = |pointer: &str| {
        non_empty_text(record, pointer)
            .into_iter()
            .collect::<Vec<_>>()
    };
    let found = [
        one("/requestParameters/groupId"),
        one("/requestParameters/ModifySecurityGroupRulesRequest/GroupId"),
        list_items(record, "/responseElements/securityGroupRuleSet")
            .filter_map(|rule| non_empty_text(rule, "/groupId"))
            .collect(),
        one("/responseElements/groupId"),
    ];
    let mut ids: Vec<_> = found
        .into_iter()
        .flatten()
        .filter(|id| id.starts_with("sg-"))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() {
        return Ok(Target::Groups(ids.into_iter().map(GroupRef::Id).collect()));
    }
    let name = non_empty_text(record, "/requestParameters/groupName").ok_or_else(|| {
        DecodeError::MissingGroup {
            event_name: origin.event_name.clone(),
            event_id: origin
                .event_id
                .clone()
                .unwrap_or_else(|| "without an id".to_owned()),
        }
    })?;
    Ok(Target::Groups(vec![GroupRef::Name(name)]))
}

fn decode_prefix_list_target(record: &Value, origin: &Origin) -> Result<Target, DecodeError> {
    let wrapped = format!(
        "/requestParameters/{}Request/PrefixListId",
        origin.event_name
    );
    non_empty_text(record, &wrapped)
        .or_else(|| non_empty_text(record, "/requestParameters/prefixListId"))
        .map(Target::PrefixList)
        .ok_or_else(|| DecodeError::MissingPrefixList {
            event_name: origin.event_name.clone(),
            event_id: origin
                .event_id
                .clone()
                .unwrap_or_else(|| "without an id".to_owned()),
        })
}

/// A text that is there and not empty.
fn non_empty_text(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// The `items` of a list in CloudTrail's older form, in which an empty list is `{}`.
fn list_items<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    one_or_many(value.pointer(pointer).and_then(|list| list.get("items")))
}

/// CloudTrail's newer form has an object where there is one and an array where there are several.
fn one_or_many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Some(Value::Array(many)) => (Some(many), None),
        other => (None, other.filter(|value| value.is_object())),
    };
    many.into_iter().flatten().chain(one)
}

#[cfg(test)]
mod tests;
