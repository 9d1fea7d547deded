//! The harness itself: what it promises the other end-to-end tests.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_e2e::{
    Deployment, Fault, Group, LocalAws, Message, PythonEnv, Requirements, Stack, cloudtrail,
    wait_until,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

/// One local AWS with the project's template and a stand-in for the function, for all tests of this file.
struct World {
    aws: LocalAws,
    stack: Stack,
}

#[expect(clippy::expect_used, reason = "a test cannot go on without it")]
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::create().expect("the local AWS starts"))
}

impl World {
    fn create() -> Result<Self> {
        let aws = LocalAws::start(&portcullis_e2e::Options::default())?;
        let deployment = Deployment::of_this_project(&stand_in(&aws.directory())?)
            .parameter("AlertEmail", "oncall@example.com")
            .parameter("SlackWorkspaceId", "T0123")
            .parameter("SlackChannelId", "C0123");
        let stack = aws.deploy(&deployment)?;
        aws.subscribe(stack.output("TopicArn")?, "sqs", "")?;
        Ok(Self { aws, stack })
    }
}

/// The function of `fixtures`, runnable as a `bootstrap`.
fn stand_in(directory: &Path) -> Result<PathBuf> {
    let python = PythonEnv::install(Requirements::LocalAws)?
        .command()
        .get_program()
        .to_owned();
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/function.py"))?;
    let path = directory.join("stand-in");
    fs::write(&path, format!("#!{}\n{source}", python.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn tcp(port: u16, cidr: &str) -> Value {
    json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]})
}

fn about(group: &Group) -> Result<Vec<Message>> {
    Ok(world()
        .aws
        .inbox()?
        .into_iter()
        .filter(|message| message.subject.ends_with(&group.id))
        .collect())
}

/// Opens port 22 of a group to the internet, and waits for an alert by each protocol.
fn open_and_hear(group: &Group) -> Result<Vec<Message>> {
    let aws = &world().aws;
    let permissions = json!([tcp(22, "0.0.0.0/0")]);
    let opened = group.authorize(&permissions)?;
    aws.put_event(&cloudtrail::authorize(aws, group, &permissions, &opened))?;
    wait_until("an alert by each protocol", SOON, || {
        Ok(Some(about(group)?).filter(|alerts| alerts.len() >= 3))
    })
}

fn said<'a>(alerts: &'a [Message], protocol: &str) -> Option<&'a Message> {
    alerts.iter().find(|alert| alert.protocol == protocol)
}

#[test]
fn the_deployed_rule_runs_the_function() {
    let World { aws, stack } = world();
    let group = Group::create(&aws.ec2(), "rule-fires").unwrap();
    let innocent = json!([tcp(22, "10.0.0.0/8"), tcp(443, "0.0.0.0/0")]);
    let kept = group.authorize(&innocent).unwrap();
    open_and_hear(&group).unwrap();
    assert_eq!(group.rules().unwrap(), kept);
    let actions = aws.ec2().actions_on(&group.id).unwrap();
    let expected = ["DescribeSecurityGroupRules", "RevokeSecurityGroupIngress"];
    assert_eq!(actions, expected);
    let function = stack.output("FunctionName").unwrap();
    wait_until("the log", SOON, || {
        let lines = aws.logs(function)?;
        Ok(lines.into_iter().find(|line| line.contains(&group.id)))
    })
    .unwrap();
}

#[test]
fn everybody_is_told_in_their_own_words() {
    let group = Group::create(&world().aws.ec2(), "words").unwrap();
    let alerts = open_and_hear(&group).unwrap();
    let mail = said(&alerts, "email").unwrap();
    assert_eq!(mail.endpoint, "oncall@example.com");
    assert_eq!(mail.text, format!("Closed {}.", group.id));
    let chat = said(&alerts, "https").unwrap();
    let amazon_q = "https://global.sns-api.chatbot.amazonaws.com";
    assert_eq!(chat.endpoint, amazon_q);
    let description = &chat.json().unwrap()["content"]["description"];
    assert_eq!(*description, format!("closed {}", group.id));
    let queued = said(&alerts, "sqs").unwrap();
    assert_eq!(queued.json().unwrap()["group"], group.id);
    for alert in &alerts {
        assert_eq!(alert.id, mail.id);
        assert_eq!(alert.attributes["group"], group.id);
    }
}

#[test]
fn a_failed_call_does_not_match_the_deployed_rule() {
    let World { aws, stack } = world();
    let name = json!({"Name": stack.output("RuleName").unwrap()});
    let rule = aws.call("events", "describe_rule", &name).unwrap();
    let group = Group::create(&aws.ec2(), "no-match").unwrap();
    let mut record = cloudtrail::authorize(aws, &group, &json!([]), &[]);
    assert!(matches(aws, &rule, &record).unwrap());
    record["errorCode"] = json!("Client.InvalidPermission.Duplicate");
    assert!(!matches(aws, &rule, &record).unwrap());
}

fn matches(aws: &LocalAws, rule: &Value, record: &Value) -> Result<bool> {
    let event = json!({
        "version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
        "account": aws.account(), "time": "2026-01-01T00:00:00Z", "region": aws.region(), "resources": [],
        "detail": record,
    });
    let pattern = rule.get("EventPattern").context("no pattern")?;
    let answer = aws.call(
        "events",
        "test_event_pattern",
        &json!({"EventPattern": pattern, "Event": event.to_string()}),
    )?;
    answer
        .get("Result")
        .and_then(Value::as_bool)
        .context("no result")
}

