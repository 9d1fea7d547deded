//! The function with the built-in policy.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{Fault, Group, LocalAws, Options};
use portcullis_testkit::Invocation;
use serde_json::{Value, json};

use crate::environment::{TIMEOUT, TestEnvironment, event_about, start_function};

/// Rules that the baseline forbids.
const FORBIDDEN: [(&str, u16, &str); 6] = [
    ("tcp", 22, "0.0.0.0/0"),
    ("tcp", 8040, "0.0.0.0/0"),
    ("tcp", 8040, "::/0"),
    ("udp", 3306, "0.0.0.0/1"),
    ("udp", 3306, "128.0.0.0/1"),
    ("-1", 0, "::/0"),
];
/// Rules that the baseline allows.
const COMPLIANT: [(&str, u16, &str); 5] = [
    ("tcp", 22, "10.0.0.0/8"),
    ("tcp", 443, "0.0.0.0/0"),
    ("tcp", 8040, "192.168.0.0/16"),
    ("icmp", 8, "0.0.0.0/0"),
    ("tcp", 22, "203.0.113.0/24"),
];

#[test]
fn a_hundred_events_remove_forbidden_rules_and_keep_the_ids_of_the_others() -> Result<()> {
    let environment = TestEnvironment::new("enforce")?;
    let mut compliant = environment.add_rules(&COMPLIANT)?;
    let peer = Group::create(&environment.aws.ec2(), "peer")?;
    compliant.extend(environment.add_rules(&[("tcp", 22, &peer.id)])?);
    compliant.sort();
    for event in 0..100_usize {
        // A different selection and order each time.
        let mut rules: Vec<_> = FORBIDDEN
            .iter()
            .copied()
            .skip(event % FORBIDDEN.len())
            .collect();
        rules.reverse();
        if rules.len() == 2 {
            rules.push(FORBIDDEN[3]); // half of the internet alone is allowed
        }
        environment.add_rules(&rules)?;
        assert_eq!(
            environment.outcome(&format!("e-{event}"))?,
            "closed",
            "event {event}"
        );
        let mut remaining = environment.group.rule_ids()?;
        remaining.sort();
        assert_eq!(remaining, compliant, "event {event}");
        ensure!(
            environment.alert_count()? == event + 1,
            "event {event}: {} alerts",
            environment.alert_count()?
        );
    }
    Ok(())
}

#[test]
fn an_event_without_findings_publishes_no_alert() -> Result<()> {
    let environment = TestEnvironment::new("enforce")?;
    environment.add_rules(&COMPLIANT)?;
    assert_eq!(environment.outcome("e-1")?, "clean");
    assert_eq!(environment.alert_count()?, 0);
    Ok(())
}

#[test]
fn monitor_mode_makes_no_changing_calls() -> Result<()> {
    let environment = TestEnvironment::new("monitor")?;
    environment.add_rules(&FORBIDDEN)?;
    let before = environment.group.rule_ids()?;
    assert_eq!(environment.outcome("e-1")?, "would-close");
    assert_eq!(environment.group.rule_ids()?, before);
    assert_eq!(environment.alert_count()?, 1);
    let calls = environment.aws.ec2().calls()?;
    ensure!(
        calls.iter().all(|call| call.action.starts_with("Describe")),
        "{calls:?}"
    );
    Ok(())
}

#[test]
fn an_error_of_any_ec2_call_fails_the_invocation() -> Result<()> {
    let environment = TestEnvironment::new("enforce")?;
    let ec2 = environment.aws.ec2();
    let list = json!({"PrefixListName": "wide", "MaxEntries": 5, "AddressFamily": "IPv4",
        "Entries": [{"Cidr": "0.0.0.0/1"}, {"Cidr": "128.0.0.0/1"}]});
    let list = ec2.call("create_managed_prefix_list", &list)?;
    let list = list["PrefixList"]["PrefixListId"]
        .as_str()
        .context("no prefix list id")?;
    let calls = [
        ("DescribeSecurityGroups", "Portcullis.group-unreadable"),
        ("DescribeSecurityGroupRules", "Portcullis.group-unreadable"),
        ("GetManagedPrefixListEntries", "Portcullis.group-unreadable"),
        ("RevokeSecurityGroupIngress", "Portcullis.group-not-closed"),
    ];
    for (number, (action, code)) in calls.into_iter().enumerate() {
        for (error, status) in [
            ("UnauthorizedOperation", 403),
            ("RequestLimitExceeded", 503),
            ("InternalError", 500),
        ] {
            let event = format!("{number}-{error}");
            environment.add_rules(&[("tcp", 22, "0.0.0.0/0"), ("tcp", 3389, list)])?;
            ec2.fault(&Fault::new(action, error).status(status).times(99))?;
            assert_eq!(environment.failure(&event)?, code, "{action} {error}");
            assert_eq!(environment.group.rule_ids()?.len(), 2, "{action} {error}");
            ec2.reset()?;
            assert_eq!(
                environment.outcome(&event)?,
                "closed",
                "the retry of {action} {error}"
            );
            assert!(
                environment.group.rule_ids()?.is_empty(),
                "the retry of {action} {error}"
            );
        }
    }
    Ok(())
}

#[test]
fn short_throttling_is_retried() -> Result<()> {
    let environment = TestEnvironment::new("enforce")?;
    for action in [
        "DescribeSecurityGroups",
        "DescribeSecurityGroupRules",
        "RevokeSecurityGroupIngress",
    ] {
        environment.add_rules(&[("tcp", 22, "0.0.0.0/0")])?;
        environment.aws.ec2().fault(
            &Fault::new(action, "RequestLimitExceeded")
                .status(503)
                .times(1),
        )?;
        assert_eq!(environment.outcome(action)?, "closed");
        assert!(environment.group.rule_ids()?.is_empty());
    }
    Ok(())
}

