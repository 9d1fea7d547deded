//! A person's session. The environment belongs to a process, so each test runs its half in a child.

use std::process::Command;

use portcullis_aws::{Role, Session, SessionOptions, Timing};

use crate::stub::{Reply, Stub, ok};

/// Tells the child that it is one.
const CHILD: &str = "PORTCULLIS_TEST_SESSION";

/// Runs [`child`] with nothing but keys and these variables.
fn run(variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "session::child", "--nocapture"])
        .env_clear()
        .envs([
            (CHILD, "1"),
            ("HOME", "/nonexistent"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .envs([
            ("AWS_ACCESS_KEY_ID", "AKIDFROMENV"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The other half: logs in, asks for the regions, and prints how it went.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let role = std::env::var("ROLE").ok().map(|arn| Role {
        arn,
        external_id: None,
    });
    let login = SessionOptions {
        role,
        ..SessionOptions::default()
    };
    match Session::open(&login, &Timing::default()).await {
        Ok(session) => eprintln!("regions: {:?}", session.list_regions().await),
        Err(error) => eprintln!("open: {error}"),
    }
}

fn regions(names: &[&str]) -> Reply {
    let items: Vec<_> = names
        .iter()
        .map(|name| format!("<item><regionName>{name}</regionName></item>"))
        .collect();
    ok(
        "DescribeRegions",
        &format!("<regionInfo>{}</regionInfo>", items.concat()),
    )
}

#[test]
fn regions_come_in_order_and_are_asked_for_at_home() {
    for (region, asked) in [("", "us-east-1"), ("eu-west-1", "eu-west-1")] {
        let stub = Stub::start([("DescribeRegions", regions(&["us-east-1", "eu-west-1"]))]);
        let said = run(&[("AWS_ENDPOINT_URL", &stub.url), ("AWS_REGION", region)]);
        assert!(
            said.contains(r#"regions: Ok(["eu-west-1", "us-east-1"])"#),
            "{said}"
        );
        let head = &stub.requests()[0].head;
        assert!(
            head.contains(&format!("/{asked}/ec2/aws4_request")),
            "{head}"
        );
    }
}

#[test]
fn a_role_of_another_partition_is_assumed_there() {
    let stub = Stub::start([]);
    // A variable that is set to nothing names no region.
    run(&[
        ("AWS_ENDPOINT_URL", &stub.url),
        ("AWS_REGION", ""),
        ("ROLE", "arn:aws-cn:iam::111122223333:role/audit"),
    ]);
    let head = &stub.requests()[0].head;
    assert!(head.contains("/cn-north-1/sts/aws4_request"), "{head}");
}

#[test]
fn no_regions_and_nameless_ones_are_errors() {
    for (answer, reason) in [
        (regions(&[]), "the account has no regions"),
        (
            ok("DescribeRegions", "<regionInfo><item/></regionInfo>"),
            "a region has no name",
        ),
    ] {
        let stub = Stub::start([("DescribeRegions", answer)]);
        let said = run(&[("AWS_ENDPOINT_URL", &stub.url)]);
        assert!(
            said.contains("regions: Err(") && said.contains(reason),
            "{said}"
        );
    }
}

#[test]
fn a_bundle_that_is_none_is_an_error() {
    let said = run(&[("AWS_CA_BUNDLE", "/nonexistent/bundle.pem")]);
    assert!(
        said.contains("open: AWS_CA_BUNDLE names `/nonexistent/bundle.pem`"),
        "{said}"
    );
}
