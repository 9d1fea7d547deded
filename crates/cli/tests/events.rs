//! `portcullis plan` for every event of `events/`, compared with `events/expectations.json`.

use std::collections::BTreeSet;
use std::fs;

use crate::common::{portcullis, project};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
struct Expectations {
    events: Vec<Expectation>,
}

#[derive(Debug, Deserialize)]
struct Expectation {
    file: String,
    outcome: String,
    group_ids: Vec<String>,
    group_name: Option<String>,
    prefix_list_ids: Vec<String>,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    event_id: String,
    outcome: String,
    group_ids: Vec<String>,
}

const OPEN: &str = "sg-0aaaaaaaaaaaaaaaa";

/// The groups that the events refer to by id, by name or by a prefix list, each with tcp/22 open.
fn groups_of_events(expectations: &[Expectation]) -> Value {
    let ssh = |source: Value| {
        let mut permission = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22});
        permission
            .as_object_mut()
            .unwrap()
            .extend(source.as_object().unwrap().clone());
        permission
    };
    let open = ssh(json!({"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}));
    let ids: BTreeSet<_> = expectations
        .iter()
        .flat_map(|expectation| &expectation.group_ids)
        .collect();
    let mut groups: Vec<_> = ids
        .into_iter()
        .map(|id| json!({"GroupId": id, "OwnerId": "111122223333", "IpPermissions": [open]}))
        .collect();
    for (index, expectation) in expectations.iter().enumerate() {
        if let (Some(name), []) = (&expectation.group_name, expectation.group_ids.as_slice()) {
            groups.push(json!({"GroupId": OPEN, "GroupName": name, "IpPermissions": [open]}));
        }
        for list in &expectation.prefix_list_ids {
            let source = json!({"PrefixListIds": [{"PrefixListId": list}]});
            groups.push(
                json!({"GroupId": format!("sg-user{index}"), "IpPermissions": [ssh(source)]}),
            );
        }
    }
    let lists: Vec<_> = expectations
        .iter()
        .flat_map(|expectation| &expectation.prefix_list_ids)
        .map(|list| json!({"PrefixListId": list, "Entries": [{"Cidr": "0.0.0.0/0"}]}))
        .collect();
    json!({"SecurityGroups": groups, "PrefixLists": lists})
}

/// The groups of the plans, in order; only those for one event if it is given.
fn planned_groups(plans: &Value, event_id: Option<&str>) -> Vec<String> {
    let plans = plans["plans"].as_array().unwrap().iter();
    let plans = plans.filter(|plan| event_id.is_none_or(|id| plan["event"]["id"] == id));
    plans
        .map(|plan| plan["group_id"].as_str().unwrap().to_owned())
        .collect()
}

/// How many entries a list of the document has.
fn count(plans: &Value, key: &str) -> usize {
    plans[key].as_array().unwrap().len()
}

/// Checks the plans for an event that should be evaluated.
fn check_plans(expectation: &Expectation, plans: &Value) {
    let name = &expectation.file;
    let found: BTreeSet<_> = planned_groups(plans, None).into_iter().collect();
    if expectation.prefix_list_ids.is_empty() {
        let mut expected: BTreeSet<_> = expectation.group_ids.iter().cloned().collect();
        expected.extend(expectation.group_ids.is_empty().then(|| OPEN.to_owned()));
        assert_eq!(found, expected, "{name}");
    } else {
        assert_eq!(found.len(), expectation.prefix_list_ids.len(), "{name}");
    }
    for plan in plans["plans"].as_array().unwrap() {
        let policy_rules = &plan["removals"][0]["policy_rules"];
        let subject = plan["message"]["subject"].as_str().unwrap();
        assert_eq!(plan["outcome"], "would-close", "{name}");
        assert_eq!(policy_rules, &json!(["restricted-common-ports"]), "{name}");
        assert!(subject.is_ascii(), "{name}");
    }
}

/// Checks the plans for the records of a log file.
fn check_records(expectation: &Expectation, plans: &Value) {
    let name = &expectation.file;
    for record in &expectation.records {
        let found = planned_groups(plans, Some(&record.event_id));
        assert_eq!(found, record.group_ids, "{name}: {record:?}");
        let mut ignored = plans["ignored"].as_array().unwrap().iter();
        let is_ignored = ignored.any(|ignored| ignored["event"]["id"] == record.event_id.as_str());
        assert_eq!(is_ignored, record.outcome == "ignore", "{name}: {record:?}");
    }
}

#[test]
fn every_event_has_the_expected_outcome() {
    let text = fs::read(project("events/expectations.json")).unwrap();
    let expectations = serde_json::from_slice::<Expectations>(&text)
        .unwrap()
        .events;
    assert!(expectations.len() >= 60, "the corpus must not shrink");
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("groups.json");
    fs::write(&input, groups_of_events(&expectations).to_string()).unwrap();
    for expectation in &expectations {
        let file = project("events").join(&expectation.file);
        let (event, groups) = (file.to_str().unwrap(), input.to_str().unwrap());
        let run = portcullis(&["plan", event, "--input", groups, "--format", "json"]);
        let plans = run.json();
        let name = &expectation.file;
        let counts = ["plans", "ignored", "errors"].map(|key| count(&plans, key));
        match (expectation.outcome.as_str(), counts) {
            ("evaluate", [_, _, 0]) => {
                assert_eq!(run.code, 1, "{name}: {run:?}");
                check_plans(expectation, &plans);
            }
            ("ignore", [0, ignored, 0]) => {
                assert!(run.code == 0 && ignored > 0, "{name}: {run:?}");
            }
            ("error", [0, 0, 1]) => {
                assert_eq!(run.code, 2, "{name}: {run:?}");
                assert!(run.stderr.starts_with("error: "), "{name}: {}", run.stderr);
            }
            other => panic!("{name}: {other:?}: {run:?}"),
        }
        check_records(expectation, &plans);
    }
}