#[test]
fn faults_come_as_ordered() {
    let ec2 = world().aws.ec2();
    let group = Group::create(&ec2, "faults").unwrap();
    let args = json!({"GroupId": group.id, "IpPermissions": [tcp(22, "0.0.0.0/0")]});
    let authorize = || ec2.call_openly("authorize_security_group_ingress", &args);
    let fault = Fault::new("AuthorizeSecurityGroupIngress", "RequestLimitExceeded")
        .status(503)
        .only(&group.id);

    ec2.fault(&fault.clone().times(2)).unwrap();
    assert_eq!(authorize().unwrap_err().code, "RequestLimitExceeded");
    assert_eq!(authorize().unwrap_err().code, "RequestLimitExceeded");
    assert_eq!(
        group.rules().unwrap().len(),
        0,
        "a fault comes before the call"
    );

    ec2.fault(&fault.after()).unwrap();
    assert_eq!(authorize().unwrap_err().code, "RequestLimitExceeded");
    assert_eq!(group.rules().unwrap().len(), 1, "this one came after it");
    assert_eq!(authorize().unwrap_err().code, "InvalidPermission.Duplicate");

    let calls = ec2
        .calls()
        .unwrap()
        .into_iter()
        .filter(|call| call.parameters["GroupId"] == group.id.as_str());
    assert_eq!(
        calls.map(|call| call.status).collect::<Vec<_>>(),
        [503, 503, 503, 400]
    );
}

#[test]
fn one_call_with_several_sources_makes_a_rule_for_each() {
    let group = Group::create(&world().aws.ec2(), "sources").unwrap();
    let both = json!([{
        "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "10.0.0.0/8"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
    }]);
    assert_eq!(group.authorize(&both).unwrap().len(), 3);
    assert_eq!(
        group
            .rule_ids()
            .unwrap()
            .into_iter()
            .collect::<BTreeSet<_>>()
            .len(),
        3
    );
}

#[test]
fn a_revoke_removes_all_that_it_names_or_nothing() {
    let ec2 = world().aws.ec2();
    let group = Group::create(&ec2, "whole").unwrap();
    let rules = group
        .authorize(&json!([tcp(22, "0.0.0.0/0"), tcp(23, "0.0.0.0/0")]))
        .unwrap();
    let revoke = |ports: &[u16]| {
        let permissions: Vec<Value> = ports.iter().map(|port| tcp(*port, "0.0.0.0/0")).collect();
        ec2.call(
            "revoke_security_group_ingress",
            &json!({"GroupId": group.id, "IpPermissions": permissions}),
        )
    };
    assert_eq!(
        revoke(&[22, 23, 24]).unwrap_err().code,
        "InvalidPermission.NotFound"
    );
    assert_eq!(group.rules().unwrap(), rules);
    revoke(&[22, 23]).unwrap();
    assert_eq!(group.rules().unwrap().len(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_listens_beyond_this_machine() {
    let mut sockets = BTreeSet::new();
    for pid in world().aws.processes() {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
            sockets.extend(
                fs::read_link(entry.path())
                    .ok()
                    .and_then(|link| inode(link.to_str()?)),
            );
        }
    }
    let mut seen = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == "0A" && sockets.contains(fields[9]) {
                assert!(fields[1].starts_with("0100007F:"), "{table}: {line}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "both servers listen");
}

#[cfg(target_os = "linux")]
fn inode(link: &str) -> Option<String> {
    Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}

#[test]
fn stacks_stand_side_by_side_and_go_one_by_one() {
    let options = portcullis_e2e::Options {
        region: "us-east-1".to_owned(),
        ..portcullis_e2e::Options::default()
    };
    let aws = LocalAws::start(&options).unwrap();
    let deployment = Deployment::of_this_project(&stand_in(&aws.directory()).unwrap());
    let one = aws.deploy(&deployment.clone().stack("one")).unwrap();
    let two = aws.deploy(&deployment.stack("two")).unwrap();
    assert_ne!(
        one.output("TopicArn").unwrap(),
        two.output("TopicArn").unwrap()
    );
    aws.delete(&one).unwrap();
    let stacks = aws
        .call("cloudformation", "describe_stacks", &json!({}))
        .unwrap();
    let stacks = stacks["Stacks"].as_array().unwrap();
    let names: Vec<_> = stacks.iter().map(|stack| &stack["StackName"]).collect();
    assert_eq!(names, ["two"]);
}

#[test]
fn a_deployment_that_fails_says_why() {
    let aws = &world().aws;
    let nothing = Deployment::of_this_project(Path::new("/nonexistent"));
    let error = aws.deploy(&nothing.stack("three")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent"), "{error}");
    let wrong = Deployment::of_this_project(&stand_in(&aws.directory()).unwrap());
    let wrong = wrong.stack("four").parameter("Mode", "perhaps");
    let error = aws.deploy(&wrong).unwrap_err();
    assert!(error.to_string().contains("perhaps"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn everything_ends_with_the_value() {
    let aws = LocalAws::start(&portcullis_e2e::Options::default()).unwrap();
    let (processes, directory) = (aws.processes(), aws.directory());
    assert_eq!(processes.len(), 2);
    assert!(directory.exists());
    drop(aws);
    for pid in processes {
        assert!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "{pid} still runs"
        );
    }
    assert!(!directory.exists());
}
