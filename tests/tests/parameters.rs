//! The parameters of the template that add or replace a part of the stack.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use portcullis_e2e::{Deployment, LocalAws, Options, Stack, workspace_root};
use serde_json::json;

/// Deploys the template with these parameters. Any file can be the function, because nothing
/// invokes it.
fn deploy(aws: &LocalAws, name: &str, parameters: &[(&str, &str)]) -> Result<Stack> {
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/function.py");
    let deployment = Deployment::of_this_project(&stand_in).stack(name);
    let deployment = parameters
        .iter()
        .fold(deployment, |deployment, (name, value)| {
            deployment.parameter(name, value)
        });
    aws.deploy(&deployment)
}

fn create_topic(aws: &LocalAws, name: &str) -> Result<String> {
    let answer = aws.call("sns", "create_topic", &json!({"Name": name}))?;
    let arn = answer["TopicArn"].as_str().context("no topic")?;
    Ok(arn.to_owned())
}

/// The endpoints that are subscribed to a topic.
fn subscribers(aws: &LocalAws, topic: &str) -> Result<Vec<String>> {
    let answer = aws.call(
        "sns",
        "list_subscriptions_by_topic",
        &json!({"TopicArn": topic}),
    )?;
    let subscriptions = answer["Subscriptions"]
        .as_array()
        .context("no subscriptions")?;
    Ok(subscriptions
        .iter()
        .filter_map(|one| one["Endpoint"].as_str().map(str::to_owned))
        .collect())
}

#[test]
fn alarms_go_to_the_chosen_topic() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let topic = create_topic(&aws, "on-call")?;
    deploy(&aws, "portcullis", &[("AlarmTopicArn", &topic)])?;
    let answer = aws.call("cloudwatch", "describe_alarms", &json!({}))?;
    let alarms = answer["MetricAlarms"].as_array().context("no alarms")?;
    assert_eq!(alarms.len(), 14);
    for alarm in alarms {
        assert_eq!(alarm["AlarmActions"], json!([topic]), "{alarm}");
        let others = alarm["InsufficientDataActions"].as_array().into_iter();
        assert!(others.flatten().all(|action| *action == topic), "{alarm}");
    }
    Ok(())
}

#[test]
fn a_stack_without_a_dashboard_has_no_output_for_it() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let stack = deploy(&aws, "portcullis", &[("Dashboard", "no")])?;
    let answer = aws.call("cloudwatch", "list_dashboards", &json!({}))?;
    let dashboards = answer["DashboardEntries"].as_array().map_or(0, Vec::len);
    assert_eq!(
        (dashboards, stack.outputs.get("DashboardName")),
        (0, None),
        "{answer}"
    );
    Ok(())
}

#[test]
fn one_slack_channel_serves_several_stacks() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let others = [
        create_topic(&aws, "alerts-1")?,
        create_topic(&aws, "alerts-2")?,
    ];
    let parameters = [
        ("SlackWorkspaceId", "T0123"),
        ("SlackChannelId", "C0123"),
        ("SlackTopicArns", &others.join(",")),
    ];
    let stack = deploy(&aws, "portcullis", &parameters)?;
    let own = stack.output("AlertTopicArn")?;
    for topic in others.iter().map(String::as_str).chain([own]) {
        assert_eq!(
            subscribers(&aws, topic)?,
            ["https://global.sns-api.chatbot.amazonaws.com"],
            "{topic}"
        );
    }
    // The name of a channel configuration must be unique in the account, in all Regions.
    let name = format!("/portcullis-{}", aws.region());
    let channel = &stack.resources["SlackChannel"];
    assert!(channel.ends_with(&name), "{channel}");
    Ok(())
}

#[test]
fn a_schedule_that_eventbridge_rejects_is_rejected_first() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let template = json!({"TemplateBody": SCHEDULE.replace("PATTERN", &schedule_pattern()?)});
    aws.call("cloudformation", "validate_template", &template)?;
    for (number, (schedule, accepted)) in SCHEDULES.into_iter().enumerate() {
        let mut stack = template.clone();
        stack["StackName"] = json!(format!("schedule-{number}"));
        stack["Parameters"] = json!([
            {"ParameterKey": "SweepSchedule", "ParameterValue": schedule},
        ]);
        let created = aws.call("cloudformation", "create_stack", &stack);
        assert_eq!(created.is_ok(), accepted, "{schedule} {created:?}");
    }
    Ok(())
}

