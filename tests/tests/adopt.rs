//! Runs the commands of `docs/adopt.md` in order, with the local AWS as an account that is in use:
//! what is open with good reason stays open, and a new opening is closed and restored.

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
/// The group in the examples of the page.
const EXAMPLE_GROUP: &str = "sg-0123456789abcdef0";

/// An account with two groups that are in use, and the page.
struct Account {
    workspace: Workspace,
    page: String,
    shop: Group,
    bastion: Group,
}

impl Account {
    fn new() -> Result<Self> {
        let workspace = Workspace::new(&Options::default())?;
        let ec2 = workspace.aws.ec2();
        let shop = Group::create(&ec2, "shop-web")?;
        let bastion = Group::create(&ec2, "bastion")?;
        let tags = json!({"Resources": [shop.id], "Tags": [{"Key": "team", "Value": "shop"}]});
        ec2.call("create_tags", &tags)?;
        shop.authorize(&json!([open_to_world(443), open_to_world(8443)]))?;
        bastion.authorize(&json!([open_to_world(22)]))?;
        let account = Self {
            workspace,
            page: read_page("adopt.md")?,
            shop,
            bastion,
        };
        account.record_events()?;
        Ok(account)
    }

    /// Stores CloudTrail's record of an opening of the shop in the bucket of the page.
    fn record_events(&self) -> Result<()> {
        let aws = &self.workspace.aws;
        let permissions = json!([open_to_world(8443)]);
        let rules = self.shop.rules()?;
        let record = cloudtrail::authorize(aws, &self.shop, &permissions, &rules);
        let bucket = json!({
            "Bucket": "my-trail",
            "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"},
        });
        aws.call("s3", "create_bucket", &bucket)?;
        let object = json!({
            "Bucket": "my-trail",
            "Key": "AWSLogs/111122223333/CloudTrail/eu-central-1/2026/11/25/log.json",
            "Body": json!({"Records": [record]}).to_string(),
        });
        aws.call("s3", "put_object", &object)?;
        Ok(())
    }

    /// Runs all commands of a step, of which the last one ends with this exit code.
    fn run_step(&self, heading: &str, code: i32) -> Result<String> {
        let blocks = blocks_below(&self.page, heading, "sh");
        ensure!(!blocks.is_empty(), "no commands below {heading}");
        self.workspace.run_until(&blocks.concat(), code)
    }

    /// Replaces what a reviewer has to replace in the draft.
    fn review_draft(&self) -> Result<()> {
        let path = self.workspace.project.join("policy.yaml");
        let draft = fs::read_to_string(&path)?;
        let nobody = format!("\"to be named (account {})\"", self.workspace.aws.account());
        ensure!(draft.contains(&nobody), "{draft}");
        ensure!(draft.contains("owner: shop\n"), "{draft}");
        let reviewed = draft.replace(&nobody, "platform@example.com");
        Ok(fs::write(path, reviewed)?)
    }

    /// Writes the tests of the page, for the shop.
    fn write_policy_tests(&self, heading: &str) -> Result<()> {
        let blocks = blocks_below(&self.page, heading, "yaml");
        let tests = blocks.first().context("no tests")?;
        ensure!(tests.contains(EXAMPLE_GROUP), "{tests}");
        let tests = tests.replace(EXAMPLE_GROUP, &self.shop.id);
        Ok(fs::write(
            self.workspace.project.join("policy.test.yaml"),
            tests,
        )?)
    }

    /// Puts CloudTrail's event of the newest rules of a group on the event bus, and waits for the
    /// alert to the queue.
    fn wait_for_alert(
        &self,
        group: &Group,
        permissions: &Value,
        rules: &[Value],
    ) -> Result<Message> {
        let aws = &self.workspace.aws;
        let before = self.alerts("sqs")?.len();
        aws.put_event(&cloudtrail::authorize(aws, group, permissions, rules))?;
        let alert = wait_until("the alert", LIMIT, || {
            Ok(self.alerts("sqs")?.into_iter().nth(before))
        })
        .map_err(|error| error.context(self.log().unwrap_or_default()))?;
        ensure!(alert.text.contains(&group.id), "{}", alert.text);
        Ok(alert)
    }

    fn open(&self, group: &Group, port: u16) -> Result<Message> {
        let permissions = json!([open_to_world(port)]);
        let rules = group.authorize(&permissions)?;
        self.wait_for_alert(group, &permissions, &rules)
    }

    fn alerts(&self, protocol: &str) -> Result<Vec<Message>> {
        let inbox = self.workspace.aws.inbox()?;
        let messages = inbox.into_iter();
        Ok(messages
            .filter(|message| message.protocol == protocol)
            .collect())
    }

    fn log(&self) -> Result<String> {
        let function = self.workspace.output("RemediatorFunctionName")?;
        Ok(self.workspace.aws.logs(&function)?.join("\n"))
    }
}

