//! `portcullis policy test`, run as a process.

use crate::common::{Folder, finish, portcullis_with};
use serde_json::json;

const EDGE: &str = include_str!("../../../docs/examples/edge.yaml");

/// A passing case, and a case that differs in every key.
const DIFFERING: &str = "\
policy: policies/edge.yaml
now: 2026-11-21T12:00:00Z
cases:
  - name: as expected
    group:
      rules: [tcp 443 0.0.0.0/0]
    expect: {}
  - name: every key differs
    group:
      id: sg-0123456789abcdef0
      rules:
        - tcp 22 0.0.0.0/0
        - { rule: tcp 8443 0.0.0.0/0, description: vendor, tags: { team: edge }, id: sgr-1 }
        - tcp 443 0.0.0.0/0
    expect:
      findings: { tcp 22 0.0.0.0/0: [ssh-from-ofice, web-only] }
      exempt: { tcp 8443 0.0.0.0/0: vendor-apliance }
      removals: [tcp 443 0.0.0.0/0]
      additions: [tcp 22 198.51.100.0/24]
      after: [tcp 443 0.0.0.0/0]
      refusals: [protected-group]
      skipped_additions: [rules-quota]
  - name: changes that are not listed are not expected
    group: { rules: [tcp 22 0.0.0.0/0] }
    expect: {}
";

const INVALID: &str = "\
policy: preset:basline
now: tomorrow
case: []
cases:
  - name: a
    group:
      rules: [tcp 22, tcp 22 0.0.0.0/0, { description: x }]
      vpcs: x
      attached: loadbalancer
    prefix_lists: { pl-1: [10.0.0.0/99] }
    event: { principals: x, time: never }
    expect:
      removals: [\"tcp 23 ::/0\"]
      refusals: [protected]
      skipped_additions: [quota]
      findings: { tcp 22: x, tcp 24 0.0.0.0/0: [] }
      exempt: [x]
  - name: a
  - just words
  - name: [x]
    group: ~
    expect: none
";

fn folder() -> Folder {
    let folder = Folder::new()
        .with("differing.test.yaml", DIFFERING)
        .with("invalid.test.yaml", INVALID);
    std::fs::create_dir(folder.path("policies")).unwrap();
    folder.with("policies/edge.yaml", EDGE)
}

#[test]
fn differences_show_expected_and_actual_lines() {
    let folder = folder();
    insta::assert_snapshot!(
        "differences_human",
        folder.run("policy test differing.test.yaml").text()
    );
    let run = folder.run("policy test differing.test.yaml --format json");
    assert_eq!((run.code, run.stderr.as_str()), (1, ""));
    insta::assert_snapshot!(
        "differences_json",
        serde_json::to_string_pretty(&run.json()).unwrap()
    );
}

#[test]
fn all_errors_in_a_test_file_are_reported() {
    insta::assert_snapshot!(folder().run("policy test invalid.test.yaml").text());
}

#[test]
fn invalid_test_files() {
    let folder = folder()
        .with("empty.yaml", "")
        .with("words.yaml", "hello\n")
        .with("no-cases.yaml", "policy: preset:baseline\ncases: []\n")
        .with("cases.yaml", "policy: preset:baseline\ncases: { a: b }\n")
        .with("yaml.yaml", "policy: [\n")
        .with("two.yaml", "policy: a\n---\npolicy: b\n")
        .with("alias.yaml", "policy: &a x\ncases: *a\n")
        .with("twice.yaml", "policy: a\npolicy: b\n")
        .with(
            "é.yaml",
            "policy: preset:baseline # é\ncases: [{ name: é, group: é, expect: {} }]\n",
        )
        .with("stdin.yaml", "policy: '-'\ncases: []\n")
        .with("bytes.yaml", b"policy: \xFF\n")
        .with("deep.yaml", "[".repeat(1000))
        .with(
            "missing.yaml",
            "policy: not-there.yaml\ncases: [{ name: a, group: { rules: [] }, expect: {} }]\n",
        );
    let mut output = String::new();
    for (name, code) in [
        ("empty", 2),
        ("words", 2),
        ("no-cases", 2),
        ("cases", 2),
        ("yaml", 2),
        ("two", 2),
        ("alias", 2),
        ("twice", 2),
        ("é", 2),
        ("stdin", 2),
        ("bytes", 2),
        ("deep", 2),
        ("missing", 3),
        ("not-there", 3),
    ] {
        let args = format!("policy test {name}.yaml");
        let run = folder.run(&args);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
        output += &run.transcript(&args).replace(&"[".repeat(900), "[...");
    }
    insta::assert_snapshot!(output);
}

#[test]
fn another_policy_can_be_tested() {
    let test_file = "
policy: policies/edge.yaml
cases:
  - name: port 80 is removed
    group: {rules: [tcp 80 0.0.0.0/0]}
    expect: {after: []}
";
    let folder = folder()
        .with("one.test.yaml", test_file)
        .with("proposed.yaml", "version: 1\nextends: web-only\n");
    assert_eq!(folder.run("policy test one.test.yaml").code, 0);
    let run = folder.run("policy test one.test.yaml --policy proposed.yaml");
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.text());
    assert_eq!(
        folder
            .run("policy test one.test.yaml --policy preset:web-only")
            .code,
        1
    );
}

