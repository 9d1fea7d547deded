//! `portcullis audit --format ocsf`.

mod schema;

use std::collections::BTreeSet;

use crate::asff::{NOW, folder};
use crate::common::Folder;
use jiff::Timestamp;
use schema::{ENTITIES, ENUMERATIONS, OBJECTS};
use serde_json::{Value, json};

/// Also a policy with a rule for each severity, and a group with a long name and many tags.
fn folder_with_all_severities() -> Folder {
    let rule = |severity: &str, port: u16| {
        let check =
            format!("check: open-ports, ports: [{port}], severity: {severity}, action: notify");
        format!("  - {{ id: is-{severity}, {check}, forbids: \"{port}\" }}\n")
    };
    let rules = rule("low", 21) + &rule("medium", 22) + &rule("high", 23) + &rule("critical", 24);
    let ranges = json!([{"CidrIp": "0.0.0.0/0"}]);
    let permission =
        json!([{"IpProtocol": "tcp", "FromPort": 20, "ToPort": 30, "IpRanges": ranges}]);
    let tags: Vec<_> = (0..60)
        .map(|number| json!({"Key": format!("key-{number}"), "Value": ""}))
        .collect();
    let group = json!({
        "GroupId": "sg-1",
        "GroupName": "é".repeat(255),
        "OwnerId": "111122223333",
        "Tags": tags,
        "IpPermissions": permission,
    });
    folder()
        .with(
            "severities.yaml",
            format!("version: 1\nname: severities\nrules:\n{rules}"),
        )
        .with(
            "tagged.json",
            json!({"SecurityGroups": [group]}).to_string(),
        )
}

fn export_ocsf(folder: &Folder, args: &str) -> Vec<Value> {
    let run = folder.run(&format!("audit --format ocsf {NOW} {args}"));
    run.json()
        .as_array()
        .unwrap_or_else(|| panic!("{run:?}"))
        .clone()
}

/// Findings for all inputs.
fn all_findings() -> Vec<Value> {
    let folder = folder_with_all_severities();
    let args = [
        "--input both.json --region eu-central-1",
        "--input china.json --policy exempt.yaml",
        "--input no-owner.json --region us-gov-west-1 --account 444455556666",
        "--input tagged.json --policy severities.yaml --region eu-central-1",
    ];
    args.iter()
        .flat_map(|args| export_ocsf(&folder, args))
        .collect()
}

/// The objects at a path. Lists are flattened.
fn objects_at<'a>(finding: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut here = vec![finding];
    for key in path.split('.').filter(|key| !key.is_empty()) {
        let below = here.into_iter().filter_map(|one| one.get(key));
        here = below
            .flat_map(|one| {
                one.as_array()
                    .map_or_else(|| vec![one], |list| list.iter().collect())
            })
            .collect();
    }
    here
}

