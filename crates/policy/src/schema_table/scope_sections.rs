//! The sections that select groups, traffic and principals.

use super::kinds::{AwsId, Key, Kind, MapKey, MinItems, PatternSubject, Section, optional_key};

const NAMES: Key = optional_key(
    "names",
    Kind::List(&Kind::Pattern(PatternSubject::GroupName), MinItems::One),
    "Group names; `*` and `?` are wildcards.",
);
const GROUPS: Key = optional_key(
    "groups",
    Kind::List(&Kind::Aws(AwsId::Group), MinItems::One),
    "Group ids.",
);
const VPCS: Key = optional_key(
    "vpcs",
    Kind::List(&Kind::Aws(AwsId::Vpc), MinItems::One),
    "VPC ids.",
);
const ACCOUNTS: Key = optional_key(
    "accounts",
    Kind::List(&Kind::Aws(AwsId::Account), MinItems::One),
    "Account ids.",
);
const REGIONS: Key = optional_key(
    "regions",
    Kind::List(&Kind::Aws(AwsId::Region), MinItems::One),
    "Region names.",
);
const TAGS: Key = optional_key(
    "tags",
    Kind::Map(MapKey::Tag, &Kind::Pattern(PatternSubject::Tag)),
    "Tags of the group; all of them must match. Anyone who may tag the group can set them.",
);

pub(super) static SCOPE: Section = Section {
    name: "a scope",
    doc: "A set of groups. Every key must match; for a list, any entry.",
    may_be_empty: false,
    keys: &[NAMES, GROUPS, VPCS, ACCOUNTS, REGIONS, TAGS],
};

pub(super) static MATCH: Section = Section {
    name: "`match`",
    doc: "What an exception applies to. Every key must match; for a list, any entry.",
    may_be_empty: false,
    keys: &[
        NAMES,
        GROUPS,
        VPCS,
        ACCOUNTS,
        REGIONS,
        TAGS,
        optional_key(
            "rule_tags",
            Kind::Map(MapKey::Tag, &Kind::Pattern(PatternSubject::Tag)),
            "Tags of the security group rule. Anyone who opens the port can set them.",
        ),
        optional_key(
            "descriptions",
            Kind::List(&Kind::Pattern(PatternSubject::Description), MinItems::One),
            "Descriptions of the security group rule. Anyone who opens the port writes them.",
        ),
        optional_key(
            "principals",
            Kind::List(&Kind::Pattern(PatternSubject::Principal), MinItems::One),
            "ARNs of the principals that opened the security group rule. Known only for rules \
             that the event opened. For others, the ports are reported and not cut.",
        ),
    ],
};

pub(super) const PORTS: Key = optional_key(
    "ports",
    Kind::List(&Kind::PortsOrName, MinItems::One),
    "Ports (`22`), port ranges (`8000-8010`), `all`, and names defined under `ports`.",
);
pub(super) const PROTOCOL: Key = optional_key(
    "protocol",
    Kind::List(&Kind::Protocol, MinItems::One),
    "A protocol or a list of them: `tcp`, `udp`, and without `ports` also `icmp`, `icmpv6` \
     or a number.",
);
pub(super) const TRAFFIC: Key = optional_key(
    "traffic",
    Kind::Section(&TRAFFIC_SECTION),
    "Instead of `protocol` and `ports`, if each protocol has its own ports.",
);

static TRAFFIC_SECTION: Section = Section {
    name: "`traffic`",
    doc: "A set of traffic. It contains only what is listed.",
    may_be_empty: true,
    keys: &[
        optional_key(
            "tcp",
            Kind::List(&Kind::PortsOrName, MinItems::One),
            "TCP ports; `all` for every port.",
        ),
        optional_key(
            "udp",
            Kind::List(&Kind::PortsOrName, MinItems::One),
            "UDP ports; `all` for every port.",
        ),
        optional_key("icmp", Kind::Flag, "ICMP of every type."),
        optional_key("icmpv6", Kind::Flag, "ICMPv6 of every type."),
        optional_key(
            "others",
            Kind::List(&Kind::ProtocolNumber, MinItems::One),
            "Numbers of other protocols; `all` for every one.",
        ),
    ],
};
