//! A second implementation of `docs/semantics.md`: slow, by brute force, and without the crates of
//! the project. For random groups, `audit` must have the same findings with the same offending
//! ports.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests are built with overflow checks"
)]

mod addresses;
mod evaluation;
mod inputs;
mod sources;

use std::net::Ipv6Addr;

use addresses::{LANDMARKS, blocks, is_public};
use evaluation::{ExpectedFinding, expected_findings};
use inputs::{Case, Listing, case, document};
use portcullis_cli::audit::Audit;
use portcullis_cli::audit::json::AuditV1;
use portcullis_cli::audit::known::NewFindings;
use portcullis_cli::audit::view::{AuditView, ViewOptions};
use portcullis_cli::describe::GroupsDecoder;
use portcullis_rules::Context;
use portcullis_rules::baseline::baseline_policy;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// The policy rules of the baseline.
const POLICY_RULES: [&str; 8] = [
    "all-traffic",
    "restricted-common-ports",
    "high-risk-ports",
    "uncommon-ports",
    "port-range",
    "port-range-internal",
    "broad-source",
    "other-protocols",
];

/// The findings of an audit document.
fn actual_findings(audit: &Value) -> Vec<ExpectedFinding> {
    let findings = audit["findings"].as_array().unwrap();
    findings.iter().map(actual_finding).collect()
}

fn actual_finding(finding: &Value) -> ExpectedFinding {
    let text = |key: &str| finding[key].as_str().unwrap().to_owned();
    ExpectedFinding {
        group: text("group_id"),
        protocol: text("protocol"),
        ports: (finding["from_port"].as_i64(), finding["to_port"].as_i64()),
        source: text("source"),
        rule: find_known(&finding["rule"], &POLICY_RULES),
        severity: find_known(&finding["severity"], &["critical", "high", "medium", "low"]),
        action: find_known(&finding["action"], &["revoke", "notify"]),
        offending: text("offending_ports"),
    }
}