fn object_keys(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn findings_for_siems() {
    let run = folder().run(&format!(
        "audit --input both.json --region eu-central-1 --format ocsf {NOW}"
    ));
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(
        run.text()
            .replace(&version, "\"version\": \"(package version)\"")
    );
}

#[test]
fn attributes_are_defined_by_the_schema() {
    let all = all_findings();
    assert!(all.len() > 20, "{}", all.len());
    let objects: BTreeSet<_> = OBJECTS.iter().map(|(path, ..)| *path).collect();
    for (path, required, others) in OBJECTS {
        let here: Vec<_> = all
            .iter()
            .flat_map(|finding| objects_at(finding, path))
            .collect();
        assert!(!here.is_empty(), "{path}");
        let known: BTreeSet<_> = required.iter().chain(others).copied().collect();
        let written: BTreeSet<_> = here.iter().flat_map(|object| object_keys(object)).collect();
        // Every attribute in the table must be used.
        assert_eq!(written, known, "{path}");
        for object in here {
            assert!(
                required.iter().all(|key| object.get(key).is_some()),
                "{path}: {object}"
            );
            assert!(
                !ENTITIES.contains(&path) || object.get("name").or(object.get("uid")).is_some(),
                "{path}"
            );
            for (key, value) in object.as_object().unwrap() {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let is_object = value.is_object() || value.get(0).is_some_and(Value::is_object);
                // The schema does not define their attributes (`object` and `json_t`).
                let is_free = ["unmapped", "resources.data"].contains(&below.as_str());
                assert_eq!(
                    is_object,
                    is_free || objects.contains(below.as_str()),
                    "{below}"
                );
                assert!(!value.is_null(), "{below}");
            }
        }
    }
}

#[test]
fn enumerations_have_numbers_and_captions() {
    let all = all_findings();
    for (path, number, caption, values) in ENUMERATIONS {
        let written: BTreeSet<_> = all
            .iter()
            .flat_map(|finding| objects_at(finding, path))
            .map(|object| {
                (
                    object[number].as_u64().unwrap(),
                    object[caption].as_str().unwrap(),
                )
            })
            .collect();
        let expected: BTreeSet<_> = values
            .iter()
            .map(|(number, caption)| (u64::from(*number), *caption))
            .collect();
        assert_eq!(written, expected, "{path}.{number}");
    }
    for finding in &all {
        let number = |key: &str| finding[key].as_u64().unwrap();
        assert_eq!(
            number("type_uid"),
            number("class_uid") * 100 + number("activity_id")
        );
        assert_eq!(finding["metadata"]["version"], "1.6.0");
    }
}

#[test]
fn times_are_in_milliseconds_and_as_text() {
    let folder = folder();
    let run = folder.run("audit --input arns.json --format ocsf --now 2026-11-21T12:00:00.0625Z");
    let all = run.json();
    let info = &all[0]["finding_info"];
    for (object, key) in [
        (&all[0], "time"),
        (info, "created_time"),
        (info, "modified_time"),
        (info, "last_seen_time"),
    ] {
        assert_eq!(object[key], 1_795_262_400_062_i64, "{key}");
        let text: Timestamp = object[format!("{key}_dt")]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(text.as_millisecond(), 1_795_262_400_062, "{key}");
    }
}

#[test]
fn findings_are_the_same_as_in_asff() {
    let folder = folder();
    for args in [
        "--input both.json --region eu-central-1",
        "--input arns.json --policy exempt.yaml",
        "--input china.json",
    ] {
        let ids: Vec<_> = export_ocsf(&folder, args)
            .iter()
            .map(|one| one["finding_info"]["uid"].clone())
            .collect();
        let asff = folder
            .run(&format!("audit --format asff {NOW} {args}"))
            .json();
        let theirs: Vec<_> = asff
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["Id"].clone())
            .collect();
        assert!(ids.len() > 3, "{args}");
        assert_eq!(ids, theirs, "{args}");
        assert_eq!(
            ids.iter()
                .map(Value::to_string)
                .collect::<BTreeSet<_>>()
                .len(),
            ids.len(),
            "{args}"
        );
    }
}

