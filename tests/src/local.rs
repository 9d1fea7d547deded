//! The whole local AWS.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use crate::binary::workspace_root;
use crate::driver::{ApiError, Driver, text, time};
use crate::moto::Moto;

/// How the local AWS is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Check signatures and evaluate IAM policies. EC2 is ministack's then, because moto knows nothing of the deployed
    /// roles; give each source its own permission, as ministack has one rule id per permission, and order no faults.
    pub auth: bool,
    /// Not `us-east-1`, so that a name written down by mistake is found.
    pub region: String,
    /// ministack's log level, `WARNING` or `INFO` or `DEBUG`.
    pub log_level: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            auth: false,
            region: "eu-central-1".to_owned(),
            log_level: "WARNING".to_owned(),
        }
    }
}

/// EC2, CloudFormation, Lambda, EventBridge, SNS, SQS, ... on 127.0.0.1. A clone is the same.
#[derive(Clone, Debug)]
pub struct LocalAws {
    driver: Arc<Driver>,
    facts: Value,
}

impl LocalAws {
    /// Starts it, installing it first if need be.
    ///
    /// # Errors
    /// When Python or the emulators cannot be installed or do not start.
    pub fn start(options: &Options) -> Result<Self> {
        let driver = Arc::new(Driver::start()?);
        let fields =
            json!({"auth": options.auth, "region": options.region, "log_level": options.log_level});
        let facts = driver.request("start", fields)?;
        Ok(Self { driver, facts })
    }

    /// EC2, with its calls and faults.
    pub fn ec2(&self) -> Moto {
        Moto {
            driver: Arc::clone(&self.driver),
            url: text(&self.facts, "ec2"),
            region: None,
        }
    }

    /// What `AWS_ENDPOINT_URL` has to be.
    pub fn url(&self) -> String {
        text(&self.facts, "cloud")
    }

    /// The account everything is in.
    pub fn account(&self) -> String {
        text(&self.facts, "account")
    }

    /// The region everything is in.
    pub fn region(&self) -> String {
        text(&self.facts, "region")
    }

    /// Where the servers keep their logs, for as long as they run.
    pub fn directory(&self) -> PathBuf {
        PathBuf::from(text(&self.facts, "directory"))
    }

    /// The ids of the server processes.
    pub fn processes(&self) -> Vec<u64> {
        let pids = self.facts.get("pids").and_then(Value::as_array);
        pids.into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect()
    }

    /// Calls a service other than EC2, by boto3's names.
    ///
    /// # Errors
    /// What the service answers.
    pub fn call(&self, service: &str, call: &str, args: &Value) -> Result<Value, ApiError> {
        self.driver.request(
            "call",
            json!({"service": service, "call": call, "args": args}),
        )
    }

    /// Deploys a SAM template as `sam package` and `sam deploy` do.
    ///
    /// # Errors
    /// When CloudFormation refuses or fails; the reasons are in the message.
    pub fn deploy(&self, deployment: &Deployment) -> Result<Stack> {
        let stack = self.driver.request("deploy", deployment.to_json())?;
        let resources =
            objects(&stack, "resources").map(|(name, one)| (name.clone(), text(one, "id")));
        Ok(Stack {
            name: deployment.stack.clone(),
            outputs: strings(&stack, "outputs"),
            resources: resources.collect(),
        })
    }

    /// Deletes a stack and waits until it is gone.
    ///
    /// # Errors
    /// When CloudFormation cannot delete it.
    pub fn delete(&self, stack: &Stack) -> Result<(), ApiError> {
        self.driver
            .request("delete_stack", json!({"stack": stack.name}))
            .map(drop)
    }

    /// Puts the record of a call on the event bus as CloudTrail does, and returns the event's id.
    ///
    /// # Errors
    /// When EventBridge refuses it.
    pub fn put_event(&self, record: &Value) -> Result<String> {
        let ids = self.put_events(std::slice::from_ref(record))?;
        ids.into_iter()
            .next()
            .context("EventBridge gave the event no id")
    }

    /// Puts the records of up to ten calls on the event bus at once, and returns the events' ids.
    ///
    /// # Errors
    /// When EventBridge refuses one.
    pub fn put_events(&self, records: &[Value]) -> Result<Vec<String>> {
        let entry = |record: &Value| json!({"Source": "aws.ec2", "DetailType": "AWS API Call via CloudTrail", "Detail": record.to_string()});
        let entries: Vec<Value> = records.iter().map(entry).collect();
        let answer = self.call("events", "put_events", &json!({"Entries": entries}))?;
        let taken = answer
            .get("Entries")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let ids: Vec<String> = taken
            .map(|entry| text(entry, "EventId"))
            .filter(|id| !id.is_empty())
            .collect();
        ensure!(
            ids.len() == records.len(),
            "EventBridge refused an event: {answer}"
        );
        Ok(ids)
    }

