//! The local AWS with all services, deployments and received messages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use crate::binary::workspace_root;
use crate::driver::{ApiError, Driver, text, time};
use crate::moto::Moto;

/// Options of the local AWS.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether to check signatures and evaluate IAM policies. EC2 is then provided by ministack,
    /// because moto does not know the deployed roles. ministack has one rule id per permission, so
    /// give each source its own permission, and it has no faults.
    pub auth: bool,
    /// The region. The default is not `us-east-1`, so that a hard-coded region fails.
    pub region: String,
    /// The log level of ministack: `WARNING`, `INFO` or `DEBUG`.
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

/// EC2, CloudFormation, Lambda, EventBridge, SNS, SQS and more on 127.0.0.1. Clones share the same
/// servers.
#[derive(Clone, Debug)]
pub struct LocalAws {
    driver: Arc<Driver>,
    info: Value,
}

impl LocalAws {
    /// Starts the local AWS, and installs it first if necessary.
    ///
    /// # Errors
    /// When Python or the emulators cannot be installed or do not start.
    pub fn start(options: &Options) -> Result<Self> {
        let driver = Arc::new(Driver::start()?);
        let fields =
            json!({"auth": options.auth, "region": options.region, "log_level": options.log_level});
        let info = driver.request("start", fields)?;
        Ok(Self { driver, info })
    }

    /// EC2, with its recorded calls and faults.
    pub fn ec2(&self) -> Moto {
        Moto {
            driver: Arc::clone(&self.driver),
            url: text(&self.info, "ec2"),
            region: None,
        }
    }

    /// The value for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        text(&self.info, "cloud")
    }

    /// The account id.
    pub fn account(&self) -> String {
        text(&self.info, "account")
    }

    /// The region.
    pub fn region(&self) -> String {
        text(&self.info, "region")
    }

    /// A directory for the logs of the servers, which exists as long as they run.
    pub fn directory(&self) -> PathBuf {
        PathBuf::from(text(&self.info, "directory"))
    }

    /// The ids of the server processes.
    pub fn processes(&self) -> Vec<u64> {
        let pids = self.info.get("pids").and_then(Value::as_array);
        pids.into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect()
    }

    /// Calls a service other than EC2, by the names that boto3 uses.
    ///
    /// # Errors
    /// When the service returns an error.
    pub fn call(&self, service: &str, call: &str, args: &Value) -> Result<Value, ApiError> {
        self.driver.request(
            "call",
            json!({"service": service, "call": call, "args": args}),
        )
    }

    /// Deploys a SAM template as `sam package` and `sam deploy` do.
    ///
    /// # Errors
    /// When the deployment fails. The message has the reasons.
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

    /// Puts a CloudTrail record on the event bus, as CloudTrail does, and returns the event's id.
    ///
    /// # Errors
    /// When EventBridge rejects the event.
    pub fn put_event(&self, record: &Value) -> Result<String> {
        let ids = self.put_events(std::slice::from_ref(record))?;
        ids.into_iter()
            .next()
            .context("EventBridge returned no event id")
    }

    /// Puts up to ten CloudTrail records on the event bus at once, and returns the events' ids.
    ///
    /// # Errors
    /// When EventBridge rejects an event.
    pub fn put_events(&self, records: &[Value]) -> Result<Vec<String>> {
        let entries: Vec<Value> = records.iter().map(event_entry).collect();
        let response = self.call("events", "put_events", &json!({"Entries": entries}))?;
        let accepted = response
            .get("Entries")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let ids: Vec<String> = accepted
            .map(|entry| text(entry, "EventId"))
            .filter(|id| !id.is_empty())
            .collect();
        ensure!(
            ids.len() == records.len(),
            "EventBridge rejected an event: {response}"
        );
        Ok(ids)
    }

    /// Subscribes to a topic. For `sqs` a queue is created; leave `endpoint` empty. The messages of
    /// all protocols are in the [`inbox`](Self::inbox), and nothing leaves this machine.
    ///
    /// # Errors
    /// When SNS returns an error.
    pub fn subscribe(&self, topic: &str, protocol: &str, endpoint: &str) -> Result<(), ApiError> {
        let fields = json!({"topic": topic, "protocol": protocol, "endpoint": endpoint});
        self.driver.request("subscribe", fields).map(drop)
    }

    /// All messages that SNS has delivered, in the order of arrival.
    ///
    /// # Errors
    /// When ministack does not respond.
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
    /// When the function does not exist.
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

    /// The end of the log of a server, `ec2` or `cloud`, to find the cause of an unexpected
    /// response.
    ///
    /// # Errors
    /// When the server does not exist.
    pub fn server_log(&self, name: &str) -> Result<String, ApiError> {
        Ok(self
            .driver
            .request("server_log", json!({"name": name}))?
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }
}

/// A template to deploy, with its parameters and executables.
#[derive(Clone, Debug)]
pub struct Deployment {
    stack: String,
    template: PathBuf,
    bootstraps: BTreeMap<String, PathBuf>,
    parameters: BTreeMap<String, String>,
}

impl Deployment {
    /// A template whose functions all use this executable.
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

    /// Sets the stack's name. Several stacks can exist at once.
    #[must_use]
    pub fn stack(mut self, name: &str) -> Self {
        name.clone_into(&mut self.stack);
        self
    }

    /// Uses this executable for the functions whose build metadata has this binary.
    #[must_use]
    pub fn bootstrap(mut self, binary: &str, path: &Path) -> Self {
        self.bootstraps
            .insert(binary.to_owned(), path.to_path_buf());
        self
    }

    /// Sets a parameter of the template. The default of `Architecture` is that of this machine.
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
    /// The name of the stack.
    pub name: String,
    /// The outputs, by name.
    pub outputs: BTreeMap<String, String>,
    /// The physical ids of the resources, by logical id.
    pub resources: BTreeMap<String, String>,
}

impl Stack {
    /// The value of an output.
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
    /// The e-mail address, URL or queue.
    pub endpoint: String,
    /// The id that SNS gave the message. It is the same for all subscribers.
    pub id: String,
    /// The subject.
    pub subject: String,
    /// The text for this protocol.
    pub text: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, String>,
    /// The whole request body or queue message, if there is one.
    pub body: String,
    /// When the message arrived or, for a queue, when it was received from it.
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

    /// The text parsed as JSON, for the protocols that use it.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text)
            .with_context(|| format!("the {} text is not JSON: {}", self.protocol, self.text))
    }
}

/// The entry of `PutEvents` for a CloudTrail record.
fn event_entry(record: &Value) -> Value {
    json!({
        "Source": "aws.ec2",
        "DetailType": "AWS API Call via CloudTrail",
        "Detail": record.to_string(),
    })
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
