//! The function with other policies: presets, files and parameters.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_e2e::{Fault, LocalAws, Options};
use portcullis_testkit::Invocation;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::{TIMEOUT, TestEnvironment, event_about, start_function};

const TOPIC: (&str, &str) = ("PORTCULLIS_TOPIC_ARN", "arn:aws:sns:r:1:t");

/// A deployment package with this policy.
fn create_package(policy: &str) -> Result<TempDir> {
    let package = TempDir::new()?;
    fs::write(package.path().join("policy.yaml"), policy)?;
    Ok(package)
}

/// The function with this policy file, and this mode if given.
fn start_with_file(policy: &str, mode: Option<&str>) -> Result<(TestEnvironment, TempDir)> {
    start_in(LocalAws::start(&Options::default())?, policy, mode)
}

/// The same in a local AWS that is running already.
fn start_in(aws: LocalAws, policy: &str, mode: Option<&str>) -> Result<(TestEnvironment, TempDir)> {
    let package = create_package(policy)?;
    let root = package.path().to_str().context("no UTF-8")?;
    let mut settings = vec![
        ("LAMBDA_TASK_ROOT", root),
        ("PORTCULLIS_POLICY", "file:policy.yaml"),
    ];
    settings.extend(mode.map(|mode| ("PORTCULLIS_MODE", mode)));
    let environment = TestEnvironment::with_settings(aws, &settings)?;
    environment.create_topic()?;
    Ok((environment, package))
}

fn start_with_preset(preset: &str) -> Result<TestEnvironment> {
    let settings = [("PORTCULLIS_POLICY", preset)];
    let environment =
        TestEnvironment::with_settings(LocalAws::start(&Options::default())?, &settings)?;
    environment.create_topic()?;
    Ok(environment)
}

/// Adds one rule with a description and a tag.
fn add_rule(
    environment: &TestEnvironment,
    protocol: &str,
    from: i32,
    to: i32,
    source: &str,
) -> Result<()> {
    let range = json!([{"CidrIp": source, "Description": "all of it"}]);
    let tags = json!([{"Key": "team", "Value": "shop"}]);
    let permission =
        json!({"IpProtocol": protocol, "FromPort": from, "ToPort": to, "IpRanges": range});
    let args = json!({
        "GroupId": environment.group.id,
        "IpPermissions": [permission],
        "TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": tags}],
    });
    environment
        .aws
        .ec2()
        .call("authorize_security_group_ingress", &args)?;
    Ok(())
}

/// Each rule as text, sorted: ports, source, description, tags.
fn rule_lines(environment: &TestEnvironment) -> Result<Vec<String>> {
    let format_rule = |rule: &Value| {
        let tags = rule["Tags"].as_array().into_iter().flatten();
        let tags: Vec<_> = tags
            .map(|tag| format!("{}={}", as_text(&tag["Key"]), as_text(&tag["Value"])))
            .collect();
        let (from, to) = (&rule["FromPort"], &rule["ToPort"]);
        let (protocol, cidr) = (as_text(&rule["IpProtocol"]), as_text(&rule["CidrIpv4"]));
        format!(
            "{protocol} {from}-{to} {cidr} ({}) [{}]",
            as_text(&rule["Description"]),
            tags.join(",")
        )
    };
    let mut lines: Vec<_> = environment.group.rules()?.iter().map(format_rule).collect();
    lines.sort();
    Ok(lines)
}

fn as_text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The calls that change something, in order.
fn changing_calls(environment: &TestEnvironment) -> Result<Vec<String>> {
    let calls = environment
        .aws
        .ec2()
        .calls()?
        .into_iter()
        .map(|call| call.action);
    Ok(calls
        .filter(|action| !action.starts_with("Describe"))
        .collect())
}

const AUTHORIZE: &str = "AuthorizeSecurityGroupIngress";
const REVOKE: &str = "RevokeSecurityGroupIngress";

