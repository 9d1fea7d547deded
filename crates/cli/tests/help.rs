//! `--help`, `portcullis rules` and `portcullis completions`.

use std::fs;

use crate::common::{command, finish, portcullis, project};

#[test]
fn every_command_has_help_with_examples() {
    for command in [
        "",
        "audit",
        "plan",
        "policy",
        "policy check",
        "policy show",
        "policy schema",
        "policy test",
        "policy draft",
        "policy diff",
        "rules",
        "completions",
    ] {
        let args: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let run = portcullis(&args);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains("Examples:\n"), "{command}");
        assert!(
            run.stdout.lines().all(|line| line.chars().count() <= 100),
            "{}",
            run.stdout
        );
        let name = if command.is_empty() {
            "portcullis".to_owned()
        } else {
            command.replace(' ', "_")
        };
        insta::assert_snapshot!(format!("help_{name}"), run.stdout);
    }
    insta::assert_snapshot!("help_short", portcullis(&["-h"]).stdout);
}

#[test]
fn the_version_is_the_package_version() {
    let expected = format!("portcullis {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(portcullis(&["--version"]).stdout, expected);
}

#[test]
fn rules_of_the_default_policy() {
    insta::assert_snapshot!(portcullis(&["rules"]).text());
    let rules = portcullis(&["rules", "--format", "json"]).json();
    insta::assert_snapshot!("rules_json", serde_json::to_string_pretty(&rules).unwrap());
}

#[test]
fn rules_are_explained_with_their_pages() {
    let rules = portcullis(&["rules", "--format", "json"]).json();
    for rule in rules["rules"].as_array().unwrap() {
        let id = rule["id"].as_str().unwrap();
        let page = fs::read_to_string(project("docs/rules").join(format!("{id}.md"))).unwrap();
        let run = portcullis(&["rules", id]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{id}");
        assert!(run.stdout.starts_with(&format!("{id}\n\n")), "{id}");
        let has_markup = |line: &str| line.contains("**") || line.starts_with(['|', '`', '#']);
        assert!(!run.stdout.lines().any(has_markup), "{}", run.stdout);
        let json = portcullis(&["rules", id, "--format", "json"]).json();
        assert_eq!(json["rules"][0]["page"], page, "{id}");
        assert_eq!(json["rules"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_page_is_fitted_to_the_terminal() {
    for width in [80, 120] {
        let mut page = command(&["rules", "uncommon-ports"]);
        page.env("COLUMNS", width.to_string());
        insta::assert_snapshot!(format!("page_{width}"), finish(page, b"").stdout);
    }
}

#[test]
fn unknown_rules_are_errors_with_suggestions() {
    let run = portcullis(&["rules", "databases"]);
    assert!(
        run.stderr.contains("add `--policy preset:hipaa`"),
        "{run:?}"
    );
    insta::assert_snapshot!(portcullis(&["rules", "all-trafic"]).text());
    let run = portcullis(&["rules", "ssh"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("run `portcullis rules` to list them"),
        "{run:?}"
    );
}

#[test]
fn rules_of_another_policy() {
    let edge = project("docs/examples/edge.yaml");
    let edge = edge.to_str().unwrap();
    insta::assert_snapshot!(portcullis(&["rules", "--policy", edge]).text());
    insta::assert_snapshot!(
        "a_rule_without_a_page",
        portcullis(&["rules", "ssh-from-office", "--policy", edge]).text()
    );
    let changed = portcullis(&["rules", "web-only", "--policy", edge]).stdout;
    assert!(
        changed.starts_with("web-only in the policy edge\n\n"),
        "{changed}"
    );
    assert!(
        changed.contains("tcp: [443]") && changed.contains("\nweb-only\n"),
        "{changed}"
    );
    let preset = portcullis(&["rules", "databases", "--policy", "preset:hipaa"]).stdout;
    assert!(preset.starts_with("databases\n\n"), "{preset}");
}

#[test]
fn man_pages_have_the_texts_of_the_help() {
    let page = portcullis(&["man"]);
    assert_eq!(page.code, 0, "{page:?}");
    assert!(
        page.stdout.starts_with(".ie") && page.stdout.contains("Exit codes:"),
        "{page:?}"
    );
    let page = portcullis(&["man", "policy", "draft"]).stdout;
    assert!(
        page.contains("portcullis\\-policy\\-draft") || page.contains("portcullis-policy-draft")
    );
    assert!(page.contains("\\-\\-owner\\-tag"), "{page}");
    let unknown = portcullis(&["man", "polcy"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.stderr.contains("there is no command `polcy`"),
        "{unknown:?}"
    );
}

#[test]
fn completions_have_rule_ids_and_regions() {
    let script = portcullis(&["completions", "bash"]).stdout;
    for word in ["high-risk-ports", "eu-central-1"] {
        assert!(script.contains(word), "{word}");
    }
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = portcullis(&["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{shell}");
        assert!(
            run.stdout.contains("audit") && run.stdout.contains("strict"),
            "{shell}"
        );
    }
}
