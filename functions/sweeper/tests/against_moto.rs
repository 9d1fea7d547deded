//! The real binary under a Lambda Runtime API, with moto as its EC2: it finds what the offline audit finds, changes
//! nothing unless it shall, and closes exactly what is forbidden when it shall.

#![expect(
    clippy::panic_in_result_fn,
    clippy::indexing_slicing,
    reason = "a test may fail loudly, and so may what helps it"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{Fault, Group, LocalAws, Options, binary};
use portcullis_testkit::{Invocation, RuntimeApi};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

struct Scene {
    aws: LocalAws,
    open: Vec<Group>,
    function: RuntimeApi,
}

fn permission(port: u16, cidr: &str) -> Value {
    json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]})
}

impl Scene {
    /// Three groups with a hole each and an innocent rule, two without, and the function with these settings.
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
        let (cloud, ec2, region) = (aws.url(), aws.ec2().url().to_owned(), aws.region());
        let environment = [
            ("AWS_ENDPOINT_URL", cloud.as_str()),
            ("AWS_ENDPOINT_URL_EC2", &ec2),
            ("AWS_REGION", &region),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("PORTCULLIS_TOPIC_ARN", &topic),
        ];
        let all = environment.iter().chain(settings).copied();
        let function = RuntimeApi::start(Path::new(env!("CARGO_BIN_EXE_sweeper")), all)?;
        Ok(Self {
            aws,
            open: groups,
            function,
        })
    }

    fn sweep(&self) -> Result<Invocation> {
        let event = json!({"detail-type": "Scheduled Event", "source": "aws.events"});
        self.function
            .invoke(&event.to_string(), PATIENCE)
            .context("the function gave no answer")
    }

    fn answer(&self) -> Result<Value> {
        match self.sweep()? {
            Invocation::Response(answer) => Ok(answer),
            Invocation::Error(error) => bail!("{error}"),
        }
    }

    fn subjects(&self) -> Result<Vec<String>> {
        Ok(self
            .aws
            .inbox()?
            .into_iter()
            .map(|message| message.subject)
            .collect())
    }

    fn rules(&self) -> Result<usize> {
        self.open.iter().map(|group| Ok(group.rules()?.len())).sum()
    }

    /// Group and rule of the policy, as the offline audit finds them in what EC2 describes.
    fn audit(&self) -> Result<BTreeSet<(String, String)>> {
        let groups = self
            .aws
            .ec2()
            .call("describe_security_groups", &json!({}))?;
        let directory =
            std::env::temp_dir().join(format!("portcullis-sweep-{}.json", std::process::id()));
        std::fs::write(&directory, groups.to_string())?;
        let mut command = Command::new(binary("portcullis")?);
        command
            .args(["audit", "--format", "json", "--input"])
            .arg(&directory)
            .stderr(Stdio::inherit());
        let output = command.output()?;
        std::fs::remove_file(&directory)?;
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

/// The same of a sweep.
fn found(answer: &Value) -> BTreeSet<(String, String)> {
    let groups = answer["groups"].as_array().into_iter().flatten();
    let pairs = groups.flat_map(|group| {
        let rules = group["rules"].as_array().into_iter().flatten();
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
fn a_report_finds_what_the_audit_finds_and_changes_nothing() -> Result<()> {
    for settings in [
        &[("PORTCULLIS_MODE", "enforce")][..],
        &[
            ("PORTCULLIS_MODE", "monitor"),
            ("PORTCULLIS_SWEEP", "remediate"),
        ],
    ] {
        let scene = Scene::new(settings)?;
        let answer = scene.answer()?;
        assert_eq!(found(&answer), scene.audit()?);
        assert_eq!(
            (&answer["outcome"], &answer["action"]),
            (&json!("would-close"), &json!("report")),
            "{answer}"
        );
        assert_eq!(answer["outcomes"]["would-close"], 3);
        assert_eq!(scene.rules()?, 6);
        let subjects = scene.subjects()?;
        ensure!(
            subjects.len() == 1 && subjects[0].starts_with("SWEEP FOUND: 3 groups"),
            "{subjects:?}"
        );
        let calls = scene.aws.ec2().calls()?;
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
fn a_remediating_sweep_closes_what_is_forbidden_and_nothing_else() -> Result<()> {
    let scene = Scene::new(&[
        ("PORTCULLIS_MODE", "enforce"),
        ("PORTCULLIS_SWEEP", "remediate"),
    ])?;
    let expected = scene.audit()?;
    let answer = scene.answer()?;
    assert_eq!(found(&answer), expected);
    assert_eq!(
        (&answer["outcome"], &answer["action"]),
        (&json!("closed"), &json!("remediate")),
        "{answer}"
    );
    assert_eq!(scene.rules()?, 3, "the innocent rules stay");
    assert_eq!(
        scene.subjects()?.len(),
        4,
        "one for each group, and the digest"
    );
    let again = scene.answer()?;
    assert_eq!(
        (&again["outcome"], &again["counts"]["findings"]),
        (&json!("clean"), &json!(0))
    );
    assert_eq!(scene.subjects()?.len(), 4, "nothing found, nothing told");
    Ok(())
}

#[test]
fn a_page_that_fails_fails_the_sweep_and_is_told() -> Result<()> {
    let scene = Scene::new(&[])?;
    scene.aws.ec2().fault(
        &Fault::new("DescribeSecurityGroups", "UnauthorizedOperation")
            .status(403)
            .times(9),
    )?;
    let Invocation::Error(error) = scene.sweep()? else {
        bail!("a success")
    };
    assert_eq!(error["errorType"], "Portcullis.sweep-unfinished");
    ensure!(
        error["errorMessage"]
            .as_str()
            .is_some_and(|text| text.contains("{\"token\":null}")),
        "{error}"
    );
    let subjects = scene.subjects()?;
    ensure!(
        subjects.len() == 1 && subjects[0].starts_with("SWEEP UNFINISHED"),
        "{subjects:?}"
    );
    scene.aws.ec2().reset()?;
    scene.aws.ec2().fault(
        &Fault::new("DescribeSecurityGroups", "RequestLimitExceeded")
            .status(503)
            .times(2),
    )?;
    assert_eq!(
        scene.answer()?["outcome"],
        "would-close",
        "what is throttled for a moment is done all the same"
    );
    Ok(())
}
