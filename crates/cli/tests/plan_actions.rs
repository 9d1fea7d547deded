//! `portcullis plan` with policies: every action, every refusal that a file can tell, every loss.

use crate::common::{Folder, Run};
use serde_json::{Value, json};

const GROUP: &str = "sg-0aaaaaaaaaaaaaaaa";

fn event(time: Option<&str>) -> String {
    let mut record = json!({"eventVersion": "1.10", "eventID": "e-1", "eventName": "AuthorizeSecurityGroupIngress",
        "eventSource": "ec2.amazonaws.com", "awsRegion": "eu-central-1", "recipientAccountId": "111122223333",
        "requestParameters": {"groupId": GROUP}, "userIdentity": {"type": "AssumedRole",
        "arn": "arn:aws:sts::111122223333:assumed-role/deploy/run-17", "accountId": "111122223333",
        "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/deploy", "userName": "deploy"}}}});
    if let Some(time) = time {
        record["eventTime"] = json!(time);
    }
    record.to_string()
}

/// A group of these rules: protocol, first port, last port, IPv4 block.
fn group(rules: &[(&str, u16, u16, &str)]) -> String {
    let permissions: Vec<_> = rules
        .iter()
        .map(|(protocol, from, to, cidr)| {
            json!({"IpProtocol": protocol, "FromPort": from, "ToPort": to,
                "IpRanges": [{"CidrIp": cidr, "Description": "by maria"}]})
        })
        .collect();
    json!({"SecurityGroups": [{"GroupId": GROUP, "GroupName": "web", "OwnerId": "111122223333",
        "VpcId": "vpc-0aaaaaaaaaaaaaaaa", "IpPermissions": permissions}]})
    .to_string()
}

/// A policy that acts so on 5432, with something more.
fn policy(action: &str, more: &str) -> String {
    let trusted = if action == "restrict" {
        "    trusted: [203.0.113.0/24, \"2001:db8::/48\"]\n"
    } else {
        ""
    };
    format!(
        "version: 1\nname: databases\nrules:\n  - id: database\n    forbids: PostgreSQL open to the world\n    \
         check: open-ports\n    protocol: tcp\n    ports: [5432]\n    severity: high\n    action: {action}\n{trusted}{more}"
    )
}

fn folder(policy: &str, group: &str) -> Folder {
    Folder::new()
        .with("event.json", event(Some("2026-04-17T09:01:31Z")))
        .with("groups.json", group)
        .with("policy.yaml", policy)
}

const ARGS: &str = "plan event.json --input groups.json --policy policy.yaml";

/// The run for people, without the words of the message.
fn told(run: &Run) -> String {
    let text = run.text();
    match text.split_once("\nWould send\n") {
        None => text,
        Some((before, after)) => {
            let rest = after.split_once("\n1 plan: ").map_or("", |(_, rest)| rest);
            format!("{before}\nWould send\n  ...\n\n1 plan: {rest}")
        }
    }
}

