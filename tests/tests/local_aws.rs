//! Tests of the local AWS itself, which the other end-to-end tests rely on.

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

const LIMIT: Duration = Duration::from_secs(20);

/// A local AWS with the project's template and a stand-in for the function, shared by the tests of
/// this file.
struct Environment {
    aws: LocalAws,
    stack: Stack,
}

#[expect(clippy::expect_used, reason = "no test can run without it")]
fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| Environment::create().expect("the local AWS starts"))
}

impl Environment {
    fn create() -> Result<Self> {
        let aws = LocalAws::start(&portcullis_e2e::Options::default())?;
        let deployment = Deployment::of_this_project(&stand_in(&aws.directory())?)
            .parameter("AlertEmail", "oncall@example.com")
            .parameter("SlackWorkspaceId", "T0123")
            .parameter("SlackChannelId", "C0123");
        let stack = aws.deploy(&deployment)?;
        aws.subscribe(stack.output("AlertTopicArn")?, "sqs", "")?;
        Ok(Self { aws, stack })
    }
}

/// The function in `fixtures`, as an executable.
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

fn alerts_about(group: &Group) -> Result<Vec<Message>> {
    Ok(environment()
        .aws
        .inbox()?
        .into_iter()
        .filter(|message| message.subject.ends_with(&group.id))
        .collect())
}

/// Opens port 22 of a group to the internet and waits for the alerts of all protocols.
fn open_and_wait(group: &Group) -> Result<Vec<Message>> {
    let aws = &environment().aws;
    let permissions = json!([tcp(22, "0.0.0.0/0")]);
    let opened = group.authorize(&permissions)?;
    aws.put_event(&cloudtrail::authorize(aws, group, &permissions, &opened))?;
    wait_until("the alerts of all protocols", LIMIT, || {
        Ok(Some(alerts_about(group)?).filter(|alerts| alerts.len() >= 3))
    })
}

fn alert_by<'a>(alerts: &'a [Message], protocol: &str) -> Option<&'a Message> {
    alerts.iter().find(|alert| alert.protocol == protocol)
}

#[test]
fn the_deployed_event_rule_invokes_the_function() {
    let Environment { aws, stack } = environment();
    let group = Group::create(&aws.ec2(), "rule-fires").unwrap();
    let allowed = json!([tcp(22, "10.0.0.0/8"), tcp(443, "0.0.0.0/0")]);
    let kept = group.authorize(&allowed).unwrap();
    open_and_wait(&group).unwrap();
    assert_eq!(group.rules().unwrap(), kept);
    let actions = aws.ec2().actions_on(&group.id).unwrap();
    let expected = ["DescribeSecurityGroupRules", "RevokeSecurityGroupIngress"];
    assert_eq!(actions, expected);
    let function = stack.output("RemediatorFunctionName").unwrap();
    wait_until("the log", LIMIT, || {
        let lines = aws.logs(function)?;
        Ok(lines.into_iter().find(|line| line.contains(&group.id)))
    })
    .unwrap();
}

#[test]
fn each_protocol_gets_its_own_text() {
    let group = Group::create(&environment().aws.ec2(), "texts").unwrap();
    let alerts = open_and_wait(&group).unwrap();
    let email = alert_by(&alerts, "email").unwrap();
    assert_eq!(email.endpoint, "oncall@example.com");
    assert_eq!(email.text, format!("Closed {}.", group.id));
    let slack = alert_by(&alerts, "https").unwrap();
    let amazon_q = "https://global.sns-api.chatbot.amazonaws.com";
    assert_eq!(slack.endpoint, amazon_q);
    let description = &slack.json().unwrap()["content"]["description"];
    assert_eq!(*description, format!("closed {}", group.id));
    let queued = alert_by(&alerts, "sqs").unwrap();
    assert_eq!(queued.json().unwrap()["group"], group.id);
    for alert in &alerts {
        assert_eq!(alert.id, email.id);
        assert_eq!(alert.attributes["group"], group.id);
    }
}

