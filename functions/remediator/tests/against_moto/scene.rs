//! What the tests have in common.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use portcullis_e2e::{Group, LocalAws, Options};
use portcullis_testkit::{Invocation, RuntimeApi};
use serde_json::{Value, json};

pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A group, a topic with a queue, and the function.
pub(crate) struct Scene {
    pub(crate) aws: LocalAws,
    pub(crate) group: Group,
    pub(crate) function: RuntimeApi,
}

impl Scene {
    pub(crate) fn new(mode: &str) -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        let scene = Self::without_topic(aws, mode)?;
        scene.make_topic()?;
        Ok(scene)
    }

    pub(crate) fn without_topic(aws: LocalAws, mode: &str) -> Result<Self> {
        Self::with_settings(aws, &[("PORTCULLIS_MODE", mode)])
    }

    /// As the function runs with these settings; the topic is named and not made.
    pub(crate) fn with_settings(aws: LocalAws, settings: &[(&str, &str)]) -> Result<Self> {
        let group = Group::create(&aws.ec2(), "shop-web")?;
        let topic = topic(&aws);
        let topic = ("PORTCULLIS_TOPIC_ARN", topic.as_str());
        let all: Vec<_> = settings.iter().copied().chain([topic]).collect();
        let function = start(&aws, &all)?;
        Ok(Self {
            aws,
            group,
            function,
        })
    }

    pub(crate) fn make_topic(&self) -> Result<()> {
        self.aws
            .call("sns", "create_topic", &json!({"Name": "alerts"}))?;
        Ok(self.aws.subscribe(&topic(&self.aws), "sqs", "")?)
    }

    /// Adds rules, one call for each so that each has an id of its own; gives the ids.
    pub(crate) fn open(&self, sources: &[(&str, u16, &str)]) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for (protocol, port, source) in sources {
            let rules = self
                .group
                .authorize(&json!([permission(protocol, *port, source)]))?;
            ids.extend(rules.iter().map(portcullis_e2e::rule_id));
        }
        Ok(ids)
    }

    pub(crate) fn invoke(&self, event: &str) -> Result<Invocation> {
        let event = event_about(&self.group.id, event);
        self.function
            .invoke(&event.to_string(), PATIENCE)
            .context("the function gave no answer")
    }

    /// The outcome of an invocation that must succeed.
    pub(crate) fn outcome(&self, event: &str) -> Result<String> {
        match self.invoke(event)? {
            Invocation::Response(answer) => {
                Ok(answer["outcome"].as_str().unwrap_or_default().to_owned())
            }
            Invocation::Error(error) => bail!("{error}"),
        }
    }

    /// The code of an invocation that must fail.
    pub(crate) fn failure(&self, event: &str) -> Result<String> {
        match self.invoke(event)? {
            Invocation::Error(error) => {
                Ok(error["errorType"].as_str().unwrap_or_default().to_owned())
            }
            Invocation::Response(answer) => bail!("{answer}"),
        }
    }

    pub(crate) fn alerts(&self) -> Result<usize> {
        Ok(self.aws.inbox()?.len())
    }
}

pub(crate) fn topic(aws: &LocalAws) -> String {
    format!("arn:aws:sns:{}:{}:alerts", aws.region(), aws.account())
}

pub(crate) fn start(aws: &LocalAws, settings: &[(&str, &str)]) -> Result<RuntimeApi> {
    let (cloud, ec2, region) = (aws.url(), aws.ec2().url().to_owned(), aws.region());
    let environment = [
        ("AWS_ENDPOINT_URL", cloud.as_str()),
        ("AWS_ENDPOINT_URL_EC2", &ec2),
        ("AWS_REGION", &region),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let all = environment.iter().chain(settings).copied();
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
            permission["UserIdGroupPairs"] = json!([{"GroupId": group}])
        }
        list if list.starts_with("pl-") => {
            permission["PrefixListIds"] = json!([{"PrefixListId": list}])
        }
        v6 if v6.contains(':') => permission["Ipv6Ranges"] = json!([{"CidrIpv6": v6}]),
        v4 => permission["IpRanges"] = json!([{"CidrIp": v4, "Description": "a test's"}]),
    }
    permission
}

pub(crate) fn event_about(group: &str, id: &str) -> Value {
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
