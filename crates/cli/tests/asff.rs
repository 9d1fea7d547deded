//! `portcullis audit --format asff`.

use std::collections::BTreeSet;

use crate::common::Folder;
use serde_json::{Value, json};

const GROUPS: &str = include_str!("inputs/groups.json");
const RULES: &str = include_str!("inputs/rules.json");
pub(crate) const NOW: &str = "--now 2026-11-21T12:00:00Z";

/// The groups, each with an ARN in this region.
fn groups_with_arns(region: &str) -> Value {
    let mut groups: Value = serde_json::from_str(GROUPS).unwrap();
    for group in groups["SecurityGroups"].as_array_mut().unwrap() {
        let (owner, id) = (
            group["OwnerId"].as_str().unwrap(),
            group["GroupId"].as_str().unwrap(),
        );
        let partition = if region.starts_with("cn-") {
            "aws-cn"
        } else {
            "aws"
        };
        group["SecurityGroupArn"] = json!(format!(
            "arn:{partition}:ec2:{region}:{owner}:security-group/{id}"
        ));
    }
    groups
}

fn single_group(group: &Value) -> String {
    json!({"SecurityGroups": [group]}).to_string()
}

fn open_ssh(cidr: &str) -> Value {
    json!([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": cidr}]}])
}

/// The inputs for all export formats.
pub(crate) fn folder() -> Folder {
    let mut both: Value = serde_json::from_str(GROUPS).unwrap();
    let rules: Value = serde_json::from_str(RULES).unwrap();
    both.as_object_mut()
        .unwrap()
        .extend(rules.as_object().unwrap().clone());
    let mut bad = groups_with_arns("eu-central-1");
    bad["SecurityGroups"][0]["SecurityGroupArn"] =
        json!("arn:aws:ec2:eu-central-1:111122223333:security-group/sg-9");
    let exception = "
exceptions:
  - id: bastion
    rules: [restricted-common-ports]
    match: { groups: [sg-0aaaaaaaaaaaaaaaa] }
    reason: The bastion, until the VPN is there.
    owner: edge-team
    expires: 2027-01-01T00:00:00Z
";
    let regional = "
overrides:
  - scope: { regions: [eu-central-1] }
    rules: { all-traffic: { severity: low } }
";
    Folder::new()
        .with("groups.json", GROUPS)
        .with("both.json", both.to_string())
        .with("arns.json", groups_with_arns("eu-central-1").to_string())
        .with("china.json", groups_with_arns("cn-north-1").to_string())
        .with("bad.json", bad.to_string())
        .with(
            "no-owner.json",
            single_group(&json!({"GroupId": "sg-1", "IpPermissions": open_ssh("0.0.0.0/0")})),
        )
        .with(
            "calm.json",
            single_group(&json!({"GroupId": "sg-1", "IpPermissions": []})),
        )
        .with(
            "exempt.yaml",
            format!("version: 1\nextends: baseline{exception}"),
        )
        .with(
            "regional.yaml",
            format!("version: 1\nextends: baseline{regional}"),
        )
}

fn export_asff(folder: &Folder, args: &str) -> Vec<Value> {
    let run = folder.run(&format!("audit --format asff {NOW} {args}"));
    run.json()
        .as_array()
        .unwrap_or_else(|| panic!("{run:?}"))
        .clone()
}

#[test]
fn findings_for_security_hub() {
    let run = folder().run(&format!(
        "audit --input both.json --region eu-central-1 --format asff {NOW}"
    ));
    insta::assert_snapshot!(run.text());
}

/// A document and a policy with values that exceed the limits of the format.
fn folder_with_long_values() -> Folder {
    let mut groups = groups_with_arns("eu-central-1");
    let web = &mut groups["SecurityGroups"][0];
    web["GroupName"] = json!("é".repeat(255));
    web["Tags"] = (0..60)
        .map(|number| json!({"Key": format!("key-{number}"), "Value": ""}))
        .collect();
    let ranges: Vec<_> = (0..120)
        .step_by(2)
        .map(|number| json!({"CidrIp": format!("{number}.0.0.0/7")}))
        .collect();
    web["IpPermissions"][1]["IpRanges"] = json!(ranges);
    let references: Vec<_> = (0..40).map(|number| format!("REQ-{number}")).collect();
    let (id, forbids) = ("x".repeat(60), "much ".repeat(400));
    let policy = format!(
        "
version: 1
rules:
  - id: {id}
    check: open-ports
    ports: [22]
    severity: high
    action: revoke
    forbids: {forbids}
    references: {references:?}
"
    );
    folder()
        .with("long.json", groups.to_string())
        .with("long.yaml", policy)
}

/// Checks that a text is not blank and has at most this many bytes.
#[track_caller]
fn check_text(value: &Value, max_bytes: usize) {
    let text = value.as_str().unwrap();
    assert!(!text.trim().is_empty() && text.len() <= max_bytes, "{text}");
}

/// The limits in the API reference and in the API model of the AWS SDKs.
fn check_limits(finding: &Value) {
    check_text(&finding["Id"], 512);
    check_text(&finding["Title"], 256);
    check_text(&finding["Description"], 1024);
    check_text(&finding["GeneratorId"], 512);
    check_text(&finding["Remediation"]["Recommendation"]["Text"], 512);
    for value in finding["ProductFields"].as_object().unwrap().values() {
        check_text(value, 2048);
    }
    let requirements = finding["Compliance"]["RelatedRequirements"].as_array();
    assert!(requirements.is_none_or(|list| list.len() <= 32));
    let tags = finding["Resources"][0]["Tags"].as_object();
    assert!(tags.is_none_or(|tags| tags.len() <= 50));
    assert!(finding.to_string().len() < 240_000);
    assert_eq!(finding["AwsAccountId"].as_str().unwrap().len(), 12);
}

#[test]
fn values_stay_within_the_limits_of_the_format() {
    let folder = folder_with_long_values();
    let mut all = export_asff(&folder, "--input long.json");
    let long = export_asff(&folder, "--input long.json --policy long.yaml");
    assert!(!long.is_empty());
    all.extend(long);
    assert!(all.len() > 60, "{}", all.len());
    all.iter().for_each(check_limits);
    assert!(
        all.iter()
            .any(|one| one["Title"].as_str().unwrap().ends_with("..."))
    );
    let ids: BTreeSet<_> = all.iter().map(|one| one["Id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
}

#[test]
fn ids_depend_on_the_content_of_the_rule() {
    let folder = folder();
    let ids = |args: &str| -> BTreeSet<String> {
        let all = export_asff(&folder, args);
        all.iter()
            .map(|one| one["Id"].as_str().unwrap().to_owned())
            .collect()
    };
    let plain = ids("--input groups.json --region eu-central-1");
    let arn = "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-0aaaaaaaaaaaaaaaa";
    let id = format!("{arn}/tcp/22-22/0.0.0.0/0/restricted-common-ports");
    assert!(plain.contains(&id), "{plain:?}");
    assert_eq!(plain, ids("--input arns.json"));
    assert_eq!(plain, ids("--input arns.json --policy exempt.yaml"));
    // Rule ids and another group in the input do not change them.
    assert!(plain.is_subset(&ids("--input both.json --region eu-central-1")));
    assert!(plain.is_disjoint(&ids("--input groups.json --region eu-west-1")));
}

#[test]
fn account_and_region_come_from_the_arn() {
    let folder = folder();
    // The ARN in the input takes precedence over the arguments.
    for one in export_asff(
        &folder,
        "--input china.json --region eu-central-1 --account 444455556666",
    ) {
        assert_eq!(one["Region"], "cn-north-1");
        assert_eq!(one["AwsAccountId"], "111122223333");
        assert_eq!(
            one["ProductArn"],
            "arn:aws-cn:securityhub:cn-north-1:111122223333:product/111122223333/default"
        );
        assert_eq!(one["Resources"][0]["Partition"], "aws-cn");
    }
    let given = export_asff(
        &folder,
        "--input no-owner.json --region us-gov-west-1 --account 444455556666",
    );
    assert_eq!(
        given[0]["Resources"][0]["Id"],
        "arn:aws-us-gov:ec2:us-gov-west-1:444455556666:security-group/sg-1"
    );
}

#[test]
fn policies_scoped_by_region_use_the_arn() {
    let folder = folder();
    let severity = |args: &str| {
        let run = folder.run(&format!(
            "audit --policy regional.yaml --format json {args}"
        ));
        let all = run.json();
        let found = all["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["rule"] == "all-traffic")
            .cloned();
        (
            found.unwrap()["severity"].clone(),
            run.stderr.contains("the region of the groups is unknown"),
        )
    };
    assert_eq!(severity("--input arns.json"), (json!("low"), false));
    assert_eq!(severity("--input groups.json"), (json!("critical"), true));
    assert_eq!(
        severity("--input groups.json --region eu-central-1"),
        (json!("low"), false)
    );
    assert_eq!(
        severity("--input china.json --region eu-central-1"),
        (json!("critical"), false)
    );
}

/// It is archived, so that it becomes active again when the exception expires. The compliance
/// status does not claim that the requirement is met.
#[test]
fn exempt_findings_are_archived() {
    let folder = folder();
    let states = |now: &str| {
        let run = folder.run(&format!(
            "audit --input arns.json --policy exempt.yaml --format asff --now {now}"
        ));
        let all = run.json();
        let found = all
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["GeneratorId"] == "portcullis/restricted-common-ports");
        let found = found.unwrap();
        let is_mentioned = found["Description"]
            .as_str()
            .unwrap()
            .contains("Exempted by the exception bastion.");
        (
            found["RecordState"].clone(),
            found["Compliance"]["Status"].clone(),
            is_mentioned,
        )
    };
    assert_eq!(
        states("2026-12-31T00:00:00Z"),
        (json!("ARCHIVED"), json!("WARNING"), true)
    );
    assert_eq!(
        states("2027-01-01T00:00:00Z"),
        (json!("ACTIVE"), json!("FAILED"), false)
    );
}

#[test]
fn missing_account_or_region_is_an_error() {
    let folder = folder();
    let mut transcripts = String::new();
    for args in [
        "audit --format asff --input groups.json",
        "audit --format asff --input no-owner.json",
        "audit --format asff --input no-owner.json --region eu-central-1",
        "audit --format asff --input no-owner.json --account 1234",
        "audit --format asff --input no-owner.json --region Frankfurt",
        "audit --format asff --input bad.json",
        "audit --format asff --input calm.json",
    ] {
        transcripts += &folder.run(args).transcript(args);
    }
    insta::assert_snapshot!(transcripts);
    assert_eq!(
        folder.run("audit --format asff --input calm.json").stdout,
        "[]\n"
    );
}
