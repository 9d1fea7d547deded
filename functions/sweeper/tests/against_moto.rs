//! Runs the binary under a Lambda Runtime API, with moto as EC2: a sweep finds what the offline
//! audit finds, changes nothing when it only reports, and closes exactly what is forbidden when it
//! remediates.

#![expect(
    clippy::panic_in_result_fn,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{Fault, Group, LocalAws, Options, binary};
use portcullis_testkit::{Invocation, RuntimeApi};
use serde_json::{Value, json};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_mins(1);

struct TestEnvironment {
    aws: LocalAws,
    open: Vec<Group>,
    function: RuntimeApi,
}

fn permission(port: u16, cidr: &str) -> Value {
    json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]})
}

impl TestEnvironment {
    /// Three groups that are open on port 22, two that are not, each with a compliant rule, and the
    /// function with these settings.
    fn new(settings: &[(&str, &str)]) -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        aws.call("sns", "create_topic", &json!({"Name": "alerts"}))?;
        let topic = format!("arn:aws:sns:{}:{}:alerts", aws.region(), aws.account());
        aws.subscribe(&topic, "sqs", "")?;
        let first = Group::create(&aws.ec2(), "shop-0")?;
        let mut groups = vec![first];
        for number in 1..5 {
            groups.push(Group::create_in(
                &aws.ec2(),
                &groups[0].vpc,
                &format!("shop-{number}"),
            )?);
        }
        for (number, group) in groups.iter().enumerate() {
            group.authorize(&json!([permission(443, "0.0.0.0/0")]))?;
            if number < 3 {
                group.authorize(&json!([permission(22, "0.0.0.0/0")]))?;
            }
        }
        groups.truncate(3);
        let (aws_url, ec2_url, region) = (aws.url(), aws.ec2().url().to_owned(), aws.region());
        let variables = [
            ("AWS_ENDPOINT_URL", aws_url.as_str()),
            ("AWS_ENDPOINT_URL_EC2", &ec2_url),
            ("AWS_REGION", &region),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("PORTCULLIS_TOPIC_ARN", &topic),
        ];
        let all = variables.iter().chain(settings).copied();
        let function = RuntimeApi::start(Path::new(env!("CARGO_BIN_EXE_sweeper")), all)?;
        Ok(Self {
            aws,
            open: groups,
            function,
        })
    }

    fn invoke_sweep(&self) -> Result<Invocation> {
        let event = json!({"detail-type": "Scheduled Event", "source": "aws.events"});
        self.function
            .invoke(&event.to_string(), TIMEOUT)
            .context("the function did not respond")
    }

    /// The response of a sweep that must succeed.
    fn sweep_response(&self) -> Result<Value> {
        match self.invoke_sweep()? {
            Invocation::Response(response) => Ok(response),
            Invocation::Error(error) => bail!("{error}"),
        }
    }

    fn alert_subjects(&self) -> Result<Vec<String>> {
        Ok(self
            .aws
            .inbox()?
            .into_iter()
            .map(|message| message.subject)
            .collect())
    }

    fn count_rules(&self) -> Result<usize> {
        self.open.iter().map(|group| Ok(group.rules()?.len())).sum()
    }

    /// The groups and policy rules that the offline audit finds.
    fn audit_findings(&self) -> Result<BTreeSet<(String, String)>> {
        let groups = self
            .aws
            .ec2()
            .call("describe_security_groups", &json!({}))?;
        let directory = TempDir::new()?;
        let input = directory.path().join("groups.json");
        std::fs::write(&input, groups.to_string())?;
        let mut command = Command::new(binary("portcullis")?);
        command
            .args(["audit", "--format", "json", "--input"])
            .arg(&input)
            .stderr(Stdio::inherit());
        let output = command.output()?;
        let audit: Value = serde_json::from_slice(&output.stdout)?;
        let text =
            |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let findings = audit["findings"].as_array().context("no findings")?;
        Ok(findings
            .iter()
            .map(|finding| (text(finding, "group_id"), text(finding, "rule")))
            .collect())
    }
}

/// The groups and policy rules in the response of a sweep.
fn sweep_findings(response: &Value) -> BTreeSet<(String, String)> {
    let groups = response["groups"].as_array().into_iter().flatten();
    let pairs = groups.flat_map(|group| {
        let rules = group["policy_rules"].as_array().into_iter().flatten();
        rules.map(|rule| {
            (
                group["group_id"].as_str().unwrap_or_default().to_owned(),
                rule.as_str().unwrap_or_default().to_owned(),
            )
        })
    });
    pairs.collect()
}

