//! Every error and warning about policy files and test files, as it is printed.

#![expect(clippy::unwrap_used, reason = "tests and their helpers may panic")]

use std::fmt::Write as _;

use portcullis_policy::{Diagnostics, lint_policy, parse_policy};

/// The start of a policy that extends the baseline.
const BASE: &str = "version: 1\nextends: baseline\n";

/// The start of a policy with one rule; the check is missing.
const RULE: &str = "version: 1\nrules:\n  - id: mine\n    forbids: something\n    severity: low\n    action: notify\n";

/// The start of a policy with one exception; what limits it is missing.
const EXCEPTION: &str = "version: 1\nextends: baseline\nexceptions:\n  - id: mine\n    reason: because\n    owner: me\n";

/// The errors in a policy, or its warnings in November 2026.
fn diagnose_policy(text: &str) -> Diagnostics {
    match parse_policy("policy.yaml", text) {
        Ok(loaded) => lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap()),
        Err(errors) => errors,
    }
}

/// The diagnostics of each policy, separated by rulers.
fn render_cases(cases: &[String]) -> String {
    let mut rendered = String::new();
    for case in cases {
        let found = diagnose_policy(case);
        assert!(!found.is_empty(), "nothing is wrong with:\n{case}");
        writeln!(rendered, "{found}\n\n--------").unwrap();
    }
    rendered
}

fn append_each(start: &str, ends: &[&str]) -> Vec<String> {
    ends.iter().map(|end| format!("{start}{end}")).collect()
}

fn yaml_cases() -> Vec<String> {
    append_each(
        "",
        &[
            "",
            "# nothing but a comment\n",
            "version: 1\nrules: [\n",
            "version: 1\nrules:\n\t- id: a\n",
            "version: 1\nguardrails:\n  protected: [{ names: [*-web] }]\n",
            "version: 1\nname: a: b\n",
            "version: 1\nname: @home\n",
            "version: 1\nname: !secret x\nextends: baseline\n",
            "version: 1\nextends: baseline\n---\nversion: 1\n",
            "version: 1\nname: a\0b\n",
            "version: 1\nx: &a [*a]\n",
            "version: 1\nextends: baseline\ndefaults: &d\n  mode: monitor\n<<: *d\n",
            "version: 1\nextends: baseline\nmode: monitor\nmode: enforce\n",
            "version: 1\nextends: baseline\n? [a]\n: b\n",
            "- version: 1\n",
            "just a text\n",
            "{}\n",
        ],
    )
}

fn complexity_cases() -> Vec<String> {
    let bomb: String = (0..12).fold(
        "version: 1\na0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned(),
        |text, n| {
            format!(
                "{text}b{n}: &a{n} [{}]\n",
                vec![format!("*a{n}"); 8].join(", ")
            )
        },
    );
    vec![
        bomb,
        format!("version: {}1{}\n", "[".repeat(60), "]".repeat(60)),
    ]
}

fn top_level_cases() -> Vec<String> {
    let mut cases = append_each(
        "",
        &[
            "extends: baseline\n",
            "version: 2\nextends: baseline\n",
            "version: 1.0\nextends: baseline\n",
            "version: 1\n",
            "version: 1\nrules: []\n",
            "version: 1\nextends: basline\n",
        ],
    );
    cases.extend(append_each(
        BASE,
        &[
            "mode: enforse\n",
            "exeptions: []\n",
            "name:\n",
            "name: [a]\n",
            "rules: {}\n",
            "rules: 3\n",
            "trusted: [203.0.113.0/24]\n",
        ],
    ));
    cases
}

