//! EC2 with recorded calls and injected faults.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde_json::{Value, json};

use crate::driver::{ApiError, Driver, text, time};

/// EC2 provided by moto. Clones share the same server.
#[derive(Clone, Debug)]
pub struct Moto {
    pub(crate) driver: Arc<Driver>,
    pub(crate) url: String,
    /// The region, if it is not the server's own.
    pub(crate) region: Option<String>,
}

impl Moto {
    /// Starts only EC2, in `us-east-1`. [`LocalAws`](crate::LocalAws) has its own.
    ///
    /// # Errors
    /// When Python or moto cannot be installed or do not start.
    pub fn start() -> Result<Self> {
        let driver = Arc::new(Driver::start()?);
        let info = driver.request("start", json!({"cloud": false}))?;
        Ok(Self {
            url: text(&info, "ec2"),
            driver,
            region: None,
        })
    }

    /// The same server in another region. Calls and faults are shared by all regions.
    #[must_use]
    pub fn in_region(&self, region: &str) -> Self {
        Self {
            region: Some(region.to_owned()),
            ..self.clone()
        }
    }

    /// The value for `AWS_ENDPOINT_URL_EC2`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls EC2 by the name that boto3 uses. The call is not recorded and gets no faults.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn call(&self, call: &str, args: &Value) -> Result<Value, ApiError> {
        self.driver.request("call", self.request(call, args, true))
    }

    /// Calls EC2 as any other client does: the call is recorded and gets faults.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn call_recorded(&self, call: &str, args: &Value) -> Result<Value, ApiError> {
        self.driver.request("call", self.request(call, args, false))
    }

    fn request(&self, call: &str, args: &Value, quiet: bool) -> Value {
        json!({
            "at": "ec2", "service": "ec2", "call": call, "args": args, "quiet": quiet,
            "region": self.region,
        })
    }

    /// The ingress rules of a group as `DescribeSecurityGroupRules` returns them, ordered by id.
    ///
    /// # Errors
    /// When EC2 returns an error.
    pub fn rules(&self, group: &str) -> Result<Vec<Value>, ApiError> {
        let rules = self
            .driver
            .request("rules", json!({"group": group, "region": self.region}))?;
        Ok(rules.as_array().cloned().unwrap_or_default())
    }

    /// Injects a fault.
    ///
    /// # Errors
    /// When moto does not respond.
    pub fn fault(&self, fault: &Fault) -> Result<(), ApiError> {
        self.control("faults", Some(&fault.to_json())).map(drop)
    }

    /// The recorded calls, which do not include those of this crate.
    ///
    /// # Errors
    /// When moto does not respond.
    pub fn calls(&self) -> Result<Vec<Call>, ApiError> {
        let answer = self.control("calls", None)?;
        let calls = answer.get("calls").and_then(Value::as_array);
        Ok(calls.into_iter().flatten().map(Call::from_json).collect())
    }

    /// The actions of the recorded calls whose parameters contain `text`, usually a group id.
    ///
    /// # Errors
    /// When moto does not respond.
    pub fn actions_on(&self, text: &str) -> Result<Vec<String>, ApiError> {
        let calls = self.calls()?.into_iter();
        Ok(calls
            .filter(|call| call.parameters.to_string().contains(text))
            .map(|call| call.action)
            .collect())
    }

    /// Changes of managed prefix lists take effect after this delay, as in EC2, until the next
    /// [`reset`](Self::reset). Without it they take effect at once.
    ///
    /// # Errors
    /// When moto does not respond.
    pub fn delay_prefix_lists(&self, delay: Duration) -> Result<(), ApiError> {
        let body = json!({"delay": delay.as_secs_f64()});
        self.control("prefix-lists", Some(&body)).map(drop)
    }

    /// Clears the recorded calls and the faults. The resources in EC2 stay.
    ///
    /// # Errors
    /// When moto does not respond.
    pub fn reset(&self) -> Result<(), ApiError> {
        self.control("reset", Some(&json!({}))).map(drop)
    }

    fn control(&self, page: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let path = format!("/_portcullis/{page}");
        self.driver
            .request("control", json!({"at": "ec2", "path": path, "body": body}))
    }
}

/// A recorded call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The action, such as `RevokeSecurityGroupIngress`.
    pub action: String,
    /// The parameters as they were sent (`GroupId`, `IpPermissions.1.IpProtocol`, ...).
    pub parameters: Value,
    /// The access key id of its signature.
    pub key: String,
    /// The region of its signature.
    pub region: String,
    /// The HTTP status of the response; 0 until there is one.
    pub status: u64,
    /// When the response was sent.
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

/// An error or a delay for the next calls of an action.
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
    /// The next call of `action` fails with the error `code` and status 400.
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

    /// The next call of `action` succeeds after a delay.
    pub fn slow(action: &str, delay: Duration) -> Self {
        Self {
            delay,
            ..Self::new(action, "")
        }
    }

    /// Sets the HTTP status. SDKs decide by code and status whether to retry.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Applies to this many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Applies only if the parameters contain this text, such as the id of the group under test.
    #[must_use]
    pub fn only(self, text: &str) -> Self {
        Self {
            only: text.to_owned(),
            ..self
        }
    }

    /// Applies only in this region.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self
        }
    }

    /// Performs the call and returns the error afterwards, like a timeout of a call that succeeded.
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
            "match": self.only, "region": self.region, "after": self.after,
            "delay": self.delay.as_secs_f64(),
        })
    }
}
