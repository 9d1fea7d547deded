//! `portcullis audit` of a live account, with moto as EC2 and STS.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use portcullis_e2e::{Fault, Group, Moto};
use serde_json::{Value, json};

use crate::common::{Folder, Run, command, finish, project};

const REGIONS: [&str; 3] = ["eu-central-1", "eu-west-1", "us-east-1"];

/// The account of all tests in this file. Each of three regions has two groups with findings and one
/// without.
struct Account {
    ec2: Moto,
    /// The groups with findings, by region.
    open: BTreeMap<&'static str, Vec<Group>>,
}

/// The account, locked for one test at a time: recorded calls and faults are shared by the server.
fn account() -> MutexGuard<'static, Account> {
    static ACCOUNT: OnceLock<Mutex<Account>> = OnceLock::new();
    let account = ACCOUNT.get_or_init(|| Mutex::new(Account::create()));
    let account = account.lock().unwrap_or_else(PoisonError::into_inner);
    account.ec2.reset().unwrap();
    account
}

fn tcp(port: u16, source: &Value) -> Value {
    let mut permission = json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port});
    permission
        .as_object_mut()
        .unwrap()
        .extend(source.as_object().unwrap().clone());
    permission
}

fn open_to_world() -> Value {
    json!({"IpRanges": [{"CidrIp": "0.0.0.0/0"}]})
}

impl Account {
    fn create() -> Self {
        let ec2 = Moto::start().unwrap();
        let open = REGIONS.map(|region| (region, create_groups(&ec2.in_region(region))));
        Self {
            ec2,
            open: open.into(),
        }
    }

    /// The command, with the credentials of the account and no other environment.
    fn command(&self, args: &str) -> Command {
        let mut command = command(&args.split_whitespace().collect::<Vec<_>>());
        let credentials = [
            ("AWS_ACCESS_KEY_ID", "AKIDFROMENV"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        command
            .envs(credentials)
            .env("AWS_ENDPOINT_URL", self.ec2.url())
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("HOME", "/nonexistent");
        command
    }

    fn run(&self, args: &str) -> Run {
        finish(self.command(args), b"")
    }

    /// The audit of everything that boto3 reads in a region, as an input.
    fn audit_offline(&self, region: &str) -> Value {
        let ec2 = self.ec2.in_region(region);
        let mut document = ec2.call("describe_security_groups", &json!({})).unwrap();
        let rules = ec2
            .call("describe_security_group_rules", &json!({}))
            .unwrap();
        let lists = ec2
            .call("describe_managed_prefix_lists", &json!({}))
            .unwrap();
        let lists = lists["PrefixLists"].as_array().unwrap().iter().map(|list| {
            let id = json!({"PrefixListId": list["PrefixListId"]});
            let entries = ec2.call("get_managed_prefix_list_entries", &id).unwrap();
            json!({"PrefixListId": list["PrefixListId"], "Entries": entries["Entries"]})
        });
        document["PrefixLists"] = lists.collect();
        document["SecurityGroupRules"] = rules["SecurityGroupRules"].clone();
        let folder = Folder::new().with("groups.json", document.to_string());
        folder.run("audit --input groups.json --format json").json()
    }
}

/// Creates `shop-web` with SSH open to the world, `shop-db` with SSH open to a prefix list that covers
/// the internet, and `quiet` without findings.
fn create_groups(ec2: &Moto) -> Vec<Group> {
    let web = Group::create(ec2, "shop-web").unwrap();
    let tags = json!([{"Key": "Owner", "Value": "shop@example.com"}]);
    ec2.call("create_tags", &json!({"Resources": [web.id], "Tags": tags}))
        .unwrap();
    let private = json!({"IpRanges": [{"CidrIp": "10.0.0.0/8"}]});
    web.authorize(&json!([
        tcp(22, &open_to_world()),
        tcp(443, &open_to_world()),
        tcp(22, &private)
    ]))
    .unwrap();
    let list = json!({
        "PrefixListName": "halves", "AddressFamily": "IPv4", "MaxEntries": 2,
        "Entries": [{"Cidr": "0.0.0.0/1"}, {"Cidr": "128.0.0.0/1"}],
    });
    let list = ec2.call("create_managed_prefix_list", &list).unwrap();
    let list = json!({"PrefixListIds": [{"PrefixListId": list["PrefixList"]["PrefixListId"]}]});
    let db = Group::create_in(ec2, &web.vpc, "shop-db").unwrap();
    db.authorize(&json!([tcp(22, &list)])).unwrap();
    Group::create_in(ec2, &web.vpc, "quiet")
        .unwrap()
        .authorize(&json!([tcp(443, &open_to_world())]))
        .unwrap();
    vec![web, db]
}

fn without_location(finding: &Value) -> Value {
    let mut finding = finding.clone();
    let object = finding.as_object_mut().unwrap();
    object.remove("account").unwrap();
    object.remove("region").unwrap();
    finding
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn region<'a>(document: &'a Value, name: &str) -> &'a Value {
    list(&document["regions"])
        .iter()
        .find(|region| region["region"] == name)
        .unwrap()
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
    assert_eq!(json!(live), offline["findings"], "{name}");
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
    let one = account.run("audit --region eu-west-1");
    insta::assert_snapshot!("live_one_region", stable_text(&account, &one));
    let two = account.run("audit --region eu-west-1,us-east-1");
    insta::assert_snapshot!("live_two_regions", stable_text(&account, &two));
    let of_many = account.run("audit --region eu-west-1,sa-east-1");
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
    let tags = json!({"Resources": [rule["SecurityGroupRuleId"]], "Tags": [{"Key": "ticket", "Value": "INC-1"}]});
    ec2.call("create_tags", &tags).unwrap();
    let policy = "version: 1\nextends: baseline\nexceptions:\n  - id: by-ticket\n    reason: a test\n    owner: me\n    \
                  match:\n      rule_tags: {ticket: INC-1}\n";
    let folder = Folder::new().with("policy.yaml", policy);
    let mut audit = account.command("audit --region ap-south-1 --format json --policy policy.yaml");
    audit.current_dir(folder.path("."));
    let run = finish(audit, b"");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["findings"][0]["exempt"], "by-ticket", "{run:?}");
}

