//! The real sweeper in the real template: what its role lets it do, with signatures and IAM evaluated.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::page::{operate, table};
use portcullis_e2e::{Deployment, Group, LocalAws, Options, Stack, binary, wait_until};
use serde_json::{Value, json};

/// How long a sweep may take. A debug build on a busy machine is slow to start.
const SOON: Duration = Duration::from_secs(30);

/// What a sweep left behind.
struct After {
    aws: LocalAws,
    stack: Stack,
    /// Of what was told.
    subjects: Vec<String>,
    /// How many rules the group still has.
    rules: usize,
}

/// Deploys, opens a group and sweeps, until so many were told.
fn sweep(mode: &str, action: &str, schedule: &str, wanted: usize) -> Result<After> {
    let aws = LocalAws::start(&Options {
        auth: true,
        ..Options::default()
    })?;
    let deployment = Deployment::of_this_project(&binary("remediator")?)
        .bootstrap("sweeper", &binary("sweeper")?)
        .parameter("Mode", mode)
        .parameter("SweepAction", action)
        .parameter("SweepSchedule", schedule);
    let stack = aws.deploy(&deployment)?;
    aws.subscribe(stack.output("TopicArn")?, "sqs", "")?;
    let group = Group::create(&aws.ec2(), "shop-web")?;
    let tcp = |port: u16| json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]});
    group.authorize(&json!([tcp(22), tcp(443)]))?;
    let function = stack.output("SweeperFunctionName")?;
    aws.call(
        "lambda",
        "invoke",
        &json!({"FunctionName": function, "InvocationType": "Event", "Payload": "{}"}),
    )?;
    let told = || {
        let subjects: Vec<_> = aws
            .inbox()?
            .into_iter()
            .map(|message| message.subject)
            .collect();
        Ok((subjects.len() >= wanted).then_some(subjects))
    };
    let log =
        |error: anyhow::Error| error.context(aws.logs(function).unwrap_or_default().join("\n"));
    let subjects = wait_until("the digest", SOON, told).map_err(log)?;
    let rules = group.rules()?.len();
    Ok(After {
        aws,
        stack,
        subjects,
        rules,
    })
}

impl After {
    /// Waits for a line of the sweeper's log with this message and key.
    fn line(&self, message: &str, key: &str) -> Result<Value> {
        let function = self.stack.output("SweeperFunctionName")?;
        wait_until(&format!("the line {message} with {key}"), SOON, || {
            let lines = self.aws.logs(function)?;
            let mut lines = lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            Ok(lines.find(|line| line["message"] == message && line.get(key).is_some()))
        })
    }
}

#[test]
fn a_sweep_of_the_deployed_stack_reports_until_it_is_told_to_remediate() -> Result<()> {
    for (mode, action, schedule) in [
        ("enforce", "report", "rate(1 day)"),
        ("monitor", "remediate", ""),
    ] {
        let After {
            subjects, rules, ..
        } = sweep(mode, action, schedule, 1)?;
        ensure!(
            rules == 2 && matches!(&subjects[..], [one] if one.starts_with("SWEEP FOUND: ")),
            "{rules} {subjects:?}"
        );
    }
    Ok(())
}

#[test]
fn a_sweep_that_may_remediate_can() -> Result<()> {
    let After {
        subjects, rules, ..
    } = sweep("enforce", "remediate", "rate(1 day)", 2)?;
    ensure!(rules == 1, "{rules} rules, {subjects:?}");
    ensure!(
        subjects
            .iter()
            .any(|subject| subject.starts_with("SWEEP CLOSED: ")),
        "{subjects:?}"
    );
    Ok(())
}

#[test]
fn a_sweep_is_in_the_log_and_in_the_metrics_as_the_page_says() -> Result<()> {
    let (after, page) = (sweep("enforce", "report", "", 1)?, operate()?);
    let (whole, rule) = (
        after.line("metrics", "Sweep")?,
        after.line("metrics", "Rule")?,
    );
    ensure!(
        whole["Sweep"] == "report"
            && whole["SweepGroupsOpen"] == 1
            && whole["SweepUnfinished"] == 0,
        "{whole}"
    );
    ensure!(
        rule["Rule"] == "restricted-common-ports" && rule["SweepFindings"] == 1,
        "{rule}"
    );
    let metrics = whole
        .pointer("/_aws/CloudWatchMetrics/0/Metrics")
        .and_then(Value::as_array)
        .context("no metrics")?;
    let names = metrics
        .iter()
        .filter_map(|metric| Some(metric["Name"].as_str()?.to_owned()));
    let (names, promised) = (
        names.collect::<BTreeSet<_>>(),
        table(&page, "### Metrics of the sweep"),
    );
    ensure!(names == promised, "{names:?} {promised:?}");

    let swept = after.line("swept", "report")?;
    let keys: BTreeSet<String> = swept
        .as_object()
        .context("not an object")?
        .keys()
        .cloned()
        .collect();
    let promised = table(&page, "### The sweep line");
    ensure!(keys == promised, "{swept} {promised:?}");
    Ok(())
}
