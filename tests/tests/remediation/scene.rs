//! The deployed project and a security group to open.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::{
    Deployment, Group, LocalAws, Message, Options, Stack, binary, cloudtrail, rule_id, wait_until,
};
use serde_json::{Value, json};

/// How long the function may take. A debug build on a busy machine starts slowly.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// How long to wait for something that must not happen.
const SETTLE: Duration = Duration::from_millis(1500);

/// A local AWS with the deployed project and a security group.
pub(crate) struct Scene {
    pub(crate) aws: LocalAws,
    pub(crate) stack: Stack,
    pub(crate) group: Group,
}

impl Scene {
    pub(crate) fn enforce() -> Result<Self> {
        Self::new("enforce", &Options::default())
    }

    pub(crate) fn new(mode: &str, options: &Options) -> Result<Self> {
        Self::with_policy("", mode, options)
    }

    pub(crate) fn with_policy(policy: &str, mode: &str, options: &Options) -> Result<Self> {
        Self::with_parameter(("Policy", policy), mode, options)
    }

    pub(crate) fn with_parameter(
        (name, value): (&str, &str),
        mode: &str,
        options: &Options,
    ) -> Result<Self> {
        let aws = LocalAws::start(options)?;
        let deployment = Deployment::of_this_project(&binary("remediator")?)
            .parameter("Mode", mode)
            .parameter(name, value)
            .parameter("AlertEmail", "oncall@example.com")
            .parameter("SlackWorkspaceId", "T0123")
            .parameter("SlackChannelId", "C0123");
        let stack = aws.deploy(&deployment)?;
        aws.subscribe(stack.output("AlertTopicArn")?, "sqs", "")?;
        let group = Group::create(&aws.ec2(), "shop-web")?;
        Ok(Self { aws, stack, group })
    }

    /// Adds the permissions without an event and returns the ids of the new rules, in order.
    pub(crate) fn add(&self, permissions: &Value) -> Result<Vec<String>> {
        Ok(self
            .group
            .authorize(permissions)?
            .iter()
            .map(rule_id)
            .collect())
    }

    /// Adds the permissions, puts the event on the event bus and returns CloudTrail's record.
    pub(crate) fn open(&self, permissions: &Value) -> Result<Value> {
        let rules = self.group.authorize(permissions)?;
        let record = cloudtrail::authorize(&self.aws, &self.group, permissions, &rules);
        self.aws.put_event(&record)?;
        Ok(record)
    }

    /// Waits until every subscriber has received one alert more than `before`, and checks that no
    /// other one follows.
    pub(crate) fn wait_for_alert(&self, before: usize) -> Result<Vec<Message>> {
        let wanted = before.saturating_add(1).saturating_mul(3);
        let what = format!("message {wanted} of all subscribers");
        wait_until(&what, LIMIT, || {
            Ok((self.aws.inbox()?.len() >= wanted).then_some(()))
        })
        .map_err(|error| {
            let function = self
                .stack
                .output("RemediatorFunctionName")
                .unwrap_or_default();
            error.context(self.aws.logs(function).unwrap_or_default().join("\n"))
        })?;
        std::thread::sleep(SETTLE);
        let alerts = self.aws.inbox()?;
        ensure!(
            alerts.len() == wanted,
            "{} messages, not {wanted}: {alerts:#?}",
            alerts.len()
        );
        Ok(alerts)
    }

    /// IAM's decision about an action of the function on the group.
    pub(crate) fn iam_decision(&self, action: &str) -> Result<String> {
        self.iam_decision_on(action, &format!("security-group/{}", self.group.id))
    }

    /// IAM's decision about tagging an existing rule. For a rule that is being created it depends
    /// on `ec2:CreateAction`, which ministack does not support; xtask/tests/iam.rs checks that.
    pub(crate) fn tag_decision(&self) -> Result<String> {
        self.iam_decision_on(
            "ec2:CreateTags",
            "security-group-rule/sgr-0123456789abcdef0",
        )
    }

    pub(crate) fn iam_decision_on(&self, action: &str, resource: &str) -> Result<String> {
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

    /// An event in the failed events queue, in the envelope that Lambda adds.
    pub(crate) fn failed_event(&self) -> Result<Option<Value>> {
        let queue = json!({"QueueUrl": self.stack.output("FailedEventsQueueUrl")?});
        let answer = self.aws.call("sqs", "receive_message", &queue)?;
        let message = answer.pointer("/Messages/0/Body").and_then(Value::as_str);
        Ok(message.map(serde_json::from_str).transpose()?)
    }

    /// Waits until the function has run this many times.
    pub(crate) fn wait_for_runs(&self, count: usize) -> Result<()> {
        let function = self.stack.output("RemediatorFunctionName")?;
        wait_until("the function to end", LIMIT, || {
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

pub(crate) fn tcp(port: u16, cidr: &str) -> Value {
    let (list, key) = if cidr.contains(':') {
        ("Ipv6Ranges", "CidrIpv6")
    } else {
        ("IpRanges", "CidrIp")
    };
    json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, list: [{key: cidr}]})
}

pub(crate) fn alert_by<'a>(alerts: &'a [Message], protocol: &str) -> Option<&'a Message> {
    alerts.iter().rfind(|alert| alert.protocol == protocol)
}
