//! Configuration from the environment. It belongs to a process, so each test runs its calls in a
//! child process.

use std::process::{Command, Output};

use portcullis_aws::Aws;
use portcullis_remediation::{Alert, AlertPublisher as _, GroupReader as _};

use crate::stub::{Reply, Stub, ec2_response};

/// Set in the child process.
const CHILD: &str = "PORTCULLIS_TEST_CHILD";

/// Runs [`child`] with only these variables, and returns its output.
fn run_child(variables: &[(&str, &str)]) -> String {
    let Output { stdout, stderr, .. } = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environment::child", "--nocapture"])
        .env_clear()
        .env(CHILD, "1")
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned();
    text + &String::from_utf8_lossy(&stderr)
}

/// The child process: connects, reads, publishes, and prints the results.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let aws = match Aws::connect().await {
        Ok(aws) => aws,
        Err(error) => return eprintln!("connect: {error}"),
    };
    aws.pre_connect().await;
    eprintln!("region: {}", aws.region());
    let read = aws.group_reader().groups_using_prefix_list("pl-1").await;
    eprintln!("read: {read:?}");
    let alert = Alert {
        subject: "s".to_owned(),
        email: "e".to_owned(),
        chat: "c".to_owned(),
        sms: "m".to_owned(),
        report: "r".to_owned(),
        attributes: vec![],
    };
    let published = aws
        .alert_publisher("arn:aws:sns:eu-west-1:1:t")
        .publish(&alert)
        .await;
    eprintln!("published: {published:?}");
}

fn stubs() -> (Stub, Stub) {
    let sns = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
               <MessageId>m-1</MessageId></PublishResult></PublishResponse>";
    (
        Stub::start([(
            "DescribeSecurityGroups",
            ec2_response("DescribeSecurityGroups", "<securityGroupInfo/>"),
        )]),
        Stub::start([("Publish", Reply::Response(200, sns.to_owned()))]),
    )
}

#[test]
fn credentials_region_and_endpoints_come_from_the_environment() {
    let (ec2, sns) = stubs();
    let output = run_child(&[
        ("AWS_ACCESS_KEY_ID", "AKIDFROMENV"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "session-from-env"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_EC2", &ec2.url),
        ("AWS_ENDPOINT_URL", &sns.url),
    ]);
    assert!(output.contains("region: eu-west-1"), "{output}");
    assert!(output.contains("read: Ok([])"), "{output}");
    assert!(output.contains("published: Ok(())"), "{output}");
    for (stub, service) in [(ec2, "ec2"), (sns, "sns")] {
        let requests = stub.requests();
        assert_eq!(requests.len(), 1);
        let head = &requests[0].head;
        assert!(head.contains("AKIDFROMENV/"), "{head}");
        assert!(
            head.contains(&format!("/eu-west-1/{service}/aws4_request")),
            "{head}"
        );
        assert!(head.contains("session-from-env"), "{head}");
    }
}

#[test]
fn credentials_and_region_come_from_a_profile() {
    let (ec2, sns) = stubs();
    let directory = std::env::temp_dir().join(format!("portcullis-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let profile = directory.join("config");
    let text = "[default]\nregion = eu-north-1\n\
                aws_access_key_id = AKIDOFPROFILE\naws_secret_access_key = secret\n";
    std::fs::write(&profile, text).unwrap();
    let output = run_child(&[
        ("AWS_CONFIG_FILE", profile.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_EC2", &ec2.url),
        ("AWS_ENDPOINT_URL_SNS", &sns.url),
    ]);
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(output.contains("read: Ok([])"), "{output}");
    let head = &ec2.requests()[0].head;
    assert!(head.contains("AKIDOFPROFILE/"), "{head}");
    assert!(head.contains("/eu-north-1/ec2/"), "{head}");
}

#[test]
fn no_region_is_an_error() {
    // An empty variable counts as unset.
    let output = run_child(&[
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_REGION", ""),
        ("AWS_CA_BUNDLE", ""),
    ]);
    assert!(output.contains("connect: no AWS region"), "{output}");
}

#[test]
fn missing_credentials_are_an_error_of_the_call() {
    let (ec2, _) = stubs();
    let output = run_child(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", &ec2.url)]);
    assert!(
        output.contains("kind: Other"),
        "the call was not sent: {output}"
    );
    assert!(!output.contains("NoAnswer"), "{output}");
    assert!(output.contains("no credentials found in chain"), "{output}");
    assert!(output.contains("published: Err("), "{output}");
    assert!(ec2.requests().is_empty());
}

#[test]
fn a_missing_ca_bundle_is_an_error() {
    let output = run_child(&[
        ("AWS_REGION", "eu-west-1"),
        ("AWS_CA_BUNDLE", "/no/such.pem"),
    ]);
    assert!(
        output.contains("connect: cannot use the CA bundle `/no/such.pem`"),
        "{output}"
    );
}
