//! The real sweeper in the real template: what its role lets it do, with signatures and IAM evaluated.

use std::time::Duration;

use anyhow::{Result, ensure};
use portcullis_e2e::{Deployment, Group, LocalAws, Options, binary, wait_until};
use serde_json::json;

/// How long a sweep may take. A debug build on a busy machine is slow to start.
const SOON: Duration = Duration::from_secs(30);

/// Deploys, opens a group, sweeps; gives the subjects of what was told and how many rules are left.
fn sweep(mode: &str, action: &str, schedule: &str, wanted: usize) -> Result<(Vec<String>, usize)> {
    let aws = LocalAws::start(&Options { auth: true, ..Options::default() })?;
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
    aws.call("lambda", "invoke", &json!({"FunctionName": function, "InvocationType": "Event", "Payload": "{}"}))?;
    let told = || {
        let subjects: Vec<_> = aws.inbox()?.into_iter().map(|message| message.subject).collect();
        Ok((subjects.len() >= wanted).then_some(subjects))
    };
    let log = |error: anyhow::Error| error.context(aws.logs(function).unwrap_or_default().join("\n"));
    let subjects = wait_until("the digest", SOON, told).map_err(log)?;
    Ok((subjects, group.rules()?.len()))
}

#[test]
fn a_sweep_of_the_deployed_stack_reports_until_it_is_told_to_remediate() -> Result<()> {
    for (mode, action, schedule) in [("enforce", "report", "rate(1 day)"), ("monitor", "remediate", "")] {
        let (subjects, rules) = sweep(mode, action, schedule, 1)?;
        ensure!(
            rules == 2 && matches!(&subjects[..], [one] if one.starts_with("SWEEP FOUND: ")),
            "{rules} {subjects:?}"
        );
    }
    Ok(())
}

#[test]
fn a_sweep_that_may_remediate_can() -> Result<()> {
    let (subjects, rules) = sweep("enforce", "remediate", "rate(1 day)", 2)?;
    ensure!(rules == 1, "{rules} rules, {subjects:?}");
    ensure!(subjects.iter().any(|subject| subject.starts_with("SWEEP CLOSED: ")), "{subjects:?}");
    Ok(())
}
