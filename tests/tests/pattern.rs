//! Which events match the pattern of the deployed EventBridge rule: `TestEventPattern` with every
//! event of `events/` and with similar events that must not match.

#![expect(
    clippy::indexing_slicing,
    clippy::panic_in_result_fn,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use portcullis_e2e::{Deployment, LocalAws, Options, workspace_root};
use serde_json::{Value, json};

/// EventBridge and the pattern of the deployed rule.
struct EventRule {
    aws: LocalAws,
    pattern: Value,
}

impl EventRule {
    /// Any file can be the function, because nothing invokes it.
    fn deployed() -> Result<Self> {
        let aws = LocalAws::start(&Options::default())?;
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/function.py");
        let stack = aws.deploy(&Deployment::of_this_project(&stand_in))?;
        let rule = aws.call(
            "events",
            "describe_rule",
            &json!({"Name": stack.output("EventRuleName")?}),
        )?;
        ensure!(rule["State"] == "ENABLED", "{rule}");
        Ok(Self {
            pattern: rule["EventPattern"].clone(),
            aws,
        })
    }

    fn matches(&self, event: &Value) -> Result<bool> {
        let args = json!({"EventPattern": self.pattern, "Event": event.to_string()});
        let answer = self.aws.call("events", "test_event_pattern", &args)?;
        answer["Result"]
            .as_bool()
            .with_context(|| format!("no result: {answer}"))
    }
}

/// An event and whether the pattern must match it.
struct Case {
    name: String,
    event: Value,
    matches: bool,
}

impl Case {
    fn new(name: &str, event: Value, matches: bool) -> Self {
        Self {
            name: name.to_owned(),
            event,
            matches,
        }
    }
}

fn events() -> PathBuf {
    workspace_root().join("events")
}

fn read_event(file: &str) -> Result<Value> {
    let source = File::open(events().join(file))?;
    let is_gzip = Path::new(file).extension().is_some_and(|kind| kind == "gz");
    let content: Box<dyn Read> = if is_gzip {
        Box::new(GzDecoder::new(source))
    } else {
        Box::new(source)
    };
    serde_json::from_str(&io::read_to_string(content)?).with_context(|| file.to_owned())
}

/// The EventBridge event for a CloudTrail record.
fn envelope(record: &Value) -> Value {
    json!({
        "version": "0", "id": "4f3a6d0e-0f62-4a0b-8d5e-3a2c1b0f9e8d",
        "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
        "account": "111122223333", "time": "2026-04-17T09:22:31Z", "region": "eu-central-1",
        "resources": [], "detail": record,
    })
}

/// The cases of a row of `expectations.json`. A row without `matches` must say why.
fn cases(row: &Value) -> Result<Vec<Case>> {
    let file = row["file"].as_str().context("a row without a file")?;
    let content = read_event(file)?;
    let form = row["form"].as_str().unwrap_or_default();
    let Some(matches) = row["matches"].as_bool() else {
        let reason = row["not_tested"].as_str().unwrap_or_default();
        ensure!(
            !reason.is_empty(),
            "{file}: needs `matches` or `not_tested`"
        );
        return if form == "log" {
            record_cases(file, row, &content)
        } else {
            Ok(Vec::new())
        };
    };
    ensure!(
        row["not_tested"].is_null(),
        "{file}: has both `matches` and `not_tested`"
    );
    match form {
        "eventbridge" => Ok(vec![Case::new(file, content, matches)]),
        "record" => Ok(vec![Case::new(file, envelope(&content), matches)]),
        other => anyhow::bail!("{file}: an event of the form {other} cannot match"),
    }
}

fn record_cases(file: &str, row: &Value, content: &Value) -> Result<Vec<Case>> {
    let rows = row["records"]
        .as_array()
        .context("a log file without rows")?;
    let records = content["Records"]
        .as_array()
        .context("a log file without records")?;
    ensure!(
        rows.len() == records.len(),
        "{file}: {} rows, {} records",
        rows.len(),
        records.len()
    );
    let case = |(row, record): (&Value, &Value)| {
        let name = format!("{file} {}", row["event_id"]);
        ensure!(
            row["event_id"] == record["eventID"],
            "{name} is {}",
            record["eventID"]
        );
        let matches = row["matches"]
            .as_bool()
            .with_context(|| format!("{name}: no `matches`"))?;
        Ok(Case::new(&name, envelope(record), matches))
    };
    rows.iter().zip(records).map(case).collect()
}

/// An event with one value changed or added.
fn with_value(event: &Value, pointer: &str, value: &str) -> Result<Value> {
    let mut changed = event.clone();
    let (parent, field) = pointer.rsplit_once('/').context("not a pointer")?;
    let parent = changed
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .context("no parent")?;
    parent.insert(field.to_owned(), json!(value));
    Ok(changed)
}

