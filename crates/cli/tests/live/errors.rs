//! Errors of AWS, and retries.

use portcullis_e2e::Fault;
use serde_json::json;

use super::account::{account, list, region};
use crate::common::finish;

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
            &document["errors"][0]["region"]
        ),
        (&json!(db.id), &json!("eu-west-1"))
    );
    assert_eq!(region(&document, "eu-west-1")["complete"], false);
    assert!(run.stderr.contains(&db.id), "{run:?}");
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
