//! The environment of the tests: a local AWS and the function.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use portcullis_e2e::{Group, LocalAws, Options};
use portcullis_testkit::{Invocation, RuntimeApi};
use serde_json::{Value, json};

pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// A local AWS with a group, and the function.
pub(crate) struct TestEnvironment {
    pub(crate) aws: LocalAws,
    pub(crate) group: Group,
    pub(crate) function: RuntimeApi,
}

impl TestEnvironment {
    pub(crate) fn new(mode: &str) -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        let environment = Self::without_topic(aws, mode)?;
        environment.create_topic()?;
        Ok(environment)
    }

    pub(crate) fn without_topic(aws: LocalAws, mode: &str) -> Result<Self> {
        Self::with_settings(aws, &[("PORTCULLIS_MODE", mode)])
    }

    /// The function with these settings. The topic is configured but does not exist yet.
    pub(crate) fn with_settings(aws: LocalAws, settings: &[(&str, &str)]) -> Result<Self> {
        let group = Group::create(&aws.ec2(), "shop-web")?;
        let topic = topic_arn(&aws);
        let topic_setting = ("PORTCULLIS_TOPIC_ARN", topic.as_str());
        let all: Vec<_> = settings.iter().copied().chain([topic_setting]).collect();
        let function = start_function(&aws, &all)?;
        Ok(Self {
            aws,
            group,
            function,
        })
    }

    /// Creates the topic, with a queue that receives its messages.
    pub(crate) fn create_topic(&self) -> Result<()> {
        self.aws
            .call("sns", "create_topic", &json!({"Name": "alerts"}))?;
        Ok(self.aws.subscribe(&topic_arn(&self.aws), "sqs", "")?)
    }

    /// Adds rules with one call each, so that each has an id of its own. Returns the ids.
    pub(crate) fn add_rules(&self, rules: &[(&str, u16, &str)]) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for (protocol, port, source) in rules {
            let added = self
                .group
                .authorize(&json!([permission(protocol, *port, source)]))?;
            ids.extend(added.iter().map(portcullis_e2e::rule_id));
        }
        Ok(ids)
    }

    /// Invokes the function with an event about the group.
    pub(crate) fn invoke(&self, event_id: &str) -> Result<Invocation> {
        let event = event_about(&self.group.id, event_id);
        self.function
            .invoke(&event.to_string(), TIMEOUT)
            .context("the function did not respond")
    }

    /// The outcome of an invocation that must succeed.
    pub(crate) fn outcome(&self, event_id: &str) -> Result<String> {
        match self.invoke(event_id)? {
            Invocation::Response(response) => {
                Ok(response["outcome"].as_str().unwrap_or_default().to_owned())
            }
            Invocation::Error(error) => bail!("{error}"),
        }
    }

    /// The error type of an invocation that must fail.
    pub(crate) fn failure(&self, event_id: &str) -> Result<String> {
        match self.invoke(event_id)? {
            Invocation::Error(error) => {
                Ok(error["errorType"].as_str().unwrap_or_default().to_owned())
            }
            Invocation::Response(response) => bail!("{response}"),
        }
    }

    /// The number of published alerts.
    pub(crate) fn alert_count(&self) -> Result<usize> {
        Ok(self.aws.inbox()?.len())
    }
}

pub(crate) fn topic_arn(aws: &LocalAws) -> String {
    format!("arn:aws:sns:{}:{}:alerts", aws.region(), aws.account())
}

pub(crate) fn start_function(aws: &LocalAws, settings: &[(&str, &str)]) -> Result<RuntimeApi> {
    let (aws_url, ec2_url, region) = (aws.url(), aws.ec2().url().to_owned(), aws.region());
    let variables = [
        ("AWS_ENDPOINT_URL", aws_url.as_str()),
        ("AWS_ENDPOINT_URL_EC2", &ec2_url),
        ("AWS_REGION", &region),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let all = variables.iter().chain(settings).copied();
    Ok(RuntimeApi::start(
        Path::new(env!("CARGO_BIN_EXE_remediator")),
        all,
    )?)
}

pub(crate) fn permission(protocol: &str, port: u16, source: &str) -> Value {
    let mut permission = json!({"IpProtocol": protocol});
    if protocol != "-1" {
        permission["FromPort"] = port.into();
        permission["ToPort"] = port.into();
    }
    match source {
        group if group.starts_with("sg-") => {
            permission["UserIdGroupPairs"] = json!([{"GroupId": group}]);
        }
        list if list.starts_with("pl-") => {
            permission["PrefixListIds"] = json!([{"PrefixListId": list}]);
        }
        v6 if v6.contains(':') => permission["Ipv6Ranges"] = json!([{"CidrIpv6": v6}]),
        v4 => permission["IpRanges"] = json!([{"CidrIp": v4, "Description": "test rule"}]),
    }
    permission
}

pub(crate) fn event_about(group: &str, id: &str) -> Value {
    json!({
        "version": "0", "id": id, "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2", "account": "111122223333", "time": "2026-11-21T12:00:00Z",
        "region": "eu-central-1", "resources": [],
        "detail": {
            "eventVersion": "1.11", "eventID": id, "eventTime": "2026-11-21T12:00:00Z",
            "eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress",
            "awsRegion": "eu-central-1", "sourceIPAddress": "198.51.100.7",
            "userIdentity": {"type": "IAMUser", "userName": "alice"},
            "requestParameters": {"groupId": group, "ipPermissions": {}},
        }
    })
}
