//! The pipe to the Python driver.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::python::{PythonEnv, Requirements, local_aws};

/// How long the driver may take to end what it started.
const PATIENCE: Duration = Duration::from_secs(10);

/// An error as an AWS client sees it, or the harness's own (`HarnessLost`, `DeployFailed`, ...).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// AWS's code, such as `InvalidPermission.NotFound`.
    pub code: String,
    /// The text beside it.
    pub message: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}

/// The running driver; dropping it ends all it started.
#[derive(Debug)]
pub(crate) struct Driver {
    pipe: Mutex<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Driver {
    pub(crate) fn start() -> Result<Self> {
        let mut command = PythonEnv::install(Requirements::LocalAws)?.command();
        command.arg("-u").arg(local_aws().join("driver.py"));
        own_group(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Python")?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the driver has no output")?);
        Ok(Self {
            pipe: Mutex::new(Pipe {
                child,
                requests,
                answers,
            }),
        })
    }

    /// Asks the driver to do `op`; `fields` is an object with what it needs.
    pub(crate) fn request(&self, op: &str, fields: Value) -> Result<Value, ApiError> {
        let mut request = fields;
        if let Some(object) = request.as_object_mut() {
            object.insert("op".to_owned(), json!(op));
        }
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = pipe.exchange(&request).map_err(|error| ApiError {
            code: "HarnessLost".to_owned(),
            message: format!("the driver does not answer {op}: {error:#}"),
        })?;
        match answer.get("error") {
            None => Ok(answer.get_mut("ok").map_or(Value::Null, Value::take)),
            Some(error) => Err(ApiError {
                code: text(error, "code"),
                message: text(error, "message"),
            }),
        }
    }
}

impl Pipe {
    fn exchange(&mut self, request: &Value) -> Result<Value> {
        let requests = self.requests.as_mut().context("it was stopped")?;
        writeln!(requests, "{request}")?;
        requests.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("it said {line:?}"))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        drop(self.requests.take()); // the driver ends when its input does
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > PATIENCE {
                self.child.kill().ok();
                self.child.wait().ok();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Keeps Ctrl-C from the driver: it has to survive this process to clean up after it.
fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// A text field, empty when it is not there.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// A time given in seconds.
pub(crate) fn time(value: &Value, field: &str) -> SystemTime {
    let seconds = value
        .get(field)
        .and_then(Value::as_f64)
        .and_then(|one| Duration::try_from_secs_f64(one).ok());
    seconds
        .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
