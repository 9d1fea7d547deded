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
    Moment,
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
    Pattern(Subject),
    /// A list; one value stands for a list of one.
    Many(&'static Kind, Least),
    /// A mapping with known keys.
    Section(&'static Section),
    /// A mapping with keys of the author's own.
    Map(MapKey, &'static Kind),
}

/// Whether a list may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Least {
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
pub(crate) enum Subject {
    GroupName,
    Description,
    Tag,
    Principal,
}

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, doc, kind, required: None }
}

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, doc, kind, required: Some(Code::MissingKey) }
}

const fn word(word: &'static str, doc: &'static str) -> Choice {
    Choice { word, doc }
}

/// The whole file.
pub(crate) static POLICY: Section = Section {
    name: "a policy",
    doc: "A policy of Portcullis: which security group rules are forbidden, and what is done about them.",
    may_be_empty: false,
    keys: &[
        required("version", Kind::Version, "The version of this language: 1."),
        key("name", Kind::Text, "What the policy is called in reports. Default: the name of the file."),
        key(
            "extends",
            Kind::Choice("policy to extend", PRESETS),
            "A policy to start from. A rule with the id of one of its rules replaces the fields it names; everything \
             else is added.",
        ),
        key("mode", Kind::Choice("mode", MODES), "Whether anything is changed at all. Default: `enforce`."),
        key(
            "trusted",
            Kind::Map(MapKey::Name, &Kind::Many(&Kind::Source, Least::One)),
            "Lists of sources with names of your own, for rules that `restrict`.",
        ),
        key(
            "ports",
            Kind::Map(MapKey::Name, &Kind::Many(&Kind::Ports, Least::One)),
            "Sets of ports with names of your own.",
        ),
        key("rules", Kind::Many(&Kind::Section(&RULE), Least::None), "What is forbidden, in the order of reports."),
        key(
            "exceptions",
            Kind::Many(&Kind::Section(&EXCEPTION), Least::None),
            "What is allowed although a rule forbids it. An exception frees what it names and no more.",
        ),
        key("guardrails", Kind::Section(&GUARDRAILS), "What is never done, whatever the rules say."),
        key(
            "overrides",
            Kind::Many(&Kind::Section(&OVERRIDE), Least::None),
            "Other severities and actions for some groups. A later one wins over an earlier one.",
        ),
    ],
};

const PRESETS: &[Choice] = &[
    word("baseline", "Closes what published controls agree must not be open to the world."),
    word("web-only", "The world reaches TCP 80 and 443; everything else is narrowed away."),
    word("monitor", "The baseline, changing nothing: it only tells."),
    word("hipaa", "The baseline with the rule for common ports as HIPAA checks have it."),
];

const MODES: &[Choice] = &[
    word("enforce", "Actions are carried out."),
    word("monitor", "Nothing is changed, whatever the actions say: what would be done is told."),
];

static RULE: Section = Section {
    name: "a rule",
    doc: "One rule: what it looks for, how bad that is, and what is done about it.",
    may_be_empty: false,
    keys: &[
        required("id", Kind::Id, "A name that stays: small letters, digits and dashes. Exceptions and reports use it."),
        key("forbids", Kind::Text, "What the rule forbids, in one line for people. Alerts quote it."),
        key("check", Kind::Choice("check", CHECKS), "What is looked for."),
        PORTS,
        PROTOCOL,
        TRAFFIC_KEY,
        key("severity", Kind::Choice("severity", SEVERITIES), "How bad it is."),
        key(
            "action",
            Kind::Choice("action", ACTIONS),
            "What is done about it. Where rules meet on one box, the strongest wins.",
        ),
        key(
            "trusted",
            Kind::Many(&Kind::SourceOrName, Least::One),
            "For `restrict`: the sources that keep access. Names under `trusted`, CIDRs, prefix lists, groups.",
        ),
        key("references", Kind::Many(&Kind::Text, Least::None), "The published controls that the rule answers."),
        key("scope", Kind::Section(&SCOPE), "The groups for which the rule holds. Default: all."),
    ],
};

