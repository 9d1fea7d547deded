//! Decodes an event: strict about the fields that matter, tolerant of everything else.
//!
//! CloudTrail records arrive bare, inside an EventBridge envelope (`detail`), or inside what Lambda
//! sends to an on-failure destination (`requestPayload`). The name of the call, its success and the
//! group are required. The caller matters for guardrails and exceptions that match principals. The
//! caller and the request may be incomplete, because the evaluation reads the group itself.

use serde_json::Value;

use super::actor::decode_actor;
use super::change::{DecodedEvent, GroupChange, IgnoreReason, Origin, Target};
use super::claimed_rules::decode_claimed_rules;
use super::prefix_list::{decode_prefix_list, may_add_entries};
use super::record::{list_items, non_empty_text};
use crate::services::GroupRef;

/// An event that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("the event is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not a CloudTrail record.
    #[error(
        "the event is not a CloudTrail record: `{0}` is missing (expected a record, an EventBridge \
         event with `detail`, or a failed invocation with `requestPayload`)"
    )]
    NotCloudTrailRecord(&'static str),
    /// A record without a security group.
    #[error(
        "the {event_name} event {event_id} does not specify a security group: expected one of \
         requestParameters.groupId, requestParameters.ModifySecurityGroupRulesRequest.GroupId, \
         responseElements.securityGroupRuleSet.items[].groupId, responseElements.groupId or \
         requestParameters.groupName"
    )]
    MissingGroup {
        /// The API call.
        event_name: String,
        /// CloudTrail's id of the event.
        event_id: String,
    },
    /// A record of a changed prefix list without the list.
    #[error("the {event_name} event {event_id} does not specify a prefix list")]
    MissingPrefixList {
        /// The API call.
        event_name: String,
        /// CloudTrail's id of the event.
        event_id: String,
    },
}

/// Decodes an event from its bytes.
///
/// # Errors
/// When the event is not a CloudTrail record, or does not specify the group or prefix list that its
/// call changes.
pub fn decode_event(bytes: &[u8]) -> Result<DecodedEvent, DecodeError> {
    let event: Value =
        serde_json::from_slice(bytes).map_err(|error| DecodeError::NotJson(error.to_string()))?;
    decode_event_value(&event)
}

/// Decodes an event.
///
/// # Errors
/// As [`decode_event`].
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
            let Some(list) = decode_prefix_list(record, &name) else {
                return Err(DecodeError::MissingPrefixList {
                    event_name: name,
                    event_id: event_id_for_error(&origin),
                });
            };
            if !may_add_entries(record, &name) {
                return Ok(DecodedEvent::Ignored {
                    origin: Box::new(origin),
                    reason: IgnoreReason::NoEntryAdded(name, list.id),
                });
            }
            Target::PrefixList(list)
        }
        _ => {
            return Ok(DecodedEvent::Ignored {
                origin: Box::new(origin),
                reason: IgnoreReason::UnrelatedCall(name),
            });
        }
    };
    Ok(DecodedEvent::Change(Box::new(GroupChange {
        origin,
        target,
        claimed_rules: decode_claimed_rules(record),
    })))
}

fn decode_origin(event: &Value, record: &Value, name: &str) -> Origin {
    Origin {
        event_id: non_empty_text(record, "/eventID").or_else(|| non_empty_text(event, "/id")),
        event_name: name.to_owned(),
        time: non_empty_text(record, "/eventTime").and_then(|time| time.parse().ok()),
        account: non_empty_text(record, "/recipientAccountId")
            .or_else(|| non_empty_text(event, "/account")),
        region: non_empty_text(record, "/awsRegion").or_else(|| non_empty_text(event, "/region")),
        actor: decode_actor(record),
        source_ip: non_empty_text(record, "/sourceIPAddress"),
        user_agent: non_empty_text(record, "/userAgent"),
    }
}

/// Where a record can have the id of its group, besides `securityGroupRuleSet`.
const GROUP_ID_POINTERS: [&str; 3] = [
    "/requestParameters/groupId",
    "/requestParameters/ModifySecurityGroupRulesRequest/GroupId",
    "/responseElements/groupId",
];

/// The groups of a record, each once: by id from the request or the response, else by name.
fn decode_group_target(record: &Value, origin: &Origin) -> Result<Target, DecodeError> {
    let listed = list_items(record, "/responseElements/securityGroupRuleSet")
        .filter_map(|rule| non_empty_text(rule, "/groupId"));
    let mut ids: Vec<_> = GROUP_ID_POINTERS
        .iter()
        .filter_map(|pointer| non_empty_text(record, pointer))
        .chain(listed)
        .filter(|id| id.starts_with("sg-"))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    if !ids.is_empty() {
        return Ok(Target::Groups(ids.into_iter().map(GroupRef::Id).collect()));
    }
    match non_empty_text(record, "/requestParameters/groupName") {
        Some(name) => Ok(Target::Groups(vec![GroupRef::Name(name)])),
        None => Err(DecodeError::MissingGroup {
            event_name: origin.event_name.clone(),
            event_id: event_id_for_error(origin),
        }),
    }
}

fn event_id_for_error(origin: &Origin) -> String {
    origin
        .event_id
        .clone()
        .unwrap_or_else(|| "without an id".to_owned())
}
