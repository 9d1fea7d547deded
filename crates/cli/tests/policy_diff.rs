//! `portcullis policy diff`, run as a process.

use crate::common::{Folder, portcullis, portcullis_with};
use serde_json::json;

const GROUPS: &str = include_str!("inputs/groups.json");
const NOW: &str = "--now 2026-11-21T12:00:00Z";

const OLD: &str = "version: 1\nname: old\nextends: baseline\n";
const NEW: &str = "\
version: 1
name: new
extends: baseline
rules:
  - id: broad-source
    action: revoke
  - id: uncommon-ports
    severity: medium
exceptions:
  - id: bastion
    reason: the bastion | @ops
    owner: ops@example.com
    expires: 2027-01-31
    ports: [22]
    match: { groups: [sg-0aaaaaaaaaaaaaaaa] }
overrides:
  - scope: { accounts: [\"111122223333\"] }
    rules: { all-traffic: { action: notify }, port-range: { action: notify } }
guardrails:
  max_removals: 20
";
const STRICTER: &str = "\
version: 1
name: stricter
extends: baseline
rules:
  - id: broad-source
    action: revoke
";

fn event(group: &str, id: &str) -> serde_json::Value {
    json!({
        "eventVersion": "1.08",
        "eventID": id,
        "eventTime": "2026-11-20T12:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "AuthorizeSecurityGroupIngress",
        "awsRegion": "eu-central-1",
        "recipientAccountId": "111122223333",
        "requestParameters": { "groupId": group },
        "responseElements": { "_return": true },
    })
}

fn folder() -> Folder {
    let events = [
        event(
            "sg-0aaaaaaaaaaaaaaaa",
            "11111111-0000-4000-8000-000000000000",
        ),
        event(
            "sg-0aaaaaaaaaaaaaaaa",
            "22222222-0000-4000-8000-000000000000",
        ),
        event(
            "sg-0cccccccccccccccc",
            "33333333-0000-4000-8000-000000000000",
        ),
    ];
    Folder::new()
        .with("groups.json", GROUPS)
        .with("old.yaml", OLD)
        .with("new.yaml", NEW)
        .with("stricter.yaml", STRICTER)
        .with("broken.yaml", "version: 2\n")
        .with(
            "page.json",
            GROUPS.replacen('{', "{\"NextToken\": \"x\", ", 1),
        )
        .with("logs/1.json", json!({ "Records": events }).to_string())
}

const ALL: &str = "policy diff old.yaml new.yaml --input groups.json --events logs";

#[test]
fn human_readable_differences_fit_the_terminal() {
    let run = folder().run(&format!("{ALL} {NOW}"));
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80));
    insta::assert_snapshot!(run.text());
}

#[test]
fn json_differences() {
    let run = folder().run(&format!("{ALL} {NOW} --format json"));
    insta::assert_snapshot!(run.text());
}

#[test]
fn differences_for_a_pull_request() {
    let run = folder().run(&format!("{ALL} {NOW} --format markdown"));
    insta::assert_snapshot!(run.text());
}

#[test]
fn exit_codes() {
    folder().assert_exit_codes(&[
        ("policy diff old.yaml old.yaml", 0),
        ("policy diff old.yaml new.yaml", 1),
        ("policy diff old.yaml stricter.yaml", 0),
        ("policy diff stricter.yaml old.yaml", 1),
        ("policy diff old.yaml stricter.yaml --input groups.json", 0),
        ("policy diff old.yaml stricter.yaml --input page.json", 3),
        (
            "policy diff old.yaml new.yaml --input page.json --format json",
            3,
        ),
        ("policy diff old.yaml broken.yaml", 2),
        ("policy diff old.yaml missing.yaml", 3),
        ("policy diff old.yaml", 2),
        ("policy diff old.yaml new.yaml --events logs", 2),
        (
            "policy diff old.yaml new.yaml --input groups.json --events missing",
            3,
        ),
        ("policy diff - - ", 2),
        ("policy diff preset:baseline preset:hipaa", 0),
        ("policy diff preset:baseline preset:monitor", 1),
    ]);
}

#[test]
fn a_policy_is_read_from_standard_input() {
    let run = portcullis_with(OLD.as_bytes(), &["policy", "diff", "-", "preset:baseline"]);
    insta::assert_snapshot!(run.text());
    let same = portcullis(&["policy", "diff", "preset:hipaa", "preset:hipaa"]);
    insta::assert_snapshot!("no_differences", same.text());
}