fn rule_cases() -> Vec<String> {
    let mut cases = append_each(
        RULE,
        &[
            "    check: open-port\n    ports: 22\n",
            "    check: open-ports\n",
            "    check: open-ports-except\n    protocol: tcp\n",
            "    check: open-ports-except\n    traffic: { tcp: 80 }\n",
            "    check: all-traffic\n    ports: 22\n",
            "    check: open-ports\n    ports: 22\n    protocols: tcp\n",
            "    check: open-ports\n    ports: 22\n    protocol: tpc\n",
            "    check: open-ports\n    ports: 22\n    protocol: [tcp, icmp]\n",
            "    check: open-ports\n    protocol: icmp\n",
            "    check: open-except\n    ports: 22\n    traffic: { icmp: yes }\n",
            "    check: open-except\n    ports: 22\n    traffic: { icmp: true }\n",
            "    check: open-except\n    traffic: { others: [6, 300] }\n",
            "    check: all-traffic\n    scope: {}\n",
            "    check: all-traffic\n    scope: { names: [] }\n",
            "    check: all-traffic\n    match: { names: a }\n",
            "    check: all-traffic\n    severity: high\n",
            "    check: all-traffic\n  - id: mine\n    forbids: again\n    check: port-range\n    severity: low\n    \
             action: off\n",
        ],
    );
    cases.extend(append_each(
        BASE,
        &[
            "rules: [{ id: uncomon-ports, action: notify }]\n",
            "rules: [{ id: My Rule, action: notify }]\n",
            "rules: [{ action: notify }]\n",
            "rules: [{ id: uncommon-ports, action: revok }]\n",
            "rules: [{ id: uncommon-ports, action: delete }]\n",
            "rules: [uncommon-ports]\n",
            "rules: [{ id: port-range, ports: 22 }]\n",
        ],
    ));
    cases
}

fn port_cases() -> Vec<String> {
    let ports = [
        "25-20",
        "65536",
        "70000-80000",
        "022",
        "0x16",
        "1:30",
        "22.0",
        "-22",
        "8000:8010",
        "8000..8010",
        "\"80,443\"",
        "tcp/22",
        "ssh",
        "wbe",
        "*",
        "'*'",
        "~",
        "[[22]]",
        "{ 22: 23 }",
        "[]",
    ];
    let start = "version: 1\nextends: baseline\nports: { web: [80, \"443\"] }\nrules:\n  - id: uncommon-ports\n    ports: ";
    append_each(start, &ports)
        .into_iter()
        .map(|text| text + "\n")
        .collect()
}

fn trusted_cases() -> Vec<String> {
    let sources = [
        "203.0.113.0/33",
        "203.0.113/24",
        "2001:db8::/129",
        "office",
        "anywhere-at-all!",
        "sg-1",
        "SG-0123456789abcdef0",
        "pl-xyz",
        "11112222333/sg-0123456789abcdef0",
        "0.0.0.0/0",
        "::/0",
        "2000::/3",
        "1.2.3.4/0",
        "52.0.0.0/8",
        "203.0.113.7/24",
        "[0.0.0.0/1, 128.0.0.0/1]",
        "[2001:db8::]",
        "[]",
    ];
    let start = "version: 1\nextends: baseline\ntrusted: { offices: [203.0.113.0/24] }\nrules:\n  \
                 - id: restricted-common-ports\n    action: restrict\n    trusted: ";
    let mut cases: Vec<_> = append_each(start, &sources)
        .into_iter()
        .map(|text| text + "\n")
        .collect();
    cases.extend(append_each(
        BASE,
        &[
            "rules: [{ id: port-range, action: restrict }]\n",
            "trusted: { office: [203.0.113.0/24] }\nrules: [{ id: port-range, action: restrict }]\n",
            "overrides: [{ scope: { regions: eu-west-1 }, rules: { port-range: { action: restrict } } }]\n",
            "trusted: { all: [203.0.113.0/24], Office Berlin: [203.0.113.0/24], world: [0.0.0.0/0] }\n",
            "trusted: { office: [203.0.113.0/24] }\nports: { web: 80 }\n",
            "rules: [{ id: port-range, trusted: 203.0.113.0/24 }]\n",
        ],
    ));
    cases
}

fn exception_cases() -> Vec<String> {
    let mut cases = append_each(
        EXCEPTION,
        &[
            "",
            "    rules: [uncommon-port]\n",
            "    ports: 8443\n    protocol: [tcp, 47]\n",
            "    traffic: {}\n",
            "    sources: 0.0.0.0\\0\n",
            "    scope: { names: [a] }\n",
            "    groups: [sg-0123456789abcdef0]\n",
            "    match: { groups: [web], vpcs: [vpc-*], accounts: [1111-2222-3333, 42], regions: [eu-west1, Frankfurt] }\n",
            "    match: { names: ['^web', ''], descriptions: ['a|b'], principals: ['a b'], tags: {} }\n",
            "    match: { tags: { team: [a] } }\n",
            "    match: { tags: { team: edge } }\n",
            "    match: { rule_tags: { a: b }, principals: ['*deploy*'] }\n",
            "    match: { principals: ['arn:aws:sts::*:assumed-role/*/deploy'] }\n",
            "    ports: 1\n  - id: mine\n    reason: again\n    owner: me\n    ports: 2\n",
            "    ports: 1-10\n  - id: more\n    reason: again\n    owner: me\n    protocol: tcp\n    ports: 2\n",
        ],
    );
    cases.extend(append_each(
        BASE,
        &[
            "exceptions: [{ id: a, ports: 8443 }]\n",
            "exceptions: [{ id: a, ports: 8443, reason: ' ', owner: ~ }]\n",
            "exceptions:\n  id: a\n  ports: 8443\n",
        ],
    ));
    let dates = [
        "2027-02-30",
        "31.03.2027",
        "03/31/2027",
        "2027-3-1",
        "2027-03-31T18:00:00",
        "20270331",
        "never",
        "soon",
        "1969-01-01T00:00:00Z",
        "9999-12-31",
        "2026-11-20",
    ];
    cases.extend(dates.map(|date| format!("{EXCEPTION}    ports: 1\n    expires: {date}\n")));
    cases
}

