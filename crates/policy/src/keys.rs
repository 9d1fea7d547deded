//! The one table of keys: what may stand where. The decoder follows it and the JSON Schema is made from it, so that
//! neither can know a key that the other does not.

use portcullis_rules::{Action, Severity};

use crate::code::Code;

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// What it is called in a message: "a rule".
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
    /// Whether it may be written with nothing in it.
    pub(crate) may_be_empty: bool,
}

/// One key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) kind: Kind,
    /// What it is called when it is not there, for a key that must be.
    pub(crate) required: Option<Code>,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Kind {
    /// The version of the language.
    Version,
    /// Some text for people.
    Text,
    /// A new id or name: small letters, digits and dashes.
    Id,
    /// The id of a rule of this policy.
    RuleId,
    /// One of a few words; first what such a word is called.
    Choice(&'static str, &'static [Choice]),
    Flag,
    /// A whole number from one.
    Count,
    /// A day or a moment.
    Timestamp,
    /// A port or span of ports.
    Ports,
    /// The same, or the name of a set of them.
    PortsOrName,
    /// A CIDR, prefix list or group.
    Source,
    /// The same, or the name of a list of them.
    SourceOrName,
    /// A protocol, by name or number.
    Protocol,
    /// The number of a protocol without a name of its own.
    ProtocolNumber,
    /// An id as AWS writes it.
    Aws(AwsId),
    /// A text with `*` and `?`.
    Pattern(PatternSubject),
    /// A list; one value stands for a list of one.
    List(&'static Kind, MinItems),
    /// A mapping with known keys.
    Section(&'static Section),
    /// A mapping with keys of the author's own.
    Map(MapKey, &'static Kind),
}

/// Whether a list may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MinItems {
    None,
    One,
}

/// What the keys of a mapping are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapKey {
    /// New names.
    Name,
    /// Ids of rules of this policy.
    RuleId,
    /// The keys of tags.
    Tag,
}

/// A word, and what it means.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) doc: &'static str,
}

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AwsId {
    Account,
    Region,
    Vpc,
    Group,
}

/// What a pattern is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatternSubject {
    GroupName,
    Description,
    Tag,
    Principal,
}

const fn optional_key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        doc,
        kind,
        required: None,
    }
}

const fn required_key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        doc,
        kind,
        required: Some(Code::MissingKey),
    }
}

const fn allowed_value(word: &'static str, doc: &'static str) -> Choice {
    Choice { word, doc }
}

/// The whole file.
pub(crate) static POLICY: Section = Section {
    name: "a policy",
    doc: "A policy of Portcullis: which security group rules are forbidden, and what is done about them.",
    may_be_empty: false,
    keys: &[
        required_key("version", Kind::Version, "The version of this language: 1."),
        optional_key(
            "name",
            Kind::Text,
            "What the policy is called in reports. Default: the name of the file.",
        ),
        optional_key(
            "extends",
            Kind::Choice("policy to extend", PRESETS),
            "A policy to start from. A rule with the id of one of its rules replaces the fields it names; everything \
             else is added.",
        ),
        optional_key(
            "mode",
            Kind::Choice("mode", MODES),
            "Whether anything is changed at all. Default: `enforce`.",
        ),
        optional_key(
            "trusted",
            Kind::Map(MapKey::Name, &Kind::List(&Kind::Source, MinItems::One)),
            "Lists of sources with names of your own, for rules that `restrict`.",
        ),
        optional_key(
            "ports",
            Kind::Map(MapKey::Name, &Kind::List(&Kind::Ports, MinItems::One)),
            "Sets of ports with names of your own.",
        ),
        optional_key(
            "rules",
            Kind::List(&Kind::Section(&RULE), MinItems::None),
            "What is forbidden, in the order of reports.",
        ),
        optional_key(
            "exceptions",
            Kind::List(&Kind::Section(&EXCEPTION), MinItems::None),
            "What is allowed although a rule forbids it. An exception frees what it names and no more.",
        ),
        optional_key(
            "guardrails",
            Kind::Section(&GUARDRAILS),
            "What is never done, whatever the rules say.",
        ),
        optional_key(
            "overrides",
            Kind::List(&Kind::Section(&OVERRIDE), MinItems::None),
            "Other severities and actions for some groups. A later one wins over an earlier one.",
        ),
    ],
};

