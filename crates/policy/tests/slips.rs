//! Broken and toothless policies: each gives an error or a warning that points at the text.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use portcullis_policy::{Diagnostics, lint_policy, parse_policy};

/// A policy, the code that it must give, and the text that the diagnostic must point at.
type Case = (&'static str, &'static str, &'static str);

fn diagnose(text: &str) -> Diagnostics {
    match parse_policy("policy.yaml", text) {
        Ok(loaded) => lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap()),
        Err(errors) => errors,
    }
}

/// What is appended to `BASE`.
const ON_BASELINE: &[Case] = &[
    // Slips of the pen.
    ("mode:monitor\nexceptions: []\n", "invalid-yaml", "mode:"),
    ("mode:monitor\n", "invalid-yaml", "mode:"),
    ("mode monitor\nexceptions: []\n", "invalid-yaml", "mode"),
    ("mode = monitor\nexceptions: []\n", "invalid-yaml", "mode"),
    ("mode :monitor\nexceptions: []\n", "invalid-yaml", "mode"),
    (
        "mode：monitor\nexceptions: []\n",
        "look-alike-character",
        "：",
    ),
    (
        "mode： monitor\nexceptions: []\n",
        "look-alike-character",
        "：",
    ),
    (
        "mode:\u{a0}monitor\nexceptions: []\n",
        "look-alike-character",
        "\u{a0}",
    ),
    ("mode: \u{a0}monitor\n", "look-alike-character", "\u{a0}"),
    ("mode: monitor\u{a0}\n", "look-alike-character", "\u{a0}"),
    ("\u{a0}mode: monitor\n", "look-alike-character", "\u{a0}"),
    ("mode: “monitor”\n", "look-alike-character", "“monitor”"),
    ("exceptions:\n\t- id: a\n", "invalid-yaml", "\t"),
    (
        "rules:\n  -id: port-range\n   action: revoke\n",
        "invalid-yaml",
        "-",
    ),
    (
        "rules: [{ id:port-range, action: off }]\n",
        "unknown-key",
        "id:port-range",
    ),
    (
        "rules: [{ id: port-range, action: off }\n",
        "invalid-yaml",
        "[",
    ),
    ("name: \"edge\nmode: monitor\n", "invalid-yaml", "\""),
    ("mode: monitor\n mode: enforce\n", "invalid-yaml", "mode"),
    ("mode:\tmonitor\n", "invalid-yaml", "\t"),
    (
        "mo\u{200b}de: monitor\n",
        "look-alike-character",
        "mo\u{200b}de",
    ),
    (
        "<<<<<<< HEAD\nmode: monitor\n=======\nmode: enforce\n",
        "invalid-yaml",
        "<<<<<<< HEAD",
    ),
    (
        "rules:\n  - id: port-range\n     action: revoke\n",
        "invalid-yaml",
        "action",
    ),
    (
        "rules:\n  - id: port-range\n   action: revoke\n",
        "invalid-yaml",
        "action",
    ),
    (
        "rules:\n  – id: port-range\n    action: revoke\n",
        "look-alike-character",
        "–",
    ),
    (
        "guardrails: { protected: [{ groups: [sg-0123456789abcdef0 }] }\n",
        "invalid-yaml",
        "[",
    ),
    // Words for other words.
    ("mode: audit\n", "unknown-value", "audit"),
    ("mode: dry-run\n", "unknown-value", "dry-run"),
    (
        "rules: [{ id: port-range, action: block }]\n",
        "unknown-value",
        "block",
    ),
    (
        "rules: [{ id: port-range, action: alert }]\n",
        "unknown-value",
        "alert",
    ),
    (
        "rules: [{ id: port-range, severity: hi }]\n",
        "unknown-value",
        "hi",
    ),
    (
        "rules: [{ id: port-range, severity: crit }]\n",
        "unknown-value",
        "crit",
    ),
    // Values that are something else.
    (
        "rules: [{ id: high-risk-ports, protocol: esp }]\n",
        "bad-protocol",
        "esp",
    ),
    (
        "exceptions: [{ id: a, reason: r, owner: o, expires: 2027-01-01, protocol: [gre], \
         match: { vpcs: [vpc-0123456789abcdef0] } }]\n",
        "bad-protocol",
        "gre",
    ),
    (
        "exceptions: [{ id: a, reason: r, owner: o, traffic: { others: [ah] } }]\n",
        "bad-protocol",
        "ah",
    ),
    (
        "guardrails: { protected: [{ names: [sg-0123456789abcdef0] }] }\n",
        "misplaced-id",
        "sg-0123456789abcdef0",
    ),
    (
        "guardrails: { protected: [{ names: [\"111122223333\"] }] }\n",
        "misplaced-id",
        "\"111122223333\"",
    ),
    (
        "guardrails: { protected: [{ groups: [vpc-0123456789abcdef0] }] }\n",
        "misplaced-id",
        "vpc-0123456789abcdef0",
    ),
    (
        "guardrails: { protected: [{ vpcs: [sg-0123456789abcdef0] }] }\n",
        "misplaced-id",
        "sg-0123456789abcdef0",
    ),
    (
        "guardrails: { protected: [{ accounts: [eu-west-1] }] }\n",
        "misplaced-id",
        "eu-west-1",
    ),
    (
        "guardrails: { protected: [{ regions: [\"111122223333\"] }] }\n",
        "misplaced-id",
        "\"111122223333\"",
    ),
    (
        "trusted: { office: [vpc-0123456789abcdef0] }\n",
        "misplaced-id",
        "vpc-0123456789abcdef0",
    ),
    (
        "guardrails: { principals: [\"111122223333\"] }\n",
        "misplaced-id",
        "\"111122223333\"",
    ),
    (
        "guardrails: { protected: [{ names: [sg-*] }] }\n",
        "bad-pattern",
        "sg-*",
    ),
    (
        "guardrails: { protected: [{ regions: [eu-wst-1] }] }\n",
        "unknown-region",
        "eu-wst-1",
    ),
    (
        "guardrails: { protected: [{ regions: [Frankfurt] }] }\n",
        "bad-aws-id",
        "Frankfurt",
    ),
    (
        "guardrails: { protected: [{ regions: [eu-west-1a] }] }\n",
        "bad-aws-id",
        "eu-west-1a",
    ),
    // What the person who opens the port can set.
    (
        "guardrails:\n  protected: [{ tags: { portcullis: hands-off } }]\n",
        "self-granted",
        "tags",
    ),
    (
        "guardrails:\n  protected: [{ names: [\"prod-*\"] }]\n",
        "self-granted",
        "names",
    ),
    (
        "overrides:\n  - scope: { tags: { env: dev } }\n    rules: { port-range: { action: off } }\n",
        "self-granted",
        "tags",
    ),
    (
        "rules: [{ id: port-range, scope: { names: [\"web-*\"] } }]\n",
        "self-granted",
        "names",
    ),
    // A weakened preset.
    (
        "rules: [{ id: port-range, action: off }]\n",
        "weakened-preset",
        "off",
    ),
    (
        "rules: [{ id: all-traffic, action: notify }]\n",
        "weakened-preset",
        "notify",
    ),
    (
        "rules: [{ id: all-traffic, scope: { regions: [eu-west-1] } }]\n",
        "weakened-preset",
        "scope",
    ),
    (
        "overrides: [{ scope: { names: \"*\" }, rules: { all-traffic: { action: notify } } }]\n",
        "weakened-preset",
        "notify",
    ),
    (
        "guardrails: { protected: [{ names: \"*\" }] }\n",
        "protects-everything",
        "\"*\"",
    ),
];