fn guardrail_cases() -> Vec<String> {
    let mut cases = append_each(
        BASE,
        &[
            "guardrails: { protected: [{}] }\n",
            "guardrails: { protected: [prod] }\n",
            "guardrails: { max_removals: 0 }\n",
            "guardrails: { max_removals: 1e3 }\n",
            "guardrails: { max-removals: 3 }\n",
            "guardrails: { service_managed: skip }\n",
            "guardrails: { principals: ['*'] }\n",
            "overrides: [{ rules: { port-range: { action: off } } }]\n",
            "overrides: [{ scope: { regions: eu-west-1 }, rules: { port-rang: { action: off } } }]\n",
            "overrides: [{ scope: { regions: eu-west-1 }, rules: { port-range: {} } }]\n",
            "overrides: [{ scope: { regions: eu-west-1 }, rules: {} }]\n",
        ],
    );
    cases.push(format!(
        "{RULE}    check: open-ports-except\n    ports: all\n"
    ));
    cases.push(format!("{RULE}    check: open-except\n    protocol: all\n"));
    cases
}

#[test]
fn yaml_errors() {
    insta::assert_snapshot!(render_cases(&yaml_cases()));
}

#[test]
fn complexity_limits() {
    insta::assert_snapshot!(render_cases(&complexity_cases()));
}

#[test]
fn top_level_errors() {
    insta::assert_snapshot!(render_cases(&top_level_cases()));
}

#[test]
fn rule_errors() {
    insta::assert_snapshot!(render_cases(&rule_cases()));
}

#[test]
fn port_errors() {
    insta::assert_snapshot!(render_cases(&port_cases()));
}

#[test]
fn trusted_source_errors() {
    insta::assert_snapshot!(render_cases(&trusted_cases()));
}

#[test]
fn exception_errors() {
    insta::assert_snapshot!(render_cases(&exception_cases()));
}

#[test]
fn guardrail_and_override_errors() {
    insta::assert_snapshot!(render_cases(&guardrail_cases()));
}

#[test]
fn all_errors_are_reported_in_the_order_of_the_text() {
    let text = "version: 1\nmode: enforse\ntrusted:\n  office: [203.0.113.0/33]\nrules:\n  - id: ssh\n    forbids: SSH\n    \
                check: open-ports\n    ports: [22, wbe]\n    severity: hihg\n    action: restrict\nexceptions:\n  \
                - id: vendor\n    owner: me\n    rules: [shs]\n    expires: 2027-02-30\nguardrail: {}\n";
    insta::assert_snapshot!(diagnose_policy(text).to_string());
}

#[test]
fn log_lines_have_position_message_and_help() {
    let errors = parse_policy(
        "ssm:/portcullis/policy",
        "version: 1\nextends: baseline\nmode: enforse\nexeptions: []\n",
    )
    .unwrap_err();
    let lines: Vec<_> = errors.log_lines().collect();
    assert_eq!(
        lines,
        [
            "ssm:/portcullis/policy:3:7: unknown mode `enforse`: did you mean `enforce`?",
            "ssm:/portcullis/policy:4:1: unknown key `exeptions` in a policy: did you mean `exceptions`?",
        ]
    );
    assert_eq!(
        errors
            .iter()
            .map(|error| errors.position(error))
            .collect::<Vec<_>>(),
        [(3, 7), (4, 1)]
    );
    assert!(errors.render_colored().contains("\u{1b}["));
}