fn find_known(value: &Value, known: &[&'static str]) -> &'static str {
    known.iter().find(|known| value == **known).unwrap()
}

/// The audit of a document, without a process.
fn audit(document: &Value) -> Value {
    let mut decoder = GroupsDecoder::for_inputs(1);
    let json = document.to_string();
    decoder.add_input("the document", json.as_bytes()).unwrap();
    let described = decoder.finish().unwrap();
    let audit = Audit::from_input(&baseline_policy(), described, &Context::default());
    let view = AuditView::new(&audit, NewFindings::all(&audit), ViewOptions::default());
    serde_json::to_value(AuditV1::new(&view)).unwrap()
}

/// Whether a rule from the unknown list would have a finding if the list had every address.
fn unknown_list_decides(case: &Case) -> bool {
    let mut rules = case.rules.clone();
    for rule in &mut rules {
        if rule.source == "pl-unknown" {
            rule.source = "pl-everything";
        }
    }
    let findings = expected_findings("sg-1", &rules);
    findings
        .iter()
        .any(|finding| finding.source == "pl-everything")
}

fn error_codes(audit: &Value) -> Vec<&str> {
    let errors = audit["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| error["code"].as_str().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_groups_have_the_expected_findings(case in case()) {
        let audit = audit(&document([("sg-1".to_owned(), &case)]));
        prop_assert_eq!(actual_findings(&audit), expected_findings("sg-1", &case.rules));
        prop_assert_eq!(&audit["rules"], &json!(case.rules.len()));
        let decides = unknown_list_decides(&case);
        let codes: &[&str] = if decides { &["prefix-list-unresolved"] } else { &[] };
        prop_assert_eq!(error_codes(&audit), codes);
        prop_assert_eq!(&audit["complete"], &json!(!decides));
        let unresolved = case.rules.iter().any(|rule| rule.source == "pl-unknown");
        let lists = if unresolved { json!(["pl-unknown"]) } else { json!([]) };
        prop_assert_eq!(&audit["unresolved_prefix_lists"], &lists);
    }
}

/// Two thousand groups in one document, evaluated by the real command.
#[test]
fn an_account_of_random_groups_has_the_expected_findings() {
    let mut runner = TestRunner::deterministic();
    let mut cases: Vec<(String, Case)> = Vec::new();
    for index in 0..2000 {
        let case = case().new_tree(&mut runner).unwrap().current();
        cases.push((format!("sg-{index:05}"), case));
    }
    let document = document(cases.iter().map(|(id, case)| (id.clone(), case)));
    let args = ["audit", "--input", "-", "--format", "json"];
    let run = crate::common::portcullis_with(document.to_string().as_bytes(), &args);
    assert_eq!(run.code, 3);
    let audit = run.json();
    let deciding = cases.iter().filter(|(_, case)| unknown_list_decides(case));
    assert_eq!(error_codes(&audit).len(), deciding.count());
    // A group without rules does not occur in the listing of rules.
    let groups = cases
        .iter()
        .filter(|(_, case)| case.listing != Listing::Rules || !case.rules.is_empty())
        .count();
    assert_eq!(audit["groups"], groups);
    let expected: Vec<_> = cases
        .iter()
        .flat_map(|(id, case)| expected_findings(id, &case.rules))
        .collect();
    let found = actual_findings(&audit);
    let difference = found
        .iter()
        .zip(&expected)
        .find(|(found, expected)| found != expected);
    assert_eq!(difference, None);
    assert_eq!(found.len(), expected.len());
    for rule in POLICY_RULES {
        let findings = expected.iter().filter(|expected| expected.rule == rule);
        assert!(findings.count() > 50, "{rule} has too few findings");
    }
}

/// A document with one rule for tcp/8080 from a prefix list with these entries.
fn prefix_list_document(entries: &[Value]) -> Value {
    let rule = json!({
        "GroupId": "sg-1",
        "IsEgress": false,
        "IpProtocol": "tcp",
        "FromPort": 8080,
        "ToPort": 8080,
        "PrefixListId": "pl-1",
    });
    let list = json!({"PrefixListId": "pl-1", "Entries": entries});
    json!({"SecurityGroupRules": [rule], "PrefixLists": [list]})
}

/// Whether all IPv4 addresses, except those from the first to the last, are open to the world.
fn is_open_without(first: u128, last: u128) -> bool {
    let before = first
        .checked_sub(1)
        .map(|last| blocks(0, last))
        .unwrap_or_default();
    let after = blocks(last + 1, u128::from(u32::MAX));
    let entries: Vec<_> = before
        .into_iter()
        .chain(after)
        .map(|cidr| json!({"Cidr": cidr}))
        .collect();
    let audit = audit(&prefix_list_document(&entries));
    audit["findings"][0]["rule"] == "uncommon-ports"
}

/// A source that lacks a special block is open to the world. One that also lacks a public address
/// next to the block is not.
#[test]
fn special_blocks_are_not_required_to_be_open_to_the_world() {
    for special in &LANDMARKS.0 {
        assert!(is_open_without(special.first, special.last), "{special:?}");
        for (first, last) in [
            (special.first.saturating_sub(1), special.last),
            (special.first, special.last + 1),
        ] {
            let is_open = !is_public(first, false)
                && (last > u128::from(u32::MAX) || !is_public(last, false));
            assert_eq!(is_open_without(first, last), is_open, "{special:?}");
        }
    }
}

/// Narrow blocks that together cover the internet are open to the world. In IPv6, that takes
/// sixteen thousand entries.
#[test]
fn narrow_blocks_that_cover_the_internet_are_open_to_the_world() {
    let mut entries = Vec::new();
    for n in 0..1_u128 << 14 {
        let address = Ipv6Addr::from((0x2000_u128 << 112) + (n << 111));
        entries.push(json!({"Cidr": format!("{address}/17")}));
    }
    let complete = audit(&prefix_list_document(&entries));
    assert_eq!(complete["findings"][0]["rule"], "uncommon-ports");
    let incomplete = audit(&prefix_list_document(&entries[1..]));
    assert_eq!(incomplete["findings"], json!([]));
}
