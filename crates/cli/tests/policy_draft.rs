//! `portcullis policy draft`, run as a process.

use crate::common::{Folder, gzip, portcullis_with};
use serde_json::json;

const GROUPS: &str = include_str!("inputs/groups.json");
const NOW: &str = "--now 2026-11-21T12:00:00Z";

/// A policy whose text is kept, with comments and exceptions of its own.
const POLICY: &str = "\
# Our policy.
version: 1
extends: web-only

exceptions: # approved by security
  - id: open-sg-0cccccccccccccccc # its id is taken
    reason: the partners
    owner: partners@example.com
    protocol: 50
    match: { groups: [sg-0cccccccccccccccc] }

# Not yet.
mode: monitor
";

/// Groups with openings of every kind, an owner, and text that is not meant for YAML.
fn many_openings() -> String {
    let from = |cidr: &str| json!([{ "CidrIp": cidr, "Description": "temporary: see #42" }]);
    let from_v6 = json!([{ "CidrIpv6": "::/0" }]);
    json!({
        "SecurityGroups": [{
            "GroupId": "sg-0123456789abcdef0",
            "GroupName": "shop: web\n- id: x",
            "Description": "web servers of the shop, which the load balancers of two other \
                            regions must reach, too",
            "SecurityGroupArn":
                "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-0123456789abcdef0",
            "OwnerId": "111122223333",
            "VpcId": "vpc-0123456789abcdef0",
            "Tags": [
                { "Key": "Team", "Value": "shop" },
                { "Key": "CostCenter", "Value": "4711 # edge" },
            ],
            "IpPermissions": [
                { "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": from("0.0.0.0/0"),
                  "Ipv6Ranges": from_v6 },
                { "IpProtocol": "udp", "FromPort": 8000, "ToPort": 8010,
                  "IpRanges": from("0.0.0.0/0") },
                { "IpProtocol": "icmp", "FromPort": 8, "ToPort": -1,
                  "IpRanges": from("0.0.0.0/0") },
                { "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
                  "IpRanges": from("0.0.0.0/0") },
                { "IpProtocol": "tcp", "FromPort": 8443, "ToPort": 8443,
                  "PrefixListIds": [{ "PrefixListId": "pl-0123456789abcdef0" }] },
                { "IpProtocol": "47", "Ipv6Ranges": from_v6 },
            ],
        }],
        "PrefixLists": [{
            "PrefixListId": "pl-0123456789abcdef0",
            "Entries": [{ "Cidr": "0.0.0.0/1" }, { "Cidr": "128.0.0.0/1" }],
        }],
    })
    .to_string()
}

/// A rule that forbids ICMP, too.
const STRICT: &str = "\
version: 1
rules:
  - id: nothing
    forbids: anything but TCP 443 open to the world
    check: open-except
    protocol: tcp
    ports: [443]
    severity: high
    action: revoke
";

fn event(name: &str, group: &str) -> serde_json::Value {
    json!({
        "eventVersion": "1.08",
        "eventID": format!("{name}-{group}"),
        "eventTime": "2026-11-20T12:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "recipientAccountId": "111122223333",
        "requestParameters": { "groupId": group },
        "responseElements": { "_return": true },
    })
}

fn log(events: &[serde_json::Value]) -> Vec<u8> {
    gzip(json!({ "Records": events }).to_string().as_bytes())
}

fn folder() -> Folder {
    let changed = event("AuthorizeSecurityGroupIngress", "sg-0aaaaaaaaaaaaaaaa");
    let revoked = event("RevokeSecurityGroupIngress", "sg-0bbbbbbbbbbbbbbbb");
    let deleted = event("AuthorizeSecurityGroupIngress", "sg-0dddddddddddddddd");
    let open_list = GROUPS
        .replace("\"PrefixLists\"", "\"Others\"")
        .replace("8080", "8079");
    Folder::new()
        .with("groups.json", GROUPS)
        .with("many.json", many_openings())
        .with("unresolved.json", open_list)
        .with(
            "page.json",
            GROUPS.replacen('{', "{\"NextToken\": \"x\", ", 1),
        )
        .with(
            "names.json",
            GROUPS.replace("sg-0aaaaaaaaaaaaaaaa", "sg-web"),
        )
        .with("policy.yaml", POLICY)
        .with("strict.yaml", STRICT)
        .with("flow.json", "{version: 1, extends: baseline}")
        .with("logs/1.json.gz", log(&[changed, revoked, deleted]))
        .with(
            "broken/1.json",
            "{\"Records\": [{\"eventName\": \"x\"}, 7]}",
        )
}