/// What is appended to `RULES` after `exceptions:`.
const EXCEPTIONS: &[Case] = &[
    (
        "match: { groups: [sg-0123456789abcdef0] }",
        "no-expiry",
        "e",
    ),
    ("expires: 2027-01-31, ports: [22]", "no-match", "e"),
    (
        "expires: 2027-01-31, ports: [22], match: { names: [\"*\"] }",
        "no-match",
        "{ names: [\"*\"] }",
    ),
    (
        "expires: 2999-12-31, match: { groups: [sg-0123456789abcdef0] }",
        "no-expiry",
        "2999-12-31",
    ),
    ("protocol: all", "exempts-everything", "all"),
    (
        "match: { names: \"*\" }",
        "exempts-everything",
        "{ names: \"*\" }",
    ),
    (
        "match: { names: [\"?*\", \"**\"] }",
        "exempts-everything",
        "{ names: [\"?*\", \"**\"] }",
    ),
    (
        "sources: [0.0.0.0/0, \"::/0\"]",
        "exempts-everything",
        "[0.0.0.0/0, \"::/0\"]",
    ),
    (
        "sources: [0.0.0.0/1, 128.0.0.0/1, \"2000::/3\"]",
        "exempts-everything",
        "[0.0.0.0/1, 128.0.0.0/1, \"2000::/3\"]",
    ),
    ("rules: [a]", "exempts-everything", "[a]"),
    ("ports: all", "exempts-everything", "all"),
    (
        "traffic: { tcp: all, udp: all, icmp: true, icmpv6: true, others: all }",
        "exempts-everything",
        "{ tcp: all, udp: all, icmp: true, icmpv6: true, others: all }",
    ),
    (
        "match: { descriptions: [\"*\"] }",
        "exempts-everything",
        "{ descriptions: [\"*\"] }",
    ),
    ("ports: [22, 2222]", "exempts-everything", "[22, 2222]"),
    (
        "rules: [c], match: { groups: [sg-0123456789abcdef0] }",
        "useless-exception",
        "[c]",
    ),
    (
        "ports: [8080], match: { groups: [sg-0123456789abcdef0] }",
        "useless-exception",
        "[8080]",
    ),
    (
        "protocol: icmp, match: { groups: [sg-0123456789abcdef0] }",
        "useless-exception",
        "icmp",
    ),
    (
        "rules: [a], ports: [23], match: { groups: [sg-0123456789abcdef0] }",
        "useless-exception",
        "[23]",
    ),
    (
        "rules: [b], match: { regions: [us-east-1] }",
        "useless-exception",
        "{ regions: [us-east-1] }",
    ),
    (
        "sources: [10.0.0.0/8], match: { groups: [sg-0123456789abcdef0] }",
        "useless-exception",
        "[10.0.0.0/8]",
    ),
    (
        "sources: [sg-0123456789abcdef0]",
        "useless-exception",
        "[sg-0123456789abcdef0]",
    ),
    (
        "ports: [22], match: { names: [\"tmp-*\"] }",
        "self-granted",
        "names",
    ),
    (
        "ports: [22], match: { tags: { team: edge } }",
        "self-granted",
        "tags",
    ),
    (
        "ports: [22], match: { descriptions: [\"approved*\"] }",
        "self-granted",
        "descriptions",
    ),
    ("rules: [d], ports: [22]", "unknown-name", "d"),
];

