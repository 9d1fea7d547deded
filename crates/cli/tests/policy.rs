//! `--policy` and `portcullis policy`, run as a process.

use std::fs;

use crate::common::{Folder, finish, portcullis, portcullis_with, project};
use portcullis_policy::{PRESETS, parse_policy};
use serde_json::{Value, json};

const GROUPS: &str = include_str!("inputs/groups.json");
const GOOD: &str = "version: 1\nextends: baseline\nmode: monitor\n";
const BROKEN: &str = "version: 1\nextends: base\nmode: enforse\nrules:\n  - id: x\n";

/// An active exception, an expired one, two that match nothing, and a redundant one.
const EXCEPTIONS: &str = "\
version: 1
name: excepting
extends: baseline
exceptions:
  - id: bastion
    reason: the bastion
    owner: ops@example.com
    ports: [22]
    match: { groups: [sg-0aaaaaaaaaaaaaaaa] }
  - id: over
    reason: the partners
    owner: partners@example.com
    expires: 2026-01-31
    rules: [broad-source]
    match: { groups: [sg-0cccccccccccccccc] }
  - id: unneeded
    reason: nobody remembers
    owner: ops@example.com
    ports: [9999]
    match: { groups: [sg-0eeeeeeeeeeeeeeee] }
  - id: pipeline
    reason: the pipeline tests open ports
    owner: ops@example.com
    ports: [8080]
    match: { principals: [\"arn:aws:iam::*:role/pipeline\"] }
  - id: again
    reason: the bastion, once more
    owner: ops@example.com
    ports: [22]
    match: { groups: [sg-0aaaaaaaaaaaaaaaa] }
";
const REGIONAL: &str = "\
version: 1
extends: baseline
overrides:
  - scope: { regions: [eu-west-1] }
    rules: { restricted-common-ports: { action: notify } }
exceptions:
  - id: frankfurt
    reason: the bastion
    owner: ops@example.com
    ports: [22]
    match: { regions: [eu-central-1] }
";
const NOW: &str = "--now 2026-06-01T00:00:00Z";

fn folder() -> Folder {
    Folder::new()
        .with("groups.json", GROUPS)
        .with("good.yaml", GOOD)
        .with("broken.yaml", BROKEN)
        .with("excepting.yaml", EXCEPTIONS)
        .with("regional.yaml", REGIONAL)
        .with("empty.yaml", "\n")
        .with("bytes.yaml", b"version: 1\nname: \xFF\n")
        .with("utf16.yaml", b"\xFF\xFEv\0")
        .with("bom.yaml", format!("\u{feff}{GOOD}"))
        .with("cut.json", "{")
        .with("bad.json", GROUPS.replace("52.0.0.0/8", "52.0.0.0/99"))
        .with("event.json", r#"{"Records": []}"#)
}

#[test]
fn exempt_findings_are_shown_and_not_counted() {
    let folder = folder();
    let run = folder.run(&format!(
        "audit --input groups.json --policy excepting.yaml {NOW}"
    ));
    insta::assert_snapshot!("audit_exempt_human", run.text());
    let run = folder.run(&format!(
        "audit --input groups.json --policy excepting.yaml {NOW} --format json"
    ));
    let audit = run.json();
    let exempt: Vec<_> = audit["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| !one["exempt"].is_null())
        .collect();
    assert_eq!(exempt.len(), 1);
    assert_eq!(
        (&exempt[0]["exempt"], &exempt[0]["offending_ports"]),
        (&json!("bastion"), &json!("22"))
    );
    let keys: Vec<_> = audit.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "complete",
            "errors",
            "filter",
            "findings",
            "grouped",
            "groups",
            "known",
            "open_and_allowed",
            "policy",
            "rules",
            "unresolved_prefix_lists",
            "version"
        ]
    );
    assert!(
        run.stderr
            .contains("the exception `over` expired at 2026-02-01T00:00:00Z"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr
            .contains("exempt nothing in `groups.json`: `unneeded`, `again`"),
        "{}",
        run.stderr
    );
}

#[test]
fn exempt_rows_are_dimmed() {
    let run = folder().run(&format!(
        "audit --input groups.json --policy excepting.yaml {NOW} --color always"
    ));
    let line = run
        .stdout
        .lines()
        .find(|line| line.contains("exempt by bastion"))
        .unwrap();
    assert!(
        line.starts_with("\u{1b}[2m") && line.ends_with("\u{1b}[0m"),
        "{line:?}"
    );
}

#[test]
fn exempt_findings_do_not_fail_an_audit_unless_strict() {
    let permission = json!({
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 22,
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    });
    let group = json!({"GroupId": "sg-0aaaaaaaaaaaaaaaa", "IpPermissions": [permission]});
    let groups = json!({"SecurityGroups": [group]});
    let folder = folder().with("one.json", groups.to_string());
    let run = folder.run("audit --input one.json --policy excepting.yaml");
    assert_eq!(run.code, 0);
    assert!(
        run.stdout.contains("no findings; 1 exempt"),
        "{}",
        run.stdout
    );
    assert_eq!(
        folder
            .run("audit --input one.json --policy excepting.yaml --strict")
            .code,
        1
    );
}

#[test]
fn exceptions_expire_at_the_given_time() {
    let folder = folder();
    let exempt = |now: &str| {
        let run = folder.run(&format!(
            "audit --input groups.json --policy excepting.yaml --now {now} --format json"
        ));
        run.stdout.contains("\"exempt\": \"over\"")
    };
    assert!(exempt("2026-01-31T23:59:59Z"));
    assert!(!exempt("2026-02-01T00:00:00Z"));
}

#[test]
fn an_unknown_region_is_reported() {
    let folder = folder();
    let run = folder.run("audit --input groups.json --policy regional.yaml");
    assert!(run.stderr.contains("scoped by region"), "{}", run.stderr);
    assert!(
        !run.stderr.contains("exempt nothing"),
        "exceptions of other regions are not stale: {}",
        run.stderr
    );
    let action = |region: &str| {
        let run = folder.run(&format!(
            "audit --input groups.json --policy regional.yaml --region {region} --format json"
        ));
        assert!(!run.stderr.contains("scoped by region"), "{}", run.stderr);
        let findings = run.json()["findings"].clone();
        let mut findings = findings.as_array().unwrap().iter();
        let ssh = findings.find(|it| it["rule"] == "restricted-common-ports");
        ssh.unwrap()["action"].as_str().unwrap().to_owned()
    };
    assert_eq!(action("eu-west-1"), "notify");
    assert_eq!(action("eu-central-1"), "revoke");
    let run = folder.run("audit --input groups.json --policy regional.yaml --region eu-central-1");
    let stdout = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(stdout.contains("exempt by frankfurt"), "{stdout}");
}

#[test]
fn every_command_reports_all_errors_of_an_invalid_policy() {
    let folder = folder().with(
        "x.test.yaml",
        "policy: broken.yaml\ncases: [{name: a, group: {rules: []}, expect: {}}]\n",
    );
    let expected = folder.run("policy check broken.yaml");
    insta::assert_snapshot!("check_broken", expected.text());
    for args in [
        "audit --input groups.json --policy broken.yaml",
        "plan event.json --input groups.json --policy broken.yaml",
        "rules --policy broken.yaml",
        "policy show broken.yaml",
        "policy test x.test.yaml",
        "policy check - ",
    ] {
        let run = if args.contains('-') && args.ends_with("- ") {
            let run = portcullis_with(BROKEN.as_bytes(), &["policy", "check", "-"]);
            assert!(run.stderr.contains("<stdin>:2:10"), "{}", run.stderr);
            continue;
        } else {
            folder.run(args)
        };
        assert_eq!(
            (run.code, run.stdout.as_str(), &run.stderr),
            (2, "", &expected.stderr),
            "{args}"
        );
    }
}

#[test]
fn policy_check() {
    let folder = folder();
    let mut output = String::new();
    for args in [
        "policy check good.yaml".to_owned(),
        "policy check preset:hipaa".to_owned(),
        format!("policy check excepting.yaml {NOW}"),
        format!("policy check excepting.yaml {NOW} --strict"),
        format!("policy check excepting.yaml {NOW} --input groups.json"),
        format!("policy check excepting.yaml {NOW} --format json --input groups.json"),
        "policy check broken.yaml --format json".to_owned(),
        "policy check regional.yaml --input groups.json".to_owned(),
    ] {
        output += &[
            "$ portcullis ",
            &args,
            "\n",
            &folder.run(&args).text(),
            "\n",
        ]
        .concat();
    }
    insta::assert_snapshot!(output);
}

#[test]
fn exit_codes() {
    let folder = folder();
    folder.assert_exit_codes(&[
        ("policy check good.yaml --strict", 0),
        ("policy check bom.yaml", 0),
        ("policy check excepting.yaml --input groups.json", 0),
        (
            "policy check excepting.yaml --input groups.json --strict",
            2,
        ),
        ("policy check good.yaml --input bad.json", 3),
        ("policy check good.yaml --input cut.json", 2),
        ("policy check good.yaml --input not-there.json", 3),
        ("policy check not-there.yaml", 3),
        ("policy check .", 3),
        ("policy check empty.yaml", 2),
        ("policy check bytes.yaml", 2),
        ("policy check utf16.yaml", 2),
        ("policy check - --input -", 2),
        ("policy check", 2),
        ("policy check good.yaml --region eu-west-1", 2),
        ("policy check good.yaml --now 2026-01-01", 2),
        ("policy show good.yaml", 0),
        ("policy show not-there.yaml", 3),
        ("policy show preset:nothing", 2),
        ("policy schema", 0),
        ("policy schema x", 2),
        ("policy test", 2),
        ("policy test not-there.yaml", 3),
        ("policy", 2),
        ("plan - --input groups.json --policy -", 2),
        ("plan event.json --input - --policy -", 2),
        ("rules --policy not-there.yaml", 3),
    ]);
}

#[test]
fn errors_and_help() {
    let folder = folder();
    let mut output = String::new();
    for args in [
        "policy check not-there.yaml",
        "policy check empty.yaml",
        "policy check bytes.yaml",
        "policy check utf16.yaml",
        "policy check preset:basline",
        "policy check preset:x",
        "policy check - --input -",
        "plan - --input groups.json --policy -",
        "plan event.json --input groups.json --policy preset:x",
        "audit --input groups.json --now tomorrow",
    ] {
        output += &folder.run(args).transcript(args);
    }
    insta::assert_snapshot!(output);
}

#[test]
fn diagnostics_are_colored_only_for_terminals_or_on_request() {
    let folder = folder();
    let plain = folder.run("policy check broken.yaml");
    assert!(!plain.stderr.contains('\u{1b}'));
    let colored = folder.run("policy check broken.yaml --color always");
    assert!(colored.stderr.contains('\u{1b}'));
    assert_eq!(
        anstream::adapter::strip_str(&colored.stderr).to_string(),
        plain.stderr
    );
    let mut command = folder.command("policy check broken.yaml --color auto");
    command.env("NO_COLOR", "1");
    assert_eq!(finish(command, b"").stderr, plain.stderr);
}

#[test]
fn shown_policies_parse_to_the_same_policy() {
    for preset in PRESETS {
        let name = format!("preset:{}", preset.name);
        let shown = portcullis(&["policy", "show", &name]);
        assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
        let policy = parse_policy(preset.name, preset.text).unwrap().policy;
        assert_eq!(
            parse_policy("shown.yaml", &shown.stdout).unwrap().policy,
            policy
        );
        let checked = portcullis_with(
            shown.stdout.as_bytes(),
            &["policy", "check", "-", "--strict"],
        );
        assert_eq!(checked.code, 0, "{checked:?}");
    }
    assert_eq!(
        portcullis(&["policy", "show"]).stdout,
        portcullis(&["policy", "show", "preset:baseline"]).stdout
    );
}

#[test]
fn schema_is_the_committed_one() {
    let schema: Value = serde_json::from_str(&portcullis(&["policy", "schema"]).stdout).unwrap();
    let committed = fs::read_to_string(project("schemas/policy.v1.schema.json")).unwrap();
    assert_eq!(schema, serde_json::from_str::<Value>(&committed).unwrap());
}

#[test]
fn the_baseline_is_the_default_policy() {
    let folder = folder();
    let assert_same = |args: &str| {
        assert_eq!(
            folder.run(args).stdout,
            folder
                .run(&format!("{args} --policy preset:baseline"))
                .stdout,
            "{args}"
        );
    };
    assert_same("audit --input groups.json");
    assert_same("rules");
}

#[test]
fn policy_text_cannot_control_the_terminal() {
    let evil = "\"a\\e[2Jb\"";
    let rules = format!("rules: [{{ id: port-range, forbids: {evil}, references: [{evil}] }}]\n");
    let exception =
        format!("exceptions: [{{ id: x, reason: {evil}, owner: {evil}, expires: 2020-01-01 }}]\n");
    let policy = format!(
        "{GOOD}name: {evil}\n{rules}{}",
        exception.replace(" }]", ", ports: [22] }]")
    );
    let folder = folder().with("evil.yaml", policy);
    for args in [
        "policy check evil.yaml",
        "audit --input groups.json --policy evil.yaml",
        "rules --policy evil.yaml",
        "rules port-range --policy evil.yaml",
        "rules x --policy evil.yaml",
        "policy show evil.yaml",
    ] {
        let run = folder.run(args);
        assert!(
            !run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'),
            "{args}: {run:?}"
        );
    }
}
