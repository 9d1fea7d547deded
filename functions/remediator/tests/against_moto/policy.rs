//! Other policies: presets, and files of the package.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{Fault, LocalAws, Options};
use portcullis_testkit::Invocation;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{PATIENCE, Scene, event_about, start};

const TOPIC: (&str, &str) = ("PORTCULLIS_TOPIC_ARN", "arn:aws:sns:r:1:t");

/// A package with this policy in it.
fn package(policy: &str) -> Result<TempDir> {
    let package = TempDir::new()?;
    fs::write(package.path().join("policy.yaml"), policy)?;
    Ok(package)
}

/// The function with this policy file, and this mode if there is one.
fn with_file(policy: &str, mode: Option<&str>) -> Result<(Scene, TempDir)> {
    let package = package(policy)?;
    let root = package.path().to_str().context("no UTF-8")?;
    let mut settings = vec![
        ("LAMBDA_TASK_ROOT", root),
        ("PORTCULLIS_POLICY", "file:policy.yaml"),
    ];
    settings.extend(mode.map(|mode| ("PORTCULLIS_MODE", mode)));
    let scene = Scene::with_settings(LocalAws::start(&Options::default())?, &settings)?;
    scene.make_topic()?;
    Ok((scene, package))
}

fn with_preset(preset: &str) -> Result<Scene> {
    let settings = [("PORTCULLIS_POLICY", preset)];
    let scene = Scene::with_settings(LocalAws::start(&Options::default())?, &settings)?;
    scene.make_topic()?;
    Ok(scene)
}

/// Adds one rule with a description and a tag.
fn open(scene: &Scene, protocol: &str, from: i32, to: i32, source: &str) -> Result<()> {
    let range = json!([{"CidrIp": source, "Description": "all of it"}]);
    let tags = json!([{"ResourceType": "security-group-rule", "Tags": [{"Key": "team", "Value": "shop"}]}]);
    let permission =
        json!({"IpProtocol": protocol, "FromPort": from, "ToPort": to, "IpRanges": range});
    let args = json!({"GroupId": scene.group.id, "IpPermissions": [permission], "TagSpecifications": tags});
    scene
        .aws
        .ec2()
        .call("authorize_security_group_ingress", &args)?;
    Ok(())
}