const PORTS: Key = key(
    "ports",
    Kind::Many(&Kind::PortsOrName, Least::One),
    "Ports (`22`), spans (`8000-8010`), `all`, and names under `ports`.",
);
const PROTOCOL: Key = key(
    "protocol",
    Kind::Many(&Kind::Protocol, Least::One),
    "The protocol, or a list: `tcp`, `udp`, and where no ports are given also `icmp`, `icmpv6` or a number.",
);
const TRAFFIC_KEY: Key = key(
    "traffic",
    Kind::Section(&TRAFFIC),
    "Instead of `protocol` and `ports`, where each protocol has ports of its own.",
);

static TRAFFIC: Section = Section {
    name: "`traffic`",
    doc: "A set of traffic. What is not named is not in it.",
    may_be_empty: true,
    keys: &[
        key("tcp", Kind::Many(&Kind::PortsOrName, Least::One), "TCP ports; `all` for every one."),
        key("udp", Kind::Many(&Kind::PortsOrName, Least::One), "UDP ports; `all` for every one."),
        key("icmp", Kind::Flag, "ICMP of every type."),
        key("icmpv6", Kind::Flag, "ICMPv6 of every type."),
        key(
            "others",
            Kind::Many(&Kind::ProtocolNumber, Least::One),
            "Numbers of other protocols; `all` for every one.",
        ),
    ],
};

/// The check kinds, in the order of `portcullis_rules::check::Check`.
pub(crate) const CHECKS: &[Choice] = &[
    word("all-traffic", "Protocol `-1` open to the world."),
    word("open-ports", "These TCP or UDP ports open to the world, alone or inside a range or `-1`. Needs `ports`."),
    word("open-ports-except", "Any other TCP or UDP port open to the world. Needs `ports`."),
    word("open-except", "Anything else open to the world: ports, ICMP, other protocols. Needs `ports` or `traffic`."),
    word("port-range", "More than one port of a box (TCP, UDP or `-1`) open to the world."),
    word("port-range-internal", "A box of more than one port from a CIDR or prefix list that is not the world."),
    word("broad-source", "A public source of /8 or shorter (IPv6: /16 or shorter) that is not the world."),
    word("other-protocols", "A protocol number other than TCP, UDP, ICMP and ICMPv6 open to the world."),
];

/// The checks that say what traffic they mean, by the keys `ports`, `protocol` and `traffic`.
pub(crate) const CHECKS_WITH_TRAFFIC: [&str; 3] = ["open-ports", "open-ports-except", "open-except"];

/// The keys that only those have.
pub(crate) const TRAFFIC_KEYS: [&str; 3] = ["ports", "protocol", "traffic"];

const SEVERITIES: &[Choice] = &[
    word("low", "Untidy; worth knowing."),
    word("medium", "Widens the attack surface."),
    word("high", "Act today."),
    word("critical", "Act now."),
];

const ACTIONS: &[Choice] = &[
    word("revoke", "The whole box goes."),
    word("restrict", "What is forbidden is opened again to `trusted` only, what is not is kept, and the box goes."),
    word("narrow", "What is not forbidden is kept as boxes of its own, and the box goes."),
    word("notify", "Somebody is told."),
    word("off", "Nothing; the rule is not judged."),
];

/// The severity that a word of the table names.
pub(crate) fn severity(word: &str) -> Option<Severity> {
    [Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
        .into_iter()
        .find(|severity| severity.to_string() == word)
}

/// The action that a word of the table names.
pub(crate) fn action(word: &str) -> Option<Action> {
    [Action::Off, Action::Notify, Action::Narrow, Action::Restrict, Action::Revoke]
        .into_iter()
        .find(|action| action.to_string() == word)
}

const NAMES: Key =
    key("names", Kind::Many(&Kind::Pattern(Subject::GroupName), Least::One), "Names of groups; `*` and `?` match.");
const GROUPS: Key = key("groups", Kind::Many(&Kind::Aws(AwsId::Group), Least::One), "Ids of groups.");
const VPCS: Key = key("vpcs", Kind::Many(&Kind::Aws(AwsId::Vpc), Least::One), "Ids of VPCs.");
const ACCOUNTS: Key = key("accounts", Kind::Many(&Kind::Aws(AwsId::Account), Least::One), "Ids of accounts.");
const REGIONS: Key = key("regions", Kind::Many(&Kind::Aws(AwsId::Region), Least::One), "Names of regions.");
const TAGS: Key = key(
    "tags",
    Kind::Map(MapKey::Tag, &Kind::Pattern(Subject::Tag)),
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
        key(
            "rule_tags",
            Kind::Map(MapKey::Tag, &Kind::Pattern(Subject::Tag)),
            "Tags of the security group rule. Whoever opens the port can set them.",
        ),
        key(
            "descriptions",
            Kind::Many(&Kind::Pattern(Subject::Description), Least::One),
            "Descriptions of the security group rule. Whoever opens the port writes them.",
        ),
        key(
            "principals",
            Kind::Many(&Kind::Pattern(Subject::Principal), Least::One),
            "ARNs of those who made the change. Outside of an event nobody is known, so nothing is freed there.",
        ),
    ],
};

