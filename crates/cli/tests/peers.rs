//! What other public projects expect of a permission, a source or an event, beside what Portcullis says of it. The
//! tables and their sources are in `peers/`; where verdicts differ, the row must say why, and only there.

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
    theirs: Verdict,
    ours: Findings,
    why: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Fail,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Findings {
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
    ours: Breadth,
    why: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Breadth {
    world: bool,
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

const REVOKING: [&str; 4] = [
    "all-traffic",
    "restricted-common-ports",
    "uncommon-ports",
    "port-range",
];

fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
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

/// The rules that fire on each group, each once, ascending.
fn rules(findings: &[Value], group_id: &str) -> BTreeSet<String> {
    let of_group = findings
        .iter()
        .filter(|finding| finding["group_id"] == group_id);
    of_group
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect()
}

/// A reason is given exactly where the verdicts differ.
fn check_reason(agree: bool, why: Option<&String>, case: &str) {
    assert_eq!(agree, why.is_none(), "{case}: agree: {agree}, why: {why:?}");
    assert!(
        why.is_none_or(|why| why.len() > 20),
        "{case}: too short a reason"
    );
}

#[test]
fn permissions() {
    let cases: Vec<TableCase> = read("tables.json");
    assert!(cases.len() >= 100, "the corpus must not shrink");
    let groups: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| json!({"GroupId": format!("sg-{index}"), "IpPermissions": case.permissions}))
        .collect();
    let findings = audit(&groups);
    for (index, case) in cases.iter().enumerate() {
        let name = format!("{}: {}", case.source, case.case);
        let found = rules(&findings, &format!("sg-{index}"));
        assert!(
            case.ours.findings.iter().eq(&found),
            "{name}: found {found:?}, expected {:?}",
            case.ours.findings
        );
        let fires = match case.compare.as_str() {
            "any-revoke" => REVOKING.iter().any(|rule| found.contains(*rule)),
            rule => found.contains(rule),
        };
        check_reason(
            (case.theirs == Verdict::Fail) == fires,
            case.why.as_ref(),
            &name,
        );
    }
    let differing = cases.iter().filter(|case| case.why.is_some()).count();
    assert_eq!(differing, 23, "peers/README.md counts them");
}

#[test]
fn sources() {
    let cases: Vec<CidrCase> = read("cidrs.json");
    assert!(cases.len() >= 13, "the corpus must not shrink");
    // tcp/22 tells whether a source is the world. What is broad and not the world is told by the other rule.
    let groups: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| {
            let permission = if case.cidr.contains(':') {
                json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "Ipv6Ranges": [{"CidrIpv6": case.cidr}]})
            } else {
                json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": case.cidr}]})
            };
            json!({"GroupId": format!("sg-{index}"), "IpPermissions": [permission]})
        })
        .collect();
    let findings = audit(&groups);
    for (index, case) in cases.iter().enumerate() {
        let name = format!("{}: {}", case.source, case.case);
        let found = rules(&findings, &format!("sg-{index}"));
        let world = found.contains("restricted-common-ports");
        assert_eq!(world, case.ours.world, "{name}");
        assert_eq!(
            world || found.contains("broad-source"),
            case.ours.broad,
            "{name}"
        );
        check_reason(case.theirs_public == Some(world), case.why.as_ref(), &name);
    }
}

#[test]
fn events() {
    let cases: Vec<EventCase> = read("events.json");
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
            (1.., 0, 0) => "judge",
            (0, 1, 0) => "ignore",
            (0, 0, 1) => "error",
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(ours, case.ours, "{name}");
        if ours == "judge" {
            assert_eq!(
                plans["plans"][0]["group_id"].as_str(),
                case.group_id.as_deref(),
                "{name}"
            );
        }
        check_reason(
            (case.theirs == "alert") == (ours == "judge"),
            case.why.as_ref(),
            &name,
        );
    }
}
