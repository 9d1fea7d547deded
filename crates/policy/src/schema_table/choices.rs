//! The values that are one of several words.

use portcullis_rules::{Action, Severity};

use super::kinds::{Choice, choice};

pub(super) const PRESETS: &[Choice] = &[
    choice(
        "baseline",
        "Closes what published controls agree must not be open to the world.",
    ),
    choice(
        "web-only",
        "Allows only TCP 80 and 443 and ICMP from the world; everything else is narrowed away.",
    ),
    choice("monitor", "The baseline without changes: it only reports."),
    choice(
        "hipaa",
        "The baseline with the common ports of the HIPAA checks, and databases.",
    ),
];

pub(super) const MODES: &[Choice] = &[
    choice("enforce", "Actions are applied."),
    choice(
        "monitor",
        "Nothing is changed, whatever the actions are; reports show what would be done.",
    ),
];

/// The checks, in the order of `portcullis_rules::check::Check`.
pub(super) const CHECKS: &[Choice] = &[
    choice("all-traffic", "Protocol `-1` open to the world."),
    choice(
        "open-ports",
        "These TCP or UDP ports open to the world, alone or as part of a range or of `-1`. \
         Requires `ports`.",
    ),
    choice(
        "open-ports-except",
        "Any other TCP or UDP port open to the world. Requires `ports`.",
    ),
    choice(
        "open-except",
        "Anything else open to the world: ports, ICMP, other protocols. \
         Requires `ports` or `traffic`.",
    ),
    choice(
        "port-range",
        "A security group rule that opens more than one port (TCP, UDP or `-1`) to the world.",
    ),
    choice(
        "port-range-internal",
        "A security group rule with more than one port from a CIDR or prefix list \
         that is not open to the world.",
    ),
    choice(
        "broad-source",
        "A public source of /8 or shorter (IPv6: /16 or shorter) that is not open to the world.",
    ),
    choice(
        "other-protocols",
        "A protocol other than TCP, UDP, ICMP and ICMPv6 open to the world.",
    ),
];

/// The checks that have parameters.
pub(crate) const CHECKS_WITH_TRAFFIC: [&str; 3] =
    ["open-ports", "open-ports-except", "open-except"];

/// The parameters of those checks. Exceptions have the same keys.
pub(crate) const TRAFFIC_KEYS: [&str; 3] = ["ports", "protocol", "traffic"];

pub(super) const SEVERITIES: &[Choice] = &[
    choice("low", "Worth knowing."),
    choice("medium", "Increases the attack surface."),
    choice("high", "Should be fixed today."),
    choice("critical", "Must be fixed now."),
];

pub(super) const ACTIONS: &[Choice] = &[
    choice("revoke", "The whole security group rule is removed."),
    choice(
        "restrict",
        "The security group rule is replaced: what is forbidden is opened to `trusted` only, \
         and what is not forbidden is kept.",
    ),
    choice(
        "narrow",
        "The security group rule is replaced by rules for what is not forbidden.",
    ),
    choice("notify", "A notification is sent and nothing is changed."),
    choice("off", "The rule is not evaluated."),
];

pub(super) const GUARDRAIL_ACTIONS: &[Choice] = &[
    choice("act", "Changed as the rules say. The default."),
    choice("notify", "Only reported."),
];

pub(super) const EXISTING_RULES: &[Choice] = &[
    choice("enforce", "Changed as the rules say. The default."),
    choice("notify", "Only reported: their findings say `notify`."),
];

/// The severity of this name.
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

/// The action of this name.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(choices: &[Choice]) -> Vec<&str> {
        choices.iter().map(|choice| choice.word).collect()
    }

    #[test]
    fn severities_and_actions_have_the_words_of_the_rules_crate() {
        for word in words(SEVERITIES) {
            assert!(parse_severity(word).is_some(), "{word}");
        }
        for word in words(ACTIONS) {
            assert!(parse_action(word).is_some(), "{word}");
        }
    }

    #[test]
    fn every_preset_can_be_extended() {
        let presets = crate::presets::PRESETS.map(|preset| preset.name);
        assert_eq!(words(PRESETS), presets);
    }

    #[test]
    fn checks_with_parameters_are_checks() {
        let checks = words(CHECKS);
        assert!(CHECKS_WITH_TRAFFIC.iter().all(|name| checks.contains(name)));
    }
}
