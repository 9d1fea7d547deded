//! The values that are one of several words.

use portcullis_rules::{Action, Severity};

use super::kinds::{Choice, choice, choice_with_aliases};

pub(super) const PRESETS: &[Choice] = &[
    choice_with_aliases(
        "baseline",
        "Closes what published controls agree must not be open to the world.",
        &["default", "standard", "basic", "cis"],
    ),
    choice_with_aliases(
        "web-only",
        "Allows only TCP 80 and 443 and ICMP from the world; everything else is narrowed away.",
        &["web", "https", "http"],
    ),
    choice_with_aliases(
        "monitor",
        "The baseline without changes: it only reports.",
        &["audit", "dry-run", "observe", "report"],
    ),
    choice_with_aliases(
        "hipaa",
        "The baseline with the common ports of the HIPAA checks, and databases.",
        &["health", "healthcare"],
    ),
];

pub(super) const MODES: &[Choice] = &[
    choice_with_aliases(
        "enforce",
        "Actions are applied.",
        &[
            "on",
            "active",
            "act",
            "block",
            "remediate",
            "protect",
            "revoke",
        ],
    ),
    choice_with_aliases(
        "monitor",
        "Nothing is changed, whatever the actions are; reports show what would be done.",
        &[
            "audit", "dry-run", "observe", "report", "notify", "detect", "alert", "off", "passive",
        ],
    ),
];

/// The checks, in the order of `portcullis_rules::check::Check`.
pub(super) const CHECKS: &[Choice] = &[
    choice("all-traffic", "Protocol `-1` open to the world."),
    choice_with_aliases(
        "open-ports",
        "These TCP or UDP ports open to the world, alone or as part of a range or of `-1`. \
         Requires `ports`.",
        &["ports", "port", "deny", "denylist", "blacklist"],
    ),
    choice(
        "open-ports-except",
        "Any other TCP or UDP port open to the world. Requires `ports`.",
    ),
    choice_with_aliases(
        "open-except",
        "Anything else open to the world: ports, ICMP, other protocols. \
         Requires `ports` or `traffic`.",
        &["allow", "allowlist", "whitelist", "only"],
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
    choice_with_aliases("low", "Worth knowing.", &["info", "informational", "minor"]),
    choice_with_aliases(
        "medium",
        "Increases the attack surface.",
        &["moderate", "warning"],
    ),
    choice_with_aliases("high", "Should be fixed today.", &["important", "major"]),
    choice_with_aliases(
        "critical",
        "Must be fixed now.",
        &["urgent", "severe", "blocker"],
    ),
];

pub(super) const ACTIONS: &[Choice] = &[
    choice_with_aliases(
        "revoke",
        "The whole security group rule is removed.",
        &[
            "block", "delete", "remove", "deny", "close", "enforce", "drop",
        ],
    ),
    choice_with_aliases(
        "restrict",
        "The security group rule is replaced: what is forbidden is opened to `trusted` only, \
         and what is not forbidden is kept.",
        &["limit"],
    ),
    choice_with_aliases(
        "narrow",
        "The security group rule is replaced by rules for what is not forbidden.",
        &["shrink", "reduce", "trim"],
    ),
    choice_with_aliases(
        "notify",
        "A notification is sent and nothing is changed.",
        &["alert", "warn", "audit", "report", "monitor", "log"],
    ),
    choice_with_aliases(
        "off",
        "The rule is not evaluated.",
        &[
            "disable", "disabled", "none", "ignore", "skip", "allow", "false", "no",
        ],
    ),
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
