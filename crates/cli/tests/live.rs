//! `portcullis audit` of a live account, with moto as EC2 and STS.

mod account;
mod credentials;
mod errors;

use std::collections::BTreeSet;

use account::{Account, REGIONS, account, list, open_to_world, region, tcp};
use portcullis_e2e::Group;
use serde_json::{Value, json};

use crate::common::{Folder, Run, command, finish, project};

fn without_location(finding: &Value) -> Value {
    let mut finding = finding.clone();
    let object = finding.as_object_mut().unwrap();
    object.remove("account").unwrap();
    object.remove("region").unwrap();
    finding
}

/// The names of all regions, sorted.
fn all_regions(account: &Account) -> Vec<Value> {
    let all = account.ec2.call("describe_regions", &json!({})).unwrap();
    let mut names: Vec<_> = list(&all["Regions"])
        .iter()
        .map(|region| region["RegionName"].clone())
        .collect();
    names.sort_by_key(Value::to_string);
    names
}

/// Compares a region of the document with the offline audit. Returns the number of findings.
fn check_region(account: &Account, document: &Value, name: &str) -> usize {
    let offline = account.audit_offline(name);
    let findings = list(&document["findings"])
        .iter()
        .filter(|finding| finding["region"] == name);
    let live: Vec<_> = findings.map(without_location).collect();
    let expected = list(&offline["findings"]).iter().map(without_location);
    assert_eq!(live, expected.collect::<Vec<_>>(), "{name}");
    let region = region(document, name);
    for key in ["groups", "rules"] {
        assert_eq!(region[key], offline[key], "{name}: {key}");
    }
    assert_eq!(region["complete"], true, "{name}");
    assert_eq!(region["errors"], json!([]), "{name}");
    live.len()
}