#[test]
fn web_only_keeps_the_web_ports_of_a_range() -> Result<()> {
    let environment = start_with_preset("preset:web-only")?;
    let compliant =
        environment.add_rules(&[("tcp", 22, "10.0.0.0/8"), ("icmp", 8, "0.0.0.0/0")])?;
    add_rule(&environment, "tcp", 0, 65535, "0.0.0.0/0")?;
    assert_eq!(environment.outcome("e-1")?, "closed");
    assert_eq!(
        rule_lines(&environment)?,
        [
            "icmp 8-8 0.0.0.0/0 (test rule) []",
            "tcp 22-22 10.0.0.0/8 (test rule) []",
            "tcp 443-443 0.0.0.0/0 (all of it) [team=shop]",
            "tcp 80-80 0.0.0.0/0 (all of it) [team=shop]",
        ]
    );
    let remaining = environment.group.rule_ids()?;
    ensure!(
        compliant.iter().all(|id| remaining.contains(id)),
        "{compliant:?} {remaining:?}"
    );
    assert_eq!(
        changing_calls(&environment)?,
        [AUTHORIZE, REVOKE],
        "allowed access is never interrupted"
    );
    assert_eq!(environment.alert_count()?, 1);
    assert_eq!(
        environment.outcome("e-2")?,
        "clean",
        "the second event finds nothing"
    );
    assert_eq!(environment.alert_count()?, 1);
    let log = environment.function.log();
    ensure!(
        log.contains(r#""policy.name":"web-only","policy.hash":""#),
        "{log}"
    );
    Ok(())
}

#[test]
fn a_kept_port_may_already_have_a_rule() -> Result<()> {
    let environment = start_with_preset("preset:web-only")?;
    let existing = environment.add_rules(&[("tcp", 443, "0.0.0.0/0")])?;
    add_rule(&environment, "tcp", 0, 65535, "0.0.0.0/0")?;
    assert_eq!(environment.outcome("e-1")?, "closed");
    ensure!(environment.group.rule_ids()?.contains(&existing[0]));
    assert_eq!(
        rule_lines(&environment)?,
        [
            "tcp 443-443 0.0.0.0/0 (test rule) []",
            "tcp 80-80 0.0.0.0/0 (all of it) [team=shop]"
        ]
    );
    Ok(())
}

#[test]
fn an_error_while_adding_rules_is_reported() -> Result<()> {
    let environment = start_with_preset("preset:web-only")?;
    let ec2 = environment.aws.ec2();
    for (error, status, outcome) in [
        ("RequestLimitExceeded", 503, "closed"),
        ("InternalError", 500, "closed"),
        ("UnauthorizedOperation", 403, "closed"),
    ] {
        add_rule(&environment, "tcp", 0, 65535, "0.0.0.0/0")?;
        let before = environment.alert_count()?;
        ec2.fault(&Fault::new(AUTHORIZE, error).status(status).times(99))?;
        assert_eq!(environment.outcome(error)?, outcome, "{error}");
        ensure!(
            rule_lines(&environment)?.is_empty(),
            "{error}: removing takes precedence over keeping"
        );
        let alerts = environment.aws.inbox()?;
        assert_eq!(alerts.len(), before + 1, "{error}");
        let alert = alerts.last().context("no alert")?;
        ensure!(alert.text.contains(AUTHORIZE), "{error}: {}", alert.text);
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
fn restrict_adds_access_for_trusted_sources_only() -> Result<()> {
    let (environment, _package) = start_with_file(&OFFICE.replace("113.0/24", "113.7/24"), None)?;
    add_rule(&environment, "tcp", 22, 22, "0.0.0.0/0")?;
    assert_eq!(environment.outcome("e-1")?, "closed");
    let log = environment.function.log();
    ensure!(
        log.contains("policy warning") && log.contains("policy.yaml:5:"),
        "a warning does not prevent the start: {log}"
    );
    assert_eq!(
        rule_lines(&environment)?,
        ["tcp 22-22 203.0.113.0/24 (all of it) [team=shop]"]
    );
    assert_eq!(changing_calls(&environment)?, [AUTHORIZE, REVOKE]);
    assert_eq!(environment.outcome("e-2")?, "clean");
    Ok(())
}

#[test]
fn restrict_adds_a_trusted_prefix_list() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let list = json!({"PrefixListName": "office", "MaxEntries": 5, "AddressFamily": "IPv4",
        "Entries": [{"Cidr": "203.0.113.0/24"}]});
    let list = aws.ec2().call("create_managed_prefix_list", &list)?;
    let list = list["PrefixList"]["PrefixListId"]
        .as_str()
        .unwrap_or_default();
    let (environment, _package) = start_in(aws, &OFFICE.replace("203.0.113.0/24", list), None)?;
    add_rule(&environment, "tcp", 22, 22, "0.0.0.0/0")?;
    assert_eq!(environment.outcome("e-1")?, "closed");
    let rules = environment.group.rules()?;
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert_eq!(rules[0]["PrefixListId"], list);
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
fn an_exception_exempts_its_port_until_it_expires() -> Result<()> {
    let (environment, _package) = start_with_file(VENDOR, Some("enforce"))?;
    let exempt = environment.add_rules(&[("tcp", 8443, "0.0.0.0/0")])?;
    assert_eq!(environment.outcome("e-1")?, "clean");
    environment.add_rules(&[("tcp", 8444, "0.0.0.0/0"), ("tcp", 9443, "0.0.0.0/0")])?;
    assert_eq!(environment.outcome("e-2")?, "closed");
    assert_eq!(environment.group.rule_ids()?, exempt);
    let log = environment.function.log();
    ensure!(
        log.contains("\"expired_exceptions\":\"last-year\""),
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
fn a_policy_can_be_in_a_parameter_with_or_without_version() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    put_policy(&aws, VENDOR)?;
    put_policy(&aws, "version: 1\nname: second\nextends: baseline\n")?;
    let environment =
        TestEnvironment::with_settings(aws, &[("PORTCULLIS_POLICY", "ssm:/portcullis/policy")])?;
    environment.create_topic()?;
    let added = environment.add_rules(&[("tcp", 8443, "0.0.0.0/0")])?;
    let first = start_function(
        &environment.aws,
        &[("PORTCULLIS_POLICY", "ssm:/portcullis/policy:1"), TOPIC],
    )?;
    let event = event_about(&environment.group.id, "e-1").to_string();
    let Some(Invocation::Response(response)) = first.invoke(&event, TIMEOUT) else {
        bail!("{}", first.log())
    };
    assert_eq!(
        (&response["outcome"], environment.group.rule_ids()?),
        (&json!("clean"), added),
        "the first version exempts the port"
    );
    assert_eq!(
        environment.outcome("e-1")?,
        "closed",
        "the latest version does not"
    );
    let log = environment.function.log();
    ensure!(
        log.contains(r#""policy.name":"second","policy.version":2,"policy.hash":""#),
        "{log}"
    );
    let alerts = environment.aws.inbox()?;
    let report: Value = alerts.last().context("no alert")?.json()?;
    assert_eq!(report["policy"]["name"], "second");
    assert_eq!(report["policy"]["version"], 2);
    Ok(())
}

#[test]
fn an_invalid_policy_in_a_parameter_is_reported_with_line_and_column() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    put_policy(&aws, "version: 1\nextends: baseline\nmode: enforse\n")?;
    let log = startup_failure(&aws, &[("PORTCULLIS_POLICY", "ssm:/portcullis/policy")])?;
    ensure!(
        log.contains("ssm:/portcullis/policy:3:7: ") && log.contains("did you mean `enforce`?"),
        "{log}"
    );
    Ok(())
}

#[test]
fn a_monitor_policy_changes_nothing_unless_the_environment_overrides_it() -> Result<()> {
    let policy = "version: 1\nname: look\nextends: baseline\nmode: monitor\n";
    let (environment, _package) = start_with_file(policy, None)?;
    environment.add_rules(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(environment.outcome("e-1")?, "would-close");
    assert!(changing_calls(&environment)?.is_empty());
    let (environment, _package) = start_with_file(policy, Some("enforce"))?;
    environment.add_rules(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(environment.outcome("e-1")?, "closed");
    let log = environment.function.log();
    ensure!(
        log.contains("the policy says monitor, PORTCULLIS_MODE says enforce"),
        "{log}"
    );
    Ok(())
}

#[test]
fn a_guardrail_reads_the_attachments_of_the_group() -> Result<()> {
    let policy = "version: 1\nextends: baseline\nguardrails: { load_balancers: notify }\n";
    let (environment, _package) = start_with_file(policy, None)?;
    environment.add_rules(&[("tcp", 22, "0.0.0.0/0")])?;
    let ec2 = environment.aws.ec2();
    ec2.fault(&Fault::new("DescribeNetworkInterfaces", "UnauthorizedOperation").status(403))?;
    assert_eq!(
        environment.failure("e-1")?,
        "Portcullis.group-unreadable",
        "unknown attachments prevent any change"
    );
    assert_eq!(environment.group.rule_ids()?.len(), 1);
    assert_eq!(
        environment.outcome("e-1")?,
        "closed",
        "nothing is attached to it"
    );
    let actions = ec2.actions_on(&environment.group.id)?;
    ensure!(
        actions
            .iter()
            .any(|action| action == "DescribeNetworkInterfaces"),
        "{actions:?}"
    );
    Ok(())
}

#[test]
fn attachments_are_read_once_for_the_report() -> Result<()> {
    let environment = start_with_preset("preset:baseline")?;
    environment.add_rules(&[("tcp", 22, "0.0.0.0/0")])?;
    assert_eq!(environment.outcome("e-1")?, "closed");
    let actions = environment.aws.ec2().actions_on(&environment.group.id)?;
    let reads = actions
        .iter()
        .filter(|it| *it == "DescribeNetworkInterfaces");
    assert_eq!(reads.count(), 1, "{actions:?}");
    assert_eq!(environment.outcome("e-2")?, "clean");
    let later = environment.aws.ec2().actions_on(&environment.group.id)?;
    let reads = later.iter().filter(|it| *it == "DescribeNetworkInterfaces");
    ensure!(reads.count() == 1, "nothing to report: {later:?}");
    Ok(())
}

/// The log of a function that must not start.
fn startup_failure(aws: &LocalAws, settings: &[(&str, &str)]) -> Result<String> {
    let all: Vec<_> = settings.iter().copied().chain([TOPIC]).collect();
    let mut function = start_function(aws, &all)?;
    let (code, log) = function
        .wait_for_exit(TIMEOUT)
        .context("the function started")?;
    ensure!(
        code != Some(0) && log.contains("startup failed"),
        "{code:?} {log}"
    );
    Ok(log)
}

#[test]
fn an_invalid_policy_prevents_the_start_and_all_errors_are_logged() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    let package = create_package(
        "version: 1\nextends: baseline\nmode: enforse\nrules:\n  \
         - id: port-range\n    action: narow\n",
    )?;
    let root = package.path().to_str().context("no UTF-8")?;
    let log = startup_failure(
        &aws,
        &[
            ("LAMBDA_TASK_ROOT", root),
            ("PORTCULLIS_POLICY", "file:policy.yaml"),
        ],
    )?;
    ensure!(log.contains("policy.yaml:3:7: "), "the first error: {log}");
    ensure!(
        log.contains("policy.yaml:6:13: "),
        "the second error: {log}"
    );
    ensure!(
        log.contains("did you mean `enforce`?"),
        "the suggestion: {log}"
    );
    Ok(())
}

#[test]
fn an_unreadable_policy_prevents_the_start() -> Result<()> {
    let aws = LocalAws::start(&Options::default())?;
    for (policy, reason) in [
        ("file:missing.yaml", "/nonexistent/missing.yaml"),
        ("preset:web", "expected one of `baseline`, `web-only`"),
        ("ssm:/portcullis/policy", "ParameterNotFound"),
        ("ssm:", "expected `preset:NAME`, `file:PATH` or `ssm:NAME`"),
        (
            "policy.yaml",
            "expected `preset:NAME`, `file:PATH` or `ssm:NAME`",
        ),
    ] {
        let log = startup_failure(
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