const PRESETS: &[Choice] = &[
    allowed_value(
        "baseline",
        "Closes what published controls agree must not be open to the world.",
    ),
    allowed_value(
        "web-only",
        "The world reaches TCP 80 and 443; everything else is narrowed away.",
    ),
    allowed_value("monitor", "The baseline, changing nothing: it only tells."),
    allowed_value(
        "hipaa",
        "The baseline with the rule for common ports as HIPAA checks have it.",
    ),
];

const MODES: &[Choice] = &[
    allowed_value("enforce", "Actions are carried out."),
    allowed_value(
        "monitor",
        "Nothing is changed, whatever the actions say: what would be done is told.",
    ),
];

static RULE: Section = Section {
    name: "a rule",
    doc: "One rule: what it looks for, how bad that is, and what is done about it.",
    may_be_empty: false,
    keys: &[
        required_key(
            "id",
            Kind::Id,
            "A name that stays: small letters, digits and dashes. Exceptions and reports use it.",
        ),
        optional_key(
            "forbids",
            Kind::Text,
            "What the rule forbids, in one line for people. Alerts quote it.",
        ),
        optional_key(
            "check",
            Kind::Choice("check", CHECKS),
            "What is looked for.",
        ),
        PORTS_KEY,
        PROTOCOL_KEY,
        TRAFFIC_KEY,
        optional_key(
            "severity",
            Kind::Choice("severity", SEVERITIES),
            "How bad it is.",
        ),
        optional_key(
            "action",
            Kind::Choice("action", ACTIONS),
            "What is done about it. Where rules meet on one box, the strongest wins.",
        ),
        optional_key(
            "trusted",
            Kind::List(&Kind::SourceOrName, MinItems::One),
            "For `restrict`: the sources that keep access. Names under `trusted`, CIDRs, prefix lists, groups.",
        ),
        optional_key(
            "references",
            Kind::List(&Kind::Text, MinItems::None),
            "The published controls that the rule answers.",
        ),
        optional_key(
            "scope",
            Kind::Section(&SCOPE),
            "The groups for which the rule holds. Default: all.",
        ),
    ],
};

const PORTS_KEY: Key = optional_key(
    "ports",
    Kind::List(&Kind::PortsOrName, MinItems::One),
    "Ports (`22`), spans (`8000-8010`), `all`, and names under `ports`.",
);
const PROTOCOL_KEY: Key = optional_key(
    "protocol",
    Kind::List(&Kind::Protocol, MinItems::One),
    "The protocol, or a list: `tcp`, `udp`, and where no ports are given also `icmp`, `icmpv6` or a number.",
);
const TRAFFIC_KEY: Key = optional_key(
    "traffic",
    Kind::Section(&TRAFFIC),
    "Instead of `protocol` and `ports`, where each protocol has ports of its own.",
);

