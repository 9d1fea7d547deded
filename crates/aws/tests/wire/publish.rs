//! Publishing alerts.

use portcullis_remediation::{Alert, AlertPublisher as _, ErrorKind, ServiceError};
use serde_json::Value;

use crate::aws;
use crate::stub::{Reply, Stub};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";

fn alert() -> Alert {
    let attributes = [("mode", "enforce"), ("severity", "high"), ("vpc", "")];
    Alert {
        subject: "CLOSED sg-1 high".to_owned(),
        email: "Two lines\nand \"quotes\" & ümlauts".to_owned(),
        chat: r#"{"version":"1.0"}"#.to_owned(),
        sms: "CLOSED sg-1 high. No action.".to_owned(),
        report: r#"{"version":1,"groups":[]}"#.to_owned(),
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

fn publish_response(result: &str) -> Reply {
    let body = format!(
        "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <PublishResult>{result}</PublishResult></PublishResponse>"
    );
    Reply::Response(200, body)
}

fn error_response(status: u16, code: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <Error><Type>Sender</Type><Code>{code}</Code><Message>details</Message></Error>\
         <RequestId>r-42</RequestId></ErrorResponse>"
    );
    Reply::Response(status, body)
}

async fn publish(stub: &Stub) -> Result<(), ServiceError> {
    aws(stub).alert_publisher(TOPIC).publish(&alert()).await
}

#[tokio::test]
async fn every_kind_of_subscriber_gets_its_own_message() {
    let stub = Stub::start([("Publish", publish_response("<MessageId>m-1</MessageId>"))]);
    assert_eq!(publish(&stub).await, Ok(()));
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].form_value("TopicArn"), TOPIC);
    assert_eq!(requests[0].form_value("Subject"), "CLOSED sg-1 high");
    assert_eq!(requests[0].form_value("MessageStructure"), "json");
    let body: Value = serde_json::from_str(requests[0].form_value("Message")).unwrap();
    let alert = alert();
    let expected = serde_json::json!({
        "default": alert.email, "email": alert.email, "https": alert.chat,
        "lambda": alert.report, "sms": alert.sms, "sqs": alert.report,
    });
    assert_eq!(body, expected);
    assert!(body.as_object().unwrap().values().all(Value::is_string));
}

#[tokio::test]
async fn attributes_are_strings_and_never_empty() {
    let stub = Stub::start([("Publish", publish_response("<MessageId>m-1</MessageId>"))]);
    publish(&stub).await.unwrap();
    // The SDK keeps them in an unordered map, so the numbers of the entries are arbitrary.
    let mut sent: Vec<_> = stub.requests()[0]
        .fields_with_prefix("MessageAttributes.entry.")
        .iter()
        .map(|field| field.split_once('.').unwrap().1.to_owned())
        .collect();
    sent.sort();
    assert_eq!(
        sent,
        [
            "Name=mode",
            "Name=severity",
            "Value.DataType=String",
            "Value.DataType=String",
            "Value.StringValue=enforce",
            "Value.StringValue=high",
        ]
    );
}

#[tokio::test]
async fn a_rejected_alert_is_an_error() {
    for (status, code, kind) in [
        (403, "AuthorizationError", ErrorKind::Denied),
        (400, "KMSAccessDenied", ErrorKind::Denied),
        (400, "KMSThrottling", ErrorKind::Throttled),
        (429, "Throttled", ErrorKind::Throttled),
        (404, "NotFound", ErrorKind::Other),
        (400, "InvalidParameter", ErrorKind::Other),
        (500, "InternalError", ErrorKind::Other),
    ] {
        let stub = Stub::start([("Publish", error_response(status, code))]);
        let error = publish(&stub).await.unwrap_err();
        assert_eq!((error.operation, error.kind), ("Publish", kind), "{code}");
        assert!(error.message.starts_with(code), "{error}");
    }
}

#[tokio::test]
async fn a_response_without_a_message_id_is_an_error() {
    for result in ["", "<MessageId></MessageId>"] {
        let stub = Stub::start([("Publish", publish_response(result))]);
        assert_eq!(publish(&stub).await.unwrap_err().kind, ErrorKind::Other);
    }
}

#[tokio::test]
async fn a_lost_response_is_no_answer() {
    let stub = Stub::start([("Publish", Reply::Close)]);
    assert_eq!(publish(&stub).await.unwrap_err().kind, ErrorKind::NoAnswer);
}
