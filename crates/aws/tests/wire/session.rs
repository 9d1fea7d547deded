//! The session of the command line. The environment belongs to a process, so each test runs its
//! session in a child process.

use std::process::Command;

use portcullis_aws::{Role, Session, SessionOptions, Timing};

use crate::stub::{Reply, Stub, ec2_response};

/// Set in the child process.
const CHILD: &str = "PORTCULLIS_TEST_SESSION";

/// Runs [`child`] with only credentials and these variables, and returns its output.
fn run_child(variables: &[(&str, &str)]) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
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
    String::from_utf8_lossy(&child.stderr).into_owned()
}

/// The child process: opens a session, lists the regions, and prints the results.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let role = std::env::var("ROLE").ok().map(|arn| Role {
        arn,
        external_id: None,
    });
    let options = SessionOptions {
        role,
        ..SessionOptions::default()
    };
    match Session::open(&options, &Timing::default()).await {
        Ok(session) => eprintln!("regions: {:?}", session.list_regions().await),
        Err(error) => eprintln!("open: {error}"),
    }
}

fn regions_response(names: &[&str]) -> Reply {
    let items: Vec<_> = names
        .iter()
        .map(|name| format!("<item><regionName>{name}</regionName></item>"))
        .collect();
    ec2_response(
        "DescribeRegions",
        &format!("<regionInfo>{}</regionInfo>", items.concat()),
    )
}

#[test]
fn regions_are_sorted_and_read_in_the_configured_region() {
    for (configured, used) in [("", "us-east-1"), ("eu-west-1", "eu-west-1")] {
        let stub = Stub::start([(
            "DescribeRegions",
            regions_response(&["us-east-1", "eu-west-1"]),
        )]);
        let output = run_child(&[("AWS_ENDPOINT_URL", &stub.url), ("AWS_REGION", configured)]);
        assert!(
            output.contains(r#"regions: Ok(["eu-west-1", "us-east-1"])"#),
            "{output}"
        );
        let head = &stub.requests()[0].head;
        assert!(
            head.contains(&format!("/{used}/ec2/aws4_request")),
            "{head}"
        );
    }
}

#[test]
fn a_role_is_assumed_in_its_own_partition() {
    let stub = Stub::start([]);
    // An empty variable does not set a region.
    run_child(&[
        ("AWS_ENDPOINT_URL", &stub.url),
        ("AWS_REGION", ""),
        ("ROLE", "arn:aws-cn:iam::111122223333:role/audit"),
    ]);
    let head = &stub.requests()[0].head;
    assert!(head.contains("/cn-north-1/sts/aws4_request"), "{head}");
}

#[test]
fn no_regions_and_regions_without_names_are_errors() {
    for (reply, reason) in [
        (regions_response(&[]), "the account has no regions"),
        (
            ec2_response("DescribeRegions", "<regionInfo><item/></regionInfo>"),
            "a region has no name",
        ),
    ] {
        let stub = Stub::start([("DescribeRegions", reply)]);
        let output = run_child(&[("AWS_ENDPOINT_URL", &stub.url)]);
        assert!(
            output.contains("regions: Err(") && output.contains(reason),
            "{output}"
        );
    }
}

#[test]
fn a_missing_ca_bundle_is_an_error() {
    let output = run_child(&[("AWS_CA_BUNDLE", "/nonexistent/bundle.pem")]);
    assert!(
        output.contains("open: cannot use the CA bundle `/nonexistent/bundle.pem`"),
        "{output}"
    );
}
