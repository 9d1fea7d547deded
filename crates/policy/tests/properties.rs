//! Properties of every text and every policy.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_policy::test_file::decode_test_file;
use portcullis_policy::{PRESETS, lint_policy, parse_policy, render_policy};
use portcullis_rules::check::Check;
use portcullis_rules::policy::{Override, RuleOverride};
use portcullis_rules::source::GroupSource;
use portcullis_rules::traffic::ProtocolSet;
use portcullis_rules::{
    Action, Exception, ExistingRules, Glob, Guardrails, Policy, PolicyRule, PortRange, PortSet,
    Scope, Severity, Source, TrafficSet,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

const EVERYTHING: &str = include_str!("examples/everything.yaml");
const README: &str = include_str!("examples/readme.yaml");

fn id() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,8}".prop_filter("an AWS id, or a reserved word", |id| {
        !id.starts_with("sg-") && !id.starts_with("pl-") && id != "all"
    })
}

/// Text, including everything that has a meaning in YAML.
fn words() -> impl Strategy<Value = String> {
    let special = select(vec![
        "no",
        "null",
        "~",
        "1:30",
        "0x16",
        "- a",
        "a: b",
        "a #b",
        "*x",
        "&x",
        "!x",
        "\"",
        "'",
        "\\",
        "a\nb",
        "\u{feff}",
        "\u{2028}",
        "2027-01-01",
        "[a]",
        "{a}",
        "%",
        "@",
        "`",
        "|",
        ">",
        "a\tb",
        "ä",
        "\u{85}",
        " a ",
        "a, b",
        "\u{0}",
    ]);
    prop_oneof![special.prop_map(str::to_owned), "\\PC{1,12}"]
        .prop_filter("blank", |text| !text.trim().is_empty())
}

fn port_set() -> impl Strategy<Value = PortSet> {
    vec((any::<u16>(), 0..2000_u16), 1..4).prop_map(|ranges| {
        ranges
            .into_iter()
            .filter_map(|(from, length)| PortRange::new(from, from.saturating_add(length)))
            .collect()
    })
}

fn any_ports() -> impl Strategy<Value = PortSet> {
    prop_oneof![Just(PortSet::empty()), Just(PortSet::all()), port_set()]
}

fn traffic() -> impl Strategy<Value = TrafficSet> {
    let others = prop_oneof![
        Just(ProtocolSet::empty()),
        Just(ProtocolSet::all()),
        vec(any::<u8>(), 0..3).prop_map(ProtocolSet::from_iter),
    ];
    (
        any_ports(),
        any_ports(),
        any::<bool>(),
        any::<bool>(),
        others,
        any::<bool>(),
    )
        .prop_map(|(tcp, udp, icmp, icmpv6, others, same)| {
            if same {
                TrafficSet::tcp_and_udp(tcp)
            } else {
                TrafficSet {
                    tcp,
                    udp,
                    icmp,
                    icmpv6,
                    other_protocols: others,
                }
            }
        })
}

