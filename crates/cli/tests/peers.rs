//! Test cases of other public projects, for permissions, sources and events. The tables and their
//! sources are in `peers/`. A case must give a reason exactly if the expected results differ.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::{portcullis, portcullis_with};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableCase {
    source: String,
    case: String,
    #[serde(rename = "about")]
    _about: String,
    compare: String,
    permissions: Vec<Value>,
    theirs: PeerResult,
    ours: ExpectedFindings,
    why: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum PeerResult {
    Pass,
    Fail,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedFindings {
    findings: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CidrCase {
    source: String,
    case: String,
    cidr: String,
    #[serde(rename = "only_everything_counts")]
    _only_everything_counts: bool,
    theirs_public: Option<bool>,
    ours: SourceBreadth,
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceBreadth {
    open_to_world: bool,
    broad: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventCase {
    source: String,
    case: String,
    event: Value,
    theirs: String,
    ours: String,
    group_id: Option<String>,
    why: Option<String>,
}

const REVOKE_RULES: [&str; 5] = [
    "all-traffic",
    "restricted-common-ports",
    "high-risk-ports",
    "uncommon-ports",
    "port-range",
];

fn read_cases<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn audit(groups: &[Value]) -> Vec<Value> {
    let input = json!({"SecurityGroups": groups}).to_string();
    let run = portcullis_with(
        input.as_bytes(),
        &["audit", "--input", "-", "--format", "json"],
    );
    let audit = run.json();
    assert_eq!(audit["errors"], json!([]));
    assert_eq!(audit["groups"], groups.len());
    audit["findings"].as_array().unwrap().clone()
}

/// The policy rules with findings for a group.
fn rules_with_findings(findings: &[Value], group_id: &str) -> BTreeSet<String> {
    let of_group = findings
        .iter()
        .filter(|finding| finding["group_id"] == group_id);
    of_group
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

/// A case has a reason exactly if the results differ.
fn check_reason(agree: bool, why: Option<&String>, case: &str) {
    assert_eq!(agree, why.is_none(), "{case}: agree: {agree}, why: {why:?}");
    assert!(
        why.is_none_or(|why| why.len() > 20),
        "{case}: the reason is too short"
    );
}

#[test]
fn permissions_have_the_documented_findings() {
    let cases: Vec<TableCase> = read_cases("tables.json");
    assert!(cases.len() >= 100, "the corpus must not shrink");
    let groups: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| {
            json!({"GroupId": format!("sg-{index}"), "IpPermissions": case.permissions})
        })
        .collect();
    let findings = audit(&groups);
    for (index, case) in cases.iter().enumerate() {
        let name = format!("{}: {}", case.source, case.case);
        let found = rules_with_findings(&findings, &format!("sg-{index}"));
        assert!(
            case.ours.findings.iter().eq(&found),
            "{name}: found {found:?}, expected {:?}",
            case.ours.findings
        );
        let has_finding = match case.compare.as_str() {
            "any-revoke" => REVOKE_RULES.iter().any(|rule| found.contains(*rule)),
            rule => found.contains(rule),
        };
        check_reason(
            (case.theirs == PeerResult::Fail) == has_finding,
            case.why.as_ref(),
            &name,
        );
    }
    let differing = cases.iter().filter(|case| case.why.is_some()).count();
    assert_eq!(differing, 23, "peers/README.md has the count");
}

#[test]
fn sources_have_the_documented_findings() {
    let cases: Vec<CidrCase> = read_cases("cidrs.json");
    assert!(cases.len() >= 13, "the corpus must not shrink");
    // With tcp/22, restricted-common-ports has a finding if the source is open to the world, and
    // broad-source if it is broad and not open to the world.
    let groups: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| {
            let mut permission = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22});
            if case.cidr.contains(':') {
                permission["Ipv6Ranges"] = json!([{"CidrIpv6": case.cidr}]);
            } else {
                permission["IpRanges"] = json!([{"CidrIp": case.cidr}]);
            }
            json!({"GroupId": format!("sg-{index}"), "IpPermissions": [permission]})
        })
        .collect();
    let findings = audit(&groups);
    for (index, case) in cases.iter().enumerate() {
        let name = format!("{}: {}", case.source, case.case);
        let found = rules_with_findings(&findings, &format!("sg-{index}"));
        let is_open = found.contains("restricted-common-ports");
        assert_eq!(is_open, case.ours.open_to_world, "{name}");
        assert_eq!(
            is_open || found.contains("broad-source"),
            case.ours.broad,
            "{name}"
        );
        check_reason(
            case.theirs_public == Some(is_open),
            case.why.as_ref(),
            &name,
        );
    }
}

#[test]
fn events_have_the_documented_outcomes() {
    let cases: Vec<EventCase> = read_cases("events.json");
    assert!(cases.len() >= 13, "the corpus must not shrink");
    let groups: Vec<_> = cases
        .iter()
        .filter_map(|case| case.group_id.as_ref())
        .map(|id| json!({"GroupId": id}))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(
        path("groups.json"),
        json!({"SecurityGroups": groups}).to_string(),
    )
    .unwrap();
    for case in &cases {
        let name = format!("{}: {}", case.source, case.case);
        fs::write(path("event.json"), case.event.to_string()).unwrap();
        let args = [
            "plan",
            &path("event.json"),
            "--input",
            &path("groups.json"),
            "--format",
            "json",
        ];
        let plans = portcullis(&args).json();
        let count = |key: &str| plans[key].as_array().unwrap().len();
        let ours = match (count("plans"), count("ignored"), count("errors")) {
            (1.., 0, 0) => "evaluate",
            (0, 1, 0) => "ignore",
            (0, 0, 1) => "error",
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(ours, case.ours, "{name}");
        if ours == "evaluate" {
            assert_eq!(
                plans["plans"][0]["group_id"].as_str(),
                case.group_id.as_deref(),
                "{name}"
            );
        }
        check_reason(
            (case.theirs == "alert") == (ours == "evaluate"),
            case.why.as_ref(),
            &name,
        );
    }
}
