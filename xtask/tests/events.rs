//! The files in `events/`, the tables in its README.md and expectations.json must agree.

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
fn every_row_has_an_outcome_and_its_groups() {
    for event in expectations() {
        let file = text(&event, "file");
        let targets = event["group_ids"].as_array().unwrap().len()
            + event["prefix_list_ids"].as_array().unwrap().len();
        let has_group = targets > 0 || event["group_name"].is_string();
        match text(&event, "outcome") {
            "evaluate" => assert!(has_group && event["reason"].is_null(), "{file}"),
            "ignore" | "error" => assert!(!has_group && event["reason"].is_string(), "{file}"),
            other => assert_eq!(other, "evaluate, ignore or error", "{file}"),
        }
        assert_eq!(
            text(&event, "form") == "log",
            event["records"].is_array(),
            "{file}"
        );
    }
}

/// The EventBridge rule must match every event that has to be evaluated, and every event that opens
/// a group but does not specify it. It need not match events that are ignored. The end-to-end test
/// `pattern` asks EventBridge.
#[test]
fn every_row_says_whether_the_event_rule_matches() {
    for event in expectations() {
        let file = text(&event, "file");
        let matches = event["matches"].as_bool();
        assert_eq!(
            matches.is_none(),
            event["not_tested"].is_string(),
            "{file}: needs either `matches` or `not_tested`"
        );
        let rows = event["records"].as_array().into_iter().flatten();
        assert!(
            rows.clone().all(|record| record["matches"].is_boolean()),
            "{file}: a record without `matches`"
        );
        for row in rows.chain(matches.is_some().then_some(&event)) {
            let must_match = text(row, "outcome") == "evaluate"
                || row["reason"] == "the event specifies no group";
            assert_eq!(row["matches"], must_match, "{file}");
        }
    }
}

#[test]
fn the_groups_to_evaluate_are_in_the_event() {
    for event in expectations() {
        let file = text(&event, "file");
        // A file that is not text is compressed.
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