#[test]
fn a_preset_is_extended() {
    let folder = folder();
    let run = folder.run(&format!("policy draft --input groups.json {NOW}"));
    insta::assert_snapshot!(run.text());
    let folder = folder.with("draft.yaml", run.stdout);
    folder.assert_exit_codes(&[
        (
            &format!("audit --input groups.json --policy draft.yaml {NOW}"),
            0,
        ),
        (
            &format!("policy check draft.yaml --strict --input groups.json {NOW}"),
            0,
        ),
        (
            "audit --input groups.json --policy draft.yaml --now 2027-02-20T00:00:00Z",
            1,
        ),
    ]);
}

#[test]
fn the_text_of_a_policy_file_is_kept() {
    let folder = folder();
    let args = "policy draft --input groups.json --policy policy.yaml --expires 2027-03-31";
    let run = folder.run(&format!("{args} {NOW}"));
    insta::assert_snapshot!(run.text());
    let folder = folder.with("draft.yaml", run.stdout);
    folder.assert_exit_codes(&[
        (
            &format!("audit --input groups.json --policy draft.yaml {NOW}"),
            0,
        ),
        (&format!("policy diff policy.yaml draft.yaml {NOW}"), 1),
        (&format!("policy diff draft.yaml policy.yaml {NOW}"), 0),
    ]);
    let drafted_twice = folder.run(&format!(
        "policy draft --input groups.json --policy draft.yaml {NOW}"
    ));
    assert!(
        drafted_twice.stderr.contains("no exceptions"),
        "{drafted_twice:?}"
    );
}

#[test]
fn every_kind_of_opening() {
    let folder = folder();
    let args = "policy draft --input many.json --policy strict.yaml --owner-tag CostCenter";
    let run = folder.run(&format!("{args} {NOW}"));
    insta::assert_snapshot!(run.text());
    let folder = folder.with("draft.yaml", run.stdout);
    folder.assert_exit_codes(&[
        (
            &format!("audit --input many.json --policy draft.yaml {NOW}"),
            0,
        ),
        (
            &format!("policy check draft.yaml --strict --input many.json {NOW}"),
            0,
        ),
    ]);
}

#[test]
fn only_groups_that_events_changed() {
    let folder = folder();
    let run = folder.run(&format!(
        "policy draft --input groups.json --events logs {NOW}"
    ));
    insta::assert_snapshot!(run.text());
    let folder = folder.with("draft.yaml", run.stdout);
    folder.assert_exit_codes(&[(
        &format!("audit --input groups.json --policy draft.yaml {NOW}"),
        1,
    )]);
    folder.assert_exit_codes(&[
        ("plan logs --input groups.json", 1),
        ("plan logs --input groups.json --policy draft.yaml", 0),
    ]);
}

#[test]
fn incomplete_inputs_give_no_draft() {
    let folder = folder();
    let mut transcripts = String::new();
    for args in [
        "--input page.json",
        "--input unresolved.json",
        "--input groups.json --events broken",
        "--input groups.json --policy flow.json",
        "--input names.json",
        "--input groups.json --expires 2026-11-20",
        "--input groups.json --expires 90",
        "--input - --policy -",
        "--input - --events -",
    ] {
        let args = format!("policy draft {args} {NOW}");
        let run = folder.run(&args);
        assert_eq!(run.stdout, "", "{run:?}");
        transcripts.push_str(&run.transcript(&args));
    }
    insta::assert_snapshot!(transcripts);
}

#[test]
fn groups_and_policies_are_read_from_standard_input() {
    let run = portcullis_with(GROUPS.as_bytes(), &["policy", "draft", "--input", "-"]);
    assert_eq!(run.code, 0, "{run:?}");
    let folder = folder();
    let mut args = vec!["policy", "draft", "--policy", "-", "--input"];
    let path = folder.path("groups.json").display().to_string();
    args.push(&path);
    let run = portcullis_with(POLICY.as_bytes(), &args);
    assert!(run.stdout.starts_with("# Our policy.\n"), "{run:?}");
}