/// Tests all cases and reports every wrong result.
fn test_all(rule: &EventRule, cases: &[Case]) -> Result<()> {
    let mut wrong = Vec::new();
    for case in cases {
        if rule.matches(&case.event)? != case.matches {
            wrong.push(format!(
                "{} {}",
                case.name,
                if case.matches {
                    "does not match"
                } else {
                    "matches"
                }
            ));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        cases.len()
    );
    Ok(())
}

#[test]
fn every_event_matches_as_expected() -> Result<()> {
    let table = read_event("expectations.json")?;
    let rows = table["events"].as_array().context("no events")?;
    let listed: BTreeSet<_> = rows
        .iter()
        .filter_map(|row| row["file"].as_str())
        .map(PathBuf::from)
        .collect();
    for entry in fs::read_dir(events())? {
        let name = PathBuf::from(entry?.file_name());
        let is_event = !["README.md", "expectations.json"]
            .iter()
            .any(|other| Path::new(other) == name);
        assert!(
            !is_event || listed.contains(&name),
            "{} has no row",
            name.display()
        );
    }

    let rule = EventRule::deployed()?;
    let cases = rows
        .iter()
        .map(cases)
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    let count = |matches: bool| cases.iter().filter(|case| case.matches == matches).count();
    assert!(
        count(true) >= 60 && count(false) >= 15,
        "{} and {}",
        count(true),
        count(false)
    );
    test_all(&rule, &cases)
}

#[test]
fn calls_that_open_a_group_match_and_similar_events_do_not() -> Result<()> {
    let rule = EventRule::deployed()?;
    let open = read_event("authorize-items-ssh.json")?;
    let mut cases = Vec::new();
    for (pointer, value, matches) in VARIANTS {
        cases.push(Case::new(
            &format!("{pointer} = {value}"),
            with_value(&open, pointer, value)?,
            matches,
        ));
    }
    let unrelated = json!({
        "eventVersion": "1.10", "eventSource": "s3.amazonaws.com", "eventName": "PutObject",
        "readOnly": false, "eventType": "AwsApiCall", "managementEvent": false,
        "eventCategory": "Data",
        "requestParameters": {"bucketName": "example", "key": "AuthorizeSecurityGroupIngress"},
    });
    let data_event = with_value(&envelope(&unrelated), "/source", "aws.s3")?;
    cases.push(Case::new("an S3 data event", data_event, false));
    cases.push(Case::new(
        "an S3 data event on the wrong source",
        envelope(&unrelated),
        false,
    ));
    test_all(&rule, &cases)
}

/// A call that opened a group, with one value changed. The first rows must match, to prove that the
/// changed value is why the others do not.
const VARIANTS: [(&str, &str, bool); 27] = [
    ("/account", "444455556666", true),
    ("/region", "us-west-2", true),
    ("/detail/eventName", "AuthorizeSecurityGroupIngress", true),
    ("/detail/eventName", "ModifySecurityGroupRules", true),
    ("/detail/eventName", "ModifyManagedPrefixList", true),
    ("/detail/eventName", "RestoreManagedPrefixListVersion", true),
    ("/detail/errorMessage", "not an error without a code", true),
    (
        "/detail/errorCode",
        "Client.InvalidPermission.Duplicate",
        false,
    ),
    ("/detail/errorCode", "Client.UnauthorizedOperation", false),
    ("/detail/errorCode", "Client.DryRunOperation", false),
    ("/detail/errorCode", "", false),
    ("/detail/eventName", "RevokeSecurityGroupIngress", false),
    ("/detail/eventName", "CreateSecurityGroup", false),
    ("/detail/eventName", "DeleteSecurityGroup", false),
    ("/detail/eventName", "AuthorizeSecurityGroupEgress", false),
    ("/detail/eventName", "RevokeSecurityGroupEgress", false),
    (
        "/detail/eventName",
        "UpdateSecurityGroupRuleDescriptionsIngress",
        false,
    ),
    ("/detail/eventName", "DescribeSecurityGroupRules", false),
    ("/detail/eventName", "authorizesecuritygroupingress", false),
    ("/detail/eventSource", "rds.amazonaws.com", false),
    ("/detail/eventSource", "s3.amazonaws.com", false),
    ("/source", "aws.rds", false),
    ("/source", "aws.s3", false),
    ("/source", "com.example.drill", false),
    ("/detail-type", "AWS Console Sign In via CloudTrail", false),
    ("/detail-type", "AWS Service Event via CloudTrail", false),
    ("/detail-type", "EC2 Security Group Change", false),
];
