//! The real binary under a Lambda Runtime API, with moto as its EC2: what it closes, what it leaves alone, and that it
//! never claims a success which is none.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and so may what helps it"
)]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{Fault, Group, LocalAws, Options};
use portcullis_testkit::{Invocation, RuntimeApi};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

/// A group, a topic with a queue, and the function.
struct Scene {
    aws: LocalAws,
    group: Group,
    function: RuntimeApi,
}

impl Scene {
    fn new(mode: &str) -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        let scene = Self::without_topic(aws, mode)?;
        scene.make_topic()?;
        Ok(scene)
    }

    fn without_topic(aws: LocalAws, mode: &str) -> Result<Self> {
        let group = Group::create(&aws.ec2(), "shop-web")?;
        let topic = topic(&aws);
        let function = start(&aws, &[("PORTCULLIS_TOPIC_ARN", &topic), ("PORTCULLIS_MODE", mode)])?;
        Ok(Self { aws, group, function })
    }

    fn make_topic(&self) -> Result<()> {
        self.aws.call("sns", "create_topic", &json!({"Name": "alerts"}))?;
        Ok(self.aws.subscribe(&topic(&self.aws), "sqs", "")?)
    }

    /// Adds rules, one call for each so that each has an id of its own; gives the ids.
    fn open(&self, sources: &[(&str, u16, &str)]) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for (protocol, port, source) in sources {
            let rules = self.group.authorize(&json!([permission(protocol, *port, source)]))?;
            ids.extend(rules.iter().map(portcullis_e2e::rule_id));
        }
        Ok(ids)
    }

    fn invoke(&self, event: &str) -> Result<Invocation> {
        let event = event_about(&self.group.id, event);
        self.function.invoke(&event.to_string(), PATIENCE).context("the function gave no answer")
    }

    /// The outcome of an invocation that must succeed.
    fn outcome(&self, event: &str) -> Result<String> {
        match self.invoke(event)? {
            Invocation::Response(answer) => Ok(answer["outcome"].as_str().unwrap_or_default().to_owned()),
            Invocation::Error(error) => bail!("{error}"),
        }
    }

    /// The code of an invocation that must fail.
    fn failure(&self, event: &str) -> Result<String> {
        match self.invoke(event)? {
            Invocation::Error(error) => Ok(error["errorType"].as_str().unwrap_or_default().to_owned()),
            Invocation::Response(answer) => bail!("{answer}"),
        }
    }

    fn alerts(&self) -> Result<usize> {
        Ok(self.aws.inbox()?.len())
    }
}

fn topic(aws: &LocalAws) -> String {
    format!("arn:aws:sns:{}:{}:alerts", aws.region(), aws.account())
}

