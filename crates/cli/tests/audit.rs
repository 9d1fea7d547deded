//! `portcullis audit` of an input.

use std::process::Stdio;

use crate::common::{Folder, finish, gzip, portcullis, portcullis_with};
use serde_json::{Value, json};

const GROUPS: &str = include_str!("inputs/groups.json");
const RULES: &str = include_str!("inputs/rules.json");

/// Both listings in one document, as `jq -s add` merges them.
fn merged_listings() -> String {
    let mut document: Value = serde_json::from_str(GROUPS).unwrap();
    let rules: Value = serde_json::from_str(RULES).unwrap();
    document
        .as_object_mut()
        .unwrap()
        .extend(rules.as_object().unwrap().clone());
    document.to_string()
}

fn tcp_permission((from, to): (u16, u16), cidrs: &[&str]) -> Value {
    let ranges: Vec<_> = cidrs.iter().map(|cidr| json!({"CidrIp": cidr})).collect();
    json!({"IpProtocol": "tcp", "FromPort": from, "ToPort": to, "IpRanges": ranges})
}

/// A document with one group and one permission.
fn single_group(id: &str, permission: &Value) -> Value {
    json!({"SecurityGroups": [{"GroupId": id, "IpPermissions": [permission]}]})
}

fn folder() -> Folder {
    let open = tcp_permission((22, 22), &["0.0.0.0/0"]);
    let range = tcp_permission((1, 2), &["192.0.2.0/24"]);
    let partly_valid = tcp_permission((22, 22), &["0.0.0.0/0", "0.0.0.0/33"]);
    let bad = json!({"SecurityGroups": [
        {"GroupId": "sg-1", "IpPermissions": [partly_valid]},
        {"GroupId": "sg-2", "IpPermissions": [{"IpProtocol": "tpc"}]},
    ]});
    Folder::new()
        .with("groups.json", GROUPS)
        .with("rules.json", RULES)
        .with("both.json", merged_listings())
        .with("open.json", single_group("sg-1", &open).to_string())
        .with("range.json", single_group("sg-1", &range).to_string())
        .with("bad.json", bad.to_string())
        .with("none.json", r#"{"SecurityGroups": []}"#)
}

#[test]
fn human_readable_output() {
    insta::assert_snapshot!(folder().run("audit --input groups.json").text());
}

#[test]
fn human_readable_output_with_rule_ids() {
    insta::assert_snapshot!(folder().run("audit --input both.json").text());
}

#[test]
fn json_output() {
    insta::assert_snapshot!(folder().run("audit --input both.json --format json").text());
}

#[test]
fn no_findings() {
    insta::assert_snapshot!(folder().run("audit --input none.json").text());
}

#[test]
fn invalid_values_are_reported_and_the_rest_is_evaluated() {
    let folder = folder();
    insta::assert_snapshot!(
        "invalid_values_human",
        folder.run("audit --input bad.json").text()
    );
    insta::assert_snapshot!(
        "invalid_values_json",
        folder.run("audit --input bad.json --format json").text()
    );
}

#[test]
fn only_the_first_invalid_values_are_printed() {
    let group = json!({"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "x"}]});
    let input = json!({"SecurityGroups": vec![group; 500]});
    let run = portcullis_with(
        input.to_string().as_bytes(),
        &["audit", "--input", "-", "--format", "json"],
    );
    assert_eq!(run.json()["errors"].as_array().unwrap().len(), 500);
    assert!(run.stderr.lines().count() < 20, "{}", run.stderr);
    assert!(
        run.stderr
            .contains("standard input could not be evaluated completely: 500 errors"),
        "{}",
        run.stderr
    );
}

#[test]
fn exit_codes() {
    let folder = folder();
    folder.assert_exit_codes(&[
        ("audit --input none.json", 0),
        ("audit --input none.json --strict", 0),
        ("audit --input open.json", 1),
        ("audit --input open.json --format json", 1),
        ("audit --input range.json", 0),
        ("audit --input range.json --strict", 1),
        ("audit --input bad.json", 3),
        ("audit --input not-there.json", 3),
        ("audit --input .", 3),
        ("audit", 2),
        ("audit --input none.json --policy x.yaml", 3),
        ("audit --input none.json --policy none.json", 2),
        ("audit --input none.json --policy preset:x", 2),
        ("audit --input - --policy -", 2),
        ("audit --input none.json --now tomorrow", 2),
        ("audit --input none.json --frobnicate", 2),
        ("audit --input none.json --format yaml", 2),
        ("frobnicate", 2),
        ("", 2),
        ("--version", 0),
        ("--help", 0),
    ]);
}

#[test]
fn standard_input_and_gzip_are_read_like_files() {
    let folder = folder().with("groups.json.gz", gzip(GROUPS.as_bytes()));
    let expected = folder.run("audit --input groups.json").stdout;
    assert_eq!(folder.run("audit --input groups.json.gz").stdout, expected);
    for stdin in [
        GROUPS.as_bytes(),
        &gzip(GROUPS.as_bytes()),
        &[b"\xEF\xBB\xBF", GROUPS.as_bytes()].concat(),
    ] {
        assert_eq!(
            portcullis_with(stdin, &["audit", "--input", "-"]).stdout,
            expected
        );
    }
}

#[test]
fn invalid_inputs_are_errors_with_help() {
    let mut cut = gzip(GROUPS.as_bytes());
    cut.truncate(100);
    let utf16: Vec<_> = std::iter::once(0xFEFF)
        .chain("{}".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let folder = folder()
        .with("empty.json", "\n")
        .with(
            "cut.json",
            "{\n  \"SecurityGroups\": [\n    {\"GroupId\": \"sg-1\",\n",
        )
        .with(
            "comma.json",
            "{\n  \"SecurityGroups\": [\n    {\"GroupId\": \"sg-1\",},\n",
        )
        .with("text.json", "SECURITYGROUPS\tdefault VPC security group\n")
        .with(
            "event.json",
            r#"{"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": {}}"#,
        )
        .with("list.json", "[]")
        .with("cut.json.gz", cut)
        .with("utf16.json", utf16);
    let names = "not-there.json . empty.json cut.json comma.json text.json event.json \
                 list.json cut.json.gz utf16.json";
    let mut transcripts = String::new();
    for name in names.split_whitespace() {
        let run = folder.run(&format!("audit --input {name} --format json"));
        assert_eq!(run.stdout, "", "{name}");
        transcripts += &run.transcript(&format!("audit --input {name}"));
    }
    insta::assert_snapshot!(transcripts);
}

#[test]
fn color_is_used_on_terminals_or_on_request() {
    let folder = folder();
    let has_color = |args: &str, env: Option<(&str, &str)>| {
        let mut command = folder.command(args);
        command.envs(env);
        let run = finish(command, b"");
        assert!(run.stderr.contains("could not be evaluated completely"));
        assert_eq!(run.stdout.contains('\u{1b}'), run.stderr.contains('\u{1b}'));
        run.stdout.contains('\u{1b}')
    };
    assert!(!has_color("audit --input bad.json", None));
    assert!(!has_color("audit --input bad.json --color auto", None));
    assert!(!has_color(
        "audit --input bad.json --color never",
        Some(("CLICOLOR_FORCE", "1"))
    ));
    assert!(has_color("audit --input bad.json --color always", None));
    assert!(has_color("--color always audit --input bad.json", None));
    assert!(!has_color(
        "audit --input bad.json",
        Some(("NO_COLOR", "1"))
    ));
    let colored = folder
        .run("audit --input groups.json --color always")
        .stdout;
    let plain = folder.run("audit --input groups.json").stdout;
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    let json = folder
        .run("audit --input groups.json --color always --format json")
        .stdout;
    assert!(!json.contains('\u{1b}'));
}

#[test]
fn names_and_ids_cannot_control_the_terminal() {
    let name = "\u{1b}]0;owned\u{7}\r\nsg-2  fine\u{202e}";
    let group = json!({"GroupId": "sg-\u{1b}[2J", "GroupName": name, "IpPermissions": [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
         "PrefixListIds": [{"PrefixListId": "\u{1b}[2J"}]},
    ]});
    let unreadable = json!({"GroupId": "sg-\u{1b}[3J", "IpPermissions": [
        {"IpProtocol": "tcp\u{1b}[2J", "IpRanges": []},
    ]});
    let input = json!({"SecurityGroups": [group, unreadable]}).to_string();
    let run = portcullis_with(
        input.as_bytes(),
        &["audit", "--input", "-", "--color", "never"],
    );
    let is_safe = |text: &str| {
        text.chars()
            .all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}'))
    };
    assert!(is_safe(&run.stdout) && is_safe(&run.stderr), "{run:?}");
    let run = portcullis_with(
        input.as_bytes(),
        &["audit", "--input", "-", "--format", "json"],
    );
    assert_eq!(
        run.json()["findings"][0]["group_name"],
        name,
        "JSON has the original text"
    );
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let open = json!({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]});
    let groups: Vec<_> = (0..20_000)
        .map(|n| json!({"GroupId": format!("sg-{n}"), "IpPermissions": [open]}))
        .collect();
    let folder = Folder::new().with("many.json", json!({"SecurityGroups": groups}).to_string());
    let mut child = folder.command("audit --input many.json").spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
#[cfg(target_os = "linux")]
fn failure_to_write_the_output_is_an_error() {
    let folder = folder();
    let mut command = folder.command("audit --input -");
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    command.stdin(Stdio::piped()).stdout(full);
    let run = finish(command, GROUPS.as_bytes());
    assert_eq!(run.code, 3);
    assert!(
        run.stderr.contains("error: cannot write the output: "),
        "{run:?}"
    );
}

#[test]
fn unknown_flags_are_usage_errors() {
    let run = portcullis(&["audit", "--inptu", "x"]);
    insta::assert_snapshot!(run.text());
}

#[cfg(not(feature = "aws"))]
#[test]
fn the_live_account_needs_aws_support() {
    let run = portcullis(&["audit", "--region", "eu-west-1"]);
    assert_eq!(run.code, 2);
    let error = "this portcullis was built without AWS support and cannot audit a live account";
    let help = "specify a file of groups with `--input`, or build with the feature `aws`, which is \
                enabled by default";
    assert_eq!(run.stderr, format!("error: {error}\n help: {help}\n"));
}