    /// Subscribes to a topic. For `sqs` a queue is made (leave `endpoint` empty). Whatever the protocol, what arrives
    /// is in the [`inbox`](Self::inbox); nothing leaves this machine.
    ///
    /// # Errors
    /// When SNS refuses.
    pub fn subscribe(&self, topic: &str, protocol: &str, endpoint: &str) -> Result<(), ApiError> {
        let fields = json!({"topic": topic, "protocol": protocol, "endpoint": endpoint});
        self.driver.request("subscribe", fields).map(drop)
    }

    /// Everything SNS delivered so far, in the order of arrival.
    ///
    /// # Errors
    /// When ministack is gone.
    pub fn inbox(&self) -> Result<Vec<Message>, ApiError> {
        let messages = self.driver.request("inbox", json!({}))?;
        Ok(messages
            .as_array()
            .into_iter()
            .flatten()
            .map(Message::from_json)
            .collect())
    }

    /// The log lines of a function, oldest first.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn logs(&self, function: &str) -> Result<Vec<String>, ApiError> {
        let lines = self.driver.request("logs", json!({"function": function}))?;
        Ok(lines
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect())
    }

    /// The end of the log of a server, `ec2` or `cloud`: where to look when the answer makes no sense.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn server_log(&self, name: &str) -> Result<String, ApiError> {
        Ok(self
            .driver
            .request("server_log", json!({"name": name}))?
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }
}

/// What to deploy.
#[derive(Clone, Debug)]
pub struct Deployment {
    stack: String,
    template: PathBuf,
    bootstraps: BTreeMap<String, PathBuf>,
    parameters: BTreeMap<String, String>,
}

impl Deployment {
    /// A template whose functions all run this executable.
    pub fn new(template: &Path, bootstrap: &Path) -> Self {
        let architecture = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "x86_64"
        };
        Self {
            stack: "portcullis".to_owned(),
            template: template.to_path_buf(),
            bootstraps: BTreeMap::from([("*".to_owned(), bootstrap.to_path_buf())]),
            parameters: BTreeMap::from([("Architecture".to_owned(), architecture.to_owned())]),
        }
    }

    /// The project's own template.
    pub fn of_this_project(bootstrap: &Path) -> Self {
        Self::new(&workspace_root().join("template.yaml"), bootstrap)
    }

    /// Under this name; several can be deployed side by side.
    #[must_use]
    pub fn stack(mut self, name: &str) -> Self {
        name.clone_into(&mut self.stack);
        self
    }

    /// The functions whose build metadata names this binary run this executable.
    #[must_use]
    pub fn bootstrap(mut self, binary: &str, path: &Path) -> Self {
        self.bootstraps
            .insert(binary.to_owned(), path.to_path_buf());
        self
    }

    /// With this parameter of the template. `Architecture` is this machine's unless given.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "template": self.template, "stack": self.stack, "bootstraps": self.bootstraps,
            "parameters": self.parameters,
        })
    }
}

/// A deployed stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// The physical ids of its resources, by logical id.
    pub resources: BTreeMap<String, String>,
}

impl Stack {
    /// An output.
    ///
    /// # Errors
    /// When the template has no such output.
    pub fn output(&self, name: &str) -> Result<&str> {
        let found = self.outputs.get(name).map(String::as_str);
        found.with_context(|| {
            format!(
                "{} has no output {name}, only {:?}",
                self.name,
                self.outputs.keys()
            )
        })
    }
}

/// A message as one subscriber received it.
#[derive(Clone, Debug)]
pub struct Message {
    /// `email`, `https` or `sqs`.
    pub protocol: String,
    /// The address, URL or queue.
    pub endpoint: String,
    /// SNS's id of the publish: the same for all subscribers.
    pub id: String,
    /// The subject.
    pub subject: String,
    /// The text made for this protocol.
    pub text: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, String>,
    /// The request body or queue message around the text, where there is one.
    pub body: String,
    /// When it arrived; for a queue, when it was fetched.
    pub received: SystemTime,
}

impl Message {
    fn from_json(value: &Value) -> Self {
        Self {
            protocol: text(value, "protocol"),
            endpoint: text(value, "endpoint"),
            id: text(value, "message_id"),
            subject: text(value, "subject"),
            text: text(value, "message"),
            attributes: strings(value, "attributes"),
            body: text(value, "body"),
            received: time(value, "received"),
        }
    }

    /// The text as JSON, for the protocols where it is.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text)
            .with_context(|| format!("the {} text is not JSON: {}", self.protocol, self.text))
    }
}

fn objects<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn strings(value: &Value, field: &str) -> BTreeMap<String, String> {
    let plain = |one: &Value| one.as_str().map(str::to_owned);
    objects(value, field)
        .filter_map(|(name, one)| Some((name.clone(), plain(one)?)))
        .collect()
}