/// Long ids are truncated, but stay unique.
#[test]
fn long_ids_stay_unique() {
    let start = "x".repeat(500);
    let rule = |end: &str| {
        let check = "check: open-ports, ports: [22], severity: high, action: revoke, forbids: SSH";
        format!("  - {{ id: {start}-{end}, {check} }}\n")
    };
    let policy = format!("version: 1\nname: long\nrules:\n{}{}", rule("a"), rule("b"));
    let folder = folder_with_all_severities().with("long.yaml", policy);
    let args = "--input tagged.json --policy long.yaml --region eu-central-1";
    let ids: Vec<_> = export_ocsf(&folder, args)
        .iter()
        .map(|one| one["finding_info"]["uid"].to_string())
        .collect();
    let [one, other] = ids.as_slice() else {
        panic!("{ids:?}")
    };
    assert_ne!(one, other);
    assert_eq!((one.len(), other.len()), (514, 514), "512 and the quotes");
    assert_eq!(
        folder
            .run(&format!("audit --format asff {NOW} {args}"))
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn account_and_region_come_from_the_arn() {
    for one in export_ocsf(
        &folder(),
        "--input china.json --region eu-central-1 --account 444455556666",
    ) {
        let resource = &one["resources"][0];
        assert_eq!(one["cloud"]["region"], "cn-north-1");
        assert_eq!(one["cloud"]["account"]["uid"], "111122223333");
        assert_eq!(
            (&resource["region"], &resource["cloud_partition"]),
            (&json!("cn-north-1"), &json!("aws-cn"))
        );
        assert_eq!(resource["owner"]["account"], one["cloud"]["account"]);
        assert!(
            resource["uid"]
                .as_str()
                .unwrap()
                .starts_with("arn:aws-cn:ec2:cn-north-1:111122223333:")
        );
    }
}

/// It is suppressed, and new again when the exception expires. The compliance status does not claim
/// that the requirement is met.
#[test]
fn exempt_findings_are_suppressed() {
    let folder = folder();
    let states = |now: &str| {
        let run = folder.run(&format!(
            "audit --input arns.json --policy exempt.yaml --format ocsf --now {now}"
        ));
        let all = run.json();
        let mut rules = all.as_array().unwrap().iter();
        let found = rules
            .find(|one| one["compliance"]["control"] == "restricted-common-ports")
            .unwrap();
        let exempt = found["unmapped"].get("exempt").cloned();
        let detail = found.get("status_detail").cloned();
        (
            found["status"].clone(),
            found["compliance"]["status"].clone(),
            exempt,
            detail,
        )
    };
    let detail = json!("exempted by the exception bastion");
    assert_eq!(
        states("2026-12-31T00:00:00Z"),
        (
            json!("Suppressed"),
            json!("Fail"),
            Some(json!("bastion")),
            Some(detail)
        )
    );
    assert_eq!(
        states("2027-01-01T00:00:00Z"),
        (json!("New"), json!("Fail"), None, None)
    );
}

/// Unlike ASFF, the schema does not limit the length of texts.
#[test]
fn texts_are_not_truncated() {
    let references: Vec<_> = (0..40).map(|number| format!("REQ-{number}")).collect();
    let check = "check: open-ports\n    ports: [22]\n    severity: high\n    action: revoke";
    let forbids = "much ".repeat(400);
    let rule = format!(
        "  - id: ssh\n    {check}\n    forbids: {forbids}\n    references: {references:?}\n"
    );
    let policy = format!("version: 1\nname: long\nrules:\n{rule}");
    let folder = folder_with_all_severities().with("long.yaml", policy);
    let all = export_ocsf(
        &folder,
        "--input tagged.json --policy long.yaml --region eu-central-1",
    );
    let [one] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(one["resources"][0]["tags"].as_array().unwrap().len(), 60);
    assert_eq!(
        one["resources"][0]["tags"][0],
        json!({"name": "key-0", "value": ""})
    );
    assert_eq!(
        one["compliance"]["requirements"].as_array().unwrap().len(),
        40
    );
    assert!(
        one["finding_info"]["desc"]
            .as_str()
            .unwrap()
            .contains(&"much ".repeat(399))
    );
    assert!(one["message"].as_str().unwrap().contains(&"é".repeat(255)));
}

#[test]
fn errors_are_the_same_as_for_asff() {
    let folder = folder();
    for args in [
        "--input groups.json",
        "--input no-owner.json",
        "--input no-owner.json --region eu-central-1",
        "--input bad.json",
        "--input calm.json",
    ] {
        let result = |format: &str| {
            let run = folder.run(&format!("audit --format {format} {args}"));
            // The findings of an incomplete audit are exported, too.
            let has_findings = run.stdout.len() > "[]\n".len();
            (run.code, has_findings, run.stderr)
        };
        assert_eq!(result("ocsf"), result("asff"), "{args}");
    }
    assert_eq!(
        folder.run("audit --format ocsf --input groups.json").code,
        2
    );
    assert_eq!(
        folder.run("audit --format ocsf --input calm.json").stdout,
        "[]\n"
    );
}