#[test]
fn every_region_has_the_same_findings_as_offline() {
    let account = account();
    let run = account.run("audit --all-regions --format json");
    assert_eq!(run.code, 1, "{run:?}");
    let document = run.json();
    let names = all_regions(&account);
    assert!(names.len() > 10);
    let read: Vec<_> = list(&document["regions"])
        .iter()
        .map(|region| region["region"].clone())
        .collect();
    assert_eq!(read, names);
    let mut found = 0;
    for name in names.iter().filter_map(Value::as_str) {
        let findings = check_region(&account, &document, name);
        found += if REGIONS.contains(&name) { findings } else { 0 };
    }
    assert_eq!(found, 6, "two in each of three regions");
    let accounts: BTreeSet<_> = list(&document["findings"])
        .iter()
        .map(|finding| finding["account"].to_string())
        .collect();
    assert_eq!(accounts, BTreeSet::from([r#""111122223333""#.to_owned()]));
    check_calls(&account);
}

/// The command makes only the documented calls, all of them read-only.
fn check_calls(account: &Account) {
    let calls = account.ec2.calls().unwrap().into_iter();
    let actions: BTreeSet<_> = calls.map(|call| format!("ec2:{}", call.action)).collect();
    let documented = portcullis_aws::iam::AUDIT.iter();
    assert_eq!(
        actions,
        documented.map(|action| (*action).to_owned()).collect()
    );
    let page = std::fs::read_to_string(project("docs/cli.md")).unwrap();
    for action in portcullis_aws::iam::AUDIT {
        assert!(
            page.contains(&format!("`{action}`")),
            "docs/cli.md does not mention {action}"
        );
    }
}

/// The text with the ids of this run replaced by names, and the findings sorted by them.
fn stable_text(account: &Account, run: &Run) -> String {
    let mut text = run.text();
    for (region, groups) in &account.open {
        for group in groups {
            for (index, rule) in group.rules().unwrap().iter().enumerate() {
                let id = rule["SecurityGroupRuleId"].as_str().unwrap();
                text = text.replace(id, &format!("{:<21}", format!("sgr-{}", rule["FromPort"])));
                let list = rule["PrefixListId"].as_str().unwrap_or("pl-of-no-rule");
                text = text.replace(list, &format!("{:<20}", format!("pl-{index}")));
            }
            let name = group.name.replacen("shop", "sg", 1);
            text = text.replace(&group.id, &format!("{:<20}", format!("{name}-{region}")));
        }
    }
    let mut lines: Vec<_> = text.lines().collect();
    let findings = lines.iter().position(|line| line.starts_with("high"));
    let end = lines.iter().rposition(|line| line.starts_with("high"));
    if let (Some(begin), Some(end)) = (findings, end) {
        lines[begin..=end].sort_unstable();
    }
    lines.join("\n")
}

#[test]
fn human_readable_output_with_owners() {
    let account = account();
    // Wide enough for one line for each row.
    let run_wide = |args: &str| {
        let mut command = account.command(args);
        command.env("COLUMNS", "240");
        finish(command, b"")
    };
    let one = run_wide("audit --region eu-west-1");
    insta::assert_snapshot!("live_one_region", stable_text(&account, &one));
    let two = run_wide("audit --region eu-west-1,us-east-1");
    insta::assert_snapshot!("live_two_regions", stable_text(&account, &two));
    let of_many = run_wide("audit --region eu-west-1,sa-east-1");
    assert!(
        of_many.stdout.contains("  REGION  ") && of_many.stdout.contains("  eu-west-1  "),
        "{of_many:?}"
    );
}

#[test]
fn regions_come_from_the_arguments_or_the_environment() {
    let account = account();
    let mut from_env = account.command("audit --format json");
    from_env.env("AWS_REGION", "eu-west-1");
    let names = |run: &Run| -> Vec<String> {
        list(&run.json()["regions"])
            .iter()
            .map(|region| region["region"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&finish(from_env, b"")), ["eu-west-1"]);
    let mut both = account
        .command("audit --format json --region us-east-1 --region eu-central-1 --region us-east-1");
    both.env("AWS_REGION", "eu-west-1");
    assert_eq!(names(&finish(both, b"")), ["eu-central-1", "us-east-1"]);
    let without_region = account.run("audit");
    insta::assert_snapshot!("live_no_region", without_region.text());
}

#[test]
fn exported_findings_have_their_location() {
    let account = account();
    let web = &account.open["eu-west-1"][0];
    let arn = format!(
        "arn:aws:ec2:eu-west-1:111122223333:security-group/{}",
        web.id
    );
    for (format, resource) in [("asff", "/Resources/0/Id"), ("ocsf", "/resources/0/uid")] {
        let run = account.run(&format!("audit --region eu-west-1 --format {format}"));
        assert_eq!(run.code, 1, "{run:?}");
        let findings = run.json();
        let ids: Vec<_> = list(&findings)
            .iter()
            .map(|finding| finding.pointer(resource).unwrap())
            .collect();
        assert_eq!(ids.len(), 2);
        assert!(ids.contains(&&json!(arn)), "{ids:?}");
    }
}

#[test]
fn exceptions_match_tags_of_rules() {
    let account = account();
    let ec2 = account.ec2.in_region("ap-south-1");
    let group = Group::create(&ec2, "tagged").unwrap();
    let rule = &group
        .authorize(&json!([tcp(22, &open_to_world())]))
        .unwrap()[0];
    let tags = json!({
        "Resources": [rule["SecurityGroupRuleId"]],
        "Tags": [{"Key": "ticket", "Value": "INC-1"}],
    });
    ec2.call("create_tags", &tags).unwrap();
    let policy = "
version: 1
extends: baseline
exceptions:
  - id: by-ticket
    reason: a test
    owner: me
    match:
      rule_tags: {ticket: INC-1}
";
    let folder = Folder::new().with("policy.yaml", policy);
    let mut audit = account.command("audit --region ap-south-1 --format json --policy policy.yaml");
    audit.current_dir(folder.path("."));
    let run = finish(audit, b"");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["findings"][0]["exempt"], "by-ticket", "{run:?}");
}

#[test]
fn conflicting_arguments_are_usage_errors() {
    for args in [
        "audit --all-regions --region eu-west-1",
        "audit --all-regions --input groups.json",
        "audit --profile prod --input groups.json",
        "audit --role arn:aws:iam::444455556666:role/audit --input groups.json",
        "audit --role audit",
        "audit --region eu-west-1 --external-id x",
        "audit --region eu-west-1 --account 111122223333",
        "audit --region Ireland",
        "audit --region eu-west-1 --profile=",
    ] {
        assert_eq!(
            finish(command(&args.split(' ').collect::<Vec<_>>()), b"").code,
            2,
            "{args}"
        );
    }
    let folder = Folder::new().with("groups.json", r#"{"SecurityGroups": []}"#);
    let run = folder.run("audit --input groups.json --region eu-west-1,us-east-1");
    insta::assert_snapshot!("live_many_regions", run.text());
}
