//! EC2 with a record of its calls and with faults to order.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde_json::{Value, json};

use crate::driver::{ApiError, Driver, text, time};

/// moto as EC2. A clone is the same server.
#[derive(Clone, Debug)]
pub struct Moto {
    pub(crate) driver: Arc<Driver>,
    pub(crate) url: String,
    /// Another region than the server's own.
    pub(crate) region: Option<String>,
}

impl Moto {
    /// Starts EC2 alone, in `us-east-1`. [`LocalAws`](crate::LocalAws) has its own.
    ///
    /// # Errors
    /// When Python or moto cannot be installed or do not start.
    pub fn start() -> Result<Self> {
        let driver = Arc::new(Driver::start()?);
        let facts = driver.request("start", json!({"cloud": false}))?;
        Ok(Self {
            url: text(&facts, "ec2"),
            driver,
            region: None,
        })
    }

    /// The same server, seen from this region. Its calls and faults are those of all regions.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Self {
            region: Some(region.to_owned()),
            ..self.clone()
        }
    }

    /// What `AWS_ENDPOINT_URL_EC2` has to be.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls EC2 by boto3's name of the call, unseen: neither counted nor faulted.
    ///
    /// # Errors
    /// What EC2 answers.
    pub fn call(&self, call: &str, args: &Value) -> Result<Value, ApiError> {
        self.driver.request("call", self.request(call, args, true))
    }

    /// Calls EC2 as everybody else does: counted, and faulted if a fault was ordered.
    ///
    /// # Errors
    /// What EC2 answers.
    pub fn call_openly(&self, call: &str, args: &Value) -> Result<Value, ApiError> {
        self.driver.request("call", self.request(call, args, false))
    }

    fn request(&self, call: &str, args: &Value, quiet: bool) -> Value {
        json!({"at": "ec2", "service": "ec2", "call": call, "args": args, "quiet": quiet, "region": self.region})
    }

    /// The ingress rules of a group, as `DescribeSecurityGroupRules` shows them, ordered by id.
    ///
    /// # Errors
    /// What EC2 answers.
    pub fn rules(&self, group: &str) -> Result<Vec<Value>, ApiError> {
        let rules = self
            .driver
            .request("rules", json!({"group": group, "region": self.region}))?;
        Ok(rules.as_array().cloned().unwrap_or_default())
    }

    /// Orders a fault.
    ///
    /// # Errors
    /// When moto is gone.
    pub fn fault(&self, fault: &Fault) -> Result<(), ApiError> {
        self.control("faults", Some(&fault.to_json())).map(drop)
    }

    /// The calls made so far, the harness's own left out.
    ///
    /// # Errors
    /// When moto is gone.
    pub fn calls(&self) -> Result<Vec<Call>, ApiError> {
        let answer = self.control("calls", None)?;
        let calls = answer.get("calls").and_then(Value::as_array);
        Ok(calls.into_iter().flatten().map(Call::from_json).collect())
    }

    /// The actions called whose parameters contain `text`, which is a group id most of the time.
    ///
    /// # Errors
    /// When moto is gone.
    pub fn actions_on(&self, text: &str) -> Result<Vec<String>, ApiError> {
        let calls = self.calls()?.into_iter();
        Ok(calls
            .filter(|call| call.parameters.to_string().contains(text))
            .map(|call| call.action)
            .collect())
    }

    /// Forgets the calls and the faults. What EC2 holds stays.
    ///
    /// # Errors
    /// When moto is gone.
    pub fn reset(&self) -> Result<(), ApiError> {
        self.control("reset", Some(&json!({}))).map(drop)
    }

    fn control(&self, page: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let path = format!("/_portcullis/{page}");
        self.driver
            .request("control", json!({"at": "ec2", "path": path, "body": body}))
    }
}

/// A call somebody made.
#[derive(Clone, Debug)]
pub struct Call {
    /// Such as `RevokeSecurityGroupIngress`.
    pub action: String,
    /// The parameters as they were sent (`GroupId`, `IpPermissions.1.IpProtocol`, ...).
    pub parameters: Value,
    /// The access key id of its signature.
    pub key: String,
    /// The region of its signature.
    pub region: String,
    /// The HTTP status of the answer, 0 while there is none.
    pub status: u64,
    /// When it was answered.
    pub ended: SystemTime,
}

impl Call {
    fn from_json(value: &Value) -> Self {
        Self {
            action: text(value, "action"),
            parameters: value.get("parameters").cloned().unwrap_or_default(),
            key: text(value, "key"),
            region: text(value, "region"),
            status: value
                .get("status")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
            ended: time(value, "ended"),
        }
    }
}

/// An error to be answered, or a delay, the next time somebody calls.
#[derive(Clone, Debug)]
pub struct Fault {
    action: String,
    code: String,
    status: u16,
    times: u32,
    only: String,
    region: String,
    after: bool,
    delay: Duration,
}

impl Fault {
    /// The next call of `action` is answered with `code` and status 400.
    pub fn new(action: &str, code: &str) -> Self {
        Self {
            action: action.to_owned(),
            code: code.to_owned(),
            status: 400,
            times: 1,
            only: String::new(),
            region: String::new(),
            after: false,
            delay: Duration::ZERO,
        }
    }

    /// The next call of `action` is answered rightly, but late.
    pub fn slow(action: &str, delay: Duration) -> Self {
        Self {
            delay,
            ..Self::new(action, "")
        }
    }

    /// With this HTTP status. An SDK retries by code and by status.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// As many times in a row.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Only when the parameters contain this text: the id of the group under test, so that others are left alone.
    #[must_use]
    pub fn only(self, text: &str) -> Self {
        Self {
            only: text.to_owned(),
            ..self
        }
    }

    /// Only in this region.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self
        }
    }

    /// The call is carried out and only its answer is the error: a timeout after the fact.
    #[must_use]
    pub fn after(self) -> Self {
        Self {
            after: true,
            ..self
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "action": self.action, "code": self.code, "status": self.status, "times": self.times,
            "match": self.only, "region": self.region, "after": self.after, "delay": self.delay.as_secs_f64(),
        })
    }
}
