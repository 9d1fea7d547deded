//! The real function in the real template: what happens when somebody opens a group.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::{
    Deployment, Fault, Group, LocalAws, Message, Options, Stack, binary, cloudtrail, rule_id,
    wait_until,
};
use serde_json::{Value, json};

/// How long the function may take to close and tell. A debug build on a busy machine is slow to start.
const SOON: Duration = Duration::from_secs(30);
/// How long something is waited for that must not happen.
const QUIET: Duration = Duration::from_millis(1500);

/// A local AWS with the deployed project, and a group in it.
struct Scene {
    aws: LocalAws,
    stack: Stack,
    group: Group,
}

impl Scene {
    fn enforce() -> Result<Self> {
        Self::new("enforce", &Options::default())
    }

    fn new(mode: &str, options: &Options) -> Result<Self> {
        Self::with_policy("", mode, options)
    }

    fn with_policy(policy: &str, mode: &str, options: &Options) -> Result<Self> {
        Self::with(("Policy", policy), mode, options)
    }

    fn with((name, value): (&str, &str), mode: &str, options: &Options) -> Result<Self> {
        let aws = LocalAws::start(options)?;
        let deployment = Deployment::of_this_project(&binary("remediator")?)
            .parameter("Mode", mode)
            .parameter(name, value)
            .parameter("AlertEmail", "oncall@example.com")
            .parameter("SlackWorkspaceId", "T0123")
            .parameter("SlackChannelId", "C0123");
        let stack = aws.deploy(&deployment)?;
        aws.subscribe(stack.output("TopicArn")?, "sqs", "")?;
        let group = Group::create(&aws.ec2(), "shop-web")?;
        Ok(Self { aws, stack, group })
    }

    /// Adds the permissions and tells nobody; the ids of the rules, in order.
    fn add(&self, permissions: &Value) -> Result<Vec<String>> {
        Ok(self
            .group
            .authorize(permissions)?
            .iter()
            .map(rule_id)
            .collect())
    }

    /// Adds the permissions and lets CloudTrail tell; returns its record.
    fn open(&self, permissions: &Value) -> Result<Value> {
        let rules = self.group.authorize(permissions)?;
        let record = cloudtrail::authorize(&self.aws, &self.group, permissions, &rules);
        self.aws.put_event(&record)?;
        Ok(record)
    }

    /// Waits until all subscribers were told once more than `before` times, then makes sure that this was all.
    fn one_alert(&self, before: usize) -> Result<Vec<Message>> {
        let wanted = before.saturating_add(1).saturating_mul(3);
        let what = format!("alert {wanted} by e-mail, to Slack and to a queue");
        wait_until(&what, SOON, || {
            Ok((self.aws.inbox()?.len() >= wanted).then_some(()))
        })
        .map_err(|error| {
            let function = self.stack.output("FunctionName").unwrap_or_default();
            error.context(self.aws.logs(function).unwrap_or_default().join("\n"))
        })?;
        std::thread::sleep(QUIET);
        let alerts = self.aws.inbox()?;
        ensure!(
            alerts.len() == wanted,
            "{} messages, not {wanted}: {alerts:#?}",
            alerts.len()
        );
        Ok(alerts)
    }

    /// What IAM says to an action of the function's on the group.
    fn may(&self, action: &str) -> Result<String> {
        self.may_to(action, &format!("security-group/{}", self.group.id))
    }

    /// What IAM says to tagging a rule by itself. What it says to a rule that is just being made depends on
    /// `ec2:CreateAction`, which ministack does not know: xtask/tests/iam.rs looks at that.
    fn may_tag(&self) -> Result<String> {
        self.may_to(
            "ec2:CreateTags",
            "security-group-rule/sgr-0123456789abcdef0",
        )
    }

    fn may_to(&self, action: &str, resource: &str) -> Result<String> {
        let role = self
            .stack
            .resources
            .get("RemediatorRole")
            .context("no role")?;
        let (account, region) = (self.aws.account(), self.aws.region());
        let (service, _) = action.split_once(':').context("no service")?;
        let args = json!({
            "PolicySourceArn": format!("arn:aws:iam::{account}:role/{role}"),
            "ActionNames": [action],
            "ResourceArns": [format!("arn:aws:{service}:{region}:{account}:{resource}")],
        });
        let answer = self.aws.call("iam", "simulate_principal_policy", &args)?;
        let decision = answer
            .pointer("/EvaluationResults/0/EvalDecision")
            .and_then(Value::as_str);
        Ok(decision.context("no decision")?.to_owned())
    }

    /// An event in the queue of those on which the function failed, with Lambda's words around it.
    fn failed(&self) -> Result<Option<Value>> {
        let queue = json!({"QueueUrl": self.stack.output("FailedEventsQueueUrl")?});
        let answer = self.aws.call("sqs", "receive_message", &queue)?;
        let letter = answer.pointer("/Messages/0/Body").and_then(Value::as_str);
        Ok(letter.map(serde_json::from_str).transpose()?)
    }