/// Whole policies.
const POLICIES: &[Case] = &[
    (
        "version: 1\nextends baseline\nmode: monitor\n",
        "invalid-yaml",
        "extends",
    ),
    ("version:1\nextends: baseline\n", "invalid-yaml", "version:"),
    ("mode:monitor\n", "invalid-yaml", "mode:"),
    ("version: 1\nextends: web\n", "unknown-value", "web"),
    ("version: 1\nextends: hippa\n", "unknown-value", "hippa"),
    (
        "version: 1\nrules:\n  - { id: a, check: open-ports, ports: [22], severity: high, action: revoke }\n\
         overrides:\n  - { scope: { names: \"*\" }, rules: { a: { action: off } } }\n",
        "no-active-rules",
        "off",
    ),
    (
        "version: 1\nrules:\n  - { id: a, check: open-ports, ports: [22], severity: high, action: off }\n",
        "no-active-rules",
        "off",
    ),
    (
        "version: 1\nextends: web-only\nports: { web: [443] }\n\
         rules: [{ id: web-only, forbids: anything but TCP 80 and 443 and ICMP }]\n",
        "contradicted-text",
        "anything but TCP 80 and 443 and ICMP",
    ),
    (
        "version: 1\nextends: baseline\n\
         rules: [{ id: restricted-common-ports, forbids: 'TCP ports 22, 23 and 3389' }]\n",
        "contradicted-text",
        "'TCP ports 22, 23 and 3389'",
    ),
];

const BASE: &str = "version: 1\nextends: baseline\n";

/// A policy with three rules, of which one is off.
const RULES: &str = "\
version: 1
rules:
  - { id: a, check: open-ports, ports: [22, 2222], severity: high, action: revoke }
  - { id: b, check: open-ports, ports: [23], severity: high, action: narrow, scope: { regions: [eu-west-1] } }
  - { id: c, check: port-range, severity: high, action: off }
exceptions:
";

/// Checks that the policy gives the code, and that the diagnostic points at the text. An error must
/// be the only one.
fn check_case(text: &str, code: &str, underlined: &str, wrong: &mut Vec<String>) {
    let found = diagnose(text);
    let all: Vec<_> = found
        .iter()
        .map(|diagnostic| {
            let name = diagnostic.code().code().trim_start_matches("policy/");
            (name, found.underlined_text(diagnostic))
        })
        .collect();
    let is_alone = found.only_warnings() || found.len() == 1;
    if !all.contains(&(code, underlined)) || !is_alone {
        wrong.push(format!(
            "{text}expected {code} at {underlined:?}, got {all:#?}\n{found}\n"
        ));
    }
}

#[test]
fn every_broken_or_toothless_policy_gives_its_code_at_its_text() {
    let mut wrong = Vec::new();
    for (text, code, underlined) in ON_BASELINE {
        check_case(&format!("{BASE}{text}"), code, underlined, &mut wrong);
    }
    for (text, code, underlined) in EXCEPTIONS {
        let exception = format!("  - {{ id: e, reason: r, owner: o, {text} }}\n");
        check_case(&format!("{RULES}{exception}"), code, underlined, &mut wrong);
    }
    for (text, code, underlined) in POLICIES {
        check_case(text, code, underlined, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n--------\n"));
    assert!(ON_BASELINE.len() + EXCEPTIONS.len() + POLICIES.len() >= 60);
}
