//! Runs the commands of `docs/deploy.md` with the real SAM CLI, the project's `template.yaml` and
//! `samconfig.toml`, and the local AWS as the account. Only compiling is skipped.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::page::{blocks_below, read_page};
use portcullis_e2e::{Group, Message, Options, Workspace, cloudtrail, wait_until};
use serde_json::{Value, json};

/// How long the function may take. A debug build on a busy machine starts slowly.
const LIMIT: Duration = Duration::from_secs(30);
/// A clone of the project, and the stack that its commands deploy.
struct Deployed(Workspace);

impl Deployed {
    /// Creates a group with SSH open to the world, puts the event on the event bus and waits for
    /// the alert. Returns the alert and how many rules remain.
    fn open(&self, name: &str) -> Result<(Message, usize)> {
        let before = self.alerts()?.len();
        let group = Group::create(&self.0.aws.ec2(), name)?;
        let ssh = json!([{
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        }]);
        let rules = group.authorize(&ssh)?;
        self.0
            .aws
            .put_event(&cloudtrail::authorize(&self.0.aws, &group, &ssh, &rules))?;
        let alert = wait_until("the alert", LIMIT, || {
            Ok(self.alerts()?.into_iter().nth(before))
        })
        .map_err(|error| error.context(self.log().unwrap_or_default()))?;
        ensure!(alert.text.contains(&group.id), "{}", alert.text);
        Ok((alert, group.rules()?.len()))
    }

    /// The messages in the queue. The e-mail address of the page gets other texts.
    fn alerts(&self) -> Result<Vec<Message>> {
        Ok(self
            .0
            .aws
            .inbox()?
            .into_iter()
            .filter(|message| message.protocol == "sqs")
            .collect())
    }

    fn log(&self) -> Result<String> {
        Ok(self
            .0
            .aws
            .logs(&self.0.output("RemediatorFunctionName")?)?
            .join("\n"))
    }

    /// Runs the commands that set links, and checks that an alert in monitor mode has them.
    fn deploy_links(&self) -> Result<()> {
        self.0.run(&commands_below("### Links in the alerts")?)?;
        self.open("shop-links")?;
        let mut emails = self.0.aws.inbox()?;
        emails.retain(|message| message.protocol == "email");
        let email = emails.pop().context("no e-mail")?.text;
        for link in [
            "https://wiki.example.com/portcullis",
            "https://git.example.com/policy",
        ] {
            ensure!(email.contains(link), "{email}");
        }
        Ok(())
    }

    fn log_groups(&self) -> Result<Vec<Value>> {
        let answer = self.0.aws.call("logs", "describe_log_groups", &json!({}))?;
        Ok(answer["logGroups"]
            .as_array()
            .context("no log groups")?
            .iter()
            .map(|group| group["arn"].clone())
            .collect())
    }

    fn sweep(&self) -> Result<Value> {
        let args = json!({"FunctionName": self.0.output("SweeperFunctionName")?, "Payload": "{}"});
        Ok(self.0.aws.call("lambda", "invoke", &args)?)
    }
}

/// The first block of commands below a heading of the page.
fn commands_below(heading: &str) -> Result<String> {
    let blocks = blocks_below(&read_page("deploy.md")?, heading, "sh");
    blocks
        .into_iter()
        .next()
        .with_context(|| format!("no commands below {heading}"))
}

/// A policy with this name and at least this size that forbids what is opened here.
fn policy_of_size(name: &str, size: usize) -> String {
    let comment = "# Comments count, too.\n".repeat(size.div_ceil(20));
    format!("version: 1\nname: {name}\n{POLICY}{comment}")
}

const POLICY: &str = "\
mode: enforce
rules:
  - id: ssh
    forbids: SSH open to the world
    check: open-ports
    ports: [22]
    severity: high
    action: revoke
";

#[test]
fn the_commands_of_the_page_deploy_change_and_remove_portcullis() -> Result<()> {
    let workspace = Workspace::new(&Options::default())?;
    let deployed = Deployed(workspace);
    let workspace = &deployed.0;
    workspace.run("sam build\nsam deploy\n")?;
    workspace
        .aws
        .subscribe(&workspace.output("AlertTopicArn")?, "sqs", "")?;
    let (alert, left) = deployed.open("shop-web")?;
    assert_eq!((alert.attributes["outcome"].as_str(), left), ("closed", 0));

    workspace.run(&commands_below("## One account")?)?;
    let (alert, left) = deployed.open("shop-api")?;
    assert_eq!(
        (alert.attributes["outcome"].as_str(), left),
        ("would-close", 1)
    );

    deployed.deploy_links()?;
    for (heading, name, size) in [
        ("### Your own policy", "shop-jobs", 1),
        ("#### A Lambda layer", "shop-mail", 8193),
        ("#### A file in the package", "shop-cron", 8193),
    ] {
        fs::write(
            workspace.project.join("policy.yaml"),
            policy_of_size(name, size),
        )?;
        workspace.run(&commands_below(heading)?)?;
        let (alert, left) = deployed.open(name)?;
        assert_eq!(
            (&alert.json()?["policy"]["name"], left),
            (&json!(name), 0),
            "{heading}"
        );
        let sweep = deployed.sweep()?;
        assert!(
            sweep.get("FunctionError").is_none(),
            "the sweeper failed: {heading} {sweep}"
        );
    }

    let before = deployed.log_groups()?;
    workspace.run(&commands_below("## Removing it")?)?;
    assert!(workspace.stack().is_err(), "the stack is still there");
    assert_eq!(
        (deployed.log_groups()?, before.len()),
        (before, 2),
        "the log groups must stay"
    );
    Ok(())
}
