//! Runs the commands of `docs/deploy.md` with the real SAM CLI, the project's `template.yaml` and
//! `samconfig.toml`, and the local AWS as the account. Only compiling is skipped.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::{
    Group, LocalAws, Message, Options, PythonEnv, Requirements, binary, cloudtrail, wait_until,
    workspace_root,
};
use serde_json::{Value, json};

/// How long the function may take. A debug build on a busy machine starts slowly.
const LIMIT: Duration = Duration::from_secs(30);
/// The stack name in `samconfig.toml`.
const STACK: &str = "portcullis";

/// A clone of the project, the programs to deploy it, and an account.
struct Workspace {
    aws: LocalAws,
    project: PathBuf,
    programs: PathBuf,
}

impl Workspace {
    fn new() -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        let (project, programs) = (
            aws.directory().join("project"),
            aws.directory().join("programs"),
        );
        fs::create_dir_all(&programs)?;
        clone(&project)?;
        install(&programs)?;
        Ok(Self {
            aws,
            project,
            programs,
        })
    }

    /// Runs these lines in a shell and answers `y` to every question.
    fn run(&self, lines: &str) -> Result<()> {
        let mut shell = Command::new("sh");
        for (name, _) in env::vars_os() {
            // Without the user's settings, so that nothing reaches a real account.
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("AWS_") || name.starts_with("SAM_"))
            {
                shell.env_remove(name);
            }
        }
        shell
            .args(["-euc", lines])
            .current_dir(&self.project)
            .env("PATH", self.path()?);
        shell.env("CARGO_TARGET_DIR", self.aws.directory().join("target"));
        shell.envs([
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]);
        shell.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]);
        shell
            .env("AWS_DEFAULT_REGION", self.aws.region())
            .env("AWS_ENDPOINT_URL", self.aws.url());
        shell.envs([("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")]);
        shell.envs([
            ("SAM_CLI_TELEMETRY", "0"),
            ("SAM_CLI_CHECK_VERSION_UPDATES", "0"),
        ]);
        shell.env("__SAM_CLI_APP_DIR", self.aws.directory().join("sam"));
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut shell = shell.spawn()?;
        // The commands may not ask anything.
        shell
            .stdin
            .take()
            .context("no standard input")?
            .write_all("y\n".repeat(20).as_bytes())
            .ok();
        let output = shell.wait_with_output()?;
        let text = [output.stdout, output.stderr].concat();
        ensure!(
            output.status.success(),
            "{lines}\n{}",
            String::from_utf8_lossy(&text)
        );
        Ok(())
    }

    fn path(&self) -> Result<OsString> {
        let cargo = env::var_os("CARGO").map(PathBuf::from);
        let cargo = cargo
            .as_deref()
            .and_then(Path::parent)
            .map(Path::to_path_buf);
        let others = env::var_os("PATH").unwrap_or_default();
        let all = [self.programs.clone()]
            .into_iter()
            .chain(cargo)
            .chain(env::split_paths(&others));
        Ok(env::join_paths(all)?)
    }

    fn stack(&self) -> Result<Value> {
        let answer = self.aws.call(
            "cloudformation",
            "describe_stacks",
            &json!({"StackName": STACK}),
        )?;
        Ok(answer["Stacks"][0].clone())
    }

    fn output(&self, name: &str) -> Result<String> {
        let stack = self.stack()?;
        let outputs = stack["Outputs"].as_array().context("no outputs")?;
        let found = outputs.iter().find(|output| output["OutputKey"] == name);
        Ok(found
            .and_then(|one| one["OutputValue"].as_str())
            .with_context(|| format!("no {name}"))?
            .to_owned())
    }

    /// Creates a group with SSH open to the world, puts the event on the event bus and waits for
    /// the alert. Returns the alert and how many rules remain.
    fn open(&self, name: &str) -> Result<(Message, usize)> {
        let before = self.alerts()?.len();
        let group = Group::create(&self.aws.ec2(), name)?;
        let ssh = json!([{
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        }]);
        let rules = group.authorize(&ssh)?;
        self.aws
            .put_event(&cloudtrail::authorize(&self.aws, &group, &ssh, &rules))?;
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
            .aws
            .inbox()?
            .into_iter()
            .filter(|message| message.protocol == "sqs")
            .collect())
    }

    fn log(&self) -> Result<String> {
        Ok(self
            .aws
            .logs(&self.output("RemediatorFunctionName")?)?
            .join("\n"))
    }

    fn log_groups(&self) -> Result<Vec<Value>> {
        let answer = self.aws.call("logs", "describe_log_groups", &json!({}))?;
        Ok(answer["logGroups"]
            .as_array()
            .context("no log groups")?
            .iter()
            .map(|group| group["arn"].clone())
            .collect())
    }

    fn sweep(&self) -> Result<Value> {
        let args = json!({"FunctionName": self.output("SweeperFunctionName")?, "Payload": "{}"});
        Ok(self.aws.call("lambda", "invoke", &args)?)
    }
}