fn check() -> impl Strategy<Value = Check> {
    let ports = traffic().prop_map(|set| TrafficSet {
        tcp: set.tcp,
        udp: set.udp,
        ..TrafficSet::default()
    });
    prop_oneof![
        Just(Check::AllTraffic),
        ports.prop_map(Check::OpenPorts),
        traffic().prop_map(Check::OpenExcept),
        Just(Check::PortRange),
        Just(Check::PortRangeInternal),
        Just(Check::BroadSource),
        Just(Check::OtherProtocols),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    let hex = "[0-9a-f]{17}";
    let text = prop_oneof![
        (any::<u32>(), 9..=32_u8)
            .prop_map(|(ip, prefix)| format!("{}/{prefix}", std::net::Ipv4Addr::from(ip))),
        (any::<u128>(), 17..=128_u8)
            .prop_map(|(ip, prefix)| format!("{}/{prefix}", std::net::Ipv6Addr::from(ip))),
        hex.prop_map(|id| format!("pl-{id}")),
        hex.prop_map(|id| format!("sg-{id}")),
    ];
    let foreign = ("[0-9]{12}", hex).prop_map(|(owner, id)| {
        Source::Group(GroupSource {
            group_id: format!("sg-{id}"),
            owner_id: Some(owner),
        })
    });
    prop_oneof![4 => text.prop_map(|text| text.parse().unwrap()), 1 => foreign]
}

fn sources() -> impl Strategy<Value = Vec<Source>> {
    vec(source(), 1..4).prop_map(|mut sources| {
        let mut seen = std::collections::BTreeSet::new();
        sources.retain(|source| seen.insert(source.clone()));
        sources
    })
}

fn name_glob() -> impl Strategy<Value = Glob> {
    "[a-zA-Z0-9 ._:/()#,@=&;{}!$*?\\[\\]+-]{1,9}".prop_map(|text| Glob::new(&text))
}

fn tags() -> impl Strategy<Value = BTreeMap<String, Glob>> {
    let value = "[ -~äß]{0,8}".prop_map(|text| Glob::new(&text));
    btree_map(
        "[ -~äß]{1,8}".prop_filter("null", |key| !["~", "<<"].contains(&key.trim())),
        value,
        0..3,
    )
}

fn scope() -> impl Strategy<Value = Scope> {
    (
        vec("[0-9]{12}", 0..2),
        vec(
            select(vec!["eu-west-1".to_owned(), "us-gov-west-1".to_owned()]),
            0..2,
        ),
        vec("vpc-[0-9a-f]{8}", 0..2),
        vec("sg-[0-9a-f]{17}", 0..2),
        vec(name_glob(), 0..3),
        tags(),
    )
        .prop_map(
            |(accounts, regions, vpcs, group_ids, group_names, group_tags)| Scope {
                accounts,
                regions,
                vpcs,
                group_ids,
                group_names,
                group_tags,
            },
        )
}

fn limited_scope() -> impl Strategy<Value = Scope> {
    scope().prop_filter("everywhere", |scope| !scope.is_everywhere())
}

fn severity() -> impl Strategy<Value = Severity> {
    select(vec![
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ])
}

fn action() -> impl Strategy<Value = Action> {
    select(vec![
        Action::Off,
        Action::Notify,
        Action::Narrow,
        Action::Restrict,
        Action::Revoke,
    ])
}

fn rule() -> impl Strategy<Value = PolicyRule> {
    (
        id(),
        words(),
        check(),
        severity(),
        action(),
        vec(words(), 0..3),
        scope(),
        sources(),
    )
        .prop_map(
            |(id, forbids, check, severity, action, references, scope, trusted)| PolicyRule {
                id,
                forbids,
                check,
                severity,
                action,
                references,
                scope,
                trusted,
            },
        )
}

fn exception(rules: &[String]) -> impl Strategy<Value = Exception> + use<> {
    let expires = of((1_000_000_000..4_000_000_000_i64, any::<bool>()).prop_map(
        |(second, day)| {
            let second = if day {
                second.div_euclid(86_400).saturating_mul(86_400)
            } else {
                second
            };
            jiff::Timestamp::from_second(second).unwrap()
        },
    ));
    let exempt_traffic = prop_oneof![
        Just(TrafficSet::all()),
        traffic().prop_filter("nothing", |traffic| !traffic.is_empty())
    ];
    let principals = vec(
        "arn:[a-z0-9:*/?-]{1,20}".prop_map(|text| Glob::new(&text)),
        0..3,
    );
    (
        (
            id(),
            words(),
            words(),
            expires,
            proptest::sample::subsequence(rules.to_vec(), 0..=rules.len()),
        ),
        (
            scope(),
            tags(),
            vec(name_glob(), 0..2),
            principals,
            exempt_traffic,
            prop_oneof![Just(Vec::new()), sources()],
        ),
    )
        .prop_map(|((id, reason, owner, expires, rules), rest)| {
            let (scope, rule_tags, descriptions, principals, traffic, sources) = rest;
            Exception {
                id,
                reason,
                owner,
                expires,
                rules,
                scope,
                rule_tags,
                descriptions,
                principals,
                traffic,
                sources,
            }
        })
}

fn rule_override(rules: Vec<String>) -> impl Strategy<Value = Override> {
    let change = (of(severity()), of(action()))
        .prop_filter("nothing", |(severity, action)| {
            severity.is_some() || action.is_some()
        })
        .prop_map(|(severity, action)| RuleOverride { severity, action });
    (limited_scope(), btree_map(select(rules), change, 1..3)).prop_map(|(scope, changes)| {
        Override {
            scope,
            rule_overrides: changes,
        }
    })
}

fn guardrails() -> impl Strategy<Value = Guardrails> {
    let existing = select(vec![ExistingRules::Enforce, ExistingRules::Notify]);
    let principals = vec(
        "arn:[a-z0-9:*/?-]{1,20}".prop_map(|text| Glob::new(&text)),
        0..3,
    );
    (
        (vec(limited_scope(), 0..3), existing),
        of(1..1000_usize),
        any::<bool>(),
        any::<bool>(),
        principals,
    )
        .prop_map(
            |((protected, existing), max_removals, service_managed, load_balancers, principals)| {
                Guardrails {
                    protected,
                    existing,
                    max_removals,
                    notify_only_service_managed: service_managed,
                    notify_only_load_balancers: load_balancers,
                    notify_only_principals: principals,
                }
            },
        )
}

/// The items without those whose id occurred before.
fn unique<T>(items: Vec<T>, id: impl Fn(&T) -> String) -> Vec<Arc<T>> {
    let mut seen = std::collections::BTreeSet::new();
    items
        .into_iter()
        .filter(|item| seen.insert(id(item)))
        .map(Arc::new)
        .collect()
}

fn policy() -> impl Strategy<Value = Policy> {
    vec(rule(), 1..4)
        .prop_flat_map(|rules| {
            let ids: Vec<_> = rules.iter().map(|rule| rule.id.clone()).collect();
            let rest = (
                vec(exception(&ids), 0..3),
                vec(rule_override(ids), 0..3),
                guardrails(),
            );
            (words(), any::<bool>(), Just(rules), rest)
        })
        .prop_map(
            |(name, monitor, rules, (exceptions, overrides, guardrails))| Policy {
                name,
                monitor,
                rules: unique(rules, |rule| rule.id.clone()),
                exceptions: unique(exceptions, |one| one.id.clone()),
                overrides,
                guardrails,
            },
        )
}

/// A valid policy in which pieces are removed or replaced.
fn mutated_policy() -> impl Strategy<Value = String> {
    let texts: Vec<&str> = PRESETS
        .iter()
        .map(|preset| preset.text)
        .chain([EVERYTHING, README])
        .collect();
    let piece = select(vec![
        "",
        " ",
        "\n",
        "\t",
        ":",
        ": ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "*",
        "&a ",
        "*a",
        "!t ",
        "|",
        ">-",
        "#",
        "---\n",
        "...",
        "%YAML 1.1\n",
        "\\",
        "\u{feff}",
        "\r\n",
        "ä",
        "\u{0}",
        "? ",
        "~",
        ",",
        "@",
        "<<: ",
        "22",
        "0.0.0.0/0",
    ]);
    (
        select(texts),
        vec((any::<prop::sample::Index>(), 0..40_usize, piece), 1..5),
    )
        .prop_map(|(text, cuts)| {
            let mut characters: Vec<char> = text.chars().collect();
            for (place, length, piece) in cuts {
                let start = place.index(characters.len().saturating_add(1));
                let end = start.saturating_add(length).min(characters.len());
                characters.splice(start..end, piece.chars());
            }
            characters.into_iter().collect()
        })
}

/// Parses a text. Errors can be rendered, and a valid policy can be rendered and parsed again.
fn check_parsing(text: &str) -> Result<(), TestCaseError> {
    match parse_policy("policy.yaml", text) {
        Ok(loaded) => {
            let rendered = render_policy(&loaded.policy);
            let again = parse_policy("policy.yaml", &rendered)
                .map_err(|errors| TestCaseError::fail(format!("{errors}\n{rendered}")))?;
            prop_assert_eq!(again.policy, loaded.policy.clone());
            prop_assert!(lint_policy(&loaded, jiff::Timestamp::UNIX_EPOCH).only_warnings());
        }
        Err(errors) => {
            prop_assert!(!errors.is_empty() && !errors.only_warnings());
            prop_assert!(errors.to_string().starts_with("error["));
            prop_assert!(errors.render_colored().len() > 20);
            prop_assert_eq!(errors.log_lines().count(), errors.len());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn rendered_policies_parse_to_the_same_policy(policy in policy()) {
        let rendered = render_policy(&policy);
        let loaded = parse_policy("policy.yaml", &rendered)
            .map_err(|errors| TestCaseError::fail(format!("{errors}\n{rendered}")))?;
        prop_assert_eq!(loaded.policy, policy, "{}", rendered);
    }

    #[test]
    fn texts_do_not_panic(
        text in "\\PC{0,60}|[ -~\n\t]{0,80}|[:\\-\\[\\]{}&*!|>'\"%@`#, \na1]{0,60}"
    ) {
        check_parsing(&text)?;
    }

    #[test]
    fn bytes_do_not_panic(bytes in vec(any::<u8>(), 0..80)) {
        check_parsing(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn mutated_policies_do_not_panic(text in mutated_policy()) {
        check_parsing(&text)?;
    }

    #[test]
    fn test_files_are_decoded_or_rejected(
        text in "(policy: |cases:\n|  - name: |    group: |    expect: |rules|[a-z]|\n|\\[|\\]|\\{|\\}|tcp 22 |: ){0,30}"
    ) {
        if let Err(errors) = decode_test_file("policy.test.yaml", &text) {
            prop_assert!(!errors.is_empty() && !errors.only_warnings());
            prop_assert!(errors.to_string().starts_with("error["));
        }
    }
}