fn open_to_world(port: u16) -> Value {
    json!({
        "IpProtocol": "tcp", "FromPort": port, "ToPort": port,
        "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "partners"}],
    })
}

fn open_ports(group: &Group) -> Result<Vec<u64>> {
    let rules = group.rules()?;
    let mut ports: Vec<_> = rules
        .iter()
        .filter_map(|rule| rule["FromPort"].as_u64())
        .collect();
    ports.sort_unstable();
    Ok(ports)
}

fn outcome(alert: &Message) -> &str {
    alert.attributes["outcome"].as_str()
}

/// The first command of an alert that adds a rule.
fn undo_command(email: &str) -> Result<String> {
    let lines = email.lines().map(str::trim);
    let mut command = String::new();
    for line in lines.skip_while(|line| !line.starts_with("aws ec2 authorize-")) {
        command.push_str(line);
        command.push('\n');
        if !line.ends_with('\\') {
            return Ok(command);
        }
    }
    Err(anyhow::anyhow!("no command in {email}"))
}

#[test]
fn the_commands_of_the_page_lead_from_an_audit_to_enforcement_and_back() -> Result<()> {
    let account = Account::new()?;
    let workspace = &account.workspace;

    let audit = account.run_step("## 1. See what is open", 1)?;
    assert!(audit.contains("2 enforced"), "{audit}");
    assert!(audit.contains("open and allowed: tcp 443 x1"), "{audit}");

    let drafted = account.run_step("## 2. Draft exceptions", 0)?;
    assert!(drafted.contains("no findings; 2 exempt"), "{drafted}");

    account.review_draft()?;
    let check = account.run_step("## 3. Review the draft", 0)?;
    assert!(check.contains("2 exceptions; 0 warnings"), "{check}");

    let heading = "## 4. Write down what must stay open";
    account.write_policy_tests(heading)?;
    let tests = account.run_step(heading, 0)?;
    assert!(tests.contains("2 cases passed"), "{tests}");

    let replay = account.run_step("## 5. Replay recorded events", 0)?;
    assert!(replay.contains("Read 1 event from 1 file"), "{replay}");
    assert!(replay.contains("1 plan: 0 removals"), "{replay}");

    account.run_step("## 6. Deploy in monitor mode", 0)?;
    let topic = workspace.output("AlertTopicArn")?;
    workspace.aws.subscribe(&topic, "sqs", "")?;
    let test_group = Group::find(&workspace.aws.ec2(), "portcullis-test")?;
    let ssh = json!([open_to_world(22)]);
    let alert = account.wait_for_alert(&test_group, &ssh, &test_group.rules()?)?;
    assert_eq!(outcome(&alert), "would-close");
    assert!(alert.subject.starts_with("WOULD CLOSE"));
    assert_eq!(open_ports(&test_group)?, [22]);

    account.run_step("## 7. Enforce", 0)?;
    let alert = account.open(&test_group, 3389)?;
    assert_eq!(
        (outcome(&alert), open_ports(&test_group)?),
        ("closed", vec![])
    );
    let alert = account.open(&account.shop, 3389)?;
    assert_eq!(outcome(&alert), "closed");
    assert!(alert.subject.contains("CLOSED"), "{}", alert.subject);
    // What was open before stays open in a group that is closed, and in one that only changes.
    assert_eq!(open_ports(&account.shop)?, [443, 8443]);
    account.open(&account.bastion, 5432)?;
    assert_eq!(open_ports(&account.bastion)?, [22]);

    account.run_step("## 8. Go back, and restore", 0)?;
    let emails = account.alerts("email")?;
    let email = emails
        .iter()
        .find(|email| email.text.contains(&account.shop.id))
        .context("no e-mail about the shop")?;
    workspace.run(&undo_command(&email.text)?)?;
    assert_eq!(open_ports(&account.shop)?, [443, 3389, 8443]);
    let rdp = json!([open_to_world(3389)]);
    let alert = account.wait_for_alert(&account.shop, &rdp, &account.shop.rules()?)?;
    assert_eq!(outcome(&alert), "would-close");
    assert_eq!(open_ports(&account.shop)?, [443, 3389, 8443]);
    Ok(())
}

/// Every block of commands is below one of the headings that the test runs.
#[test]
fn every_step_of_the_page_is_run() -> Result<()> {
    let page = read_page("adopt.md")?;
    let steps = page.lines().filter(|line| line.starts_with("## "));
    let mut run = 0_usize;
    for step in steps.filter(|line| line.chars().nth(3).is_some_and(|c| c.is_ascii_digit())) {
        let blocks = blocks_below(&page, step, "sh");
        assert!(!blocks.is_empty(), "{step} has no commands");
        run = run.saturating_add(blocks.len());
    }
    assert_eq!(run, page.matches("```sh\n").count());
    Ok(())
}