#[test]
fn an_alert_that_was_not_published_is_published_by_the_retry() -> Result<()> {
    let environment =
        TestEnvironment::without_topic(LocalAws::start(&Options::default())?, "enforce")?;
    environment.add_rules(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(
        environment.failure("e-1")?,
        "Portcullis.alert-not-published"
    );
    assert!(
        environment.group.rule_ids()?.is_empty(),
        "rules are removed even if no alert can be published"
    );
    environment.create_topic()?;
    assert_eq!(environment.outcome("e-1")?, "clean");
    assert_eq!(environment.alert_count()?, 1);
    assert_eq!(environment.outcome("e-1")?, "clean");
    assert_eq!(environment.alert_count()?, 1, "published once");
    Ok(())
}

#[test]
fn an_unrecognized_event_fails_and_an_unrelated_one_is_ignored() -> Result<()> {
    let environment = TestEnvironment::new("enforce")?;
    let invoke = |event: &str| {
        environment
            .function
            .invoke(event, TIMEOUT)
            .context("no response")
    };
    let Invocation::Error(error) = invoke("{\"detail-type\": \"Scheduled Event\"}")? else {
        bail!("the invocation succeeded")
    };
    assert_eq!(error["errorType"], "Portcullis.unrecognized-event");
    ensure!(
        error["errorMessage"]
            .as_str()
            .is_some_and(|message| message.contains("eventName")),
        "{error}"
    );
    // `serde_json::Value` cannot represent this number, so the runtime must not parse the payload.
    let Invocation::Error(error) = invoke("{\"detail\": 1e999}")? else {
        bail!("the invocation succeeded")
    };
    assert_eq!(error["errorType"], "Portcullis.unrecognized-event");
    let mut failed = event_about(&environment.group.id, "e-1");
    failed["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
    let Invocation::Response(response) = invoke(&failed.to_string())? else {
        bail!("the invocation failed")
    };
    assert_eq!(response["outcome"], "ignored");
    assert_eq!(
        environment.outcome("e-2")?,
        "clean",
        "later events are handled"
    );
    Ok(())
}

#[test]
fn invalid_settings_prevent_the_start() -> Result<()> {
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
        let mut function = start_function(&aws, &settings)?;
        let (code, log) = function.wait_for_exit(TIMEOUT).context("it started")?;
        ensure!(
            code != Some(0) && log.contains(reason) && log.contains("startup failed"),
            "{code:?} {log}"
        );
    }
    Ok(())
}

/// The event of a change from version 1 of a list.
fn prefix_list_event(list: &str) -> Value {
    let mut event = event_about("", "e-1");
    let entry = json!({"Cidr": "0.0.0.0/0"});
    event["detail"]["eventName"] = json!("ModifyManagedPrefixList");
    event["detail"]["requestParameters"] = json!({"ModifyManagedPrefixListRequest":
        {"PrefixListId": list, "CurrentVersion": 1, "AddEntry": entry}});
    event
}

#[test]
fn a_prefix_list_is_evaluated_after_ec2_has_changed_it() -> Result<()> {
    let environment = TestEnvironment::new("enforce")?;
    let ec2 = environment.aws.ec2();
    let list = json!({"PrefixListName": "office", "MaxEntries": 5, "AddressFamily": "IPv4",
        "Entries": [{"Cidr": "10.0.0.0/8"}]});
    let list = ec2.call("create_managed_prefix_list", &list)?;
    let list = list["PrefixList"]["PrefixListId"]
        .as_str()
        .context("no prefix list id")?;
    environment.add_rules(&[("tcp", 22, list)])?;
    ec2.delay_prefix_lists(Duration::from_secs(2))?;
    let change = json!({"PrefixListId": list, "CurrentVersion": 1,
        "AddEntries": [{"Cidr": "0.0.0.0/0"}]});
    let answer = ec2.call("modify_managed_prefix_list", &change)?;
    assert_eq!(answer["PrefixList"]["State"], "modify-in-progress");
    assert_eq!(answer["PrefixList"]["Version"], 1);
    let event = prefix_list_event(list).to_string();
    let invocation = environment.function.invoke(&event, TIMEOUT);
    let Some(Invocation::Response(response)) = invocation else {
        bail!("{invocation:?}");
    };
    assert_eq!(response["outcome"], "closed", "{response}");
    assert!(environment.group.rule_ids()?.is_empty());
    Ok(())
}

#[test]
fn the_event_of_a_shared_prefix_list_comes_from_the_account_of_its_owner() -> Result<()> {
    let environment = TestEnvironment::new("enforce")?;
    let list = json!({"PrefixListName": "partners", "MaxEntries": 5, "AddressFamily": "IPv4",
        "Entries": [{"Cidr": "0.0.0.0/0"}]});
    let list = environment
        .aws
        .ec2()
        .call("create_managed_prefix_list", &list)?;
    let list = list["PrefixList"]["PrefixListId"]
        .as_str()
        .context("no prefix list id")?;
    environment.add_rules(&[("tcp", 22, list)])?;
    let mut event = prefix_list_event(list);
    event["account"] = json!("444455556666");
    event["detail"]["recipientAccountId"] = json!("444455556666");
    let request = "/detail/requestParameters/ModifyManagedPrefixListRequest";
    if let Some(request) = event.pointer_mut(request) {
        request["CurrentVersion"] = json!(0);
    }
    let invocation = environment.function.invoke(&event.to_string(), TIMEOUT);
    let Some(Invocation::Response(response)) = invocation else {
        bail!("{invocation:?}");
    };
    assert_eq!(response["outcome"], "closed", "{response}");
    assert!(environment.group.rule_ids()?.is_empty());
    Ok(())
}
