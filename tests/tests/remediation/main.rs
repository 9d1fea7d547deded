//! The real function in the real template: an event opens a group, and the function closes it.

mod permissions;
mod scene;

use anyhow::Result;
use portcullis_e2e::{Fault, Options, cloudtrail, rule_id, wait_until};
use serde_json::json;

use scene::{LIMIT, Scene, alert_by, tcp};

#[test]
fn forbidden_rules_are_removed_others_keep_their_ids_and_one_alert_is_sent() {
    let scene = Scene::enforce().unwrap();
    let allowed = scene
        .add(&json!([
            tcp(22, "10.0.0.0/8"),
            tcp(443, "0.0.0.0/0"),
            tcp(443, "::/0")
        ]))
        .unwrap();
    let forbidden = json!([
        tcp(22, "0.0.0.0/0"), tcp(8040, "0.0.0.0/0"), tcp(8040, "::/0"),
        tcp(3306, "0.0.0.0/1"), tcp(3306, "128.0.0.0/1"),
        {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
    ]);
    scene.open(&forbidden).unwrap();

    let alerts = scene.wait_for_alert(0).unwrap();
    assert_eq!(scene.group.rule_ids().unwrap(), allowed);
    let (email, slack) = (
        alert_by(&alerts, "email").unwrap(),
        alert_by(&alerts, "https").unwrap(),
    );
    assert!(
        email.subject.is_ascii() && email.subject.len() < 100,
        "{}",
        email.subject
    );
    assert!(email.text.contains(&scene.group.id), "{}", email.text);
    assert!(
        email.text.contains("jane.doe@example.com"),
        "{}",
        email.text
    );
    assert_eq!(slack.json().unwrap()["source"], "custom");
    assert_eq!(
        alert_by(&alerts, "sqs").unwrap().json().unwrap()["version"],
        1
    );
    assert_eq!(email.attributes["outcome"], "closed");
    assert_eq!(email.attributes["mode"], "enforce");
}

#[test]
fn monitor_mode_alerts_and_changes_nothing() {
    let scene = Scene::new("monitor", &Options::default()).unwrap();
    scene.open(&json!([tcp(22, "0.0.0.0/0")])).unwrap();
    let alerts = scene.wait_for_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    assert_eq!(
        alert_by(&alerts, "email").unwrap().attributes["mode"],
        "monitor"
    );
    let calls = scene.aws.ec2().actions_on(&scene.group.id).unwrap();
    assert!(
        calls.iter().all(|action| action.starts_with("Describe")),
        "{calls:?}"
    );
}

#[test]
fn a_repeated_event_sends_no_alert_and_a_new_opening_does() {
    let scene = Scene::enforce().unwrap();
    let record = scene.open(&json!([tcp(22, "0.0.0.0/0")])).unwrap();
    scene.wait_for_alert(0).unwrap();
    scene.aws.put_event(&record).unwrap();
    scene.wait_for_runs(2).unwrap();
    scene
        .open(&json!([tcp(23, "10.0.0.0/8"), tcp(8080, "0.0.0.0/0")]))
        .unwrap();
    scene.wait_for_alert(1).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
}

#[test]
fn a_rule_widened_in_place_is_closed() {
    let scene = Scene::enforce().unwrap();
    let ids = scene
        .add(&json!([tcp(22, "10.0.0.0/8"), tcp(25, "10.0.0.0/8")]))
        .unwrap();
    let wide = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"});
    let rules = scene.group.rules().unwrap();
    let ssh = rules
        .iter()
        .find(|rule| rule["FromPort"] == 22)
        .map(rule_id)
        .unwrap();
    let change = json!([{"SecurityGroupRuleId": ssh, "SecurityGroupRule": wide}]);
    let args = json!({"GroupId": scene.group.id, "SecurityGroupRules": change});
    scene
        .aws
        .ec2()
        .call("modify_security_group_rules", &args)
        .unwrap();
    scene
        .aws
        .put_event(&cloudtrail::modify(&scene.aws, &scene.group, &ssh, &wide))
        .unwrap();
    scene.wait_for_alert(0).unwrap();
    let left: Vec<String> = ids.into_iter().filter(|id| *id != ssh).collect();
    assert_eq!(scene.group.rule_ids().unwrap(), left);
}

#[test]
fn a_throttled_call_or_lost_response_does_not_keep_a_group_open() {
    let scene = Scene::enforce().unwrap();
    let ec2 = scene.aws.ec2();
    ec2.fault(&Fault::new("DescribeSecurityGroupRules", "RequestLimitExceeded").status(503))
        .unwrap();
    ec2.fault(
        &Fault::new("RevokeSecurityGroupIngress", "InternalError")
            .status(500)
            .after(),
    )
    .unwrap();
    scene
        .open(&json!([tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]))
        .unwrap();
    scene.wait_for_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
}

/// Lets this many reads of a group fail with an error that the SDK does not retry.
fn deny_reads(scene: &Scene, times: u32) -> Result<()> {
    let denied = Fault::new("DescribeSecurityGroupRules", "UnauthorizedOperation")
        .status(403)
        .times(times);
    Ok(scene.aws.ec2().fault(&denied)?)
}

#[test]
fn an_event_that_fails_three_times_is_sent_to_the_failed_events_queue() {
    let scene = Scene::enforce().unwrap();
    deny_reads(&scene, 1000).unwrap();
    let record = scene.open(&json!([tcp(22, "0.0.0.0/0")])).unwrap();
    let message = wait_until("the event in the failed events queue", LIMIT, || {
        scene.failed_event()
    })
    .unwrap();
    assert_eq!(message["requestPayload"]["detail"], record);
    let error = message["responsePayload"]["errorMessage"].as_str().unwrap();
    assert!(
        error.contains(&scene.group.id) && error.contains("UnauthorizedOperation"),
        "{message:#}"
    );
    // Once, and two retries as configured in the template. Each reads the group again.
    let actions = scene.aws.ec2().actions_on(&scene.group.id).unwrap();
    assert_eq!(
        actions
            .iter()
            .filter(|action| *action == "DescribeSecurityGroupRules")
            .count(),
        3,
        "{actions:?}"
    );
    assert_eq!(scene.group.rules().unwrap().len(), 1);
}

#[test]
fn the_last_retry_closes_the_group_after_a_temporary_failure() {
    let scene = Scene::enforce().unwrap();
    deny_reads(&scene, 2).unwrap();
    scene
        .open(&json!([tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]))
        .unwrap();
    scene.wait_for_alert(0).unwrap();
    scene.wait_for_runs(3).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    assert_eq!(scene.failed_event().unwrap(), None);
}
