//! What operators need: alarms, metrics, log lines, the dashboard and failed events that can be
//! sent again. They must be as `docs/operate.md` describes them.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_e2e::page::{operate, table};
use portcullis_e2e::{
    Deployment, Fault, Group, LocalAws, Options, Stack, binary, cloudtrail, wait_until,
};
use serde_json::{Value, json};

/// How long the function may take. A debug build on a busy machine starts slowly.
const LIMIT: Duration = Duration::from_secs(30);

struct Scene {
    aws: LocalAws,
    stack: Stack,
    group: Group,
}

impl Scene {
    fn new(mode: &str) -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        let deployment =
            Deployment::of_this_project(&binary("remediator")?).parameter("Mode", mode);
        let stack = aws.deploy(&deployment)?;
        aws.subscribe(stack.output("AlertTopicArn")?, "sqs", "")?;
        let group = Group::create(&aws.ec2(), "shop-web")?;
        Ok(Self { aws, stack, group })
    }

    /// Opens SSH to the world and returns CloudTrail's record of the call.
    fn open(&self) -> Result<Value> {
        let ssh = json!([{
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        }]);
        let rules = self.group.authorize(&ssh)?;
        Ok(cloudtrail::authorize(&self.aws, &self.group, &ssh, &rules))
    }

    /// The log lines that are JSON.
    fn log_lines(&self) -> Result<Vec<Value>> {
        let lines = self
            .aws
            .logs(self.stack.output("RemediatorFunctionName")?)?;
        Ok(lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// Waits for a log line with this message and key.
    fn wait_for_line(&self, message: &str, key: &str) -> Result<Value> {
        let lines = || {
            let is_wanted = |line: &Value| line["message"] == message && line.get(key).is_some();
            Ok(self.log_lines()?.into_iter().find(is_wanted))
        };
        wait_until(
            &format!("the log line `{message}` with `{key}`"),
            LIMIT,
            lines,
        )
        .with_context(|| {
            self.aws
                .logs(self.stack.output("RemediatorFunctionName").unwrap())
                .unwrap()
                .join("\n")
        })
    }

    fn alarms(&self) -> Result<Vec<Value>> {
        let answer = self.aws.call("cloudwatch", "describe_alarms", &json!({}))?;
        Ok(answer["MetricAlarms"]
            .as_array()
            .cloned()
            .unwrap_or_default())
    }

    fn update(&self, mode: &str) -> Result<()> {
        let architecture = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "x86_64"
        };
        let parameters = json!([
            {"ParameterKey": "Mode", "ParameterValue": mode},
            {"ParameterKey": "Architecture", "ParameterValue": architecture},
        ]);
        let update = json!({
            "StackName": self.stack.name, "UsePreviousTemplate": true, "Parameters": parameters,
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        });
        self.aws.call("cloudformation", "update_stack", &update)?;
        let status = wait_until("the update", LIMIT, || {
            let answer = self.aws.call(
                "cloudformation",
                "describe_stacks",
                &json!({"StackName": self.stack.name}),
            )?;
            let status = answer["Stacks"][0]["StackStatus"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            Ok((!status.ends_with("_IN_PROGRESS")).then_some(status))
        })?;
        ensure!(status == "UPDATE_COMPLETE", "{status}");
        Ok(())
    }

    fn invoke(&self, payload: &str) -> Result<Value> {
        let args = json!({
            "FunctionName": self.stack.output("RemediatorFunctionName")?,
            "InvocationType": "Event", "Payload": payload,
        });
        Ok(self.aws.call("lambda", "invoke", &args)?)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The anchors of the page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_alarm_notifies_the_topic_and_is_documented() -> Result<()> {
    let scene = Scene::new("enforce")?;
    let (topic, page) = (scene.stack.output("AlertTopicArn")?, operate()?);
    let alarms = scene.alarms()?;
    assert_eq!(alarms.len(), 14, "{alarms:#?}");
    for alarm in &alarms {
        assert_eq!(alarm["AlarmActions"], json!([topic]), "{alarm}");
        // Missing data is normal, with two exceptions: for a missed sweep it is the failure, and
        // subscriptions are counted only by a sweep.
        let (missing_data, insufficient_data_actions) = match text(&alarm["MetricName"]) {
            "Invocations" => ("missing", json!([topic])),
            "SubscriptionsConfirmed" => ("ignore", json!([])),
            _ => ("notBreaching", json!([])),
        };
        assert_eq!(alarm["TreatMissingData"], missing_data, "{alarm}");
        assert_eq!(
            alarm["InsufficientDataActions"], insufficient_data_actions,
            "{alarm}"
        );
        let description = text(&alarm["AlarmDescription"]);
        let (_, link) = description
            .split_once("docs/operate.md#")
            .with_context(|| format!("no link: {alarm}"))?;
        let link = link.trim_end_matches('.');
        let is_known = alarm["Namespace"] != "Portcullis"
            || page.contains(&format!("| `{}` |", text(&alarm["MetricName"])));
        assert!(
            is_known,
            "docs/operate.md does not list the metric of {alarm}"
        );
        assert!(
            anchors(&page).contains(link),
            "docs/operate.md has no heading for {link}"
        );
    }
    // CloudWatch may publish and use the key, but only for alarms of this account.
    let policy = scene
        .aws
        .call("sns", "get_topic_attributes", &json!({"TopicArn": topic}))?;
    let policy = text(&policy["Attributes"]["Policy"]).to_owned();
    let key = json!({"KeyId": scene.stack.resources["AlertKey"], "PolicyName": "default"});
    let key = scene.aws.call("kms", "get_key_policy", &key)?;
    for (name, text) in [("topic", policy.as_str()), ("key", text(&key["Policy"]))] {
        let policy: Value = serde_json::from_str(text)?;
        let statements = policy["Statement"].as_array().context("no statements")?;
        let alarms = statements
            .iter()
            .find(|one| one["Principal"]["Service"] == "cloudwatch.amazonaws.com");
        let alarms = alarms.with_context(|| format!("{name}: {policy}"))?;
        assert_eq!(
            alarms["Condition"]["StringEquals"]["aws:SourceAccount"],
            scene.aws.account(),
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn every_output_on_the_page_exists() -> Result<()> {
    let (scene, page) = (Scene::new("monitor")?, operate()?);
    let is_name = |word: &&str| {
        let ending = ["Arn", "Name", "Url"]
            .into_iter()
            .any(|ending| word.len() > ending.len() && word.ends_with(ending));
        ending && word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphanumeric)
    };
    let names: BTreeSet<_> = page.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(
        names.contains("SweepRuleName") && names.len() >= 7,
        "{names:?}"
    );
    // A parameter, not an output.
    for name in names.into_iter().filter(|name| *name != "AlarmTopicArn") {
        scene.stack.output(name)?;
    }
    Ok(())
}

#[test]
fn an_alarm_reaches_the_subscribers() -> Result<()> {
    let scene = Scene::new("enforce")?;
    let name = &scene.stack.resources["FailedEventsAlarm"];
    let state = json!({"AlarmName": name, "StateValue": "ALARM", "StateReason": "a test"});
    scene.aws.call("cloudwatch", "set_alarm_state", &state)?;
    let message = wait_until("the alarm", LIMIT, || {
        Ok(scene.aws.inbox()?.into_iter().next())
    })?;
    assert!(message.text.contains(name.as_str()), "{}", message.text);
    Ok(())
}

#[test]
fn the_dashboard_shows_documented_metrics() -> Result<()> {
    let scene = Scene::new("monitor")?;
    let name = json!({"DashboardName": scene.stack.output("DashboardName")?});
    let answer = scene.aws.call("cloudwatch", "get_dashboard", &name)?;
    let body: Value = serde_json::from_str(answer["DashboardBody"].as_str().context("no body")?)?;
    let page = operate()?;
    let known = &table(&page, "## Metrics") | &table(&page, "### Metrics of the sweep");
    assert!(
        known.contains("ExposureSeconds") && known.contains("SweepFindings"),
        "{known:?}"
    );
    let widgets = body["widgets"].as_array().context("no widgets")?;
    let metrics = widgets.iter().flat_map(|widget| {
        widget["properties"]["metrics"]
            .as_array()
            .into_iter()
            .flatten()
    });
    let mut count = 0;
    let mut searched = BTreeSet::new();
    for metric in metrics {
        if metric[0] == "Portcullis" {
            assert!(known.contains(text(&metric[1])), "{metric}");
            assert_eq!(metric[3], "monitor");
            count += 1;
        } else if let Some(expression) = metric[0]["expression"].as_str() {
            let (dimension, name) = parse_search(expression)
                .with_context(|| format!("unknown expression: {expression}"))?;
            assert!(
                known.contains(name) && page.contains(&format!("`{dimension}`")),
                "{expression}"
            );
            searched.insert(name);
        }
    }
    assert!(count >= 6 && searched.contains("SweepFindings"), "{body}");
    Ok(())
}

/// The dimension and the metric of `SEARCH('{Portcullis,Rule} MetricName="Findings"', ...)`.
fn parse_search(expression: &str) -> Option<(&str, &str)> {
    let (dimension, rest) = expression
        .strip_prefix("SEARCH('{Portcullis,")?
        .split_once("} MetricName=\"")?;
    Some((dimension, rest.split_once('"')?.0))
}

#[test]
fn an_event_is_in_the_log_and_the_metrics_as_documented() -> Result<()> {
    let scene = Scene::new("enforce")?;
    scene.aws.put_event(&scene.open()?)?;
    let (whole, rule) = (
        scene.wait_for_line("metrics", "Mode")?,
        scene.wait_for_line("metrics", "Rule")?,
    );
    for (name, value) in [
        ("Findings", 1),
        ("RulesRemoved", 1),
        ("Failures", 0),
        ("Refusals", 0),
    ] {
        assert_eq!(whole[name], value, "{name} {whole}");
    }
    assert!(whole["ExposureSeconds"][0].is_number(), "{whole}");
    assert_eq!(rule["Rule"], "restricted-common-ports");
    assert_eq!(rule["RulesRemoved"], 1);
    let page = operate()?;
    let metrics = whole["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let names = metrics
        .iter()
        .filter_map(|metric| Some(metric["Name"].as_str()?.to_owned()));
    assert_eq!(names.collect::<BTreeSet<_>>(), table(&page, "## Metrics"));

    let evaluated = scene.wait_for_line("group evaluated", "outcome")?;
    let keys: BTreeSet<String> = evaluated
        .as_object()
        .context("not an object")?
        .keys()
        .cloned()
        .collect();
    assert_eq!(keys, table(&page, "### The decision line"), "{evaluated}");
    Ok(())
}

#[test]
fn monitor_mode_counts_no_removal_and_no_exposure_time() -> Result<()> {
    let scene = Scene::new("monitor")?;
    scene.aws.put_event(&scene.open()?)?;
    let (whole, rule) = (
        scene.wait_for_line("metrics", "Mode")?,
        scene.wait_for_line("metrics", "Rule")?,
    );
    assert_eq!(
        (&whole["Mode"], &whole["Findings"]),
        (&json!("monitor"), &json!(1))
    );
    assert_eq!(
        (&whole["RulesRemoved"], &rule["RulesRemoved"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(whole.get("ExposureSeconds"), None);
    Ok(())
}

#[test]
fn a_failed_event_is_counted_and_can_be_sent_again() -> Result<()> {
    let scene = Scene::new("enforce")?;
    let denied = Fault::new("DescribeSecurityGroupRules", "UnauthorizedOperation")
        .status(403)
        .times(1000);
    scene.aws.ec2().fault(&denied)?;
    let record = scene.open()?;
    let event = json!({
        "version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ec2", "account": scene.aws.account(), "time": record["eventTime"],
        "region": scene.aws.region(), "resources": [], "detail": record,
    });
    scene.invoke(&event.to_string())?;
    let queue = json!({"QueueUrl": scene.stack.output("FailedEventsQueueUrl")?});
    let message = wait_until("the event in the failed events queue", LIMIT, || {
        let answer = scene.aws.call("sqs", "receive_message", &queue)?;
        Ok(answer
            .pointer("/Messages/0/Body")
            .and_then(Value::as_str)
            .map(str::to_owned))
    })?;
    assert_eq!(scene.wait_for_line("metrics", "Mode")?["Failures"], 1);
    let failure = scene.wait_for_line("invocation failed, event will be retried", "error")?;
    assert_eq!(failure["code"], "group-unreadable");
    for line in scene
        .aws
        .logs(scene.stack.output("RemediatorFunctionName")?)?
    {
        assert!(
            line.matches("\"message\":").count() <= 1,
            "a field occurs twice: {line}"
        );
    }

    scene.aws.ec2().reset()?;
    scene.invoke(&message)?;
    wait_until("the group to be closed", LIMIT, || {
        Ok(scene.group.rules()?.is_empty().then_some(()))
    })
}

#[test]
fn an_alert_that_is_not_published_is_counted() -> Result<()> {
    let scene = Scene::new("enforce")?;
    scene.aws.call(
        "sns",
        "delete_topic",
        &json!({"TopicArn": scene.stack.output("AlertTopicArn")?}),
    )?;
    let record = scene.open()?;
    scene.aws.put_event(&record)?;
    let line = scene.wait_for_line("metrics", "Mode")?;
    assert_eq!(
        (&line["AlertsNotPublished"], &line["RulesRemoved"]),
        (&json!(1), &json!(1)),
        "{line}"
    );
    Ok(())
}

#[test]
fn a_stack_can_change_from_monitor_to_enforce_and_be_deleted() -> Result<()> {
    let scene = Scene::new("monitor")?;
    let assert_alarm_mode = |mode: &str| -> Result<()> {
        let alarms = scene.alarms()?;
        let not_published = alarms
            .iter()
            .find(|alarm| alarm["MetricName"] == "AlertsNotPublished")
            .context("no alarm")?;
        assert_eq!(
            not_published["Dimensions"],
            json!([{"Name": "Mode", "Value": mode}])
        );
        Ok(())
    };
    assert_alarm_mode("monitor")?;
    scene.update("enforce")?;
    assert_alarm_mode("enforce")?;
    scene.aws.put_event(&scene.open()?)?;
    wait_until("the group to be closed", LIMIT, || {
        Ok(scene.group.rules()?.is_empty().then_some(()))
    })?;
    scene.aws.delete(&scene.stack)?;
    assert!(scene.alarms()?.is_empty());
    let dashboards = scene
        .aws
        .call("cloudwatch", "list_dashboards", &json!({}))?;
    assert_eq!(
        dashboards["DashboardEntries"]
            .as_array()
            .map_or(0, Vec::len),
        0
    );
    Ok(())
}
