//! `cargo demo`: the real template and the real function on a local AWS, from the opened group to the message.

mod check;
mod progress;
mod show;
mod slack;
mod story;

use std::fs;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::{
    Deployment, LocalAws, Message, Options, PythonEnv, Requirements, Stack, fresh_binary,
    target_directory, wait_until, workspace_root,
};
use serde_json::{Value, json};

use progress::{announce, step};
use story::Story;

pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

const EMAIL: &str = "oncall@example.com";
/// How long the function may take. A debug build on a busy machine is slow to start.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a second alert is waited for that must not come.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build the function as it is deployed to AWS: smaller, faster, and minutes to compile
    #[arg(long)]
    release: bool,
    /// Leave everything running at the end, with hints how to try things
    #[arg(long)]
    keep: bool,
    /// Deploy this executable instead of the project's function
    #[arg(long, value_name = "FILE")]
    bootstrap: Option<PathBuf>,
}

/// Tells the story, and fails unless it ended well.
pub(crate) fn run(args: &Args) -> Result<()> {
    show::header();
    let bootstrap = bootstrap(args)?;
    PythonEnv::install(Requirements::LocalAws)?;
    let aws = step(
        "Starting EC2 (moto) and the rest of AWS (ministack)",
        || LocalAws::start(&Options::default()),
    )?;
    let stack = step("Deploying template.yaml through CloudFormation", || {
        deploy(&aws, &bootstrap)
    })?;
    let story = step("Making a VPC and a group with rules nobody minds", || {
        Story::begin(&aws)
    })?;
    let ending = step(
        "Opening the group to the internet; EventBridge, Lambda, EC2 and SNS do the rest",
        || play(&aws, story),
    )?;
    let files = save(&ending)?;
    show::everything(&ending, &stack, &files);
    let problems = check::problems(&ending);
    show::verdict(&ending, &problems);
    if !problems.is_empty() {
        show::evidence(&aws, stack.output("FunctionName")?);
    }
    if args.keep {
        keep(&aws, &ending)?;
    }
    ensure!(problems.is_empty(), "the story did not end well");
    Ok(())
}

fn bootstrap(args: &Args) -> Result<PathBuf> {
    if let Some(path) = &args.bootstrap {
        return path
            .canonicalize()
            .with_context(|| format!("cannot find {}", path.display()));
    }
    announce(if args.release {
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
    aws.subscribe(stack.output("TopicArn")?, "sqs", "")?;
    Ok(stack)
}

/// How it came out.
#[derive(Debug)]
struct Ending {
    story: Story,
    /// The record that was put on the event bus.
    record: Value,
    after: Vec<Value>,
    alerts: Vec<Message>,
    /// From the event to the last removal.
    closed_in: Option<Duration>,
    /// From the event to the e-mail.
    told_in: Option<Duration>,
    /// What the function asked of EC2, in order.
    calls: Vec<String>,
}

fn play(aws: &LocalAws, mut story: Story) -> Result<Ending> {
    let record = story.open(aws)?;
    let fired = std::time::SystemTime::now();
    aws.put_event(&record)?;
    // What does not happen in time is found by the check of the ending.
    wait_until(
        "the group to be closed and everybody to be told",
        LIMIT,
        || {
            let told = story.is_closed()? && everybody_is_told(&aws.inbox()?);
            Ok(told.then_some(()))
        },
    )
    .ok();
    std::thread::sleep(SETTLE);
    let alerts = aws.inbox()?;
    let calls = aws.ec2().calls()?;
    let since = |then: std::time::SystemTime| then.duration_since(fired).ok();
    let revoked = calls
        .iter()
        .rfind(|call| call.action == "RevokeSecurityGroupIngress" && call.status == 200);
    let mailed = alerts.iter().find(|message| message.protocol == "email");
    Ok(Ending {
        closed_in: revoked.and_then(|call| since(call.ended)),
        told_in: mailed.and_then(|message| since(message.received)),
        calls: calls.iter().map(|call| call.action.clone()).collect(),
        after: story.rules()?,
        alerts,
        record,
        story,
    })
}

fn everybody_is_told(inbox: &[Message]) -> bool {
    ["email", "https", "sqs"]
        .iter()
        .all(|protocol| inbox.iter().any(|message| message.protocol == *protocol))
}

/// Puts everything raw into files and returns them.
fn save(ending: &Ending) -> Result<Vec<PathBuf>> {
    let directory = target_directory()?.join("demo");
    fs::create_dir_all(&directory)?;
    let mut files = vec![("event.json".to_owned(), format!("{:#}", ending.record))];
    for alert in &ending.alerts {
        let (name, text) = match alert.json() {
            Ok(json) => (
                format!("alert-{}.json", alert.protocol),
                format!("{json:#}"),
            ),
            Err(_) => (format!("alert-{}.txt", alert.protocol), alert.text.clone()),
        };
        files.push((name, text));
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

/// Waits until the user has had enough.
fn keep(aws: &LocalAws, ending: &Ending) -> Result<()> {
    let entries = json!([{
        "Source": "aws.ec2", "DetailType": "AWS API Call via CloudTrail", "Detail": ending.record.to_string(),
    }]);
    let file = aws.directory().join("entries.json");
    fs::write(&file, format!("{entries:#}"))?;
    show::hints(aws, &ending.story.group.id, &file);
    if std::io::stdin().is_terminal() {
        let _ = std::io::stdin().read(&mut [0])?;
    } else {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}
