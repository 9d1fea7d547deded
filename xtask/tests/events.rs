//! `events/` says the same thing three times: the files, the table for people and the table for
//! tests.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn expectations() -> Vec<Value> {
    let text = fs::read_to_string(directory().join("expectations.json")).unwrap();
    let table: Value = serde_json::from_str(&text).unwrap();
    table["events"].as_array().unwrap().clone()
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

#[test]
fn every_event_is_in_both_tables_and_every_row_has_its_file() {
    let names = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = names
        .filter(|name| name != "README.md" && name != "expectations.json")
        .collect();
    let expected: BTreeSet<_> = expectations()
        .iter()
        .map(|event| text(event, "file").to_owned())
        .collect();
    let readme = fs::read_to_string(directory().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| {
        line.strip_prefix("| `")?
            .split_once("` | ")
            .map(|(name, _)| name)
    });
    let listed: BTreeSet<_> = rows
        .filter(|name| name.contains(".json"))
        .map(str::to_owned)
        .collect();
    assert!(files.len() > 50, "only {} events were found", files.len());
    assert_eq!(files, expected);
    assert_eq!(files, listed);
}

#[test]
fn every_row_says_what_must_happen_and_to_what() {
    for event in expectations() {
        let file = text(&event, "file");
        let targets = event["group_ids"].as_array().unwrap().len()
            + event["prefix_list_ids"].as_array().unwrap().len();
        let named = targets > 0 || event["group_name"].is_string();
        match text(&event, "outcome") {
            "judge" => assert!(named && event["reason"].is_null(), "{file}"),
            "ignore" | "error" => assert!(!named && event["reason"].is_string(), "{file}"),
            other => assert_eq!(other, "judge, ignore or error", "{file}"),
        }
        assert_eq!(
            text(&event, "form") == "log",
            event["records"].is_array(),
            "{file}"
        );
    }
}

/// What is to be judged, or names no group although it opened one, has to reach the function; what
/// is to be ignored need not wake it. tests/tests/pattern.rs asks EventBridge.
#[test]
fn every_row_says_whether_the_rule_lets_it_through() {
    for event in expectations() {
        let file = text(&event, "file");
        let verdict = event["matches"].as_bool();
        assert_eq!(
            verdict.is_none(),
            event["untried"].is_string(),
            "{file}: a verdict, or why there is none"
        );
        let rows = event["records"].as_array().into_iter().flatten();
        assert!(
            rows.clone().all(|record| record["matches"].is_boolean()),
            "{file}: a record without a verdict"
        );
        for row in rows.chain(verdict.is_some().then_some(&event)) {
            let is_judged =
                text(row, "outcome") == "judge" || row["reason"] == "the event names no group";
            assert_eq!(row["matches"], is_judged, "{file}");
        }
    }
}

#[test]
fn the_groups_to_judge_stand_in_the_event() {
    for event in expectations() {
        let file = text(&event, "file");
        // What is not text is gzip.
        let Ok(body) = fs::read_to_string(directory().join(file)) else {
            continue;
        };
        serde_json::from_str::<Value>(&body).unwrap();
        for id in ["group_ids", "prefix_list_ids"]
            .into_iter()
            .flat_map(|field| event[field].as_array().unwrap())
        {
            assert!(body.contains(id.as_str().unwrap()), "{file}: {id}");
        }
    }
}
