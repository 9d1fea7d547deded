//! Failed calls and their classification.

use std::time::Duration;

use portcullis_aws::Timing;
use portcullis_remediation::{ErrorKind, GroupReader as _, ServiceError};

use crate::stub::{Reply, Stub, ec2_error, ec2_response};
use crate::{aws, aws_with_timing, fast_timing};

const GROUPS: &str = "DescribeSecurityGroups";

/// A call of one page.
async fn call_ec2(stub: &Stub) -> Result<Vec<String>, ServiceError> {
    aws(stub)
        .group_reader()
        .groups_using_prefix_list("pl-1")
        .await
}

fn empty_response() -> Reply {
    ec2_response(GROUPS, "<securityGroupInfo/>")
}

/// One attempt of 100 ms.
fn short_timing() -> Timing {
    Timing {
        read_timeout: Duration::from_millis(100),
        attempt_timeout: Duration::from_millis(100),
        max_attempts: 1,
        ..fast_timing()
    }
}

#[tokio::test]
async fn error_codes_determine_the_kind() {
    for (status, code, kind) in [
        (503, "RequestLimitExceeded", ErrorKind::Throttled),
        (400, "Throttling", ErrorKind::Throttled),
        (400, "ThrottlingException", ErrorKind::Throttled),
        (400, "EC2ThrottledException", ErrorKind::Throttled),
        (429, "TooManyRequestsException", ErrorKind::Throttled),
        (403, "UnauthorizedOperation", ErrorKind::Denied),
        (403, "AccessDenied", ErrorKind::Denied),
        (400, "AccessDeniedException", ErrorKind::Denied),
        (401, "AuthFailure", ErrorKind::Denied),
        (400, "InvalidGroup.NotFound", ErrorKind::GroupNotFound),
        (400, "InvalidGroupId.NotFound", ErrorKind::GroupNotFound),
        (400, "InvalidPermission.NotFound", ErrorKind::RuleNotFound),
        (
            400,
            "InvalidSecurityGroupRuleId.NotFound",
            ErrorKind::RuleNotFound,
        ),
        (400, "InvalidGroupId.Malformed", ErrorKind::Other),
        (412, "DryRunOperation", ErrorKind::Other),
        (500, "InternalError", ErrorKind::Other),
        (400, "SomethingNew", ErrorKind::Other),
    ] {
        let stub = Stub::start([(GROUPS, ec2_error(status, code))]);
        let error = call_ec2(&stub).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}");
        assert_eq!(error.operation, GROUPS);
        assert_eq!(error.message, format!("{code}: details (request id r-42)"));
    }
}

#[tokio::test]
async fn an_error_without_a_code_is_an_error() {
    for body in ["", "<html>bad gateway</html>", "{}"] {
        let stub = Stub::start([(GROUPS, Reply::Response(400, body.to_owned()))]);
        let error = call_ec2(&stub).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other, "{body}: {error}");
        assert!(!error.message.is_empty(), "{body}");
    }
}

#[tokio::test]
async fn a_response_of_another_action_is_an_error() {
    let stub = Stub::start([(GROUPS, ec2_response("DescribeVpcs", "<vpcSet/>"))]);
    let error = call_ec2(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other, "{error}");
}

#[tokio::test]
async fn a_throttled_call_is_retried() {
    let stub = Stub::start([
        (GROUPS, ec2_error(503, "RequestLimitExceeded")),
        (GROUPS, empty_response()),
    ]);
    assert_eq!(call_ec2(&stub).await, Ok(vec![]));
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn a_server_error_is_retried_and_a_denial_is_not() {
    let stub = Stub::start([
        (GROUPS, ec2_error(500, "InternalError")),
        (GROUPS, empty_response()),
    ]);
    assert_eq!(call_ec2(&stub).await, Ok(vec![]));
    let stub = Stub::start([
        (GROUPS, ec2_error(403, "UnauthorizedOperation")),
        (GROUPS, empty_response()),
    ]);
    assert!(call_ec2(&stub).await.is_err());
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_timeout_is_no_answer() {
    let stub = Stub::start([(GROUPS, Reply::Hang)]);
    let reader = aws_with_timing(&stub.url, &short_timing()).group_reader();
    let error = reader.groups_using_prefix_list("pl-1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert_eq!(
        stub.requests().len(),
        1,
        "the configured number of attempts"
    );
}

#[tokio::test]
async fn the_whole_call_has_a_timeout_too() {
    let stub = Stub::start([(GROUPS, Reply::Hang)]);
    let timing = Timing {
        max_attempts: 1000,
        operation_timeout: Duration::from_millis(250),
        ..short_timing()
    };
    let reader = aws_with_timing(&stub.url, &timing).group_reader();
    let error = reader.groups_using_prefix_list("pl-1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert!(stub.requests().len() < 10);
}

#[tokio::test]
async fn a_closed_connection_is_no_answer() {
    let stub = Stub::start([(GROUPS, Reply::Close)]);
    let error = call_ec2(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert_eq!(stub.requests().len(), 3);
}

#[tokio::test]
async fn a_truncated_response_is_no_answer() {
    let stub = Stub::start([(GROUPS, Reply::Truncated)]);
    let error = call_ec2(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
}

#[tokio::test]
async fn a_refused_connection_is_no_answer() {
    let reader = aws_with_timing("http://127.0.0.1:1", &fast_timing()).group_reader();
    let error = reader.groups_using_prefix_list("pl-1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
}

#[tokio::test]
async fn a_connection_that_fails_during_use_is_replaced() {
    let stub = Stub::start([
        (GROUPS, empty_response()),
        (GROUPS, Reply::Close),
        (GROUPS, empty_response()),
    ]);
    let reader = aws(&stub).group_reader();
    assert_eq!(reader.groups_using_prefix_list("pl-1").await, Ok(vec![]));
    assert_eq!(reader.groups_using_prefix_list("pl-1").await, Ok(vec![]));
    let connections: Vec<_> = stub
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_closed_is_replaced() {
    let closing = Reply::ThenClose(crate::stub::ec2_body(GROUPS, "<securityGroupInfo/>"));
    let stub = Stub::start([(GROUPS, closing), (GROUPS, empty_response())]);
    let reader = aws(&stub).group_reader();
    assert_eq!(reader.groups_using_prefix_list("pl-1").await, Ok(vec![]));
    // As in a frozen sandbox: nothing polls the socket while the server closes it.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(reader.groups_using_prefix_list("pl-1").await, Ok(vec![]));
    let connections: Vec<_> = stub
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [0, 1]);
}

#[tokio::test]
async fn all_clients_share_one_pool() {
    let stub = Stub::start([(GROUPS, empty_response())]);
    let aws = aws(&stub);
    for _ in 0..3 {
        assert_eq!(
            aws.group_reader().groups_using_prefix_list("pl-1").await,
            Ok(vec![])
        );
    }
    assert!(
        stub.requests()
            .iter()
            .all(|request| request.connection == 0)
    );
}