fn start(aws: &LocalAws, settings: &[(&str, &str)]) -> Result<RuntimeApi> {
    let (cloud, ec2, region) = (aws.url(), aws.ec2().url().to_owned(), aws.region());
    let environment = [
        ("AWS_ENDPOINT_URL", cloud.as_str()),
        ("AWS_ENDPOINT_URL_EC2", &ec2),
        ("AWS_REGION", &region),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let all = environment.iter().chain(settings).copied();
    Ok(RuntimeApi::start(Path::new(env!("CARGO_BIN_EXE_remediator")), all)?)
}

fn permission(protocol: &str, port: u16, source: &str) -> Value {
    let mut permission = json!({"IpProtocol": protocol});
    if protocol != "-1" {
        permission["FromPort"] = port.into();
        permission["ToPort"] = port.into();
    }
    match source {
        group if group.starts_with("sg-") => permission["UserIdGroupPairs"] = json!([{"GroupId": group}]),
        list if list.starts_with("pl-") => permission["PrefixListIds"] = json!([{"PrefixListId": list}]),
        v6 if v6.contains(':') => permission["Ipv6Ranges"] = json!([{"CidrIpv6": v6}]),
        v4 => permission["IpRanges"] = json!([{"CidrIp": v4, "Description": "a test's"}]),
    }
    permission
}

fn event_about(group: &str, id: &str) -> Value {
    json!({
        "version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
        "account": "123456789012", "time": "2026-11-21T12:00:00Z", "region": "eu-central-1", "resources": [],
        "detail": {
            "eventVersion": "1.11", "eventID": id, "eventTime": "2026-11-21T12:00:00Z",
            "eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress",
            "awsRegion": "eu-central-1", "sourceIPAddress": "198.51.100.7",
            "userIdentity": {"type": "IAMUser", "userName": "alice"},
            "requestParameters": {"groupId": group, "ipPermissions": {}},
        }
    })
}

const OFFENDING: [(&str, u16, &str); 6] = [
    ("tcp", 22, "0.0.0.0/0"),
    ("tcp", 8040, "0.0.0.0/0"),
    ("tcp", 8040, "::/0"),
    ("udp", 3306, "0.0.0.0/1"),
    ("udp", 3306, "128.0.0.0/1"),
    ("-1", 0, "::/0"),
];
const INNOCENT: [(&str, u16, &str); 5] = [
    ("tcp", 22, "10.0.0.0/8"),
    ("tcp", 443, "0.0.0.0/0"),
    ("tcp", 8040, "192.168.0.0/16"),
    ("icmp", 8, "0.0.0.0/0"),
    ("tcp", 22, "203.0.113.0/24"),
];

#[test]
fn a_hundred_events_close_what_offends_and_leave_the_rest_with_its_ids() -> Result<()> {
    let scene = Scene::new("enforce")?;
    let mut innocent = scene.open(&INNOCENT)?;
    let peer = Group::create(&scene.aws.ec2(), "peer")?;
    innocent.extend(scene.open(&[("tcp", 22, &peer.id)])?);
    innocent.sort();
    for event in 0..100_usize {
        // Another mixture each time, and another order.
        let mut some: Vec<_> = OFFENDING.iter().copied().skip(event % OFFENDING.len()).collect();
        some.reverse();
        if some.len() == 2 {
            some.push(OFFENDING[3]); // one half alone is no opening
        }
        scene.open(&some)?;
        assert_eq!(scene.outcome(&format!("e-{event}"))?, "closed", "event {event}");
        let mut left = scene.group.rule_ids()?;
        left.sort();
        assert_eq!(left, innocent, "event {event}");
        ensure!(scene.alerts()? == event + 1, "event {event}: {} alerts", scene.alerts()?);
    }
    Ok(())
}

#[test]
fn an_event_that_finds_nothing_says_nothing() -> Result<()> {
    let scene = Scene::new("enforce")?;
    scene.open(&INNOCENT)?;
    assert_eq!(scene.outcome("e-1")?, "clean");
    assert_eq!(scene.alerts()?, 0);
    Ok(())
}

#[test]
fn monitor_mode_calls_nothing_that_changes() -> Result<()> {
    let scene = Scene::new("monitor")?;
    scene.open(&OFFENDING)?;
    let before = scene.group.rule_ids()?;
    assert_eq!(scene.outcome("e-1")?, "would-close");
    assert_eq!(scene.group.rule_ids()?, before);
    assert_eq!(scene.alerts()?, 1);
    let calls = scene.aws.ec2().calls()?;
    ensure!(calls.iter().all(|call| call.action.starts_with("Describe")), "{calls:?}");
    Ok(())
}

#[test]
fn an_error_of_any_ec2_call_is_never_a_success() -> Result<()> {
    let scene = Scene::new("enforce")?;
    let ec2 = scene.aws.ec2();
    let list = json!({"PrefixListName": "wide", "MaxEntries": 5, "AddressFamily": "IPv4",
        "Entries": [{"Cidr": "0.0.0.0/1"}, {"Cidr": "128.0.0.0/1"}]});
    let list = ec2.call("create_managed_prefix_list", &list)?;
    let list = list["PrefixList"]["PrefixListId"].as_str().context("no list")?;
    let calls = [
        ("DescribeSecurityGroups", "Portcullis.group-unread"),
        ("DescribeSecurityGroupRules", "Portcullis.group-unread"),
        ("GetManagedPrefixListEntries", "Portcullis.group-unread"),
        ("RevokeSecurityGroupIngress", "Portcullis.group-not-closed"),
    ];
    for (number, (action, code)) in calls.into_iter().enumerate() {
        for (error, status) in [("UnauthorizedOperation", 403), ("RequestLimitExceeded", 503), ("InternalError", 500)] {
            let event = format!("{number}-{error}");
            scene.open(&[("tcp", 22, "0.0.0.0/0"), ("tcp", 3389, list)])?;
            ec2.fault(&Fault::new(action, error).status(status).times(99))?;
            assert_eq!(scene.failure(&event)?, code, "{action} {error}");
            assert_eq!(scene.group.rule_ids()?.len(), 2, "{action} {error}");
            ec2.reset()?;
            assert_eq!(scene.outcome(&event)?, "closed", "the retry of {action} {error}");
            assert!(scene.group.rule_ids()?.is_empty(), "the retry of {action} {error}");
        }
    }
    Ok(())
}

#[test]
fn what_is_throttled_for_a_moment_is_done_all_the_same() -> Result<()> {
    let scene = Scene::new("enforce")?;
    for action in ["DescribeSecurityGroups", "DescribeSecurityGroupRules", "RevokeSecurityGroupIngress"] {
        scene.open(&[("tcp", 22, "0.0.0.0/0")])?;
        scene.aws.ec2().fault(&Fault::new(action, "RequestLimitExceeded").status(503).times(1))?;
        assert_eq!(scene.outcome(action)?, "closed");
        assert!(scene.group.rule_ids()?.is_empty());
    }
    Ok(())
}

#[test]
fn an_alert_that_could_not_be_sent_is_sent_by_the_retry() -> Result<()> {
    let scene = Scene::without_topic(LocalAws::start(&Options::default())?, "enforce")?;
    scene.open(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(scene.failure("e-1")?, "Portcullis.alert-unsent");
    assert!(scene.group.rule_ids()?.is_empty(), "closing does not wait for telling");
    scene.make_topic()?;
    assert_eq!(scene.outcome("e-1")?, "clean");
    assert_eq!(scene.alerts()?, 1);
    assert_eq!(scene.outcome("e-1")?, "clean");
    assert_eq!(scene.alerts()?, 1, "told once");
    Ok(())
}

#[test]
fn an_event_that_is_not_understood_fails_and_another_is_ignored() -> Result<()> {
    let scene = Scene::new("enforce")?;
    let invoke = |event: &str| scene.function.invoke(event, PATIENCE).context("no answer");
    let Invocation::Error(error) = invoke("{\"detail-type\": \"Scheduled Event\"}")? else { bail!("a success") };
    assert_eq!(error["errorType"], "Portcullis.event-not-understood");
    ensure!(error["errorMessage"].as_str().is_some_and(|message| message.contains("eventName")), "{error}");
    let mut failed = event_about(&scene.group.id, "e-1");
    failed["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
    let Invocation::Response(answer) = invoke(&failed.to_string())? else { bail!("an error") };
    assert_eq!(answer["outcome"], "ignored");
    assert_eq!(scene.outcome("e-2")?, "clean", "and it goes on");
    Ok(())
}

#[test]
fn settings_that_mean_nothing_keep_it_from_starting() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    for (settings, reason) in [
        (vec![], "PORTCULLIS_TOPIC_ARN is not set"),
        (vec![("PORTCULLIS_TOPIC_ARN", "alerts")], "expected the ARN of an SNS topic"),
        (vec![("PORTCULLIS_TOPIC_ARN", "arn:aws:sns:r:1:t"), ("PORTCULLIS_MODE", "dry")], "`enforce` or `monitor`"),
    ] {
        let mut function = start(&aws, &settings)?;
        let (code, log) = function.ended(PATIENCE).context("it started")?;
        ensure!(code != Some(0) && log.contains(reason) && log.contains("refusing to start"), "{code:?} {log}");
    }
    Ok(())
}