/// A copy of the project. The files that SAM reads are copied, because SAM works where they really
/// are; the rest are links.
fn clone(project: &Path) -> Result<()> {
    fs::create_dir_all(project)?;
    for entry in fs::read_dir(workspace_root())? {
        let entry = entry?;
        let name = entry.file_name();
        let is_hidden = name.to_string_lossy().starts_with('.');
        // SAM would read the whole target directory to detect changes.
        if entry.file_type()?.is_file() && !is_hidden {
            fs::copy(entry.path(), project.join(&name))?;
        } else if !is_hidden && name != "target" {
            symlink(entry.path(), project.join(&name))?;
        }
    }
    Ok(())
}

/// The programs that the page requires: the SAM CLI of our lock file, `portcullis`, and stand-ins
/// for `cargo-lambda` and the AWS CLI.
fn install(programs: &Path) -> Result<()> {
    let python = PythonEnv::install(Requirements::Sam)?.module("samcli");
    let interpreter = python.get_program().display().to_string();
    let setting = |(name, value): (&OsStr, Option<&OsStr>)| match value {
        Some(value) => format!("export {}='{}'\n", name.display(), value.display()),
        None => format!("unset {}\n", name.display()),
    };
    let settings: String = python.get_envs().map(setting).collect();
    let sam = format!("#!/bin/sh\n{settings}exec '{interpreter}' -m samcli \"$@\"\n");
    let [command, remediator, _] = [
        binary("portcullis")?,
        binary("remediator")?,
        binary("sweeper")?,
    ];
    let built = remediator
        .parent()
        .context("no directory")?
        .display()
        .to_string();
    let cargo_lambda = format!(
        "#!/bin/sh\n# Copies what is already compiled.\nset -e\n\
         while [ \"$1\" != --bin ]; do shift; done\n\
         out=\"$CARGO_TARGET_DIR/lambda/$2\"\nmkdir -p \"$out\"\n\
         cp '{built}'/\"$2\" \"$out/bootstrap\"\n"
    );
    let aws = format!("#!{interpreter}\n{}", include_str!("../fixtures/aws.py"));
    for (name, text) in [("sam", sam), ("cargo-lambda", cargo_lambda), ("aws", aws)] {
        fs::write(programs.join(name), text)?;
        fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755))?;
    }
    Ok(symlink(command, programs.join("portcullis"))?)
}

/// The first block of commands below a heading of the page.
fn commands_below(heading: &str) -> Result<String> {
    let page = fs::read_to_string(workspace_root().join("docs/deploy.md"))?;
    let (_, below) = page
        .split_once(&format!("{heading}\n"))
        .with_context(|| format!("no heading {heading}"))?;
    let (_, block) = below
        .split_once("```sh\n")
        .with_context(|| format!("no commands below {heading}"))?;
    Ok(block
        .split_once("```")
        .context("no end of the block")?
        .0
        .to_owned())
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
    let workspace = Workspace::new()?;
    workspace.run("sam build\nsam deploy\n")?;
    workspace
        .aws
        .subscribe(&workspace.output("AlertTopicArn")?, "sqs", "")?;
    let (alert, left) = workspace.open("shop-web")?;
    assert_eq!((alert.attributes["outcome"].as_str(), left), ("closed", 0));

    workspace.run(&commands_below("## One account")?)?;
    let (alert, left) = workspace.open("shop-api")?;
    assert_eq!(
        (alert.attributes["outcome"].as_str(), left),
        ("would-close", 1)
    );

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
        let (alert, left) = workspace.open(name)?;
        assert_eq!(
            (&alert.json()?["policy"]["name"], left),
            (&json!(name), 0),
            "{heading}"
        );
        let sweep = workspace.sweep()?;
        assert!(
            sweep.get("FunctionError").is_none(),
            "the sweeper failed: {heading} {sweep}"
        );
    }

    let before = workspace.log_groups()?;
    workspace.run(&commands_below("## Removing it")?)?;
    assert!(workspace.stack().is_err(), "the stack is still there");
    assert_eq!(
        (workspace.log_groups()?, before.len()),
        (before, 2),
        "the log groups must stay"
    );
    Ok(())
}