static TRAFFIC: Section = Section {
    name: "`traffic`",
    doc: "A set of traffic. What is not named is not in it.",
    may_be_empty: true,
    keys: &[
        optional_key(
            "tcp",
            Kind::List(&Kind::PortsOrName, MinItems::One),
            "TCP ports; `all` for every one.",
        ),
        optional_key(
            "udp",
            Kind::List(&Kind::PortsOrName, MinItems::One),
            "UDP ports; `all` for every one.",
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

/// The check kinds, in the order of `portcullis_rules::check::Check`.
pub(crate) const CHECKS: &[Choice] = &[
    allowed_value("all-traffic", "Protocol `-1` open to the world."),
    allowed_value(
        "open-ports",
        "These TCP or UDP ports open to the world, alone or inside a range or `-1`. Needs `ports`.",
    ),
    allowed_value(
        "open-ports-except",
        "Any other TCP or UDP port open to the world. Needs `ports`.",
    ),
    allowed_value(
        "open-except",
        "Anything else open to the world: ports, ICMP, other protocols. Needs `ports` or `traffic`.",
    ),
    allowed_value(
        "port-range",
        "More than one port of a box (TCP, UDP or `-1`) open to the world.",
    ),
    allowed_value(
        "port-range-internal",
        "A box of more than one port from a CIDR or prefix list that is not the world.",
    ),
    allowed_value(
        "broad-source",
        "A public source of /8 or shorter (IPv6: /16 or shorter) that is not the world.",
    ),
    allowed_value(
        "other-protocols",
        "A protocol number other than TCP, UDP, ICMP and ICMPv6 open to the world.",
    ),
];

/// The checks that say what traffic they mean, by the keys `ports`, `protocol` and `traffic`.
pub(crate) const CHECKS_WITH_TRAFFIC: [&str; 3] =
    ["open-ports", "open-ports-except", "open-except"];

/// The keys that only those have.
pub(crate) const TRAFFIC_KEYS: [&str; 3] = ["ports", "protocol", "traffic"];

const SEVERITIES: &[Choice] = &[
    allowed_value("low", "Untidy; worth knowing."),
    allowed_value("medium", "Widens the attack surface."),
    allowed_value("high", "Act today."),
    allowed_value("critical", "Act now."),
];

const ACTIONS: &[Choice] = &[
    allowed_value("revoke", "The whole box goes."),
    allowed_value(
        "restrict",
        "What is forbidden is opened again to `trusted` only, what is not is kept, and the box goes.",
    ),
    allowed_value(
        "narrow",
        "What is not forbidden is kept as boxes of its own, and the box goes.",
    ),
    allowed_value("notify", "Somebody is told."),
    allowed_value("off", "Nothing; the rule is not judged."),
];

/// The severity that a word of the table names.
pub(crate) fn parse_severity(word: &str) -> Option<Severity> {
    [
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ]
    .into_iter()
    .find(|severity| severity.to_string() == word)
}

/// The action that a word of the table names.
pub(crate) fn parse_action(word: &str) -> Option<Action> {
    [
        Action::Off,
        Action::Notify,
        Action::Narrow,
        Action::Restrict,
        Action::Revoke,
    ]
    .into_iter()
    .find(|action| action.to_string() == word)
}

const NAMES: Key = optional_key(
    "names",
    Kind::List(&Kind::Pattern(PatternSubject::GroupName), MinItems::One),
    "Names of groups; `*` and `?` match.",
);
const GROUPS: Key = optional_key(
    "groups",
    Kind::List(&Kind::Aws(AwsId::Group), MinItems::One),
    "Ids of groups.",
);
const VPCS: Key = optional_key(
    "vpcs",
    Kind::List(&Kind::Aws(AwsId::Vpc), MinItems::One),
    "Ids of VPCs.",
);
const ACCOUNTS: Key = optional_key(
    "accounts",
    Kind::List(&Kind::Aws(AwsId::Account), MinItems::One),
    "Ids of accounts.",
);
const REGIONS: Key = optional_key(
    "regions",
    Kind::List(&Kind::Aws(AwsId::Region), MinItems::One),
    "Names of regions.",
);
const TAGS: Key = optional_key(
    "tags",
    Kind::Map(MapKey::Tag, &Kind::Pattern(PatternSubject::Tag)),
    "Tags of the group, all of which must be there. Whoever may tag the group can set them.",
);

static SCOPE: Section = Section {
    name: "a scope",
    doc: "A set of groups. Everything that is given must fit, of each list any one.",
    may_be_empty: false,
    keys: &[NAMES, GROUPS, VPCS, ACCOUNTS, REGIONS, TAGS],
};

static MATCH: Section = Section {
    name: "`match`",
    doc: "What an exception is for. Everything that is given must fit, of each list any one.",
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
            "Tags of the security group rule. Whoever opens the port can set them.",
        ),
        optional_key(
            "descriptions",
            Kind::List(&Kind::Pattern(PatternSubject::Description), MinItems::One),
            "Descriptions of the security group rule. Whoever opens the port writes them.",
        ),
        optional_key(
            "principals",
            Kind::List(&Kind::Pattern(PatternSubject::Principal), MinItems::One),
            "ARNs of those who made the change. Outside of an event nobody is known, so nothing is freed there.",
        ),
    ],
};

static EXCEPTION: Section = Section {
    name: "an exception",
    doc: "What is allowed although a rule forbids it.",
    may_be_empty: false,
    keys: &[
        required_key(
            "id",
            Kind::Id,
            "A name that stays: small letters, digits and dashes. Reports use it.",
        ),
        Key {
            required: Some(Code::MissingReason),
            ..optional_key("reason", Kind::Text, "Why it is allowed.")
        },
        Key {
            required: Some(Code::MissingOwner),
            ..optional_key("owner", Kind::Text, "Who answers for it.")
        },
        optional_key(
            "expires",
            Kind::Timestamp,
            "The last day (to its end, UTC), or the moment from which it does nothing. Default: never.",
        ),
        optional_key(
            "rules",
            Kind::List(&Kind::RuleId, MinItems::One),
            "The rules it is an exception to. Default: all.",
        ),
        PORTS_KEY,
        PROTOCOL_KEY,
        TRAFFIC_KEY,
        optional_key(
            "sources",
            Kind::List(&Kind::Source, MinItems::One),
            "The sources it frees, with every block inside of them. Default: all.",
        ),
        optional_key(
            "match",
            Kind::Section(&MATCH),
            "The groups, rules and people it is for. Default: all.",
        ),
        optional_key(
            "self_service",
            Kind::Flag,
            "You know that whoever opens the port can set what is matched, and so grant it to themselves: no warning.",
        ),
    ],
};

static GUARDRAILS: Section = Section {
    name: "`guardrails`",
    doc: "What is never done, whatever the rules say. Each refusal is told.",
    may_be_empty: true,
    keys: &[
        optional_key(
            "protected",
            Kind::List(&Kind::Section(&SCOPE), MinItems::None),
            "Groups that are never touched.",
        ),
        optional_key(
            "max_removals",
            Kind::Count,
            "The most boxes that may go for one event and group; beyond it none goes.",
        ),
        optional_key(
            "service_managed",
            Kind::Choice("setting", GUARDRAIL_ACTIONS),
            "What is done about groups that an AWS service made.",
        ),
        optional_key(
            "load_balancers",
            Kind::Choice("setting", GUARDRAIL_ACTIONS),
            "What is done about groups in front of a load balancer.",
        ),
        optional_key(
            "principals",
            Kind::List(&Kind::Pattern(PatternSubject::Principal), MinItems::None),
            "Changes by these ARNs are only told about: a deployment pipeline.",
        ),
    ],
};

const GUARDRAIL_ACTIONS: &[Choice] = &[
    allowed_value("act", "What the rules say. The default."),
    allowed_value("notify", "They are only told about."),
];

static OVERRIDE: Section = Section {
    name: "an override",
    doc: "Other severities and actions for some groups.",
    may_be_empty: false,
    keys: &[
        required_key("scope", Kind::Section(&SCOPE), "The groups."),
        required_key(
            "rules",
            Kind::Map(MapKey::RuleId, &Kind::Section(&RULE_OVERRIDE)),
            "What is other, by the id of the rule.",
        ),
    ],
};

static RULE_OVERRIDE: Section = Section {
    name: "a change of a rule",
    doc: "What is other about a rule.",
    may_be_empty: false,
    keys: &[
        optional_key(
            "severity",
            Kind::Choice("severity", SEVERITIES),
            "Another severity.",
        ),
        optional_key("action", Kind::Choice("action", ACTIONS), "Another action."),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_table_are_those_of_the_engine() {
        assert!(
            SEVERITIES
                .iter()
                .all(|choice| parse_severity(choice.word).is_some())
        );
        assert!(
            ACTIONS
                .iter()
                .all(|choice| parse_action(choice.word).is_some())
        );
        let known: Vec<_> = crate::PRESETS.iter().map(|preset| preset.name).collect();
        assert_eq!(
            PRESETS.iter().map(|choice| choice.word).collect::<Vec<_>>(),
            known
        );
        assert!(
            CHECKS_WITH_TRAFFIC
                .iter()
                .all(|name| CHECKS.iter().any(|check| check.word == *name))
        );
        assert!(
            TRAFFIC_KEYS
                .iter()
                .all(|name| RULE.keys.iter().any(|key| key.name == *name))
        );
    }
}
