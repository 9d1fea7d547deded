//! What a comparison says about pairs of policies, and that it never misses a weaker one.

use portcullis_policy::parse_policy;
use portcullis_rules::{IngressRule, OpenedRules, PlanInput, PrefixLists, SecurityGroup, decide};
use proptest::prelude::*;

use super::change::Direction;
use super::*;
use crate::command::policy::generated::{ingress_rules, lists};

fn parse(text: &str) -> Policy {
    let loaded = parse_policy("policy.yaml", text);
    loaded
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"))
        .policy
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// The differences, one in each line.
fn differences(old: &str, new: &str) -> String {
    let old = parse(&format!("version: 1\n{old}"));
    let new = parse(&format!("version: 1\n{new}"));
    let lines: Vec<_> = compare_policies(&old, &new, now())
        .iter()
        .map(|change| {
            let subject = change.subject.as_deref().unwrap_or("-");
            let direction = change.direction.as_str();
            format!(
                "  {direction:<8} {:?} {subject}: {}",
                change.section, change.message
            )
        })
        .collect();
    if lines.is_empty() {
        "  no differences".to_owned()
    } else {
        lines.join("\n")
    }
}

const BASELINE: &str = "extends: baseline\n";
const SSH: &str = "rules:\n  - { id: ssh, forbids: ssh, check: open-ports, ports: [22, 23], \
                   severity: high, action: revoke }\n";
const TELNET: &str = "  - { id: telnet, forbids: telnet, check: open-ports, ports: [23], \
                      severity: high, action: revoke }\n";
const EXCEPTION: &str = "extends: baseline\nexceptions:\n  - { id: a, reason: r, owner: o, \
                         expires: 2027-01-31, ports: [22, 8080], sources: [0.0.0.0/0], match: { \
                         groups: [sg-0123456789abcdef0] } }\n";
const SECOND: &str = "  - { id: b, reason: r, owner: o, expires: 2027-01-31, ports: [8080], \
                      sources: [0.0.0.0/0], match: { groups: [sg-0123456789abcdef0] } }\n";

/// The differences of several pairs of policies, each with its name.
fn describe_cases(cases: &[(&str, &str, &str)]) -> String {
    let described = cases
        .iter()
        .map(|(name, old, new)| format!("{name}\n{}", differences(old, new)));
    described.collect::<Vec<_>>().join("\n")
}

#[test]
fn differences_of_one_rule() {
    let own = |keys: &str| format!("{BASELINE}rules:\n  - {{ id: uncommon-ports, {keys} }}\n");
    let notify = own("action: notify");
    let ssh = |from: &str, to: &str| SSH.replace(from, to);
    let trusted = |sources: &str| ssh("revoke", &format!("restrict, trusted: [{sources}]"));
    insta::assert_snapshot!(describe_cases(&[
        ("the same", BASELINE, "extends: baseline\nname: policy\n"),
        ("action lowered", BASELINE, &notify),
        ("action raised", &notify, BASELINE),
        ("severity lowered", BASELINE, &own("severity: low")),
        ("scoped", BASELINE, &own("scope: { regions: [eu-west-1] }")),
        ("another text", BASELINE, &own("forbids: ports")),
        ("ports allowed", SSH, &ssh("22, 23", "22")),
        ("ports forbidden", SSH, &ssh("22, 23", "22-25")),
        ("other ports", SSH, &ssh("22, 23", "22, 24")),
        (
            "another check",
            SSH,
            &ssh("open-ports, ports: [22, 23]", "port-range")
        ),
        (
            "restrict",
            &ssh("revoke", "narrow"),
            &trusted("203.0.113.0/24")
        ),
        (
            "trusted",
            &trusted("203.0.113.0/25"),
            &trusted("203.0.113.0/24")
        ),
        ("monitor", BASELINE, "extends: monitor\n"),
    ]));
}

#[test]
fn differences_of_several_rules() {
    let split = SSH.replace("22, 23", "22") + TELNET;
    let renamed = SSH.replace("id: ssh", "id: shell");
    let for_shell =
        "exceptions:\n  - { id: x, reason: r, owner: o, ports: [22], rules: [shell] }\n";
    insta::assert_snapshot!(describe_cases(&[
        ("renamed", SSH, &renamed),
        ("split", SSH, &split),
        ("merged", &split, SSH),
        ("removed", &split, &SSH.replace("22, 23", "22")),
        ("renamed and lower", SSH, &renamed.replace("high", "low")),
        ("renamed and exempt", SSH, &format!("{renamed}{for_shell}")),
        (
            "off",
            &format!("{SSH}{}", TELNET.replace("revoke", "off")),
            SSH
        ),
        ("another preset", BASELINE, "extends: web-only\n"),
    ]));
}

#[test]
fn differences_of_exceptions() {
    let with = |from: &str, to: &str| EXCEPTION.replace(from, to);
    let split = with("22, 8080", "22") + SECOND;
    let expired = with("2027-01", "2026-01");
    insta::assert_snapshot!(describe_cases(&[
        ("added", BASELINE, EXCEPTION),
        ("removed", EXCEPTION, BASELINE),
        ("another reason", EXCEPTION, &with("reason: r", "reason: s")),
        ("more ports", EXCEPTION, &with("22, ", "22-25, ")),
        ("fewer ports", EXCEPTION, &with("22, ", "")),
        ("longer", EXCEPTION, &with("2027-01", "2027-03")),
        ("forever", EXCEPTION, &with("expires: 2027-01-31, ", "")),
        ("revived", &expired, EXCEPTION),
        ("was expired", &expired, BASELINE),
        ("any source", EXCEPTION, &with("sources: [0.0.0.0/0], ", "")),
        (
            "more groups",
            EXCEPTION,
            &with("groups: [", "groups: [sg-0aaaaaaaa, ")
        ),
        (
            "for one rule",
            EXCEPTION,
            &with("ports: ", "rules: [port-range], ports: ")
        ),
        ("split", EXCEPTION, &split),
        ("merged", &split, EXCEPTION),
    ]));
}

#[test]
fn differences_of_overrides() {
    let overrides = |entries: &[(&str, &str)]| {
        let entries: Vec<_> = entries
            .iter()
            .map(|(scope, change)| {
                format!(
                    "  - {{ scope: {{ {scope} }}, rules: {{ uncommon-ports: {{ {change} }} }} \
                     }}\n"
                )
            })
            .collect();
        format!("{BASELINE}overrides:\n{}", entries.concat())
    };
    let account = "accounts: [\"111122223333\"]";
    let region = "regions: [eu-west-1]";
    let one = overrides(&[(account, "action: notify")]);
    let many: Vec<_> = (10..22)
        .map(|number| format!("names: [web{number}*]"))
        .collect();
    let many: Vec<_> = many
        .iter()
        .map(|scope| (scope.as_str(), "action: notify"))
        .collect();
    insta::assert_snapshot!(describe_cases(&[
        ("added", BASELINE, &one),
        ("removed", &one, BASELINE),
        (
            "later one",
            &one,
            &overrides(&[(account, "action: notify"), (region, "action: revoke")])
        ),
        (
            "twice",
            &one,
            &overrides(&[(account, "action: notify"), (account, "action: notify")])
        ),
        (
            "without effect",
            BASELINE,
            &overrides(&[(region, "severity: high")])
        ),
        (
            "severity",
            BASELINE,
            &overrides(&[(region, "severity: low")])
        ),
        ("too many", BASELINE, &overrides(&many)),
    ]));
}

#[test]
fn differences_of_guardrails() {
    let guardrail = |line: &str| format!("{BASELINE}guardrails:\n  {line}\n");
    let principal = |pattern: &str| guardrail(&format!("principals: [\"{pattern}\"]"));
    insta::assert_snapshot!(describe_cases(&[
        (
            "protected",
            BASELINE,
            &guardrail("protected: [{ names: [lb-*] }]")
        ),
        ("existing", BASELINE, &guardrail("existing: notify")),
        (
            "limit",
            &guardrail("max_removals: 20"),
            &guardrail("max_removals: 10")
        ),
        ("no limit", &guardrail("max_removals: 20"), BASELINE),
        ("services", &guardrail("service_managed: notify"), BASELINE),
        (
            "load balancers",
            BASELINE,
            &guardrail("load_balancers: notify")
        ),
        ("principals", &principal("*role/a"), &principal("*role/a*")),
        (
            "fewer principals",
            &principal("*role/a*"),
            &principal("*role/ab")
        ),
    ]));
}

/// Variants of the parts of a policy; the first variant of each is nothing.
const SLOTS: &[(&str, &[&str])] = &[
    ("mode", &["", "mode: monitor"]),
    (
        "guardrails",
        &[
            "",
            "guardrails: { existing: notify }",
            "guardrails: { max_removals: 3 }",
        ],
    ),
    (
        "rules",
        &[
            "",
            "- { id: a, forbids: a, check: open-ports, ports: [20-25], severity: high, action: \
             revoke }",
            "- { id: a, forbids: a, check: open-ports, ports: [20-25], severity: high, action: \
             notify }",
            "- { id: a, forbids: a, check: open-ports, ports: [22], severity: high, action: \
             revoke }",
            "- { id: a, forbids: a, check: open-ports, ports: [22], severity: low, action: \
             narrow }",
            "- { id: a, forbids: a, check: open-except, ports: [443], severity: high, action: \
             narrow }",
            "- { id: a, forbids: a, check: port-range, severity: high, action: revoke }",
            "- { id: a, forbids: a, check: open-ports, ports: [20-25], severity: high, action: \
             revoke, scope: { accounts: [\"111122223333\"] } }",
        ],
    ),
    (
        "rules",
        &[
            "",
            "- { id: b, forbids: b, check: open-ports, ports: [20-25], severity: high, action: \
             revoke }",
            "- { id: b, forbids: b, check: open-except, ports: [80, 443], severity: critical, \
             action: revoke }",
            "- { id: b, forbids: b, check: all-traffic, severity: critical, action: revoke }",
            "- { id: b, forbids: b, check: broad-source, severity: low, action: narrow }",
            "- { id: b, forbids: b, check: open-except, traffic: { tcp: [443] }, severity: \
             high, action: restrict, trusted: [203.0.113.0/24] }",
        ],
    ),
    (
        "exceptions",
        &[
            "",
            "- { id: x, reason: r, owner: o, ports: [22], match: { groups: \
             [sg-0123456789abcdef0] } }",
            "- { id: x, reason: r, owner: o, ports: [20-25], sources: [0.0.0.0/0] }",
            "- { id: x, reason: r, owner: o, expires: 2026-01-31, protocol: tcp }",
            "- { id: x, reason: r, owner: o, protocol: tcp, rules: [base], expires: 2027-01-31 }",
        ],
    ),
    (
        "exceptions",
        &[
            "",
            "- { id: y, reason: r, owner: o, ports: [22-23], match: { accounts: \
             [\"111122223333\"] } }",
            "- { id: y, reason: r, owner: o, sources: [\"::/0\", pl-0123456789abcdef0] }",
            "- { id: y, reason: r, owner: o, traffic: { icmp: true, others: all } }",
        ],
    ),
    (
        "overrides",
        &[
            "",
            "- { scope: { accounts: [\"111122223333\"] }, rules: { base: { action: notify } } }",
            "- { scope: { accounts: [\"444455556666\"] }, rules: { base: { action: off } } }",
            "- { scope: { names: [web*] }, rules: { base: { action: revoke, severity: critical \
             } } }",
        ],
    ),
    (
        "overrides",
        &[
            "",
            "- { scope: { names: [web] }, rules: { base: { action: narrow } } }",
            "- { scope: { names: [\"*\"] }, rules: { base: { severity: medium } } }",
        ],
    ),
];

/// A rule that every policy has, so that exceptions and overrides can refer to it.
const BASE_RULE: &str = "- { id: base, forbids: base, check: open-except, ports: [80], \
                         severity: high, action: revoke }";

fn compose(choices: &[usize]) -> Policy {
    let mut text = "version: 1\n".to_owned();
    let mut last = "";
    for ((key, variants), choice) in SLOTS.iter().zip(choices) {
        let variant = variants.get(*choice).copied().unwrap_or_default();
        if !variant.starts_with("- ") {
            if !variant.is_empty() {
                text = format!("{text}{variant}\n");
            }
            if *key != "rules" && *key != "exceptions" && *key != "overrides" {
                continue;
            }
        }
        if *key == "rules" && last != "rules" {
            text = format!("{text}rules:\n  {BASE_RULE}\n");
            last = "rules";
        }
        if variant.is_empty() {
            continue;
        }
        if last != *key {
            text = format!("{text}{key}:\n");
            last = key;
        }
        text = format!("{text}  {variant}\n");
    }
    parse(&text)
}

/// Two policies that differ in a few parts.
fn policy_pairs() -> impl Strategy<Value = (Policy, Policy)> {
    let old = prop::collection::vec(0..8_usize, SLOTS.len());
    let changes = prop::collection::vec((0..SLOTS.len(), 0..8_usize), 1..4);
    (old, changes).prop_map(|(old, changes)| {
        let mut new = old.clone();
        for (slot, choice) in changes {
            new[slot] = choice;
        }
        (compose(&old), compose(&new))
    })
}

fn groups() -> impl Strategy<Value = SecurityGroup> {
    let rules = prop::collection::vec(ingress_rules(), 1..5);
    let account = prop::sample::select(&["111122223333", "444455556666", "777788889999"][..]);
    let name = prop::sample::select(&["web", "website", "db"][..]);
    let id = prop::sample::select(&["sg-0123456789abcdef0", "sg-0aaaaaaaaaaaaaaaa"][..]);
    (rules, account, name, id).prop_map(|(rules, account, name, id)| SecurityGroup {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        owner_id: Some(account.to_owned()),
        rules,
        ..SecurityGroup::default()
    })
}

fn audit(policy: &Policy, group: &SecurityGroup, prefix_lists: PrefixLists) -> Audit {
    let described = DescribedGroups {
        groups: vec![group.clone()],
        prefix_lists,
        ..DescribedGroups::default()
    };
    let context = Context {
        now: Some(now()),
        ..Context::default()
    };
    Audit::from_groups(policy, described, &context)
}

fn removed_rules(policy: &Policy, group: &SecurityGroup) -> Vec<IngressRule> {
    let context = Context {
        now: Some(now()),
        account: group.owner_id.clone(),
        opened: OpenedRules::All,
        ..Context::default()
    };
    let lists = lists();
    let decision = decide(&PlanInput::new(policy, group, &lists, &context));
    let removals = decision.plan.removals.into_iter();
    removals.map(|removal| removal.ingress).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_weaker_effect_is_found_in_the_policies_alone(
        (old, new) in policy_pairs(),
        group in groups(),
    ) {
        let (before, after) = (audit(&old, &group, lists()), audit(&new, &group, lists()));
        let findings = compare_findings((&old, &before), (&new, &after));
        let changes = compare_policies(&old, &new, now());
        let weakened = changes.iter().any(|change| change.direction == Direction::Weaker);
        for finding in &findings {
            let is_weaker = finding.direction == Direction::Weaker;
            prop_assert!(!is_weaker || weakened, "{finding:#?}\n{changes:#?}");
        }
    }

    #[test]
    fn a_rule_that_is_no_longer_removed_is_found_in_the_policies_alone(
        (old, new) in policy_pairs(),
        group in groups(),
    ) {
        let changes = compare_policies(&old, &new, now());
        let weakened = changes.iter().any(|change| change.direction == Direction::Weaker);
        let (before, after) = (removed_rules(&old, &group), removed_rules(&new, &group));
        let kept = before.iter().find(|rule| !after.contains(rule));
        prop_assert!(kept.is_none() || weakened, "{kept:?}\n{changes:#?}");
    }

    #[test]
    fn a_policy_does_not_differ_from_itself((policy, _) in policy_pairs(), group in groups()) {
        prop_assert_eq!(compare_policies(&policy, &policy, now()), []);
        let audit = audit(&policy, &group, lists());
        prop_assert_eq!(compare_findings((&policy, &audit), (&policy, &audit)), []);
    }
}