#[test]
fn a_reporting_sweep_finds_what_the_audit_finds_and_changes_nothing() -> Result<()> {
    for settings in [
        &[("PORTCULLIS_MODE", "enforce")][..],
        &[
            ("PORTCULLIS_MODE", "monitor"),
            ("PORTCULLIS_SWEEP_ACTION", "remediate"),
        ],
    ] {
        let environment = TestEnvironment::new(settings)?;
        let response = environment.sweep_response()?;
        assert_eq!(sweep_findings(&response), environment.audit_findings()?);
        assert_eq!(
            (&response["outcome"], &response["action"]),
            (&json!("would-close"), &json!("report")),
            "{response}"
        );
        assert_eq!(response["outcomes"]["would-close"], 3);
        assert_eq!(environment.count_rules()?, 6);
        let subjects = environment.alert_subjects()?;
        ensure!(
            subjects.len() == 1 && subjects[0].starts_with("SWEEP FOUND: 3 groups"),
            "{subjects:?}"
        );
        let calls = environment.aws.ec2().calls()?;
        ensure!(
            calls
                .iter()
                .all(|call| call.action == "DescribeSecurityGroups"),
            "{calls:?}"
        );
    }
    Ok(())
}

#[test]
fn a_remediating_sweep_closes_only_what_is_forbidden() -> Result<()> {
    let environment = TestEnvironment::new(&[
        ("PORTCULLIS_MODE", "enforce"),
        ("PORTCULLIS_SWEEP_ACTION", "remediate"),
    ])?;
    let expected = environment.audit_findings()?;
    let response = environment.sweep_response()?;
    assert_eq!(sweep_findings(&response), expected);
    assert_eq!(
        (&response["outcome"], &response["action"]),
        (&json!("closed"), &json!("remediate")),
        "{response}"
    );
    assert_eq!(
        environment.count_rules()?,
        3,
        "the compliant rules are kept"
    );
    assert_eq!(
        environment.alert_subjects()?.len(),
        4,
        "one alert for each group, and the digest"
    );
    let second = environment.sweep_response()?;
    assert_eq!(
        (&second["outcome"], &second["counts"]["findings"]),
        (&json!("clean"), &json!(0))
    );
    assert_eq!(
        environment.alert_subjects()?.len(),
        4,
        "no findings, no alert"
    );
    Ok(())
}

#[test]
fn a_sweep_does_not_fail_when_subscriptions_cannot_be_counted() -> Result<()> {
    let environment = TestEnvironment::new(&[("PORTCULLIS_SWEEP_ACTION", "remediate")])?;
    environment.sweep_response()?;
    let topic = format!(
        "arn:aws:sns:{}:{}:alerts",
        environment.aws.region(),
        environment.aws.account()
    );
    environment
        .aws
        .call("sns", "delete_topic", &json!({"TopicArn": topic}))?;
    assert_eq!(environment.sweep_response()?["outcome"], "clean");
    Ok(())
}

#[test]
fn an_unreadable_page_fails_the_sweep_and_is_reported() -> Result<()> {
    let environment = TestEnvironment::new(&[])?;
    environment.aws.ec2().fault(
        &Fault::new("DescribeSecurityGroups", "UnauthorizedOperation")
            .status(403)
            .times(9),
    )?;
    let Invocation::Error(error) = environment.invoke_sweep()? else {
        bail!("the sweep succeeded")
    };
    assert_eq!(error["errorType"], "Portcullis.sweep-unfinished");
    ensure!(
        error["errorMessage"]
            .as_str()
            .is_some_and(|text| text.contains("{\"token\":null}")),
        "{error}"
    );
    let subjects = environment.alert_subjects()?;
    ensure!(
        subjects.len() == 1 && subjects[0].starts_with("SWEEP UNFINISHED"),
        "{subjects:?}"
    );
    environment.aws.ec2().reset()?;
    environment.aws.ec2().fault(
        &Fault::new("DescribeSecurityGroups", "RequestLimitExceeded")
            .status(503)
            .times(2),
    )?;
    assert_eq!(
        environment.sweep_response()?["outcome"],
        "would-close",
        "short throttling is retried"
    );
    Ok(())
}
