//! The real sweeper in the real template, with signatures checked and IAM policies evaluated.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::page::{operate, table};
use portcullis_e2e::{Deployment, Group, LocalAws, Options, Stack, binary, wait_until};
use serde_json::{Value, json};

/// How long a sweep may take. A debug build on a busy machine starts slowly.
const LIMIT: Duration = Duration::from_secs(30);

/// The stack and the group after a sweep.
struct SweepResult {
    aws: LocalAws,
    stack: Stack,
    /// The subjects of the messages.
    subjects: Vec<String>,
    /// How many rules the group has.
    rules: usize,
}

/// Deploys the stack, opens a group, starts a sweep and waits for this many messages.
fn run_sweep(mode: &str, action: &str, schedule: &str, wanted: usize) -> Result<SweepResult> {
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
    aws.subscribe(stack.output("AlertTopicArn")?, "sqs", "")?;
    let group = Group::create(&aws.ec2(), "shop-web")?;
    group.authorize(&json!([open_port(22), open_port(443)]))?;
    let function = stack.output("SweeperFunctionName")?;
    aws.call(
        "lambda",
        "invoke",
        &json!({"FunctionName": function, "InvocationType": "Event", "Payload": "{}"}),
    )?;
    let read_subjects = || {
        let subjects: Vec<_> = aws
            .inbox()?
            .into_iter()
            .map(|message| message.subject)
            .collect();
        Ok((subjects.len() >= wanted).then_some(subjects))
    };
    let subjects = wait_until("the digest", LIMIT, read_subjects)
        .map_err(|error| error.context(aws.logs(function).unwrap_or_default().join("\n")))?;
    let rules = group.rules()?.len();
    Ok(SweepResult {
        aws,
        stack,
        subjects,
        rules,
    })
}

/// A permission that opens a TCP port to the world.
fn open_port(port: u16) -> Value {
    json!({
        "IpProtocol": "tcp", "FromPort": port, "ToPort": port,
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    })
}

impl SweepResult {
    /// Waits for a line of the sweeper's log with this message and key.
    fn wait_for_line(&self, message: &str, key: &str) -> Result<Value> {
        let function = self.stack.output("SweeperFunctionName")?;
        wait_until(
            &format!("the log line `{message}` with `{key}`"),
            LIMIT,
            || {
                let lines = self.aws.logs(function)?;
                let mut lines = lines
                    .iter()
                    .filter_map(|line| serde_json::from_str::<Value>(line).ok());
                Ok(lines.find(|line| line["message"] == message && line.get(key).is_some()))
            },
        )
    }
}

#[test]
fn a_sweep_only_reports_unless_mode_and_action_allow_changes() -> Result<()> {
    for (mode, action, schedule) in [
        ("enforce", "report", "rate(1 day)"),
        ("monitor", "remediate", ""),
    ] {
        let SweepResult {
            subjects, rules, ..
        } = run_sweep(mode, action, schedule, 1)?;
        ensure!(
            rules == 2 && matches!(&subjects[..], [one] if one.starts_with("SWEEP FOUND: ")),
            "{rules} {subjects:?}"
        );
    }
    Ok(())
}

#[test]
fn a_sweep_closes_groups_in_enforce_mode() -> Result<()> {
    let SweepResult {
        subjects, rules, ..
    } = run_sweep("enforce", "remediate", "rate(1 day)", 2)?;
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
fn a_sweep_is_in_the_log_and_the_metrics_as_documented() -> Result<()> {
    let (after, page) = (run_sweep("enforce", "report", "", 1)?, operate()?);
    let (whole, rule) = (
        after.wait_for_line("metrics", "Sweep")?,
        after.wait_for_line("metrics", "Rule")?,
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
    let (names, documented) = (
        names.collect::<BTreeSet<_>>(),
        table(&page, "### Metrics of the sweep"),
    );
    ensure!(names == documented, "{names:?} {documented:?}");

    let topic = after.wait_for_line("metrics", "Topic")?;
    ensure!(
        topic["SubscriptionsConfirmed"] == 1 && topic["SubscriptionsPending"] == 0,
        "{topic}"
    );
    let arn = after.stack.output("AlertTopicArn")?;
    ensure!(
        topic["Topic"] == arn.rsplit(':').next().unwrap_or_default(),
        "{topic}"
    );
    for metric in table(&page, "### Metrics of the topic") {
        ensure!(topic[&metric].is_number(), "{metric} {topic}");
    }

    let finished = after.wait_for_line("sweep finished", "report")?;
    let keys: BTreeSet<String> = finished
        .as_object()
        .context("not an object")?
        .keys()
        .cloned()
        .collect();
    let documented = table(&page, "### The sweep line");
    ensure!(keys == documented, "{finished} {documented:?}");
    Ok(())
}
