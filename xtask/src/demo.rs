//! `cargo demo`: the real template and the real function on a local AWS, from the opened group to
//! the alert.

mod check;
mod outcome;
mod progress;
mod scenario;
mod screenshot;
mod show;
mod slack;
mod style;

use std::fs;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::{
    Deployment, LocalAws, Message, Options, PythonEnv, Requirements, Stack, fresh_binary,
    target_directory, wait_until, workspace_root,
};
use serde_json::json;

use outcome::DemoOutcome;
use progress::{announce_step, run_step};
use scenario::Scenario;

pub(crate) use style::RED;

const EMAIL: &str = "oncall@example.com";
/// How long the function may take. A debug build on a busy machine starts slowly.
const LIMIT: Duration = Duration::from_secs(20);
/// How long to wait for a second alert, which must not come.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build the function as it is deployed to AWS: smaller and faster, but minutes to compile
    #[arg(long)]
    release: bool,
    /// Keep everything running at the end, and print commands to try
    #[arg(long)]
    keep: bool,
    /// Deploy this executable instead of the project's function
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,
    /// Also draw a part of the output into this file: the picture of the README
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Runs the demo and prints what happened.
///
/// # Errors
/// When a step failed, or when the group or the alerts are not as expected at the end.
pub(crate) fn run(args: &Args) -> Result<()> {
    show::print_header();
    let bootstrap = bootstrap(args)?;
    PythonEnv::install(Requirements::LocalAws)?;
    let aws = run_step(
        "Starting EC2 (moto) and the other AWS services (ministack)",
        || LocalAws::start(&Options::default()),
    )?;
    let stack = run_step("Deploying template.yaml with CloudFormation", || {
        deploy(&aws, &bootstrap)
    })?;
    let scenario = run_step(
        "Creating a VPC and a security group with allowed rules",
        || Scenario::create(&aws),
    )?;
    let outcome = run_step(
        "Opening the group to the internet; EventBridge, Lambda, EC2 and SNS do the rest",
        || open_group(&aws, scenario),
    )?;
    let files = save(&outcome)?;
    show::print_outcome(&outcome, &stack, &files);
    let problems = check::find_problems(&outcome);
    show::print_verdict(&outcome, &problems);
    if let Some(path) = &args.svg {
        let svg = screenshot::draw_svg("The output of cargo demo", &show::screenshot(&outcome));
        fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if !problems.is_empty() {
        show::print_logs(&aws, stack.output("RemediatorFunctionName")?);
    }
    if args.keep {
        keep_running(&aws, &outcome)?;
    }
    ensure!(problems.is_empty(), "the demo did not end as expected");
    Ok(())
}

fn bootstrap(args: &Args) -> Result<PathBuf> {
    if let Some(path) = &args.bootstrap {
        return path
            .canonicalize()
            .with_context(|| format!("cannot find {}", path.display()));
    }
    announce_step(if args.release {
        "Building the function (release)"
    } else {
        "Building the function (dev)"
    })?;
    fresh_binary("remediator", args.release)
}

fn deploy(aws: &LocalAws, bootstrap: &Path) -> Result<Stack> {
    let deployment = Deployment::new(&workspace_root().join("template.yaml"), bootstrap)
        .parameter("Mode", "enforce")
        .parameter("AlertEmail", EMAIL)
        .parameter("SlackWorkspaceId", "T0PORTCULLIS")
        .parameter("SlackChannelId", "C0SECURITY");
    let stack = aws.deploy(&deployment)?;
    aws.subscribe(stack.output("AlertTopicArn")?, "sqs", "")?;
    Ok(stack)
}

/// Opens the group, puts the event on the event bus and waits for the result.
fn open_group(aws: &LocalAws, mut scenario: Scenario) -> Result<DemoOutcome> {
    let record = scenario.open(aws)?;
    let start = SystemTime::now();
    aws.put_event(&record)?;
    // If this takes too long, the check at the end says what is missing.
    wait_until(
        "the group to be closed and all alerts to arrive",
        LIMIT,
        || {
            let is_done = scenario.is_closed()? && has_all_alerts(&aws.inbox()?);
            Ok(is_done.then_some(()))
        },
    )
    .ok();
    thread::sleep(SETTLE);
    let alerts = aws.inbox()?;
    let calls = aws.ec2().calls()?;
    let last_revoke = calls
        .iter()
        .rfind(|call| call.action == "RevokeSecurityGroupIngress" && call.status == 200);
    let email = alerts.iter().find(|alert| alert.protocol == "email");
    let time_since_start = |time: SystemTime| time.duration_since(start).ok();
    Ok(DemoOutcome {
        time_to_close: last_revoke.and_then(|call| time_since_start(call.ended)),
        time_to_email: email.and_then(|alert| time_since_start(alert.received)),
        ec2_actions: calls.iter().map(|call| call.action.clone()).collect(),
        rules: scenario.rules()?,
        alerts,
        record,
        scenario,
    })
}

fn has_all_alerts(inbox: &[Message]) -> bool {
    let mut protocols = ["email", "https", "sqs"].iter();
    protocols.all(|protocol| inbox.iter().any(|message| message.protocol == *protocol))
}

/// Writes the event and the alerts to files and returns their paths.
fn save(outcome: &DemoOutcome) -> Result<Vec<PathBuf>> {
    let directory = target_directory()?.join("demo");
    fs::create_dir_all(&directory)?;
    let mut files = vec![("event.json".to_owned(), format!("{:#}", outcome.record))];
    for alert in &outcome.alerts {
        let protocol = &alert.protocol;
        files.push(match alert.json() {
            Ok(json) => (format!("alert-{protocol}.json"), format!("{json:#}")),
            Err(_) => (format!("alert-{protocol}.txt"), alert.text.clone()),
        });
    }
    let mut written = Vec::new();
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Keeps the local AWS running until the user presses Enter or Ctrl-C.
fn keep_running(aws: &LocalAws, outcome: &DemoOutcome) -> Result<()> {
    let entries = json!([{
        "Source": "aws.ec2",
        "DetailType": "AWS API Call via CloudTrail",
        "Detail": outcome.record.to_string(),
    }]);
    let file = aws.directory().join("entries.json");
    fs::write(&file, format!("{entries:#}"))?;
    show::print_hints(aws, &outcome.scenario.group.id, &file);
    if std::io::stdin().is_terminal() {
        let _ = std::io::stdin().read(&mut [0])?;
    } else {
        loop {
            thread::park();
        }
    }
    Ok(())
}
