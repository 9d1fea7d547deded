//! A difference between two policies, and whether it weakens the old one.

use portcullis_rules::{PortSet, TrafficSet};
use serde::Serialize;

/// What a difference does to the protection, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    /// Something is allowed, or acted upon less, that was not before.
    Weaker,
    /// Something is forbidden, or acted upon more.
    Stricter,
    /// Neither.
    Neutral,
}

impl Direction {
    pub(super) const ALL: [Self; 3] = [Self::Weaker, Self::Stricter, Self::Neutral];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Weaker => "weaker",
            Self::Stricter => "stricter",
            Self::Neutral => "neutral",
        }
    }

    /// The direction of a change by whether the old state covers the new one, and the other way
    /// round. Where neither does, something is weaker.
    pub(super) const fn from_coverage(new_covers_old: bool, old_covers_new: bool) -> Self {
        match (new_covers_old, old_covers_new) {
            (true, true) => Self::Neutral,
            (true, false) => Self::Stricter,
            (false, _) => Self::Weaker,
        }
    }

    /// The direction from one value to another, of which the greater one is stricter.
    pub(super) fn from_order<T: Ord>(old: &T, new: &T) -> Self {
        Self::from_coverage(new >= old, old >= new)
    }
}

/// A part of a policy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DiffSection {
    Name,
    Mode,
    Rules,
    Overrides,
    Exceptions,
    Guardrails,
}

impl DiffSection {
    /// The part in a sentence: `rule`.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Mode => "mode",
            Self::Rules => "rule",
            Self::Overrides => "override of",
            Self::Exceptions => "exception",
            Self::Guardrails => "guardrail",
        }
    }
}

/// A difference between the policies themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) direction: Direction,
    pub(super) section: DiffSection,
    /// The id of the rule or exception, or the key of the guardrail.
    pub(super) subject: Option<String>,
    /// What is different, in a phrase.
    pub(super) message: String,
}

impl Change {
    pub(super) fn new(
        direction: Direction,
        section: DiffSection,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            direction,
            section,
            subject: Some(subject.into()),
            message: message.into(),
        }
    }
}

/// How many port ranges or sources a phrase lists.
const MAX_LISTED: usize = 6;

/// A set of traffic in a phrase: `tcp 22,8080, udp 53, icmp`.
pub(super) fn describe_traffic_set(traffic: &TrafficSet) -> String {
    if *traffic == TrafficSet::all() {
        return "all traffic".to_owned();
    }
    let mut parts = Vec::new();
    if traffic.tcp == traffic.udp && !traffic.tcp.is_empty() {
        parts.push(format!("tcp and udp {}", describe_ports(&traffic.tcp)));
    } else {
        for (protocol, ports) in [("tcp", &traffic.tcp), ("udp", &traffic.udp)] {
            if !ports.is_empty() {
                parts.push(format!("{protocol} {}", describe_ports(ports)));
            }
        }
    }
    if traffic.icmp {
        parts.push("icmp".to_owned());
    }
    if traffic.icmpv6 {
        parts.push("icmpv6".to_owned());
    }
    if !traffic.other_protocols.is_empty() {
        parts.push(format!("protocols {}", traffic.other_protocols));
    }
    if parts.is_empty() {
        return "nothing".to_owned();
    }
    parts.join(", ")
}

fn describe_ports(ports: &PortSet) -> String {
    if ports.is_all() {
        return "all ports".to_owned();
    }
    let ranges: Vec<_> = ports.ranges().iter().map(ToString::to_string).collect();
    shorten_list(&ranges, ",")
}

/// The first few of the items, and how many there are besides.
pub(super) fn shorten_list(items: &[String], separator: &str) -> String {
    match items.split_at_checked(MAX_LISTED) {
        Some((first, rest)) if !rest.is_empty() => {
            let first = first.join(separator);
            format!("{first} and {} more", rest.len())
        }
        _ => items.join(separator),
    }
}