#[test]
fn throttled_calls_are_retried() {
    let account = account();
    let busy = Fault::new("DescribeSecurityGroups", "RequestLimitExceeded")
        .status(503)
        .in_region("eu-west-1")
        .times(3);
    account.ec2.fault(&busy).unwrap();
    let run = account.run("audit --region eu-west-1 --format json");
    assert_eq!(
        (run.code, list(&run.json()["findings"]).len()),
        (1, 2),
        "{run:?}"
    );
    let calls = account
        .ec2
        .calls()
        .unwrap()
        .into_iter()
        .filter(|call| call.action == "DescribeSecurityGroups");
    assert_eq!(
        calls.map(|call| call.status).collect::<Vec<_>>(),
        [503, 503, 503, 200]
    );
}

#[test]
fn unreadable_regions_do_not_stop_the_others() {
    let account = account();
    let denied = |action: &str, region: &str| {
        let fault = Fault::new(action, "UnauthorizedOperation")
            .status(403)
            .in_region(region)
            .times(100);
        account.ec2.fault(&fault).unwrap();
    };
    denied("DescribeSecurityGroups", "eu-west-1");
    denied("DescribeSecurityGroupRules", "us-east-1");
    let run = account.run("audit --region eu-central-1,eu-west-1,us-east-1 --format json");
    assert_eq!(run.code, 3, "{run:?}");
    let document = run.json();
    let error = &region(&document, "eu-west-1")["errors"][0];
    assert_eq!(
        (&error["operation"], &error["code"]),
        (&json!("DescribeSecurityGroups"), &json!("denied"))
    );
    let of = |name: &str| {
        list(&document["findings"])
            .iter()
            .filter(|one| one["region"] == name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        [
            of("eu-central-1").len(),
            of("eu-west-1").len(),
            of("us-east-1").len()
        ],
        [2, 0, 2]
    );
    assert!(
        of("eu-central-1")
            .iter()
            .all(|finding| finding["security_group_rule_id"].is_string())
    );
    assert!(
        of("us-east-1")
            .iter()
            .all(|finding| finding["security_group_rule_id"].is_null())
    );
    assert_eq!(region(&document, "us-east-1")["complete"], true);
    insta::assert_snapshot!("live_unread", run.stderr);

    account.ec2.reset().unwrap();
    denied("DescribeSecurityGroups", "eu-west-1");
    let run = account.run("audit --region eu-west-1");
    insta::assert_snapshot!("live_nothing_read", run.text());
}

#[test]
fn failure_to_list_regions_is_an_error() {
    let account = account();
    account
        .ec2
        .fault(&Fault::new("DescribeRegions", "UnauthorizedOperation").status(403))
        .unwrap();
    insta::assert_snapshot!("live_no_regions", account.run("audit --all-regions").text());
}

/// AWS config files: a profile with credentials, and one that assumes a role.
fn profiles() -> Folder {
    let config = "[profile prod]\nregion = eu-west-1\naws_access_key_id = AKIDOFPROFILE\naws_secret_access_key = secret\n\
                  [profile chained]\nsource_profile = prod\nrole_arn = arn:aws:iam::444455556666:role/chained\n";
    Folder::new().with("config", config)
}

fn key_ids_of_calls(account: &Account, action: &str) -> BTreeSet<String> {
    let calls = account.ec2.calls().unwrap().into_iter();
    calls
        .filter(|call| call.action == action)
        .map(|call| call.key)
        .collect()
}

#[test]
fn profiles_take_precedence_over_the_environment() {
    let (account, folder) = (account(), profiles());
    let mut audit = account.command("audit --profile prod --format json");
    audit.env("AWS_CONFIG_FILE", folder.path("config"));
    let run = finish(audit, b"");
    assert_eq!(run.json()["regions"][0]["region"], "eu-west-1", "{run:?}");
    assert_eq!(
        key_ids_of_calls(&account, "DescribeSecurityGroups"),
        BTreeSet::from(["AKIDOFPROFILE".to_owned()])
    );
}

#[test]
fn roles_are_assumed_once() {
    let (account, folder) = (account(), profiles());
    for (args, role) in [
        (
            "--role arn:aws:iam::444455556666:role/audit --external-id 4711",
            "arn:aws:iam::444455556666:role/audit",
        ),
        (
            "--profile chained",
            "arn:aws:iam::444455556666:role/chained",
        ),
    ] {
        account.ec2.reset().unwrap();
        let mut audit = account.command(&format!(
            "audit --region eu-west-1,us-east-1 --format json {args}"
        ));
        audit.env("AWS_CONFIG_FILE", folder.path("config"));
        let run = finish(audit, b"");
        assert_eq!(run.stderr, "", "{run:?}");
        let calls = account.ec2.calls().unwrap();
        let assumed: Vec<_> = calls
            .iter()
            .filter(|call| call.action == "AssumeRole")
            .collect();
        assert_eq!(assumed.len(), 1, "{assumed:#?}");
        assert_eq!(
            assumed[0].region, "eu-west-1",
            "the first region in the arguments"
        );
        assert_eq!(assumed[0].parameters["RoleArn"], role);
        if args.contains("--external-id") {
            assert_eq!(assumed[0].parameters["ExternalId"], "4711");
            assert_eq!(assumed[0].parameters["RoleSessionName"], "portcullis-audit");
        }
        let keys = key_ids_of_calls(&account, "DescribeSecurityGroups");
        assert!(
            !keys.is_empty() && keys.iter().all(|key| key.starts_with("ASIA")),
            "{keys:?}"
        );
    }
}

#[test]
fn missing_credentials_are_an_error_with_help() {
    let (account, folder) = (account(), profiles());
    let mut without_credentials = account.command("audit --region eu-west-1");
    without_credentials.env_remove("AWS_ACCESS_KEY_ID");
    insta::assert_snapshot!(
        "live_no_credentials",
        finish(without_credentials, b"").text()
    );
    let mut unknown = account.command("audit --region eu-west-1 --profile nobody");
    unknown.env("AWS_CONFIG_FILE", folder.path("config"));
    insta::assert_snapshot!("live_no_profile", finish(unknown, b"").text());
    let mut unknown = account.command("audit --profile nobody");
    unknown.env("AWS_CONFIG_FILE", folder.path("config"));
    let unknown = finish(unknown, b"");
    assert_eq!(unknown.code, 3);
    assert!(
        unknown.stderr.contains("with the profile `nobody`"),
        "the error is about the profile, not its region: {unknown:?}"
    );
    account
        .ec2
        .fault(&Fault::new("AssumeRole", "AccessDenied").status(403))
        .unwrap();
    let denied =
        account.run("audit --region eu-west-1 --role arn:aws:iam::444455556666:role/audit");
    assert_eq!(denied.code, 3);
    for expected in [
        "as `arn:aws:iam::444455556666:role/audit`",
        "AccessDenied",
        "sts:AssumeRole",
    ] {
        assert!(denied.stderr.contains(expected), "{expected}: {denied:?}");
    }
}

#[test]
fn credential_processes_run_once() {
    let account = account();
    let folder = Folder::new().with("runs", "");
    let runs = folder.path("runs");
    let credentials = r#"{"Version":1,"AccessKeyId":"AKIDOFPROGRAM","SecretAccessKey":"secret"}"#;
    let script = format!(
        "#!/bin/sh\necho x >> {}\necho '{credentials}'\n",
        runs.display()
    );
    let folder = folder.with("credentials.sh", script);
    let config = format!(
        "[profile process]\ncredential_process = sh {}\n",
        folder.path("credentials.sh").display()
    );
    let folder = folder.with("config", config);
    let mut audit =
        account.command("audit --region eu-west-1,us-east-1,eu-central-1 --profile process");
    audit
        .env("AWS_CONFIG_FILE", folder.path("config"))
        .env("PATH", "/usr/bin:/bin");
    assert_eq!(finish(audit, b"").code, 1);
    assert_eq!(
        key_ids_of_calls(&account, "DescribeSecurityGroups"),
        BTreeSet::from(["AKIDOFPROGRAM".to_owned()])
    );
    assert_eq!(std::fs::read_to_string(runs).unwrap().lines().count(), 1);
}

#[test]
fn proxies_are_used_for_https_only() {
    let account = account();
    let mut audit = account.command("audit --region eu-west-1 --format json");
    audit.envs([
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ]);
    assert_eq!(
        finish(audit, b"").code,
        1,
        "plain HTTP does not use the proxy"
    );
    let mut audit = account.command("audit --region eu-west-1");
    audit.env("HTTPS_PROXY", "http://[");
    let run = finish(audit, b"");
    assert_eq!(run.code, 3);
    assert!(
        run.stderr
            .contains("HTTPS_PROXY is not a valid proxy address"),
        "{run:?}"
    );
}

#[test]
fn errors_of_listing_regions_are_retried_or_have_help() {
    let account = account();
    let fault = |code: &str, times: u32| {
        account.ec2.reset().unwrap();
        account
            .ec2
            .fault(&Fault::new("DescribeRegions", code).status(400).times(times))
            .unwrap();
        account.run("audit --all-regions --format json")
    };
    assert_eq!(
        fault("RequestLimitExceeded", 6).code,
        1,
        "more failures than the client retries itself"
    );
    let run = fault("AuthFailure", 1);
    assert!(
        run.code == 3 && run.stderr.contains("allow `ec2:DescribeRegions`"),
        "{run:?}"
    );
    let run = fault("InternalError", 100);
    assert!(run.code == 3 && !run.stderr.contains("allow"), "{run:?}");
    account.ec2.reset().unwrap();
    let mut audit = account.command("audit");
    audit.env("AWS_REGION", "not a region");
    let run = finish(audit, b"");
    assert!(
        run.code == 2 && run.stderr.contains("`not a region` is not a region name"),
        "{run:?}"
    );
}

#[test]
fn unreadable_groups_do_not_stop_the_others() {
    let account = account();
    let denied = Fault::new("GetManagedPrefixListEntries", "UnauthorizedOperation")
        .status(403)
        .times(100);
    account.ec2.fault(&denied).unwrap();
    let run = account.run("audit --region eu-west-1 --format json");
    assert_eq!(run.code, 3, "{run:?}");
    let document = run.json();
    let web = &account.open["eu-west-1"][0];
    let db = &account.open["eu-west-1"][1];
    assert_eq!(list(&document["findings"]).len(), 1);
    assert_eq!(document["findings"][0]["group_id"], json!(web.id));
    assert_eq!(
        (
            &document["errors"][0]["group_id"],
            &document["errors"][0]["path"]
        ),
        (&json!(db.id), &json!("eu-west-1"))
    );
    assert_eq!(region(&document, "eu-west-1")["complete"], false);
    assert!(run.stderr.contains(&db.id), "{run:?}");
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
