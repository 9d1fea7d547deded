//! Reading a parameter of Systems Manager.

use portcullis_remediation::ErrorKind;

use crate::aws;
use crate::stub::{Reply, Stub};

const GET: &str = "GetParameter";

fn value(text: &str) -> Reply {
    Reply::Answer(
        200,
        format!(
            r#"{{"Parameter":{{"Name":"/portcullis/policy","Type":"String","Value":"{text}"}}}}"#
        ),
    )
}

fn refused(code: &str) -> Reply {
    Reply::Answer(
        400,
        format!(r#"{{"__type":"{code}","message":"so it is"}}"#),
    )
}

async fn read(stub: &Stub) -> Result<String, portcullis_remediation::ServiceError> {
    aws(stub)
        .read_parameter("/portcullis/policy:4".to_owned())
        .await
}

#[tokio::test]
async fn the_value_of_a_version() {
    let stub = Stub::start([(GET, value("version: 1"))]);
    assert_eq!(read(&stub).await.unwrap(), "version: 1");
    let asked = stub.of(GET);
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].body.contains(r#""Name":"/portcullis/policy:4""#),
        "{}",
        asked[0].body
    );
    assert!(
        asked[0].head.contains("/ssm/aws4_request"),
        "{}",
        asked[0].head
    );
}

#[tokio::test]
async fn a_burst_of_starts_is_waited_for() {
    let busy = || refused("ThrottlingException");
    let stub = Stub::start([
        (GET, busy()),
        (GET, busy()),
        (GET, busy()),
        (GET, value("version: 1")),
    ]);
    assert_eq!(
        read(&stub).await.unwrap(),
        "version: 1",
        "an event gets three attempts, a start gets five"
    );
}

#[tokio::test]
async fn no_value_and_no_permission_are_errors() {
    let stub = Stub::start([(
        GET,
        Reply::Answer(200, r#"{"Parameter":{"Name":"x"}}"#.to_owned()),
    )]);
    let error = read(&stub).await.unwrap_err();
    assert!(
        error.operation == GET && error.message.contains("has no value"),
        "{error}"
    );
    let stub = Stub::start([(GET, refused("AccessDeniedException"))]);
    assert_eq!(read(&stub).await.unwrap_err().kind, ErrorKind::Denied);
}
