//! The exception in an alert can be pasted into a policy: it passes the check, and allows exactly
//! what the alert is about.

use crate::common::Folder;
use serde_json::{Value, json};

const GROUP: &str = "sg-0aaaaaaaaaaaaaaaa";
const POLICY: &str = "version: 1\nname: ours\nextends: baseline\n";

fn event() -> String {
    json!({
        "eventVersion": "1.10",
        "eventID": "e-1",
        "eventName": "AuthorizeSecurityGroupIngress",
        "eventSource": "ec2.amazonaws.com",
        "eventTime": jiff::Timestamp::now().to_string(),
        "awsRegion": "eu-central-1",
        "recipientAccountId": "111122223333",
        "requestParameters": {"groupId": GROUP},
        "userIdentity": {
            "type": "IAMUser",
            "userName": "o'brien \"the\" #1: {x}, [y]",
            "arn": "arn:aws:iam::111122223333:user/o",
        },
    })
    .to_string()
}

fn tcp(from: u16, to: u16) -> Value {
    json!({"IpProtocol": "tcp", "FromPort": from, "ToPort": to,
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]})
}

fn group(permissions: &[Value]) -> String {
    json!({"SecurityGroups": [{"GroupId": GROUP, "GroupName": "web", "OwnerId": "111122223333",
        "VpcId": "vpc-0aaaaaaaaaaaaaaaa", "IpPermissions": permissions}]})
    .to_string()
}

fn folder(policy: &str, permissions: &[Value]) -> Folder {
    Folder::new()
        .with("event.json", event())
        .with("groups.json", group(permissions))
        .with("policy.yaml", policy)
}

fn outcome(policy: &str, permissions: &[Value]) -> String {
    let args = "plan event.json --input groups.json --policy policy.yaml --format json";
    let plans = folder(policy, permissions).run(args).json();
    plans["plans"][0]["outcome"].as_str().unwrap().to_owned()
}

/// The lines of the exception in the e-mail.
fn exception_of_alert(permissions: &[Value]) -> String {
    let args = "plan event.json --input groups.json --policy policy.yaml --format json";
    let plans = folder(POLICY, permissions).run(args).json();
    let email = plans["plans"][0]["message"]["text"].as_str().unwrap();
    let (_, yaml) = email.split_once("\nexceptions:\n").unwrap();
    let yaml: Vec<_> = yaml
        .lines()
        .take_while(|line| line.starts_with("  "))
        .collect();
    format!("exceptions:\n{}\n", yaml.join("\n"))
}

#[test]
fn the_exception_allows_exactly_what_was_closed() {
    let forbidden = [tcp(22, 22), tcp(8000, 8090)];
    assert_eq!(outcome(POLICY, &forbidden), "would-close");
    let policy = format!("{POLICY}{}", exception_of_alert(&forbidden));
    assert_eq!(outcome(&policy, &forbidden), "clean", "{policy}");
    assert_eq!(outcome(&policy, &[tcp(23, 23)]), "would-close", "{policy}");
    assert_eq!(
        outcome(&policy, &[tcp(8000, 8091)]),
        "would-close",
        "{policy}"
    );
}

#[test]
fn the_exception_passes_the_strict_check() {
    let forbidden = [tcp(3306, 3306), tcp(3389, 3389)];
    let policy = format!("{POLICY}{}", exception_of_alert(&forbidden));
    let run = folder(&policy, &forbidden).run("policy check policy.yaml --strict");
    assert_eq!(run.code, 0, "{run:?}\n{policy}");
}