/// Schedules, and whether the parameter accepts them.
const SCHEDULES: [(&str, bool); 9] = [
    ("", true),
    ("rate(1 day)", true),
    ("rate(12 hours)", true),
    ("rate(20 days)", true),
    ("cron(0 3 * * ? *)", true),
    ("rate(1 days)", false),
    ("rate(2 day)", false),
    ("rate(0 days)", false),
    ("1 day", false),
];

/// A template with only this parameter.
const SCHEDULE: &str = "
Parameters:
  SweepSchedule:
    Type: String
    AllowedPattern: PATTERN
Resources:
  Topic:
    Type: AWS::SNS::Topic
";

fn schedule_pattern() -> Result<String> {
    let template = fs::read_to_string(workspace_root().join("template.yaml"))?;
    let (_, parameter) = template
        .split_once("\n  SweepSchedule:\n    Type")
        .context("no parameter")?;
    let (_, pattern) = parameter
        .split_once("AllowedPattern: ")
        .context("no pattern")?;
    Ok(pattern.lines().next().unwrap_or_default().to_owned())
}

/// Publishes a layer with a policy, and returns the ARN of its version.
fn publish_layer(aws: &LocalAws) -> Result<String> {
    // An empty archive.
    let end = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    let content = json!({"ZipFile": String::from_utf8(end)?});
    let args = json!({"LayerName": "portcullis-policy", "Content": content});
    let answer = aws.call("lambda", "publish_layer_version", &args)?;
    let arn = answer["LayerVersionArn"].as_str().context("no layer")?;
    Ok(arn.to_owned())
}

#[test]
fn both_functions_have_the_layer_of_the_policy() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let layer = publish_layer(&aws)?;
    let parameters = [
        ("Policy", "file:/opt/policy.yaml"),
        ("PolicyLayerArn", layer.as_str()),
    ];
    let stack = deploy(&aws, "portcullis", &parameters)?;
    for output in ["RemediatorFunctionName", "SweeperFunctionName"] {
        let args = json!({"FunctionName": stack.output(output)?});
        let function = aws.call("lambda", "get_function_configuration", &args)?;
        assert_eq!(function["Layers"][0]["Arn"], json!(layer), "{function}");
        let variables = &function["Environment"]["Variables"];
        assert_eq!(variables["PORTCULLIS_POLICY"], json!(parameters[0].1));
    }
    Ok(())
}

#[test]
fn a_layer_without_the_policy_that_is_in_it_is_rejected() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let layer = publish_layer(&aws)?;
    let in_layer = ("Policy", "file:/opt/policy.yaml");
    let own_layer = ("PolicyLayerArn", layer.as_str());
    let no_version = layer.trim_end_matches(":1");
    for (name, parameters, message) in [
        (
            "layer-only",
            vec![own_layer],
            "PolicyLayerArn needs Policy=",
        ),
        (
            "preset",
            vec![own_layer, ("Policy", "preset:hipaa")],
            "PolicyLayerArn needs Policy=",
        ),
        (
            "policy-only",
            vec![in_layer],
            "needs the layer that contains it",
        ),
        (
            "parameter",
            vec![
                in_layer,
                own_layer,
                ("PolicyParameter", "/portcullis/policy"),
            ],
            "PolicyLayerArn needs PolicyParameter=none",
        ),
        (
            "no-version",
            vec![in_layer, ("PolicyLayerArn", no_version)],
            "must be the ARN of a version of a Lambda layer",
        ),
    ] {
        let error = deploy(&aws, name, &parameters).unwrap_err().to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
    Ok(())
}

#[test]
fn a_failed_first_deployment_leaves_no_log_groups() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let missing = format!("arn:aws:sns:{}:{}:missing", aws.region(), aws.account());
    let parameters = [
        ("SlackWorkspaceId", "T0123"),
        ("SlackChannelId", "C0123"),
        ("SlackTopicArns", missing.as_str()),
    ];
    let error = deploy(&aws, "portcullis", &parameters).unwrap_err();
    let answer = aws.call("logs", "describe_log_groups", &json!({}))?;
    assert_eq!(answer["logGroups"], json!([]), "{error}");
    Ok(())
}
