//! The sections for rules, exceptions, guardrails and overrides.

use super::choices::{ACTIONS, CHECKS, EXISTING_RULES, GUARDRAIL_ACTIONS, SEVERITIES};
use super::kinds::{
    Kind, MapKey, MinItems, PatternSubject, Section, optional_key, required_key,
    required_key_with_code,
};
use super::scope_sections::{MATCH, PORTS, PROTOCOL, SCOPE, TRAFFIC};
use crate::code::Code;

pub(super) static RULE: Section = Section {
    name: "a rule",
    doc: "A rule: what it looks for, how severe it is, and what is done about it.",
    may_be_empty: false,
    keys: &[
        required_key(
            "id",
            Kind::Id,
            "A permanent name: lowercase letters, digits and dashes. \
             Exceptions and reports refer to it.",
        ),
        optional_key(
            "forbids",
            Kind::Text,
            "What the rule forbids, in one line. Alerts quote it. Default: derived from the check \
             and its parameters.",
        ),
        optional_key(
            "check",
            Kind::Choice("check", CHECKS),
            "What the rule looks for.",
        ),
        PORTS,
        PROTOCOL,
        TRAFFIC,
        optional_key(
            "severity",
            Kind::Choice("severity", SEVERITIES),
            "How severe a finding is.",
        ),
        optional_key(
            "action",
            Kind::Choice("action", ACTIONS),
            "What is done about a finding. If several rules apply to one security group rule, \
             the strongest action wins.",
        ),
        optional_key(
            "trusted",
            Kind::List(&Kind::SourceOrName, MinItems::One),
            "For `restrict`: the sources that keep access. Names defined under `trusted`, CIDRs, \
             prefix lists and security groups.",
        ),
        optional_key(
            "references",
            Kind::List(&Kind::Text, MinItems::Zero),
            "The published controls that the rule implements.",
        ),
        optional_key(
            "scope",
            Kind::Section(&SCOPE),
            "The groups that the rule applies to. Default: all.",
        ),
    ],
};

pub(super) static EXCEPTION: Section = Section {
    name: "an exception",
    doc: "Access that is allowed although a rule forbids it.",
    may_be_empty: false,
    keys: &[
        required_key(
            "id",
            Kind::Id,
            "A permanent name: lowercase letters, digits and dashes. Reports refer to it.",
        ),
        required_key_with_code(
            Code::MissingReason,
            "reason",
            Kind::Text,
            "Why the access is allowed.",
        ),
        required_key_with_code(
            Code::MissingOwner,
            "owner",
            Kind::Text,
            "Who is responsible for it.",
        ),
        optional_key(
            "expires",
            Kind::Timestamp,
            "The last day of the exception (to its end, UTC), or the time at which it expires. \
             Default: never.",
        ),
        optional_key(
            "rules",
            Kind::List(&Kind::RuleId, MinItems::One),
            "The rules that the exception applies to. Default: all.",
        ),
        PORTS,
        PROTOCOL,
        TRAFFIC,
        optional_key(
            "sources",
            Kind::List(&Kind::Source, MinItems::One),
            "The sources that are exempt, with every CIDR inside them. Default: all.",
        ),
        optional_key(
            "match",
            Kind::Section(&MATCH),
            "The groups, security group rules and principals that the exception applies to. \
             Default: all.",
        ),
        optional_key(
            "self_service",
            Kind::Flag,
            "Accepts that anyone who opens the port can set what is matched, and so grant \
             themselves the exception: there is no warning.",
        ),
    ],
};

pub(super) static GUARDRAILS: Section = Section {
    name: "`guardrails`",
    doc: "What is never changed, whatever the rules say. Every refusal is reported.",
    may_be_empty: true,
    keys: &[
        optional_key(
            "protected",
            Kind::List(&Kind::Section(&SCOPE), MinItems::Zero),
            "Groups that are never changed.",
        ),
        optional_key(
            "existing",
            Kind::Choice("setting", EXISTING_RULES),
            "What is done about security group rules that the event did not open. \
             In audits and sweeps these are all rules.",
        ),
        optional_key(
            "max_removals",
            Kind::Count,
            "The most security group rules that are removed for one event and group, not counting \
             rules that the event opened. If there are more, only rules that the event opened are \
             removed.",
        ),
        optional_key(
            "service_managed",
            Kind::Choice("setting", GUARDRAIL_ACTIONS),
            "Whether groups that an AWS service created are changed.",
        ),
        optional_key(
            "load_balancers",
            Kind::Choice("setting", GUARDRAIL_ACTIONS),
            "Whether groups that are attached to a load balancer are changed.",
        ),
        optional_key(
            "principals",
            Kind::List(&Kind::Pattern(PatternSubject::Principal), MinItems::Zero),
            "ARNs of principals, such as a deployment pipeline. Security group rules that they \
             opened are only reported.",
        ),
    ],
};

pub(super) static OVERRIDE: Section = Section {
    name: "an override",
    doc: "Other severities and actions for some groups.",
    may_be_empty: false,
    keys: &[
        required_key("scope", Kind::Section(&SCOPE), "The groups."),
        required_key(
            "rules",
            Kind::Map(MapKey::RuleId, &Kind::Section(&RULE_OVERRIDE)),
            "What is different, by rule id.",
        ),
    ],
};

static RULE_OVERRIDE: Section = Section {
    name: "the override of a rule",
    doc: "What is different about a rule.",
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
    use super::super::choices::TRAFFIC_KEYS;
    use super::*;

    #[test]
    fn rules_have_the_parameters_of_the_checks() {
        for name in TRAFFIC_KEYS {
            assert!(RULE.keys.iter().any(|key| key.name == name), "{name}");
        }
    }
}
