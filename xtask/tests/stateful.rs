//! An update of a stack must not replace what has a state: subscriptions of the topic, messages in
//! the queues, contents of the tables, audit records in the log groups. CloudFormation replaces a
//! resource without a question when its logical id or its name changes.
//!
//! template.yaml is read line by line, which keeps its `!Ref`s and needs no YAML parser.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The checked-in list.
const LIST: &str = include_str!("stateful-resources.txt");

/// The types with a state that a replacement loses.
const STATEFUL: [&str; 7] = [
    "AWS::Chatbot::SlackChannelConfiguration",
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
];

/// The properties of these types with the update behavior "Replacement", as far as they can have a
/// value that we choose (CloudFormation Template Reference).
const REPLACING: [&str; 13] = [
    "AttributeDefinitions",
    "ConfigurationName",
    "Endpoint",
    "FifoQueue",
    "FifoTopic",
    "KeySchema",
    "KeySpec",
    "LogGroupName",
    "Protocol",
    "QueueName",
    "TableName",
    "TopicArn",
    "TopicName",
];

/// The resources with a state, in the form of the list.
fn stateful_resources(template: &str) -> BTreeSet<String> {
    let (_, resources) = template.split_once("\nResources:\n").unwrap();
    let mut found = BTreeSet::new();
    let mut resource: Vec<&str> = Vec::new();
    for line in resources.lines().chain(["end:"]) {
        let depth = line.len() - line.trim_start().len();
        let is_comment = line.trim_start().starts_with('#');
        if is_comment || line.is_empty() {
            continue;
        }
        if depth <= 2 {
            found.extend(describe(&resource));
            resource.clear();
        }
        if depth == 0 {
            break;
        }
        resource.push(line);
    }
    found
}

/// The entry of a resource, if its type has a state.
fn describe(resource: &[&str]) -> Option<String> {
    let (id, fields) = resource.split_first()?;
    let kind = fields
        .iter()
        .find_map(|line| line.strip_prefix("    Type: "))?;
    STATEFUL.contains(&kind).then_some(())?;
    let condition = fields.iter().filter_map(|line| {
        let condition = line.strip_prefix("    Condition: ")?;
        Some(format!("Condition={condition}"))
    });
    let mut properties: Vec<String> = fields
        .iter()
        .filter_map(|line| replacing_property(line))
        .collect();
    properties.sort();
    let id = id.trim().trim_end_matches(':').to_owned();
    let words: Vec<String> = [id, kind.to_owned()]
        .into_iter()
        .chain(condition)
        .chain(properties)
        .collect();
    Some(words.join(" "))
}

/// `Name=value` of a property whose change replaces the resource. A value on the following lines
/// is empty here, and its change goes unnoticed.
fn replacing_property(line: &str) -> Option<String> {
    let property = line.strip_prefix("      ")?;
    let (name, value) = property.split_once(':')?;
    REPLACING
        .contains(&name)
        .then(|| format!("{name}={}", value.trim()))
}

/// The entries of the list.
fn listed(list: &str) -> BTreeSet<String> {
    list.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_update_replaces_a_resource_with_a_state() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = fs::read_to_string(path).unwrap();
    let (actual, expected) = (stateful_resources(&template), listed(LIST));
    let lost: Vec<_> = expected.difference(&actual).collect();
    let new: Vec<_> = actual.difference(&expected).collect();
    assert!(
        lost.is_empty() && new.is_empty(),
        "template.yaml and xtask/tests/stateful-resources.txt differ.\nAn update of a stack would \
         delete or replace: {lost:#?}\nand create: {new:#?}\nRead the comment in the list first."
    );
}

const TEMPLATE: &str = "
Conditions:
  Topic: no
Resources:
  # Alerts.
  Topic:
    Type: AWS::SNS::Topic
    Condition: Wanted
    Properties:
      TopicName: alerts
      DisplayName: Alerts

  Role:
    Type: AWS::IAM::Role
    Properties:
      TopicName: x
  Queue:
    Type: AWS::SQS::Queue
Outputs:
  Queue:
    Type: AWS::SQS::Queue
";

#[test]
fn ids_names_and_conditions_are_read() {
    let expected = [
        "Queue AWS::SQS::Queue",
        "Topic AWS::SNS::Topic Condition=Wanted TopicName=alerts",
    ];
    assert_eq!(
        stateful_resources(TEMPLATE),
        expected.map(str::to_owned).into()
    );
    for (old, new) in [
        ("  Topic:\n    Type", "  AlertTopic:\n    Type"),
        ("TopicName: alerts", "TopicName: warnings"),
        ("Condition: Wanted", "Condition: Other"),
        ("AWS::SQS::Queue", "AWS::Logs::LogGroup"),
    ] {
        let changed = TEMPLATE.replace(old, new);
        assert_ne!(
            stateful_resources(&changed),
            expected.map(str::to_owned).into(),
            "{new}"
        );
    }
}
