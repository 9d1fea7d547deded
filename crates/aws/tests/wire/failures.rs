//! What becomes of failed calls.

use std::time::Duration;

use portcullis_aws::Timing;
use portcullis_remediation::{ErrorKind, GroupReader as _, ServiceError};

use crate::stub::{Reply, Stub, ok, refused};
use crate::{aws, aws_at, timing};

const GROUPS: &str = "DescribeSecurityGroups";

/// A call that any of these answers may meet.
async fn call(stub: &Stub) -> Result<Vec<String>, ServiceError> {
    aws(stub)
        .group_reader()
        .groups_using_prefix_list("pl-1")
        .await
}

fn none() -> Reply {
    ok(GROUPS, "<securityGroupInfo/>")
}

/// One try of a tenth of a second.
fn hurried() -> Timing {
    Timing {
        read_timeout: Duration::from_millis(100),
        attempt_timeout: Duration::from_millis(100),
        max_attempts: 1,
        ..timing()
    }
}

#[tokio::test]
async fn error_codes_decide_what_it_means() {
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
        let stub = Stub::start([(GROUPS, refused(status, code))]);
        let error = call(&stub).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}");
        assert_eq!(error.operation, GROUPS);
        assert_eq!(error.message, format!("{code}: so it is (request id r-42)"));
    }
}

#[tokio::test]
async fn an_error_without_a_code_is_an_error() {
    for body in ["", "<html>bad gateway</html>", "{}"] {
        let stub = Stub::start([(GROUPS, Reply::Answer(400, body.to_owned()))]);
        let error = call(&stub).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other, "{body}: {error}");
        assert!(!error.message.is_empty(), "{body}");
    }
}

#[tokio::test]
async fn an_answer_to_another_question_is_an_error() {
    let stub = Stub::start([(GROUPS, ok("DescribeVpcs", "<vpcSet/>"))]);
    let error = call(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other, "{error}");
}

#[tokio::test]
async fn a_throttled_call_is_tried_again() {
    let stub = Stub::start([
        (GROUPS, refused(503, "RequestLimitExceeded")),
        (GROUPS, none()),
    ]);
    assert_eq!(call(&stub).await, Ok(vec![]));
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn a_server_error_is_tried_again_and_a_refusal_is_not() {
    let stub = Stub::start([(GROUPS, refused(500, "InternalError")), (GROUPS, none())]);
    assert_eq!(call(&stub).await, Ok(vec![]));
    let stub = Stub::start([
        (GROUPS, refused(403, "UnauthorizedOperation")),
        (GROUPS, none()),
    ]);
    assert!(call(&stub).await.is_err());
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn silence_is_no_answer() {
    let stub = Stub::start([(GROUPS, Reply::Silence)]);
    let reader = aws_at(&stub.url, &hurried()).group_reader();
    let error = reader.groups_using_prefix_list("pl-1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert_eq!(
        stub.requests().len(),
        1,
        "as many attempts as were asked for"
    );
}

#[tokio::test]
async fn the_whole_call_is_bounded_too() {
    let stub = Stub::start([(GROUPS, Reply::Silence)]);
    let timing = Timing {
        max_attempts: 1000,
        operation_timeout: Duration::from_millis(250),
        ..hurried()
    };
    let reader = aws_at(&stub.url, &timing).group_reader();
    let error = reader.groups_using_prefix_list("pl-1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert!(stub.requests().len() < 10);
}

#[tokio::test]
async fn a_closed_connection_is_no_answer() {
    let stub = Stub::start([(GROUPS, Reply::Gone)]);
    let error = call(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
    assert_eq!(stub.requests().len(), 3);
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    let stub = Stub::start([(GROUPS, Reply::Half)]);
    let error = call(&stub).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
}

#[tokio::test]
async fn nobody_there_is_no_answer() {
    let reader = aws_at("http://127.0.0.1:1", &timing()).group_reader();
    let error = reader.groups_using_prefix_list("pl-1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoAnswer, "{error}");
}

#[tokio::test]
async fn a_connection_that_dies_while_it_is_used_is_replaced() {
    let stub = Stub::start([(GROUPS, none()), (GROUPS, Reply::Gone), (GROUPS, none())]);
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
    let gone = Reply::ThenGone(crate::stub::xml(GROUPS, "<securityGroupInfo/>"));
    let stub = Stub::start([(GROUPS, gone), (GROUPS, none())]);
    let reader = aws(&stub).group_reader();
    assert_eq!(reader.groups_using_prefix_list("pl-1").await, Ok(vec![]));
    // As in a frozen sandbox: nobody looks at the socket while it is closed.
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
    let stub = Stub::start([(GROUPS, none())]);
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
