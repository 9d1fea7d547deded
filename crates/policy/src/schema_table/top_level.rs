//! The top level of a policy file.

use super::choices::{MODES, PRESETS};
use super::kinds::{Kind, MapKey, MinItems, Section, optional_key, required_key};
use super::rule_sections::{EXCEPTION, GUARDRAILS, OVERRIDE, RULE};

/// The whole file.
pub(crate) static POLICY: Section = Section {
    name: "a policy",
    doc: "A Portcullis policy: which security group rules are forbidden, \
          and what is done about them.",
    may_be_empty: false,
    keys: &[
        required_key(
            "version",
            Kind::Version,
            "The version of the policy language: 1.",
        ),
        optional_key(
            "name",
            Kind::Text,
            "The name of the policy in reports. Default: the name of the file.",
        ),
        optional_key(
            "extends",
            Kind::Choice("preset", PRESETS),
            "The preset to start from. A rule with the id of one of its rules replaces the keys \
             that it lists; everything else is added.",
        ),
        optional_key(
            "mode",
            Kind::Choice("mode", MODES),
            "Whether actions are applied. Default: `enforce`.",
        ),
        optional_key(
            "trusted",
            Kind::Map(MapKey::Name, &Kind::List(&Kind::Source, MinItems::One)),
            "Named lists of sources, for rules with the action `restrict`.",
        ),
        optional_key(
            "ports",
            Kind::Map(MapKey::Name, &Kind::List(&Kind::Ports, MinItems::One)),
            "Named port sets.",
        ),
        optional_key(
            "rules",
            Kind::List(&Kind::Section(&RULE), MinItems::Zero),
            "What is forbidden, in the order of reports.",
        ),
        optional_key(
            "exceptions",
            Kind::List(&Kind::Section(&EXCEPTION), MinItems::Zero),
            "Access that is allowed although a rule forbids it. An exception exempts exactly what \
             it lists.",
        ),
        optional_key(
            "guardrails",
            Kind::Section(&GUARDRAILS),
            "What is never changed, whatever the rules say.",
        ),
        optional_key(
            "overrides",
            Kind::List(&Kind::Section(&OVERRIDE), MinItems::Zero),
            "Other severities and actions for some groups. Later overrides win over earlier ones.",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::KNOWN_KEYS;

    fn collect_keys(kind: &Kind, keys: &mut Vec<&'static str>) {
        if let Kind::List(item, _) | Kind::Map(_, item) = kind {
            collect_keys(item, keys);
        }
        if let Kind::Section(section) = kind {
            for key in section.keys {
                keys.push(key.name);
                collect_keys(&key.kind, keys);
            }
        }
    }

    /// Protocols are not among them, because rules in test files start with them.
    #[test]
    fn slips_are_looked_for_after_every_key() {
        let mut keys = Vec::new();
        collect_keys(&Kind::Section(&POLICY), &mut keys);
        keys.retain(|key| !["tcp", "udp", "icmp", "icmpv6"].contains(key));
        for key in keys {
            assert!(KNOWN_KEYS.contains(&key), "{key}");
        }
    }
}