/// Each rule in a line, in order: ports, source, description, tags.
fn shown(scene: &Scene) -> Result<Vec<String>> {
    let line = |rule: &Value| {
        let tags = rule["Tags"].as_array().into_iter().flatten();
        let tags: Vec<_> = tags
            .map(|tag| format!("{}={}", text(&tag["Key"]), text(&tag["Value"])))
            .collect();
        let (from, to) = (&rule["FromPort"], &rule["ToPort"]);
        let (protocol, cidr) = (text(&rule["IpProtocol"]), text(&rule["CidrIpv4"]));
        format!(
            "{protocol} {from}-{to} {cidr} ({}) [{}]",
            text(&rule["Description"]),
            tags.join(",")
        )
    };
    let mut lines: Vec<_> = scene.group.rules()?.iter().map(line).collect();
    lines.sort();
    Ok(lines)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The calls that change something, in the order they were made.
fn changes(scene: &Scene) -> Result<Vec<String>> {
    let calls = scene.aws.ec2().calls()?.into_iter().map(|call| call.action);
    Ok(calls
        .filter(|action| !action.starts_with("Describe"))
        .collect())
}

const ADD: &str = "AuthorizeSecurityGroupIngress";
const REMOVE: &str = "RevokeSecurityGroupIngress";

#[test]
fn web_only_keeps_what_the_web_needs_of_a_range() -> Result<()> {
    let scene = with_preset("preset:web-only")?;
    let innocent = scene.open(&[("tcp", 22, "10.0.0.0/8"), ("icmp", 8, "0.0.0.0/0")])?;
    open(&scene, "tcp", 0, 65535, "0.0.0.0/0")?;
    assert_eq!(scene.outcome("e-1")?, "closed");
    assert_eq!(
        shown(&scene)?,
        [
            "icmp 8-8 0.0.0.0/0 (a test's) []",
            "tcp 22-22 10.0.0.0/8 (a test's) []",
            "tcp 443-443 0.0.0.0/0 (all of it) [team=shop]",
            "tcp 80-80 0.0.0.0/0 (all of it) [team=shop]",
        ]
    );
    let left = scene.group.rule_ids()?;
    ensure!(
        innocent.iter().all(|id| left.contains(id)),
        "{innocent:?} {left:?}"
    );
    assert_eq!(
        changes(&scene)?,
        [ADD, REMOVE],
        "what stays allowed is never cut"
    );
    assert_eq!(scene.alerts()?, 1);
    assert_eq!(scene.outcome("e-2")?, "clean", "and now it rests");
    assert_eq!(scene.alerts()?, 1);
    let log = scene.function.log();
    ensure!(log.contains("\"policy\":\"web-only\""), "{log}");
    Ok(())
}

#[test]
fn what_is_kept_may_be_there_already() -> Result<()> {
    let scene = with_preset("preset:web-only")?;
    let kept = scene.open(&[("tcp", 443, "0.0.0.0/0")])?;
    open(&scene, "tcp", 0, 65535, "0.0.0.0/0")?;
    assert_eq!(scene.outcome("e-1")?, "closed");
    ensure!(scene.group.rule_ids()?.contains(&kept[0]));
    assert_eq!(
        shown(&scene)?,
        [
            "tcp 443-443 0.0.0.0/0 (a test's) []",
            "tcp 80-80 0.0.0.0/0 (all of it) [team=shop]"
        ]
    );
    Ok(())
}

#[test]
fn an_error_while_keeping_is_never_a_silent_success() -> Result<()> {
    let scene = with_preset("preset:web-only")?;
    let ec2 = scene.aws.ec2();
    for (error, status, outcome) in [
        ("RequestLimitExceeded", 503, "closed"),
        ("InternalError", 500, "closed"),
        ("UnauthorizedOperation", 403, "closed"),
    ] {
        open(&scene, "tcp", 0, 65535, "0.0.0.0/0")?;
        let before = scene.alerts()?;
        ec2.fault(&Fault::new(ADD, error).status(status).times(99))?;
        assert_eq!(scene.outcome(error)?, outcome, "{error}");
        ensure!(
            shown(&scene)?.is_empty(),
            "{error}: closing comes before keeping"
        );
        let alerts = scene.aws.inbox()?;
        assert_eq!(alerts.len(), before + 1, "{error}");
        let told = alerts.last().context("no alert")?;
        ensure!(told.text.contains(ADD), "{error}: {}", told.text);
        ec2.reset()?;
    }
    Ok(())
}

const OFFICE: &str = "
version: 1
name: office
trusted:
  office: [203.0.113.0/24]
rules:
  - id: ssh-from-the-office
    forbids: SSH open to the world instead of to our office
    check: open-ports
    protocol: tcp
    ports: [22]
    severity: high
    action: restrict
    trusted: [office]
";

#[test]
fn restrict_opens_again_to_the_trusted_only() -> Result<()> {
    let (scene, _package) = with_file(&OFFICE.replace("113.0/24", "113.7/24"), None)?;
    open(&scene, "tcp", 22, 22, "0.0.0.0/0")?;
    assert_eq!(scene.outcome("e-1")?, "closed");
    let log = scene.function.log();
    ensure!(
        log.contains("odd policy") && log.contains("policy.yaml:5:"),
        "a warning is no reason not to start: {log}"
    );
    assert_eq!(
        shown(&scene)?,
        ["tcp 22-22 203.0.113.0/24 (all of it) [team=shop]"]
    );
    assert_eq!(changes(&scene)?, [ADD, REMOVE]);
    assert_eq!(scene.outcome("e-2")?, "clean");
    Ok(())
}

const VENDOR: &str = "
version: 1
name: vendor
extends: baseline
exceptions:
  - id: vendor-appliance
    reason: the vendor's appliance calls back from changing addresses
    owner: edge@example.com
    expires: 2099-12-31
    protocol: tcp
    ports: [8443]
  - id: last-year
    reason: it was a test
    owner: edge@example.com
    expires: 2020-12-31
    protocol: tcp
    ports: [9443]
";

#[test]
fn an_exception_frees_its_port_until_it_ends() -> Result<()> {
    let (scene, _package) = with_file(VENDOR, Some("enforce"))?;
    let freed = scene.open(&[("tcp", 8443, "0.0.0.0/0")])?;
    assert_eq!(scene.outcome("e-1")?, "clean");
    scene.open(&[("tcp", 8444, "0.0.0.0/0"), ("tcp", 9443, "0.0.0.0/0")])?;
    assert_eq!(scene.outcome("e-2")?, "closed");
    assert_eq!(scene.group.rule_ids()?, freed);
    let log = scene.function.log();
    ensure!(
        log.contains("\"exceptions_expired\":\"last-year\""),
        "{log}"
    );
    Ok(())
}

fn put_policy(aws: &LocalAws, text: &str) -> Result<()> {
    let put =
        json!({"Name": "/portcullis/policy", "Type": "String", "Value": text, "Overwrite": true});
    aws.call("ssm", "put_parameter", &put)?;
    Ok(())
}

#[test]
fn a_policy_may_be_a_parameter_with_or_without_its_version() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    put_policy(&aws, VENDOR)?;
    put_policy(&aws, "version: 1\nname: second\nextends: baseline\n")?;
    let scene = Scene::with_settings(aws, &[("PORTCULLIS_POLICY", "ssm:/portcullis/policy")])?;
    scene.make_topic()?;
    let opened = scene.open(&[("tcp", 8443, "0.0.0.0/0")])?;
    let first = start(
        &scene.aws,
        &[("PORTCULLIS_POLICY", "ssm:/portcullis/policy:1"), TOPIC],
    )?;
    let event = event_about(&scene.group.id, "e-1").to_string();
    let Some(Invocation::Response(answer)) = first.invoke(&event, PATIENCE) else {
        bail!("{}", first.log())
    };
    assert_eq!(
        (&answer["outcome"], scene.group.rule_ids()?),
        (&json!("clean"), opened),
        "the first version excepts it"
    );
    assert_eq!(scene.outcome("e-1")?, "closed", "the latest does not");
    let log = scene.function.log();
    ensure!(log.contains("\"policy\":\"second\""), "{log}");
    Ok(())
}

