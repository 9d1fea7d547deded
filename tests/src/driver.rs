//! The Python driver process and the requests to it.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::python::{PythonEnv, Requirements, local_aws};

/// How long the driver may take to stop the processes that it started.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// An error of AWS, or of the driver (`HarnessLost`, `DeployFailed`, ...).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The error code, such as `InvalidPermission.NotFound`.
    pub code: String,
    /// The error message.
    pub message: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ApiError {}

/// The running driver. Dropping it stops everything that it started.
#[derive(Debug)]
pub(crate) struct Driver {
    pipe: Mutex<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    child: Child,
    requests: Option<ChildStdin>,
    responses: BufReader<ChildStdout>,
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
        let responses = BufReader::new(child.stdout.take().context("the driver has no output")?);
        Ok(Self {
            pipe: Mutex::new(Pipe {
                child,
                requests,
                responses,
            }),
        })
    }

    /// Sends the operation `op` with its arguments, an object, to the driver.
    pub(crate) fn request(&self, op: &str, arguments: Value) -> Result<Value, ApiError> {
        let mut request = arguments;
        if let Some(object) = request.as_object_mut() {
            object.insert("op".to_owned(), json!(op));
        }
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let mut response = pipe.exchange(&request).map_err(|error| ApiError {
            code: "HarnessLost".to_owned(),
            message: format!("the driver did not respond to {op}: {error:#}"),
        })?;
        match response.get("error") {
            None => Ok(response.get_mut("ok").map_or(Value::Null, Value::take)),
            Some(error) => Err(ApiError {
                code: text(error, "code"),
                message: text(error, "message"),
            }),
        }
    }
}

impl Pipe {
    fn exchange(&mut self, request: &Value) -> Result<Value> {
        let requests = self.requests.as_mut().context("the driver was stopped")?;
        writeln!(requests, "{request}")?;
        requests.flush()?;
        let mut line = String::new();
        self.responses.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("the driver sent {line:?}"))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        drop(self.requests.take()); // the driver ends when its input is closed
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > STOP_TIMEOUT {
                self.child.kill().ok();
                self.child.wait().ok();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Protects the driver from Ctrl-C: it must outlive this process to clean up.
fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// A text field, empty if it does not exist.
pub(crate) fn text(value: &Value, field: &str) -> String {
    value
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// A field with a time in seconds since 1970.
pub(crate) fn time(value: &Value, field: &str) -> SystemTime {
    let seconds = value
        .get(field)
        .and_then(Value::as_f64)
        .and_then(|one| Duration::try_from_secs_f64(one).ok());
    seconds
        .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
