//! The built-in policy.

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{Fault, Group, LocalAws, Options};
use portcullis_testkit::Invocation;
use serde_json::json;

use crate::scene::{PATIENCE, Scene, event_about, start};

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
        let mut some: Vec<_> = OFFENDING
            .iter()
            .copied()
            .skip(event % OFFENDING.len())
            .collect();
        some.reverse();
        if some.len() == 2 {
            some.push(OFFENDING[3]); // one half alone is no opening
        }
        scene.open(&some)?;
        assert_eq!(
            scene.outcome(&format!("e-{event}"))?,
            "closed",
            "event {event}"
        );
        let mut left = scene.group.rule_ids()?;
        left.sort();
        assert_eq!(left, innocent, "event {event}");
        ensure!(
            scene.alerts()? == event + 1,
            "event {event}: {} alerts",
            scene.alerts()?
        );
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
    ensure!(
        calls.iter().all(|call| call.action.starts_with("Describe")),
        "{calls:?}"
    );
    Ok(())
}

#[test]
fn an_error_of_any_ec2_call_is_never_a_success() -> Result<()> {
    let scene = Scene::new("enforce")?;
    let ec2 = scene.aws.ec2();
    let list = json!({"PrefixListName": "wide", "MaxEntries": 5, "AddressFamily": "IPv4",
        "Entries": [{"Cidr": "0.0.0.0/1"}, {"Cidr": "128.0.0.0/1"}]});
    let list = ec2.call("create_managed_prefix_list", &list)?;
    let list = list["PrefixList"]["PrefixListId"]
        .as_str()
        .context("no list")?;
    let calls = [
        ("DescribeSecurityGroups", "Portcullis.group-unread"),
        ("DescribeSecurityGroupRules", "Portcullis.group-unread"),
        ("GetManagedPrefixListEntries", "Portcullis.group-unread"),
        ("RevokeSecurityGroupIngress", "Portcullis.group-not-closed"),
    ];
    for (number, (action, code)) in calls.into_iter().enumerate() {
        for (error, status) in [
            ("UnauthorizedOperation", 403),
            ("RequestLimitExceeded", 503),
            ("InternalError", 500),
        ] {
            let event = format!("{number}-{error}");
            scene.open(&[("tcp", 22, "0.0.0.0/0"), ("tcp", 3389, list)])?;
            ec2.fault(&Fault::new(action, error).status(status).times(99))?;
            assert_eq!(scene.failure(&event)?, code, "{action} {error}");
            assert_eq!(scene.group.rule_ids()?.len(), 2, "{action} {error}");
            ec2.reset()?;
            assert_eq!(
                scene.outcome(&event)?,
                "closed",
                "the retry of {action} {error}"
            );
            assert!(
                scene.group.rule_ids()?.is_empty(),
                "the retry of {action} {error}"
            );
        }
    }
    Ok(())
}

#[test]
fn what_is_throttled_for_a_moment_is_done_all_the_same() -> Result<()> {
    let scene = Scene::new("enforce")?;
    for action in [
        "DescribeSecurityGroups",
        "DescribeSecurityGroupRules",
        "RevokeSecurityGroupIngress",
    ] {
        scene.open(&[("tcp", 22, "0.0.0.0/0")])?;
        scene.aws.ec2().fault(
            &Fault::new(action, "RequestLimitExceeded")
                .status(503)
                .times(1),
        )?;
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
    assert!(
        scene.group.rule_ids()?.is_empty(),
        "closing does not wait for telling"
    );
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
    let Invocation::Error(error) = invoke("{\"detail-type\": \"Scheduled Event\"}")? else {
        bail!("a success")
    };
    assert_eq!(error["errorType"], "Portcullis.event-not-understood");
    ensure!(
        error["errorMessage"]
            .as_str()
            .is_some_and(|message| message.contains("eventName")),
        "{error}"
    );
    let mut failed = event_about(&scene.group.id, "e-1");
    failed["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
    let Invocation::Response(answer) = invoke(&failed.to_string())? else {
        bail!("an error")
    };
    assert_eq!(answer["outcome"], "ignored");
    assert_eq!(scene.outcome("e-2")?, "clean", "and it goes on");
    Ok(())
}

#[test]
fn settings_that_mean_nothing_keep_it_from_starting() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    for (settings, reason) in [
        (vec![], "PORTCULLIS_TOPIC_ARN is not set"),
        (
            vec![("PORTCULLIS_TOPIC_ARN", "alerts")],
            "expected the ARN of an SNS topic",
        ),
        (
            vec![
                ("PORTCULLIS_TOPIC_ARN", "arn:aws:sns:r:1:t"),
                ("PORTCULLIS_MODE", "dry"),
            ],
            "`enforce` or `monitor`",
        ),
    ] {
        let mut function = start(&aws, &settings)?;
        let (code, log) = function.wait_for_exit(PATIENCE).context("it started")?;
        ensure!(
            code != Some(0) && log.contains(reason) && log.contains("refusing to start"),
            "{code:?} {log}"
        );
    }
    Ok(())
}
