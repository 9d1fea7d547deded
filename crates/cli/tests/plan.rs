//! `portcullis plan` with one event or log file.

use crate::common::{Folder, Run, gzip, portcullis_with};
use serde_json::{Value, json};

const GROUPS: &str = include_str!("inputs/groups.json");
const WEB: &str = "sg-0aaaaaaaaaaaaaaaa";

/// A CloudTrail record of a call by the user maria.
pub(crate) fn cloudtrail_record(event_id: &str, event_name: &str, request: &Value) -> Value {
    json!({
        "eventVersion": "1.10",
        "eventID": event_id,
        "eventName": event_name,
        "eventSource": "ec2.amazonaws.com",
        "eventTime": "2026-04-17T09:01:31Z",
        "awsRegion": "eu-central-1",
        "recipientAccountId": "111122223333",
        "sourceIPAddress": "198.51.100.23",
        "requestParameters": request,
        "userIdentity": {
            "type": "IAMUser",
            "userName": "maria",
            "arn": "arn:aws:iam::111122223333:user/maria",
            "accountId": "111122223333",
        },
    })
}

pub(crate) fn authorize_event(event_id: &str, request: &Value) -> Value {
    cloudtrail_record(event_id, "AuthorizeSecurityGroupIngress", request)
}

fn folder() -> Folder {
    let opened = authorize_event("e-1", &json!({"groupId": WEB}));
    let envelope = json!({
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2",
        "detail": opened,
    });
    let mut failed = authorize_event("e-3", &json!({"groupId": WEB}));
    failed["errorCode"] = json!("Client.UnauthorizedOperation");
    let list = |id: &str| json!({"ModifyManagedPrefixListRequest": {"PrefixListId": id, "AddEntry": {"Cidr": "10.0.0.0/8"}}});
    let records = json!({"Records": [
        opened,
        authorize_event("e-2", &json!({"groupId": "sg-0cccccccccccccccc"})),
        failed,
        cloudtrail_record("e-4", "DeleteSecurityGroup", &json!({"groupId": WEB})),
        authorize_event("e-5", &json!({})),
        authorize_event("e-6", &json!({"groupId": "sg-0eeeeeeeeeeeeeeee"})),
        authorize_event("e-7", &json!({"groupName": "default"})),
        cloudtrail_record("e-8", "ModifyManagedPrefixList", &list("pl-0123456789abcdef0")),
        cloudtrail_record("e-9", "ModifyManagedPrefixList", &list("pl-unused")),
        {"hello": "world"},
    ]});
    let mut twice: Value = serde_json::from_str(GROUPS).unwrap();
    twice["SecurityGroups"][0]["GroupName"] = json!("default");
    let mut bad: Value = serde_json::from_str(GROUPS).unwrap();
    bad["SecurityGroups"][2]["IpPermissions"][0]["IpRanges"][0]["CidrIp"] = json!("nonsense");
    Folder::new()
        .with("groups.json", GROUPS)
        .with("twice.json", twice.to_string())
        .with("bad.json", bad.to_string())
        .with("event.json", envelope.to_string())
        .with("event.json.gz", gzip(envelope.to_string().as_bytes()))
        .with("record.json", opened.to_string())
        .with(
            "clean.json",
            authorize_event("e-1", &json!({"groupId": "sg-0dddddddddddddddd"})).to_string(),
        )
        .with(
            "reported.json",
            authorize_event("e-1", &json!({"groupId": "sg-0cccccccccccccccc"})).to_string(),
        )
        .with(
            "named.json",
            authorize_event("e-1", &json!({"groupName": "default"})).to_string(),
        )
        .with("log.json", records.to_string())
        .with("empty-log.json", r#"{"Records": []}"#)
        .with("cut.json", "{\n  \"Records\": [")
        .with(
            "calm.json",
            json!({"SecurityGroups": [{"GroupId": "sg-0dddddddddddddddd", "IpPermissions": []}]})
                .to_string(),
        )
}

/// The result as text, without the content of the alert, which other tests cover.
fn text_without_alert(run: &Run) -> String {
    let mut text = String::new();
    let mut in_alert = false;
    for line in run.text().lines() {
        in_alert &= line.is_empty() || line.starts_with("  ");
        if !in_alert {
            text.push_str(line);
            text.push('\n');
        }
        if line.starts_with("Would send in ") {
            text.push_str("  ...\n\n");
            in_alert = true;
        }
    }
    text
}

/// The heading of an alert in enforce mode.
const HEADING: &str = "\nWould send in enforce mode, if every call succeeds\n  Subject: ";

#[test]
fn human_readable_plan() {
    let run = folder().run("plan event.json --input groups.json");
    assert!(run.stdout.contains(HEADING), "{}", run.stdout);
    insta::assert_snapshot!(text_without_alert(&run));
}

#[test]
fn json_plan() {
    let run = folder().run("plan event.json --input groups.json --format json");
    let mut plans = run.json();
    let message = plans["plans"][0]["message"].take();
    assert!(
        message["subject"].as_str().unwrap().contains(WEB),
        "{message}"
    );
    assert!(
        message["text"].as_str().unwrap().contains("maria"),
        "{message}"
    );
    assert_eq!(message.as_object().unwrap().len(), 2);
    insta::assert_snapshot!(format!(
        "exit code {}\n{}",
        run.code,
        serde_json::to_string_pretty(&plans).unwrap()
    ));
}

#[test]
fn every_record_of_a_log_file_is_planned() {
    let folder = folder();
    insta::assert_snapshot!(text_without_alert(
        &folder.run("plan log.json --input groups.json")
    ));
    let plans = folder
        .run("plan log.json --input groups.json --format json")
        .json();
    let ids = |key: &str| {
        let entries = plans[key].as_array().unwrap().iter();
        entries
            .map(|entry| entry["event"]["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("plans"), ["e-1", "e-2", "e-7", "e-8"]);
    assert_eq!(ids("ignored"), ["e-3", "e-4", "e-9"]);
    assert_eq!(ids("errors"), [json!("e-5"), Value::Null]);
    assert_eq!(plans["missing"].as_array().unwrap().len(), 1);
    assert_eq!(plans["missing"][0]["group_id"], "sg-0eeeeeeeeeeeeeeee");
}

#[test]
fn envelopes_and_gzip_do_not_change_the_plan() {
    let folder = folder();
    let expected = folder
        .run("plan record.json --input groups.json --format json")
        .stdout;
    for event in ["event.json", "event.json.gz"] {
        assert_eq!(
            folder
                .run(&format!("plan {event} --input groups.json --format json"))
                .stdout,
            expected,
            "{event}"
        );
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), GROUPS).unwrap();
    let event = authorize_event("e-1", &json!({"groupId": WEB})).to_string();
    let args = [
        "plan",
        "-",
        "--input",
        file.path().to_str().unwrap(),
        "--format",
        "json",
    ];
    assert_eq!(portcullis_with(event.as_bytes(), &args).stdout, expected);
}

#[test]
fn exit_codes() {
    let folder = folder();
    folder.assert_exit_codes(&[
        ("plan event.json --input groups.json", 1),
        (
            "plan event.json --input groups.json --account 444455556666",
            1,
        ),
        ("plan reported.json --input groups.json", 0),
        ("plan clean.json --input calm.json", 0),
        ("plan clean.json --input groups.json", 2),
        ("plan named.json --input twice.json", 2),
        ("plan event.json --input bad.json", 3),
        ("plan empty-log.json --input groups.json", 0),
        ("plan cut.json --input groups.json", 2),
        ("plan event.json --input event.json", 2),
        ("plan event.json", 2),
        ("plan --input groups.json", 2),
        ("plan - --input -", 2),
        ("plan not-there.json --input groups.json", 3),
        ("plan event.json --input not-there.json", 3),
    ]);
}

#[test]
fn groups_of_other_accounts_are_refused() {
    insta::assert_snapshot!(text_without_alert(
        &folder().run("plan event.json --input groups.json --account 444455556666")
    ));
}

#[test]
fn no_findings_send_no_alert() {
    let folder = folder();
    let run = folder.run("plan clean.json --input calm.json --format json");
    let plan = &run.json()["plans"][0];
    assert_eq!(
        (&plan["outcome"], &plan["message"]),
        (&json!("clean"), &Value::Null)
    );
    insta::assert_snapshot!(text_without_alert(
        &folder.run("plan clean.json --input calm.json")
    ));
}

#[test]
fn errors_have_help() {
    let folder = folder();
    let mut transcripts = String::new();
    for args in [
        "plan clean.json --input groups.json",
        "plan named.json --input twice.json",
        "plan event.json --input bad.json",
        "plan cut.json --input groups.json",
        "plan event.json --input event.json",
        "plan - --input -",
        "plan not-there.json --input groups.json",
    ] {
        let run = folder.run(args);
        transcripts += &run.transcript(args);
    }
    insta::assert_snapshot!(transcripts);
}
