//! `portcullis plan` with policies: every action, every refusal that an input can cause, every
//! skipped addition.

use crate::common::{Folder, Run};
use portcullis_rules::plan::RefusalReason;
use serde_json::{Value, json};

const GROUP: &str = "sg-0aaaaaaaaaaaaaaaa";

fn authorize_event(time: Option<&str>) -> String {
    let issuer = json!({"arn": "arn:aws:iam::111122223333:role/deploy", "userName": "deploy"});
    let mut record = json!({
        "eventVersion": "1.10",
        "eventID": "e-1",
        "eventName": "AuthorizeSecurityGroupIngress",
        "eventSource": "ec2.amazonaws.com",
        "awsRegion": "eu-central-1",
        "recipientAccountId": "111122223333",
        "requestParameters": {"groupId": GROUP},
        "userIdentity": {
            "type": "AssumedRole",
            "arn": "arn:aws:sts::111122223333:assumed-role/deploy/run-17",
            "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": issuer},
        },
    });
    if let Some(time) = time {
        record["eventTime"] = json!(time);
    }
    record.to_string()
}

/// A group with these rules: protocol, first port, last port, IPv4 CIDR.
fn group_with_rules(rules: &[(&str, u16, u16, &str)]) -> String {
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

/// A policy with this action on port 5432, and more YAML.
fn policy_with_action(action: &str, more: &str) -> String {
    let trusted = if action == "restrict" {
        "    trusted: [203.0.113.0/24, \"2001:db8::/48\"]\n"
    } else {
        ""
    };
    format!(
        "version: 1
name: databases
rules:
  - id: database
    forbids: PostgreSQL open to the world
    check: open-ports
    protocol: tcp
    ports: [5432]
    severity: high
    action: {action}
{trusted}{more}"
    )
}

fn folder(policy: &str, group: &str) -> Folder {
    Folder::new()
        .with("event.json", authorize_event(Some("2026-04-17T09:01:31Z")))
        .with("groups.json", group)
        .with("policy.yaml", policy)
}

const ARGS: &str = "plan event.json --input groups.json --policy policy.yaml";

/// The result as text, without the content of the alert.
fn text_without_alert(run: &Run) -> String {
    let text = run.text();
    match text.split_once("\nWould send in ") {
        None => text,
        Some((before, after)) => {
            let (heading, alert) = after.split_once('\n').unwrap();
            let rest = alert.split_once("\n1 plan: ").map_or("", |(_, rest)| rest);
            format!("{before}\nWould send in {heading}\n  ...\n\n1 plan: {rest}")
        }
    }
}

#[test]
fn every_action() {
    let range = group_with_rules(&[("tcp", 5430, 5433, "0.0.0.0/0")]);
    let mut all = String::new();
    for action in ["revoke", "restrict", "narrow", "notify", "off"] {
        let run = folder(&policy_with_action(action, ""), &range).run(ARGS);
        all += &["# ", action, "\n", &text_without_alert(&run), "\n"].concat();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn json_additions() {
    let range = group_with_rules(&[("tcp", 5430, 5433, "0.0.0.0/0")]);
    let run =
        folder(&policy_with_action("restrict", ""), &range).run(&format!("{ARGS} --format json"));
    let mut plans = run.json();
    assert!(plans["plans"][0]["message"].take().is_object());
    insta::assert_snapshot!(format!(
        "exit code {}\n{}",
        run.code,
        serde_json::to_string_pretty(&plans).unwrap()
    ));
}

fn first_plan(policy: &str, group: &str, args: &str) -> Value {
    let mut plans = folder(policy, group)
        .run(&format!("{ARGS} --format json {args}"))
        .json();
    plans["plans"][0].take()
}

fn reason_codes(plan: &Value, key: &str) -> Vec<String> {
    plan[key]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn refusals() {
    let open = group_with_rules(&[
        ("tcp", 5432, 5432, "0.0.0.0/0"),
        ("tcp", 5430, 5433, "0.0.0.0/0"),
    ]);
    let revoke = |more: &str| policy_with_action("revoke", more);
    for (policy, args, reason) in [
        (
            revoke(""),
            "--account 444455556666",
            RefusalReason::ForeignGroup,
        ),
        (
            revoke("guardrails: { protected: [{ names: [\"w*\"] }] }\n"),
            "",
            RefusalReason::ProtectedGroup,
        ),
        (
            revoke("guardrails: { protected: [{ regions: [eu-central-1] }] }\n"),
            "",
            RefusalReason::ProtectedGroup,
        ),
        (
            revoke("guardrails: { max_removals: 1 }\n"),
            "",
            RefusalReason::TooManyRemovals,
        ),
    ] {
        let plan = first_plan(&policy, &open, args);
        let codes = [reason.code(), reason.code()];
        assert_eq!(reason_codes(&plan, "refusals"), codes, "{plan:#}");
        assert_eq!(
            (&plan["removals"], &plan["outcome"]),
            (&json!([]), &json!("refused"))
        );
    }
    let plan = first_plan(
        &revoke("guardrails: { max_removals: 2 }\n"),
        &open,
        "--account 111122223333",
    );
    assert_eq!(
        (reason_codes(&plan, "refusals").len(), &plan["outcome"]),
        (0, &json!("would-close"))
    );
}

#[test]
fn a_group_of_another_account_is_refused_without_being_told_the_account() {
    let open = group_with_rules(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let foreign = open.replace(r#""OwnerId":"111122223333""#, r#""OwnerId":"444455556666""#);
    let plan = first_plan(&policy_with_action("revoke", ""), &foreign, "");
    assert_eq!(reason_codes(&plan, "refusals"), ["foreign-group"]);
    assert_eq!(plan["outcome"], json!("refused"));
}

#[test]
fn a_guardrail_for_principals_refuses_what_they_opened() {
    let open = group_with_rules(&[
        ("tcp", 5432, 5432, "0.0.0.0/0"),
        ("tcp", 5430, 5433, "0.0.0.0/0"),
    ]);
    let mut event: Value = serde_json::from_str(&authorize_event(None)).unwrap();
    event["requestParameters"]["ipPermissions"] = json!({"items": [{"ipProtocol": "tcp",
        "fromPort": 5432, "toPort": 5432, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]});
    let policy = policy_with_action(
        "revoke",
        "guardrails: { principals: [\"arn:aws:iam::*:role/deploy\"] }\n",
    );
    let run = folder(&policy, &open)
        .with("event.json", event.to_string())
        .run(&format!("{ARGS} --format json"));
    let plan = run.json()["plans"][0].take();
    assert_eq!(reason_codes(&plan, "refusals"), ["notify-only-principal"]);
    assert_eq!(plan["refusals"][0]["from_port"], json!(5432), "{plan:#}");
    assert_eq!(plan["removals"][0]["from_port"], json!(5430), "{plan:#}");
}

#[test]
fn monitor_mode_and_unapplied_guardrails_are_noted() {
    let open = group_with_rules(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let run = folder(
        &policy_with_action(
            "revoke",
            "mode: monitor\nguardrails: { load_balancers: notify }\n",
        ),
        &open,
    )
    .run(ARGS);
    assert!(
        run.stderr
            .contains("guardrails about attachments were not applied"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .contains("the policy `databases` is in monitor mode"),
        "{}",
        run.stderr
    );
    assert_eq!(run.code, 1);
}

#[test]
fn skipped_additions() {
    let open = group_with_rules(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let outside_list = policy_with_action("restrict", "")
        .replace("203.0.113.0/24, \"2001:db8::/48\"", "pl-0123456789abcdef0");
    let mut half: Value = serde_json::from_str(&open).unwrap();
    half["PrefixLists"] = json!([{"PrefixListId": "pl-0123456789abcdef0", "Entries": [
        {"Cidr": "203.0.113.0/24"}, {"Cidr": "2001:db8::/48"}]}]);
    let outside = first_plan(&outside_list, &half.to_string(), "");
    assert_eq!(
        reason_codes(&outside, "skipped_additions"),
        ["trusted-source-outside"],
        "{outside:#}"
    );
    assert_eq!(
        reason_codes(
            &first_plan(&policy_with_action("restrict", ""), &open, ""),
            "skipped_additions"
        ),
        [""; 0]
    );
    let ranges = "  - id: ranges
    forbids: ranges
    check: port-range-internal
    severity: low
    action: revoke
";
    let forbidding =
        policy_with_action("restrict", ranges).replace("ports: [5432]", "ports: [5430-5439]");
    let forbidden = first_plan(
        &forbidding,
        &group_with_rules(&[("tcp", 5432, 5433, "0.0.0.0/0")]),
        "",
    );
    assert_eq!(
        reason_codes(&forbidden, "skipped_additions"),
        ["trusted-source-forbidden"],
        "{forbidden:#}"
    );
    let mut full: Vec<_> = (0..59)
        .map(|port| ("tcp", port, port, "192.0.2.0/24"))
        .collect();
    full.push(("tcp", 5430, 5433, "0.0.0.0/0"));
    let full = group_with_rules(&full);
    let quota = first_plan(&policy_with_action("narrow", ""), &full, "");
    assert_eq!(reason_codes(&quota, "skipped_additions"), [""; 0]);
    assert_eq!(quota["order"], "remove-first");
    insta::assert_snapshot!(
        "removals_first_for_the_rules_quota",
        text_without_alert(&folder(&policy_with_action("narrow", ""), &full).run(ARGS))
    );
}

#[test]
fn exceptions_are_evaluated_at_the_time_of_the_event() {
    let excepting = policy_with_action(
        "revoke",
        "exceptions:
  - id: migration
    reason: the migration
    owner: dba@example.com
    expires: 2026-04-17
    ports: [5432]
",
    );
    let open = group_with_rules(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let valid = first_plan(&excepting, &open, "");
    assert_eq!(valid["findings"][0]["exempt"], "migration");
    assert_eq!(
        (
            &valid["outcome"],
            &valid["message"],
            &valid["expired_exceptions"]
        ),
        (&json!("clean"), &Value::Null, &json!([]))
    );
    let expired = first_plan(&excepting, &open, "--now 2026-04-18T00:00:00Z");
    assert_eq!(
        (
            &expired["findings"][0]["exempt"],
            &expired["expired_exceptions"]
        ),
        (&Value::Null, &json!(["migration"]))
    );
    let folder = folder(&excepting, &open).with("timeless.json", authorize_event(None));
    let run = folder.run(&format!("{ARGS} --now 2026-04-18T00:00:00Z"));
    assert!(
        run.stderr
            .contains("the exception `migration` expired at 2026-04-18T00:00:00Z"),
        "{}",
        run.stderr
    );
    let run = folder.run("plan timeless.json --input groups.json --policy policy.yaml");
    assert!(
        run.stderr.contains("the exception `migration` expired"),
        "without an event time, the current time is used: {}",
        run.stderr
    );
    assert_eq!(folder.run(ARGS).code, 0);
}

#[test]
fn exceptions_match_the_principal_of_the_event() {
    let opens = |port: u16| {
        json!({"items": [{"ipProtocol": "tcp", "fromPort": port, "toPort": port,
            "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]})
    };
    let by = |pattern: &str, opened_port: u16| {
        let more = format!(
            "exceptions:
  - id: pipeline
    reason: it tests open ports
    owner: ops@example.com
    ports: [5432]
    match: {{ principals: [\"{pattern}\"] }}
"
        );
        let mut event: Value = serde_json::from_str(&authorize_event(None)).unwrap();
        event["requestParameters"]["ipPermissions"] = opens(opened_port);
        let group = group_with_rules(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
        let folder = folder(&policy_with_action("revoke", &more), &group);
        let folder = folder.with("event.json", event.to_string());
        let run = folder.run(&format!("{ARGS} --format json"));
        let plan = run.json()["plans"][0].clone();
        plan["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(by("arn:aws:iam::111122223333:role/deploy", 5432), "clean");
    assert_eq!(by("arn:aws:sts::*:assumed-role/deploy/*", 5432), "clean");
    let other_role = "arn:aws:iam::111122223333:role/other";
    assert_eq!(by(other_role, 5432), "would-close");
    // Nobody knows who opened a rule that this event did not open.
    assert_ne!(by(other_role, 80), "would-close");
}

#[test]
fn the_maximum_of_a_trusted_list_decides_the_order() {
    let private: Vec<String> = (0..15).map(|i| format!("10.{i}.0.0/16")).collect();
    let mut rules: Vec<_> = private
        .iter()
        .map(|cidr| ("tcp", 443, 443, cidr.as_str()))
        .collect();
    rules.push(("tcp", 5432, 5432, "0.0.0.0/0"));
    let policy =
        policy_with_action("restrict", "").replace("203.0.113.0/24", "pl-0a1b2c3d4e5f60001");
    let mut list = json!({"PrefixListId": "pl-0a1b2c3d4e5f60001", "PrefixListName": "office",
        "Entries": [{"Cidr": "203.0.113.0/24"}]});
    let order_with = |list: &Value| {
        let mut groups: Value = serde_json::from_str(&group_with_rules(&rules)).unwrap();
        groups["PrefixLists"] = json!([list]);
        let plan = first_plan(&policy, &groups.to_string(), "");
        assert_eq!(plan["additions"].as_array().unwrap().len(), 1, "{plan:#}");
        plan["order"].as_str().unwrap().to_owned()
    };
    assert_eq!(order_with(&list), "add-first");
    list["MaxEntries"] = json!(50);
    assert_eq!(order_with(&list), "remove-first");
    list["PrefixListName"] = json!("com.amazonaws.eu-central-1.s3");
    assert_eq!(order_with(&list), "add-first");
    list["PrefixListName"] = json!("com.amazonaws.global.cloudfront.origin-facing");
    assert_eq!(order_with(&list), "remove-first");
}

#[test]
fn protocols_that_narrowing_does_not_keep_are_shown() {
    let open = json!({"SecurityGroups": [{"GroupId": GROUP, "OwnerId": "111122223333",
        "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}]})
    .to_string();
    let policy = policy_with_action("narrow", "");
    let dropped = "0,2-3,5,7-16,18-40,42-46,48-49,52-57,59-255";
    let plan = first_plan(&policy, &open, "");
    assert_eq!(plan["removals"][0]["dropped_protocols"], json!(dropped));
    let kept: Vec<_> = plan["additions"].as_array().unwrap().iter().collect();
    let protocols: Vec<_> = kept
        .iter()
        .map(|rule| rule["protocol"].as_str().unwrap())
        .collect();
    assert_eq!(
        protocols,
        ["icmp", "tcp", "tcp", "udp", "4", "41", "47", "50", "51"]
    );
    let monitor = format!("{ARGS} --mode monitor");
    let text = folder(&policy, &open).run(&monitor).text();
    assert!(
        text.contains(&format!("blocks the protocol numbers {dropped}")),
        "{text}"
    );
    assert!(
        text.contains("other IP protocols would be blocked"),
        "{text}"
    );
}

#[test]
fn a_trusted_list_without_entries_makes_a_plan_incomplete() {
    let open = group_with_rules(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let policy =
        policy_with_action("restrict", "").replace("203.0.113.0/24", "pl-0a1b2c3d4e5f60001");
    let run = folder(&policy, &open).run(&format!("{ARGS} --format json"));
    let plans = run.json();
    assert_eq!((run.code, &plans["complete"]), (3, &json!(false)));
    assert_eq!(plans["errors"][0]["code"], "prefix-list-unresolved");
    let codes = reason_codes(&plans["plans"][0], "skipped_additions");
    assert_eq!(codes, ["trusted-list-unresolved"]);
    let text = folder(&policy, &open).run(ARGS).text();
    assert!(
        text.contains("--prefix-list-id pl-0a1b2c3d4e5f60001"),
        "{text}"
    );
}

/// The subject of the alert, the top-level mode, the outcome of the plan, and the notes.
fn mode_of(policy: &str, more: &str) -> (String, Value, Value, String) {
    let open = group_with_rules(&[("tcp", 5432, 5432, "0.0.0.0/0")]);
    let run = folder(policy, &open).run(&format!("{ARGS} --format json {more}"));
    let plans = run.json();
    let plan = &plans["plans"][0];
    let subject = plan["message"]["subject"].as_str().unwrap().to_owned();
    (
        subject,
        plans["mode"].clone(),
        plan["outcome"].clone(),
        run.stderr.clone(),
    )
}

#[test]
fn the_alert_is_that_of_the_mode() {
    let enforcing = policy_with_action("revoke", "");
    let monitoring = enforcing.replace("version: 1\n", "version: 1\nmode: monitor\n");
    let alerts = [
        (&enforcing, "", "enforce"),
        (&enforcing, "--mode monitor", "monitor"),
        (&monitoring, "", "monitor"),
        (&monitoring, "--mode enforce", "enforce"),
    ]
    .map(|(policy, more, mode)| {
        let (subject, effective, outcome, notes) = mode_of(policy, more);
        assert_eq!((effective, outcome), (json!(mode), json!("would-close")));
        format!("{mode}: {subject}\n{notes}")
    });
    insta::assert_snapshot!(alerts.join("\n"));
}

#[test]
fn an_alert_in_enforce_mode_contains_the_commands_that_undo_the_change() {
    let open = group_with_rules(&[("tcp", 5430, 5433, "0.0.0.0/0")]);
    let plan = first_plan(&policy_with_action("narrow", ""), &open, "");
    let text = plan["message"]["text"].as_str().unwrap();
    assert!(
        text.contains("aws ec2 authorize-security-group-ingress"),
        "{text}"
    );
    assert!(
        text.contains("aws ec2 revoke-security-group-ingress"),
        "{text}"
    );
    assert!(!text.contains("enforce mode would"), "{text}");
}