#[test]
fn event_time_precedes_file_time_and_file_time_precedes_arguments() {
    let file = |now: &str, event: &str| {
        format!(
            "
policy: policies/edge.yaml
{now}cases:
  - name: exempt
    group: {{rules: [tcp 8443 0.0.0.0/0]}}
    {event}
    expect: {{exempt: {{tcp 8443 0.0.0.0/0: vendor-appliance}}}}
"
        )
    };
    let folder = folder()
        .with("a.yaml", file("", ""))
        .with("b.yaml", file("now: 2026-01-01T00:00:00Z\n", ""))
        .with(
            "c.yaml",
            file(
                "now: 2026-01-01T00:00:00Z\n",
                "event: {time: 2028-01-01T00:00:00Z}",
            ),
        );
    assert_eq!(
        folder
            .run("policy test a.yaml --now 2026-01-01T00:00:00Z")
            .code,
        0
    );
    assert_eq!(
        folder
            .run("policy test a.yaml --now 2028-01-01T00:00:00Z")
            .code,
        1
    );
    assert_eq!(
        folder
            .run("policy test b.yaml --now 2028-01-01T00:00:00Z")
            .code,
        0
    );
    assert_eq!(
        folder
            .run("policy test c.yaml --now 2026-01-01T00:00:00Z")
            .code,
        1
    );
}

#[test]
fn several_test_files_are_one_run() {
    let test_file = "
policy: preset:baseline
cases: [{ name: nothing, group: { rules: [] }, expect: { findings: {} } }]
";
    let folder = folder().with("good.test.yaml", test_file);
    let run = folder.run("policy test good.test.yaml differing.test.yaml --format json");
    let tests = run.json();
    assert_eq!((&tests["passed"], &tests["failed"]), (&json!(2), &json!(2)));
    let names: Vec<_> = tests["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["policy"])
        .collect();
    assert_eq!(names, ["baseline", "edge"]);
    assert_eq!(
        folder
            .run("policy test good.test.yaml invalid.test.yaml")
            .code,
        2,
        "an invalid file takes precedence over a failed case"
    );
    assert_eq!(folder.run("policy test - -").code, 2);
    assert_eq!(folder.run("policy test - --policy -").code, 2);
}

#[test]
fn output_is_colored_only_for_terminals_or_on_request() {
    let folder = folder();
    let plain = folder.run("policy test differing.test.yaml").stdout;
    assert!(!plain.contains('\u{1b}'));
    let colored = folder
        .run("policy test differing.test.yaml --color always")
        .stdout;
    assert!(colored.contains("\u{1b}[31m- "), "{colored:?}");
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    let mut command = folder.command("policy test differing.test.yaml");
    command.env("NO_COLOR", "1");
    assert_eq!(finish(command, b"").stdout, plain);
}

#[test]
fn test_files_can_come_from_standard_input() {
    let text = "policy: preset:baseline\ncases: [{ name: a, group: { rules: [] }, expect: {} }]\n";
    let run = portcullis_with(text.as_bytes(), &["policy", "test", "-"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.starts_with("<stdin>: policy `baseline`\n"),
        "{}",
        run.stdout
    );
}
