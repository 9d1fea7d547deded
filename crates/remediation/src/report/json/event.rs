//! The event and the security group of a report.

use std::borrow::Cow;

use portcullis_rules::SecurityGroup;
use serde::Serialize;

use super::text::{truncate_optional, truncate_text};
use crate::event::{Actor, Origin};
use crate::services::InterfaceCounts;

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
    /// The origin of an event.
    pub fn new(origin: &'a Origin) -> Self {
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
    /// Who made a call.
    pub fn new(actor: &'a Actor) -> Self {
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
    interfaces: Option<InterfaceCountsV1>,
}

/// How many network interfaces use the group.
#[derive(Debug, Clone, Copy, Serialize)]
struct InterfaceCountsV1 {
    total: usize,
    public: usize,
}

impl<'a> GroupV1<'a> {
    /// A group. Its id is unknown if the event specified a name that does not exist.
    pub fn new(group: &'a SecurityGroup, interfaces: Option<InterfaceCounts>) -> Self {
        let id = Some(&group.id).filter(|id| !id.is_empty());
        Self {
            id: truncate_optional(id),
            name: truncate_optional(group.name.as_ref()),
            vpc_id: truncate_optional(group.vpc_id.as_ref()),
            owner_id: truncate_optional(group.owner_id.as_ref()),
            interfaces: interfaces.map(|counts| InterfaceCountsV1 {
                total: counts.total,
                public: counts.public,
            }),
        }
    }
}
