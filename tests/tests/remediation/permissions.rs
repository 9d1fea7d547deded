//! Other policies, and what the deployed role may do in each mode.

use anyhow::{Context as _, Result};
use portcullis_e2e::{Message, Options, cloudtrail, rule_id};
use serde_json::{Value, json};

use crate::scene::{Scene, alert_by, tcp};

#[test]
fn the_deployed_role_can_close_a_group() {
    let scene = Scene::new(
        "enforce",
        &Options {
            auth: true,
            ..Options::default()
        },
    )
    .unwrap();
    scene
        .open(&json!([tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]))
        .unwrap();
    scene.wait_for_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    assert_eq!(
        scene
            .iam_decision("ec2:RevokeSecurityGroupIngress")
            .unwrap(),
        "allowed"
    );
    for other in [
        "ec2:CreateTags",
        "ec2:DeleteSecurityGroup",
        "sns:Subscribe",
        "iam:PassRole",
    ] {
        assert_eq!(
            scene.iam_decision(other).unwrap(),
            "implicitDeny",
            "{other}"
        );
    }
}

/// All TCP ports open to the world, with a description and a tag.
fn all_ports_open(group: &str) -> Value {
    json!({
        "GroupId": group,
        "IpPermissions": [{
            "IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all of it"}],
        }],
        "TagSpecifications": [
            {"ResourceType": "security-group-rule", "Tags": [{"Key": "team", "Value": "shop"}]},
        ],
    })
}

/// Opens all ports and waits for the alerts.
fn open_all_ports(scene: &Scene) -> Result<Vec<Message>> {
    let args = all_ports_open(&scene.group.id);
    scene
        .aws
        .ec2()
        .call("authorize_security_group_ingress", &args)?;
    let permissions = args.get("IpPermissions").context("permissions")?;
    let record =
        cloudtrail::authorize(&scene.aws, &scene.group, permissions, &scene.group.rules()?);
    scene.aws.put_event(&record)?;
    scene.wait_for_alert(0)
}

#[test]
fn web_only_keeps_ports_80_and_443_with_description_and_tags() {
    let scene = Scene::with_policy("preset:web-only", "enforce", &Options::default()).unwrap();
    let allowed = scene.add(&json!([tcp(22, "10.0.0.0/8")])).unwrap();
    let alerts = open_all_ports(&scene).unwrap();
    let rules = scene.group.rules().unwrap();
    let (kept, others): (Vec<_>, Vec<_>) = rules
        .iter()
        .partition(|rule| rule["CidrIpv4"] == "0.0.0.0/0");
    assert_eq!(others.into_iter().map(rule_id).collect::<Vec<_>>(), allowed);
    let mut ports: Vec<_> = kept
        .iter()
        .map(|rule| (rule["FromPort"].as_i64(), rule["ToPort"].as_i64()))
        .collect();
    ports.sort_unstable();
    assert_eq!(ports, [(Some(80), Some(80)), (Some(443), Some(443))]);
    for rule in kept {
        assert_eq!(rule["Description"], "all of it");
        assert_eq!(rule["Tags"], json!([{"Key": "team", "Value": "shop"}]));
    }
    let email = alert_by(&alerts, "email").unwrap();
    assert_eq!(email.attributes["outcome"], "closed");
    assert!(email.text.contains("443"), "{}", email.text);
}

#[test]
fn the_deployed_role_can_add_replacements_with_tags() {
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let scene = Scene::with_policy("preset:web-only", "enforce", &options).unwrap();
    open_all_ports(&scene).unwrap();
    let rules = scene.group.rules().unwrap();
    assert_eq!(rules.len(), 2, "{rules:?}");
    assert!(
        rules.iter().all(|rule| rule["Tags"][0]["Value"] == "shop"),
        "{rules:?}"
    );
    assert_eq!(
        scene
            .iam_decision("ec2:AuthorizeSecurityGroupIngress")
            .unwrap(),
        "allowed"
    );
    assert_eq!(
        scene.tag_decision().unwrap(),
        "implicitDeny",
        "allowed only in the call that creates the rule"
    );
}

#[test]
fn web_only_changes_nothing_in_monitor_mode() {
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let scene = Scene::with_policy("preset:web-only", "monitor", &options).unwrap();
    let alerts = open_all_ports(&scene).unwrap();
    assert_eq!(
        alert_by(&alerts, "email").unwrap().attributes["outcome"],
        "would-close"
    );
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    for action in [
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupIngress",
    ] {
        assert_eq!(
            scene.iam_decision(action).unwrap(),
            "implicitDeny",
            "{action}"
        );
    }
    assert_eq!(scene.tag_decision().unwrap(), "implicitDeny");
}

#[test]
fn in_monitor_mode_the_role_can_alert_and_change_nothing() {
    let scene = Scene::new(
        "monitor",
        &Options {
            auth: true,
            ..Options::default()
        },
    )
    .unwrap();
    scene
        .open(&json!([tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]))
        .unwrap();
    scene.wait_for_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 2);
    assert_eq!(
        scene
            .iam_decision("ec2:DescribeSecurityGroupRules")
            .unwrap(),
        "allowed"
    );
    assert_eq!(
        scene
            .iam_decision("ec2:RevokeSecurityGroupIngress")
            .unwrap(),
        "implicitDeny"
    );
}

#[test]
fn the_deployed_role_can_read_only_the_parameter_of_the_policy() {
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let scene = Scene::with_parameter(
        ("PolicyParameter", "/portcullis/policy:1"),
        "enforce",
        &options,
    )
    .unwrap();
    let policy = "version: 1\nname: from-parameter\nextends: web-only\n";
    let put = json!({"Name": "/portcullis/policy", "Type": "String", "Value": policy});
    scene.aws.call("ssm", "put_parameter", &put).unwrap();
    open_all_ports(&scene).unwrap();
    assert_eq!(
        scene.group.rules().unwrap().len(),
        2,
        "ports 80 and 443 remain"
    );
    assert_eq!(
        scene
            .iam_decision_on("ssm:GetParameter", "parameter/portcullis/policy")
            .unwrap(),
        "allowed"
    );
    assert_eq!(
        scene
            .iam_decision_on("ssm:GetParameter", "parameter/portcullis/other")
            .unwrap(),
        "implicitDeny"
    );
}
