//! A clone of the project in which the commands of the documentation run, with the local AWS as the
//! account.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::binary::{binary, workspace_root};
use crate::local::{LocalAws, Options};
use crate::python::{PythonEnv, Requirements};

/// The stack name in `samconfig.toml`.
const STACK: &str = "portcullis";
/// The settings of the shell that do not depend on the account.
const SHELL_SETTINGS: [(&str, &str); 8] = [
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("NO_PROXY", "127.0.0.1"),
    ("no_proxy", "127.0.0.1"),
    ("SAM_CLI_TELEMETRY", "0"),
    ("SAM_CLI_CHECK_VERSION_UPDATES", "0"),
];

/// A clone of the project, the programs to deploy it, and an account.
#[derive(Debug)]
pub struct Workspace {
    /// The account.
    pub aws: LocalAws,
    /// The clone.
    pub project: PathBuf,
    programs: PathBuf,
}

impl Workspace {
    /// Starts a local AWS and copies the project.
    ///
    /// # Errors
    /// When the servers or programs cannot be installed or do not start.
    pub fn new(options: &Options) -> Result<Self> {
        let aws = LocalAws::start(options)?;
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

    /// Runs these lines in a shell, answers `y` to every question, and returns the output.
    ///
    /// # Errors
    /// When a command fails.
    pub fn run(&self, lines: &str) -> Result<String> {
        self.run_until(lines, 0)
    }

    /// The same for lines of which the last one that runs ends with this exit code.
    ///
    /// # Errors
    /// When they end with another exit code.
    pub fn run_until(&self, lines: &str, code: i32) -> Result<String> {
        let mut shell = self.shell()?.args(["-euc", lines]).spawn()?;
        // The commands may not ask anything.
        shell
            .stdin
            .take()
            .context("no standard input")?
            .write_all("y\n".repeat(20).as_bytes())
            .ok();
        let output = shell.wait_with_output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        ensure!(output.status.code() == Some(code), "{lines}\n{text}");
        Ok(text)
    }

    /// A shell in the clone, with the local AWS as the account.
    fn shell(&self) -> Result<Command> {
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
            .current_dir(&self.project)
            .env("PATH", self.path()?)
            .env("CARGO_TARGET_DIR", self.aws.directory().join("target"))
            .env("AWS_DEFAULT_REGION", self.aws.region())
            .env("AWS_ENDPOINT_URL", self.aws.url())
            .env("AWS_ENDPOINT_URL_EC2", self.aws.ec2().url())
            .env("__SAM_CLI_APP_DIR", self.aws.directory().join("sam"))
            .envs(SHELL_SETTINGS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(shell)
    }

    /// The deployed stack, as CloudFormation describes it.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn stack(&self) -> Result<Value> {
        let answer = self.aws.call(
            "cloudformation",
            "describe_stacks",
            &json!({"StackName": STACK}),
        )?;
        Ok(answer.pointer("/Stacks/0").context("no stack")?.clone())
    }

    /// The value of an output of the stack.
    ///
    /// # Errors
    /// When the stack does not exist, or has no such output.
    pub fn output(&self, name: &str) -> Result<String> {
        let stack = self.stack()?;
        let outputs = stack
            .get("Outputs")
            .and_then(Value::as_array)
            .context("no outputs")?;
        let found = outputs
            .iter()
            .find(|output| output.get("OutputKey").is_some_and(|key| key == name));
        Ok(found
            .and_then(|output| output.get("OutputValue")?.as_str())
            .with_context(|| format!("no {name}"))?
            .to_owned())
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
