//! Everything that can be wrong with a policy file, and how it is told.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_policy::{Code, lint_policy, parse_policy};

/// A policy of the baseline with more lines.
const BASE: &str = "version: 1\nextends: baseline\n";

/// A rule that is whole but for its last lines.
const RULE: &str = "version: 1\nrules:\n  - id: mine\n    forbids: something\n    severity: low\n    action: notify\n";

/// An exception that is whole but for its last lines.
const EXCEPTION: &str = "version: 1\nextends: baseline\nexceptions:\n  - id: mine\n    reason: because\n    owner: me\n";

/// What is told about a text: errors, or warnings in November 2026.
fn told(text: &str) -> (String, BTreeSet<&'static str>) {
    let found = match parse_policy("policy.yaml", text) {
        Ok(loaded) => lint_policy(&loaded, "2026-11-21T00:00:00Z".parse().unwrap()),
        Err(wrong) => wrong,
    };
    (
        found.to_string(),
        found.iter().map(|one| one.code().code()).collect(),
    )
}

/// The rendered text of each case, parted by rulers.
fn gallery(cases: &[String]) -> String {
    let mut shown = String::new();
    for case in cases {
        let (text, _) = told(case);
        assert!(!text.is_empty(), "nothing is wrong with:\n{case}");
        writeln!(shown, "{text}\n\n--------").unwrap();
    }
    shown
}

fn after(begin: &str, ends: &[&str]) -> Vec<String> {
    ends.iter().map(|end| format!("{begin}{end}")).collect()
}

fn plain(texts: &[&str]) -> Vec<String> {
    after("", texts)
}

fn not_yaml() -> Vec<String> {
    plain(&[
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
    ])
}

fn too_complex() -> Vec<String> {
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

fn top_level() -> Vec<String> {
    let mut cases = plain(&[
        "extends: baseline\n",
        "version: 2\nextends: baseline\n",
        "version: 1.0\nextends: baseline\n",
        "version: 1\n",
        "version: 1\nrules: []\n",
        "version: 1\nextends: basline\n",
    ]);
    cases.extend(after(
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

fn rules() -> Vec<String> {
    let mut cases = after(
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
    cases.extend(after(
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

fn ports() -> Vec<String> {
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
    let begin = "version: 1\nextends: baseline\nports: { web: [80, \"443\"] }\nrules:\n  - id: uncommon-ports\n    ports: ";
    after(begin, &ports)
        .into_iter()
        .map(|text| text + "\n")
        .collect()
}

fn trusted() -> Vec<String> {
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
    let begin = "version: 1\nextends: baseline\ntrusted: { offices: [203.0.113.0/24] }\nrules:\n  \
                 - id: restricted-common-ports\n    action: restrict\n    trusted: ";
    let mut cases: Vec<_> = after(begin, &sources)
        .into_iter()
        .map(|text| text + "\n")
        .collect();
    cases.extend(after(
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

fn exceptions() -> Vec<String> {
    let mut cases = after(
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
    cases.extend(after(
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

fn others() -> Vec<String> {
    let mut cases = after(
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
fn text_that_is_no_policy() {
    insta::assert_snapshot!(gallery(&not_yaml()));
}

#[test]
fn text_that_would_fill_the_memory() {
    insta::assert_snapshot!(gallery(&too_complex()));
}

#[test]
fn the_top_level() {
    insta::assert_snapshot!(gallery(&top_level()));
}

#[test]
fn rules_and_their_checks() {
    insta::assert_snapshot!(gallery(&rules()));
}

#[test]
fn ports_and_spans() {
    insta::assert_snapshot!(gallery(&ports()));
}

#[test]
fn trusted_sources() {
    insta::assert_snapshot!(gallery(&trusted()));
}

#[test]
fn exceptions_and_their_ends() {
    insta::assert_snapshot!(gallery(&exceptions()));
}

#[test]
fn guardrails_and_overrides() {
    insta::assert_snapshot!(gallery(&others()));
}

#[test]
fn every_code_is_shown_by_some_case() {
    let cases = [
        not_yaml(),
        too_complex(),
        top_level(),
        rules(),
        ports(),
        trusted(),
        exceptions(),
        others(),
    ]
    .concat();
    let shown: BTreeSet<_> = cases.iter().flat_map(|case| told(case).1).collect();
    let missing: Vec<_> = Code::ALL
        .iter()
        .map(|code| code.code())
        .filter(|code| !shown.contains(code))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_text() {
    let text = "version: 1\nmode: enforse\ntrusted:\n  office: [203.0.113.0/33]\nrules:\n  - id: ssh\n    forbids: SSH\n    \
                check: open-ports\n    ports: [22, wbe]\n    severity: hihg\n    action: restrict\nexceptions:\n  \
                - id: vendor\n    owner: me\n    rules: [shs]\n    expires: 2027-02-30\nguardrail: {}\n";
    insta::assert_snapshot!(told(text).0);
}

#[test]
fn one_line_each_for_a_log() {
    let wrong = parse_policy(
        "ssm:/portcullis/policy",
        "version: 1\nextends: baseline\nmode: enforse\nexeptions: []\n",
    )
    .unwrap_err();
    let lines: Vec<_> = wrong.log_lines().collect();
    assert_eq!(
        lines,
        [
            "ssm:/portcullis/policy:3:7: unknown mode `enforse`: did you mean `enforce`?",
            "ssm:/portcullis/policy:4:1: unknown key `exeptions` in a policy: did you mean `exceptions`?",
        ]
    );
    assert_eq!(
        wrong
            .iter()
            .map(|one| wrong.position(one))
            .collect::<Vec<_>>(),
        [(3, 7), (4, 1)]
    );
    assert!(wrong.render_colored().contains("\u{1b}["));
}
