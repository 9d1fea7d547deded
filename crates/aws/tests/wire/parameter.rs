//! Reading a parameter from Systems Manager.

use portcullis_aws::Parameter;
use portcullis_remediation::ErrorKind;

use crate::aws;
use crate::stub::{Reply, Stub};

const GET_PARAMETER: &str = "GetParameter";

fn value_response(value: &str) -> Reply {
    Reply::Response(
        200,
        format!(
            r#"{{"Parameter":{{"Name":"/portcullis/policy","Type":"String","Value":"{value}","Version":4}}}}"#
        ),
    )
}

fn error_response(code: &str) -> Reply {
    Reply::Response(400, format!(r#"{{"__type":"{code}","message":"details"}}"#))
}

async fn read_policy(stub: &Stub) -> Result<Parameter, portcullis_remediation::ServiceError> {
    aws(stub)
        .read_parameter("/portcullis/policy:4".to_owned())
        .await
}

#[tokio::test]
async fn a_parameter_version_is_read() {
    let stub = Stub::start([(GET_PARAMETER, value_response("version: 1"))]);
    let parameter = read_policy(&stub).await.unwrap();
    assert_eq!(parameter.value, "version: 1");
    assert_eq!(parameter.version, Some(4));
    let requests = stub.requests_for(GET_PARAMETER);
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0]
            .body
            .contains(r#""Name":"/portcullis/policy:4""#),
        "{}",
        requests[0].body
    );
    assert!(
        requests[0].head.contains("/ssm/aws4_request"),
        "{}",
        requests[0].head
    );
}

#[tokio::test]
async fn throttling_at_startup_gets_five_attempts() {
    let throttled = || error_response("ThrottlingException");
    let stub = Stub::start([
        (GET_PARAMETER, throttled()),
        (GET_PARAMETER, throttled()),
        (GET_PARAMETER, throttled()),
        (GET_PARAMETER, value_response("version: 1")),
    ]);
    assert_eq!(
        read_policy(&stub).await.unwrap().value,
        "version: 1",
        "a normal call gets three attempts, startup gets five"
    );
}

#[tokio::test]
async fn a_missing_value_and_a_denied_call_are_errors() {
    let stub = Stub::start([(
        GET_PARAMETER,
        Reply::Response(200, r#"{"Parameter":{"Name":"x"}}"#.to_owned()),
    )]);
    let error = read_policy(&stub).await.unwrap_err();
    assert!(
        error.operation == GET_PARAMETER && error.message.contains("has no value"),
        "{error}"
    );
    let stub = Stub::start([(GET_PARAMETER, error_response("AccessDeniedException"))]);
    assert_eq!(
        read_policy(&stub).await.unwrap_err().kind,
        ErrorKind::Denied
    );
}