#[test]
fn a_failed_call_does_not_match_the_deployed_event_rule() {
    let Environment { aws, stack } = environment();
    let name = json!({"Name": stack.output("EventRuleName").unwrap()});
    let rule = aws.call("events", "describe_rule", &name).unwrap();
    let group = Group::create(&aws.ec2(), "no-match").unwrap();
    let mut record = cloudtrail::authorize(aws, &group, &json!([]), &[]);
    assert!(matches(aws, &rule, &record).unwrap());
    record["errorCode"] = json!("Client.InvalidPermission.Duplicate");
    assert!(!matches(aws, &rule, &record).unwrap());
}

fn matches(aws: &LocalAws, rule: &Value, record: &Value) -> Result<bool> {
    let event = json!({
        "version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2", "account": aws.account(), "time": "2026-01-01T00:00:00Z",
        "region": aws.region(), "resources": [], "detail": record,
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
fn faults_apply_before_or_after_the_call() {
    let ec2 = environment().aws.ec2();
    let group = Group::create(&ec2, "faults").unwrap();
    let args = json!({"GroupId": group.id, "IpPermissions": [tcp(22, "0.0.0.0/0")]});
    let authorize = || ec2.call_recorded("authorize_security_group_ingress", &args);
    let fault = Fault::new("AuthorizeSecurityGroupIngress", "RequestLimitExceeded")
        .status(503)
        .only(&group.id);

    ec2.fault(&fault.clone().times(2)).unwrap();
    assert_eq!(authorize().unwrap_err().code, "RequestLimitExceeded");
    assert_eq!(authorize().unwrap_err().code, "RequestLimitExceeded");
    assert_eq!(
        group.rules().unwrap().len(),
        0,
        "the fault prevents the call"
    );

    ec2.fault(&fault.after()).unwrap();
    assert_eq!(authorize().unwrap_err().code, "RequestLimitExceeded");
    assert_eq!(
        group.rules().unwrap().len(),
        1,
        "the fault comes after the call"
    );
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
fn one_call_with_several_sources_creates_a_rule_for_each() {
    let group = Group::create(&environment().aws.ec2(), "sources").unwrap();
    let both = json!([{
        "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}, {"CidrIp": "10.0.0.0/8"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
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
fn a_revoke_removes_all_its_rules_or_none() {
    let ec2 = environment().aws.ec2();
    let group = Group::create(&ec2, "all-or-none").unwrap();
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
fn servers_listen_only_on_the_loopback_address() {
    let mut sockets = BTreeSet::new();
    for pid in environment().aws.processes() {
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
    assert!(seen >= 2, "not all servers were found");
}

#[cfg(target_os = "linux")]
fn inode(link: &str) -> Option<String> {
    Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
}

#[test]
fn several_stacks_can_exist_and_be_deleted_separately() {
    let options = portcullis_e2e::Options {
        region: "us-east-1".to_owned(),
        ..portcullis_e2e::Options::default()
    };
    let aws = LocalAws::start(&options).unwrap();
    let deployment = Deployment::of_this_project(&stand_in(&aws.directory()).unwrap());
    let one = aws.deploy(&deployment.clone().stack("one")).unwrap();
    let two = aws.deploy(&deployment.stack("two")).unwrap();
    assert_ne!(
        one.output("AlertTopicArn").unwrap(),
        two.output("AlertTopicArn").unwrap()
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
fn a_failed_deployment_returns_the_reason() {
    let aws = &environment().aws;
    let missing = Deployment::of_this_project(Path::new("/nonexistent"));
    let error = aws.deploy(&missing.stack("three")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent"), "{error}");
    let wrong = Deployment::of_this_project(&stand_in(&aws.directory()).unwrap());
    let wrong = wrong.stack("four").parameter("Mode", "perhaps");
    let error = aws.deploy(&wrong).unwrap_err();
    assert!(error.to_string().contains("perhaps"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn dropping_the_value_ends_the_processes() {
    let aws = LocalAws::start(&portcullis_e2e::Options::default()).unwrap();
    let (processes, directory) = (aws.processes(), aws.directory());
    assert_eq!(processes.len(), 2);
    assert!(directory.exists());
    drop(aws);
    for pid in processes {
        assert!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "{pid} is still running"
        );
    }
    assert!(!directory.exists());
}