#[test]
fn every_action_for_people() {
    let range = group(&[("tcp", 5430, 5433, "0.0.0.0/0")]);
    let mut all = String::new();
    for action in ["revoke", "restrict", "narrow", "notify", "off"] {
        let run = folder(&policy(action, ""), &range).run(ARGS);
        all += &["# ", action, "\n", &told(&run), "\n"].concat();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_added_for_programs() {
    let range = group(&[("tcp", 5430, 5433, "0.0.0.0/0")]);
    let run = folder(&policy("restrict", ""), &range).run(&format!("{ARGS} --format json"));
    let mut plans = run.json();
    assert!(plans["plans"][0]["message"].take().is_object());
    insta::assert_snapshot!(format!(
        "exit code {}\n{}",
        run.code,
        serde_json::to_string_pretty(&plans).unwrap()
    ));
}

fn plan(policy: &str, group: &str, args: &str) -> Value {
    let mut plans = folder(policy, group)
        .run(&format!("{ARGS} --format json {args}"))
        .json();
    plans["plans"][0].take()
}

fn codes(plan: &Value, key: &str) -> Vec<String> {
    plan[key]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_refusal_that_a_file_can_tell() {
    let open = group(&[
        ("tcp", 5432, 5432, "0.0.0.0/0"),
        ("tcp", 5430, 5433, "0.0.0.0/0"),
    ]);
    let revoke = |more: &str| policy("revoke", more);
    for (policy, args, code) in [
        (revoke(""), "--account 444455556666", "foreign-group"),
        (
            revoke("guardrails: { protected: [{ names: [\"w*\"] }] }\n"),
            "",
            "protected-group",
        ),
        (
            revoke("guardrails: { protected: [{ regions: [eu-central-1] }] }\n"),
            "",
            "protected-group",
        ),
        (
            revoke("guardrails: { principals: [\"arn:aws:iam::*:role/deploy\"] }\n"),
            "",
            "spared-principal",
        ),
        (
            revoke("guardrails: { max_removals: 1 }\n"),
            "",
            "too-many-removals",
        ),
    ] {
        let plan = plan(&policy, &open, args);
        assert_eq!(codes(&plan, "refusals"), [code, code], "{plan:#}");
        assert_eq!(
            (&plan["removals"], &plan["outcome"]),
            (&json!([]), &json!("refused"))
        );
    }
    let plan = plan(
        &revoke("guardrails: { max_removals: 2 }\n"),
        &open,
        "--account 111122223333",
    );
    assert_eq!(
        (codes(&plan, "refusals").len(), &plan["outcome"]),
        (0, &json!("would-close"))
    );
}

#[test]
fn what_cannot_be_known_from_a_file_is_told() {
    let open = group(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let run = folder(
        &policy(
            "revoke",
            "mode: monitor\nguardrails: { load_balancers: notify }\n",
        ),
        &open,
    )
    .run(ARGS);
    assert!(
        run.stderr.contains("which a file does not tell"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .contains("the mode of the policy `databases` is monitor"),
        "{}",
        run.stderr
    );
    assert_eq!(run.code, 1);
}

#[test]
fn every_loss_is_told() {
    let open = group(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let unknown =
        policy("restrict", "").replace("203.0.113.0/24, \"2001:db8::/48\"", "pl-0123456789abcdef0");
    let outside = plan(&unknown, &open, "");
    assert_eq!(
        codes(&outside, "losses"),
        ["trusted-source-outside"],
        "{outside:#}"
    );
    assert_eq!(
        codes(&plan(&policy("restrict", ""), &open, ""), "losses"),
        [""; 0]
    );
    let ranges = "  - id: ranges\n    forbids: ranges\n    check: port-range-internal\n    severity: low\n    action: revoke\n";
    let forbidding = policy("restrict", ranges).replace("ports: [5432]", "ports: [5430-5439]");
    let forbidden = plan(&forbidding, &group(&[("tcp", 5432, 5433, "0.0.0.0/0")]), "");
    assert_eq!(
        codes(&forbidden, "losses"),
        ["trusted-source-forbidden"],
        "{forbidden:#}"
    );
    let mut full: Vec<_> = (0..59)
        .map(|port| ("tcp", port, port, "192.0.2.0/24"))
        .collect();
    full.push(("tcp", 5430, 5433, "0.0.0.0/0"));
    let full = group(&full);
    let quota = plan(&policy("narrow", ""), &full, "");
    assert_eq!(codes(&quota, "losses"), ["rules-quota"], "{quota:#}");
    assert_eq!(quota["order"], "remove-first");
    insta::assert_snapshot!(
        "the_quota_for_people",
        told(&folder(&policy("narrow", ""), &full).run(ARGS))
    );
}

#[test]
fn exceptions_are_live_or_ended_as_they_were_at_the_time_of_the_event() {
    let excepting = policy(
        "revoke",
        "exceptions:\n  - id: migration\n    reason: the migration\n    owner: dba@example.com\n    expires: 2026-04-17\n    ports: [5432]\n",
    );
    let open = group(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let live = plan(&excepting, &open, "");
    assert_eq!(live["findings"][0]["exempt"], "migration");
    assert_eq!(
        (
            &live["outcome"],
            &live["message"],
            &live["expired_exceptions"]
        ),
        (&json!("clean"), &Value::Null, &json!([]))
    );
    let ended = plan(&excepting, &open, "--now 2026-04-18T00:00:00Z");
    assert_eq!(
        (
            &ended["findings"][0]["exempt"],
            &ended["expired_exceptions"]
        ),
        (&Value::Null, &json!(["migration"]))
    );
    let folder = folder(&excepting, &open).with("timeless.json", event(None));
    let run = folder.run(&format!("{ARGS} --now 2026-04-18T00:00:00Z"));
    assert!(
        run.stderr
            .contains("the exception `migration` ended at 2026-04-18T00:00:00Z"),
        "{}",
        run.stderr
    );
    let run = folder.run("plan timeless.json --input groups.json --policy policy.yaml");
    assert!(
        run.stderr.contains("the exception `migration` ended"),
        "without a time the clock counts: {}",
        run.stderr
    );
    assert_eq!(folder.run(ARGS).code, 0);
}

#[test]
fn exceptions_go_by_who_made_the_change() {
    let by = |pattern: &str| {
        let more = format!(
            "exceptions:\n  - id: pipeline\n    reason: it tests openings\n    owner: ops@example.com\n    ports: [5432]\n    match: {{ principals: [\"{pattern}\"] }}\n"
        );
        plan(
            &policy("revoke", &more),
            &group(&[("tcp", 5432, 5432, "0.0.0.0/0")]),
            "",
        )["outcome"]
            .clone()
    };
    assert_eq!(by("arn:aws:iam::111122223333:role/deploy"), "clean");
    assert_eq!(by("arn:aws:sts::*:assumed-role/deploy/*"), "clean");
    assert_eq!(by("arn:aws:iam::111122223333:role/other"), "would-close");
}