    /// Waits until the function has ended this many times.
    fn runs(&self, count: usize) -> Result<()> {
        let function = self.stack.output("FunctionName")?;
        wait_until("the function to end", SOON, || {
            let ended = self
                .aws
                .logs(function)?
                .iter()
                .filter(|line| line.contains("REPORT RequestId"))
                .count();
            Ok((ended >= count).then_some(()))
        })
    }
}

fn tcp(port: u16, cidr: &str) -> Value {
    let (list, key) = if cidr.contains(':') {
        ("Ipv6Ranges", "CidrIpv6")
    } else {
        ("IpRanges", "CidrIp")
    };
    json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, list: [{key: cidr}]})
}

fn said<'a>(alerts: &'a [Message], protocol: &str) -> Option<&'a Message> {
    alerts.iter().rfind(|alert| alert.protocol == protocol)
}

#[test]
fn offending_rules_go_innocent_ones_keep_their_ids_and_everybody_is_told_once() {
    let scene = Scene::enforce().unwrap();
    let innocent = scene
        .add(&json!([
            tcp(22, "10.0.0.0/8"),
            tcp(443, "0.0.0.0/0"),
            tcp(443, "::/0")
        ]))
        .unwrap();
    let offending = json!([
        tcp(22, "0.0.0.0/0"), tcp(8040, "0.0.0.0/0"), tcp(8040, "::/0"), tcp(3306, "0.0.0.0/1"),
        tcp(3306, "128.0.0.0/1"), {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
    ]);
    scene.open(&offending).unwrap();

    let alerts = scene.one_alert(0).unwrap();
    assert_eq!(scene.group.rule_ids().unwrap(), innocent);
    let (mail, chat) = (
        said(&alerts, "email").unwrap(),
        said(&alerts, "https").unwrap(),
    );
    assert!(
        mail.subject.is_ascii() && mail.subject.len() < 100,
        "{}",
        mail.subject
    );
    assert!(mail.text.contains(&scene.group.id), "{}", mail.text);
    assert!(mail.text.contains("jane.doe@example.com"), "{}", mail.text);
    assert_eq!(chat.json().unwrap()["source"], "custom");
    assert_eq!(said(&alerts, "sqs").unwrap().json().unwrap()["version"], 1);
    assert_eq!(mail.attributes["outcome"], "closed");
    assert_eq!(mail.attributes["mode"], "enforce");
}

#[test]
fn monitor_mode_tells_and_changes_nothing() {
    let scene = Scene::new("monitor", &Options::default()).unwrap();
    scene.open(&json!([tcp(22, "0.0.0.0/0")])).unwrap();
    let alerts = scene.one_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    assert_eq!(
        said(&alerts, "email").unwrap().attributes["mode"],
        "monitor"
    );
    let calls = scene.aws.ec2().actions_on(&scene.group.id).unwrap();
    assert!(
        calls.iter().all(|action| action.starts_with("Describe")),
        "{calls:?}"
    );
}

#[test]
fn the_same_event_again_is_not_told_again_and_a_new_hole_is() {
    let scene = Scene::enforce().unwrap();
    let record = scene.open(&json!([tcp(22, "0.0.0.0/0")])).unwrap();
    scene.one_alert(0).unwrap();
    scene.aws.put_event(&record).unwrap();
    scene.runs(2).unwrap();
    scene
        .open(&json!([tcp(23, "10.0.0.0/8"), tcp(8080, "0.0.0.0/0")]))
        .unwrap();
    scene.one_alert(1).unwrap();
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
    scene.one_alert(0).unwrap();
    let left: Vec<String> = ids.into_iter().filter(|id| *id != ssh).collect();
    assert_eq!(scene.group.rule_ids().unwrap(), left);
}

#[test]
fn a_throttled_or_lost_answer_does_not_keep_a_group_open() {
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
    scene.one_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
}

/// What makes every look at a group fail in a way that the SDK does not try again, this often.
fn unreadable(scene: &Scene, times: u32) -> Result<()> {
    let denied = Fault::new("DescribeSecurityGroupRules", "UnauthorizedOperation")
        .status(403)
        .times(times);
    Ok(scene.aws.ec2().fault(&denied)?)
}

#[test]
fn an_event_that_cannot_be_handled_is_tried_three_times_and_kept_for_people() {
    let scene = Scene::enforce().unwrap();
    unreadable(&scene, 1000).unwrap();
    let record = scene.open(&json!([tcp(22, "0.0.0.0/0")])).unwrap();
    let letter = wait_until("the event in the queue of the failed", SOON, || {
        scene.failed()
    })
    .unwrap();
    assert_eq!(letter["requestPayload"]["detail"], record);
    let error = letter["responsePayload"]["errorMessage"].as_str().unwrap();
    assert!(
        error.contains(&scene.group.id) && error.contains("UnauthorizedOperation"),
        "{letter:#}"
    );
    // Once, and the two retries that the template asks Lambda for: each looked anew.
    let looks = scene.aws.ec2().actions_on(&scene.group.id).unwrap();
    assert_eq!(
        looks
            .iter()
            .filter(|action| *action == "DescribeSecurityGroupRules")
            .count(),
        3,
        "{looks:?}"
    );
    assert_eq!(scene.group.rules().unwrap().len(), 1);
}

#[test]
fn a_failure_that_passes_is_made_good_by_the_last_retry() {
    let scene = Scene::enforce().unwrap();
    unreadable(&scene, 2).unwrap();
    scene
        .open(&json!([tcp(22, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")]))
        .unwrap();
    scene.one_alert(0).unwrap();
    scene.runs(3).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    assert_eq!(scene.failed().unwrap(), None);
}

#[test]
fn the_deployed_role_is_enough_to_close_a_group() {
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
    scene.one_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    assert_eq!(
        scene.may("ec2:RevokeSecurityGroupIngress").unwrap(),
        "allowed"
    );
    for other in [
        "ec2:CreateTags",
        "ec2:DeleteSecurityGroup",
        "sns:Subscribe",
        "iam:PassRole",
    ] {
        assert_eq!(scene.may(other).unwrap(), "implicitDeny", "{other}");
    }
}

/// Everything from everywhere, with a description and a tag.
fn everything(group: &str) -> Value {
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

/// Opens all ports, and waits until the deployed function has told what it did.
fn open_everything(scene: &Scene) -> Result<Vec<Message>> {
    let args = everything(&scene.group.id);
    scene
        .aws
        .ec2()
        .call("authorize_security_group_ingress", &args)?;
    let permissions = args.get("IpPermissions").context("permissions")?;
    let record =
        cloudtrail::authorize(&scene.aws, &scene.group, permissions, &scene.group.rules()?);
    scene.aws.put_event(&record)?;
    scene.one_alert(0)
}

#[test]
fn another_policy_keeps_what_the_web_needs_with_description_and_tags() {
    let scene = Scene::with_policy("preset:web-only", "enforce", &Options::default()).unwrap();
    let innocent = scene.add(&json!([tcp(22, "10.0.0.0/8")])).unwrap();
    let alerts = open_everything(&scene).unwrap();
    let rules = scene.group.rules().unwrap();
    let (kept, left): (Vec<_>, Vec<_>) = rules
        .iter()
        .partition(|rule| rule["CidrIpv4"] == "0.0.0.0/0");
    assert_eq!(left.into_iter().map(rule_id).collect::<Vec<_>>(), innocent);
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
    let mail = said(&alerts, "email").unwrap();
    assert_eq!(mail.attributes["outcome"], "closed");
    assert!(mail.text.contains("443"), "{}", mail.text);
}

#[test]
fn the_deployed_role_is_enough_to_keep_a_part_with_its_tags() {
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let scene = Scene::with_policy("preset:web-only", "enforce", &options).unwrap();
    open_everything(&scene).unwrap();
    let rules = scene.group.rules().unwrap();
    assert_eq!(rules.len(), 2, "{rules:?}");
    assert!(
        rules.iter().all(|rule| rule["Tags"][0]["Value"] == "shop"),
        "{rules:?}"
    );
    assert_eq!(
        scene.may("ec2:AuthorizeSecurityGroupIngress").unwrap(),
        "allowed"
    );
    assert_eq!(
        scene.may_tag().unwrap(),
        "implicitDeny",
        "only in the call that makes the rule"
    );
}

#[test]
fn another_policy_may_change_nothing_in_monitor_mode() {
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let scene = Scene::with_policy("preset:web-only", "monitor", &options).unwrap();
    let alerts = open_everything(&scene).unwrap();
    assert_eq!(
        said(&alerts, "email").unwrap().attributes["outcome"],
        "would-close"
    );
    assert_eq!(scene.group.rules().unwrap().len(), 1);
    for action in [
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupIngress",
    ] {
        assert_eq!(scene.may(action).unwrap(), "implicitDeny", "{action}");
    }
    assert_eq!(scene.may_tag().unwrap(), "implicitDeny");
}

#[test]
fn in_monitor_mode_the_role_is_enough_to_tell_and_may_change_nothing() {
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
    scene.one_alert(0).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 2);
    assert_eq!(
        scene.may("ec2:DescribeSecurityGroupRules").unwrap(),
        "allowed"
    );
    assert_eq!(
        scene.may("ec2:RevokeSecurityGroupIngress").unwrap(),
        "implicitDeny"
    );
}

#[test]
fn the_deployed_role_is_enough_to_read_the_parameter_of_the_policy_and_no_other() {
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let scene = Scene::with(
        ("PolicyParameter", "/portcullis/policy:1"),
        "enforce",
        &options,
    )
    .unwrap();
    let policy = "version: 1\nname: of-the-parameter\nextends: web-only\n";
    let put = json!({"Name": "/portcullis/policy", "Type": "String", "Value": policy});
    scene.aws.call("ssm", "put_parameter", &put).unwrap();
    open_everything(&scene).unwrap();
    assert_eq!(scene.group.rules().unwrap().len(), 2, "80 and 443 stay");
    assert_eq!(
        scene
            .may_to("ssm:GetParameter", "parameter/portcullis/policy")
            .unwrap(),
        "allowed"
    );
    assert_eq!(
        scene
            .may_to("ssm:GetParameter", "parameter/portcullis/other")
            .unwrap(),
        "implicitDeny"
    );
}