static EXCEPTION: Section = Section {
    name: "an exception",
    doc: "What is allowed although a rule forbids it.",
    may_be_empty: false,
    keys: &[
        required("id", Kind::Id, "A name that stays: small letters, digits and dashes. Reports use it."),
        Key { required: Some(Code::MissingReason), ..key("reason", Kind::Text, "Why it is allowed.") },
        Key { required: Some(Code::MissingOwner), ..key("owner", Kind::Text, "Who answers for it.") },
        key(
            "expires",
            Kind::Moment,
            "The last day (to its end, UTC), or the moment from which it does nothing. Default: never.",
        ),
        key("rules", Kind::Many(&Kind::RuleId, Least::One), "The rules it is an exception to. Default: all."),
        PORTS,
        PROTOCOL,
        TRAFFIC_KEY,
        key(
            "sources",
            Kind::Many(&Kind::Source, Least::One),
            "The sources it frees, with every block inside of them. Default: all.",
        ),
        key("match", Kind::Section(&MATCH), "The groups, rules and people it is for. Default: all."),
        key(
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
        key("protected", Kind::Many(&Kind::Section(&SCOPE), Least::None), "Groups that are never touched."),
        key("max_removals", Kind::Count, "The most boxes that may go for one event and group; beyond it none goes."),
        key("service_managed", Kind::Choice("setting", SPARING), "What is done about groups that an AWS service made."),
        key(
            "load_balancers",
            Kind::Choice("setting", SPARING),
            "What is done about groups in front of a load balancer.",
        ),
        key(
            "principals",
            Kind::Many(&Kind::Pattern(Subject::Principal), Least::None),
            "Changes by these ARNs are only told about: a deployment pipeline.",
        ),
    ],
};

const SPARING: &[Choice] =
    &[word("act", "What the rules say. The default."), word("notify", "They are only told about.")];

static OVERRIDE: Section = Section {
    name: "an override",
    doc: "Other severities and actions for some groups.",
    may_be_empty: false,
    keys: &[
        required("scope", Kind::Section(&SCOPE), "The groups."),
        required("rules", Kind::Map(MapKey::RuleId, &Kind::Section(&CHANGE)), "What is other, by the id of the rule."),
    ],
};

static CHANGE: Section = Section {
    name: "a change of a rule",
    doc: "What is other about a rule.",
    may_be_empty: false,
    keys: &[
        key("severity", Kind::Choice("severity", SEVERITIES), "Another severity."),
        key("action", Kind::Choice("action", ACTIONS), "Another action."),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_table_are_those_of_the_engine() {
        assert!(SEVERITIES.iter().all(|choice| severity(choice.word).is_some()));
        assert!(ACTIONS.iter().all(|choice| action(choice.word).is_some()));
        let known: Vec<_> = crate::PRESETS.iter().map(|preset| preset.name).collect();
        assert_eq!(PRESETS.iter().map(|choice| choice.word).collect::<Vec<_>>(), known);
        assert!(CHECKS_WITH_TRAFFIC.iter().all(|name| CHECKS.iter().any(|check| check.word == *name)));
        assert!(TRAFFIC_KEYS.iter().all(|name| RULE.keys.iter().any(|key| key.name == *name)));
    }
}