#[test]
fn a_bad_policy_in_a_parameter_is_named_with_line_and_column() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    put_policy(&aws, "version: 1\nextends: baseline\nmode: enforse\n")?;
    let log = refusal(&aws, &[("PORTCULLIS_POLICY", "ssm:/portcullis/policy")])?;
    ensure!(
        log.contains("ssm:/portcullis/policy:3:7: ") && log.contains("did you mean `enforce`?"),
        "{log}"
    );
    Ok(())
}

#[test]
fn a_policy_that_says_monitor_changes_nothing_unless_the_environment_says_so() -> Result<()> {
    let policy = "version: 1\nname: look\nextends: baseline\nmode: monitor\n";
    let (scene, _package) = with_file(policy, None)?;
    scene.open(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(scene.outcome("e-1")?, "would-close");
    assert!(changes(&scene)?.is_empty());
    let (scene, _package) = with_file(policy, Some("enforce"))?;
    scene.open(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(scene.outcome("e-1")?, "closed");
    let log = scene.function.log();
    ensure!(
        log.contains("the policy says monitor, PORTCULLIS_MODE says enforce"),
        "{log}"
    );
    Ok(())
}

#[test]
fn a_guardrail_looks_at_what_the_group_is_attached_to() -> Result<()> {
    let policy = "version: 1\nextends: baseline\nguardrails: { load_balancers: notify }\n";
    let (scene, _package) = with_file(policy, None)?;
    scene.open(&[("tcp", 22, "0.0.0.0/0")])?;
    let ec2 = scene.aws.ec2();
    ec2.fault(&Fault::new("DescribeNetworkInterfaces", "UnauthorizedOperation").status(403))?;
    assert_eq!(
        scene.failure("e-1")?,
        "Portcullis.group-unread",
        "not knowing is no permission"
    );
    assert_eq!(scene.group.rule_ids()?.len(), 1);
    assert_eq!(scene.outcome("e-1")?, "closed", "nothing is attached to it");
    let asked = ec2.actions_on(&scene.group.id)?;
    ensure!(
        asked
            .iter()
            .any(|action| action == "DescribeNetworkInterfaces"),
        "{asked:?}"
    );
    Ok(())
}

#[test]
fn without_a_guardrail_nobody_asks_what_the_group_is_attached_to() -> Result<()> {
    let scene = with_preset("preset:baseline")?;
    scene.open(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(scene.outcome("e-1")?, "closed");
    let asked = scene.aws.ec2().actions_on(&scene.group.id)?;
    ensure!(
        !asked
            .iter()
            .any(|action| action == "DescribeNetworkInterfaces"),
        "{asked:?}"
    );
    Ok(())
}

/// The exit and the log of a function that must not start.
fn refusal(aws: &LocalAws, settings: &[(&str, &str)]) -> Result<String> {
    let all: Vec<_> = settings.iter().copied().chain([TOPIC]).collect();
    let mut function = start(aws, &all)?;
    let (code, log) = function.wait_for_exit(PATIENCE).context("it started")?;
    ensure!(
        code != Some(0) && log.contains("refusing to start"),
        "{code:?} {log}"
    );
    Ok(log)
}

#[test]
fn a_bad_policy_keeps_it_from_starting_and_says_where_and_why() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let package = package(
        "version: 1\nextends: baseline\nmode: enforse\nrules:\n  - id: port-range\n    action: narow\n",
    )?;
    let root = package.path().to_str().context("no UTF-8")?;
    let log = refusal(
        &aws,
        &[
            ("LAMBDA_TASK_ROOT", root),
            ("PORTCULLIS_POLICY", "file:policy.yaml"),
        ],
    )?;
    ensure!(
        log.contains("policy.yaml:3:7: "),
        "the first mistake: {log}"
    );
    ensure!(log.contains("policy.yaml:6:13: "), "the second: {log}");
    ensure!(log.contains("did you mean `enforce`?"), "what helps: {log}");
    Ok(())
}

#[test]
fn a_policy_that_cannot_be_had_keeps_it_from_starting() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    for (policy, reason) in [
        ("file:missing.yaml", "/nonexistent/missing.yaml"),
        ("preset:web", "only `baseline`, `web-only`"),
        ("ssm:/portcullis/policy", "ParameterNotFound"),
        ("ssm:", "expected `preset:NAME`, `file:PATH` or `ssm:NAME`"),
        (
            "policy.yaml",
            "expected `preset:NAME`, `file:PATH` or `ssm:NAME`",
        ),
    ] {
        let log = refusal(
            &aws,
            &[
                ("LAMBDA_TASK_ROOT", "/nonexistent"),
                ("PORTCULLIS_POLICY", policy),
            ],
        )?;
        ensure!(log.contains(reason), "{policy}: {log}");
    }
    Ok(())
}
