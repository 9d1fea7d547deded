//! Credentials: profiles, roles and credential processes.

use std::collections::BTreeSet;

use portcullis_e2e::Fault;

use super::account::{Account, account};
use crate::common::{Folder, finish};

/// AWS config files: a profile with credentials, and one that assumes a role.
fn profiles() -> Folder {
    let config = "
[profile prod]
region = eu-west-1
aws_access_key_id = AKIDOFPROFILE
aws_secret_access_key = secret
[profile chained]
source_profile = prod
role_arn = arn:aws:iam::444455556666:role/chained
";
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
