//! Telling people.

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
        report: r#"{"version":1,"groups":[]}"#.to_owned(),
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

fn published(id: &str) -> Reply {
    let body = format!(
        "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>{id}\
         </PublishResult></PublishResponse>"
    );
    Reply::Answer(200, body)
}

fn refused(status: u16, code: &str) -> Reply {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>so it is</Message></Error><RequestId>r-42</RequestId></ErrorResponse>"
    );
    Reply::Answer(status, body)
}

async fn tell(stub: &Stub) -> Result<(), ServiceError> {
    aws(stub).alert_publisher(TOPIC).publish(&alert()).await
}

#[tokio::test]
async fn every_kind_of_subscriber_gets_its_own_wording() {
    let stub = Stub::start([("Publish", published("<MessageId>m-1</MessageId>"))]);
    assert_eq!(tell(&stub).await, Ok(()));
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].get("TopicArn"), TOPIC);
    assert_eq!(requests[0].get("Subject"), "CLOSED sg-1 high");
    assert_eq!(requests[0].get("MessageStructure"), "json");
    let body: Value = serde_json::from_str(requests[0].get("Message")).unwrap();
    let alert = alert();
    let expected = serde_json::json!({
        "default": alert.email, "email": alert.email, "https": alert.chat,
        "lambda": alert.report, "sqs": alert.report,
    });
    assert_eq!(body, expected);
    assert!(body.as_object().unwrap().values().all(Value::is_string));
}

#[tokio::test]
async fn attributes_are_strings_and_never_empty() {
    let stub = Stub::start([("Publish", published("<MessageId>m-1</MessageId>"))]);
    tell(&stub).await.unwrap();
    // The SDK keeps them in a map without an order, so the number of an entry says nothing.
    let mut sent: Vec<_> = stub.requests()[0]
        .below("MessageAttributes.entry.")
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
async fn an_alert_that_was_not_accepted_is_an_error() {
    for (status, code, kind) in [
        (403, "AuthorizationError", ErrorKind::Denied),
        (400, "KMSAccessDenied", ErrorKind::Denied),
        (400, "KMSThrottling", ErrorKind::Throttled),
        (429, "Throttled", ErrorKind::Throttled),
        (404, "NotFound", ErrorKind::Other),
        (400, "InvalidParameter", ErrorKind::Other),
        (500, "InternalError", ErrorKind::Other),
    ] {
        let stub = Stub::start([("Publish", refused(status, code))]);
        let error = tell(&stub).await.unwrap_err();
        assert_eq!((error.operation, error.kind), ("Publish", kind), "{code}");
        assert!(error.message.starts_with(code), "{error}");
    }
}

#[tokio::test]
async fn an_answer_without_a_message_id_is_an_error() {
    for inside in ["", "<MessageId></MessageId>"] {
        let stub = Stub::start([("Publish", published(inside))]);
        assert_eq!(tell(&stub).await.unwrap_err().kind, ErrorKind::Other);
    }
}

#[tokio::test]
async fn no_answer_may_mean_that_it_was_published() {
    let stub = Stub::start([("Publish", Reply::Gone)]);
    assert_eq!(tell(&stub).await.unwrap_err().kind, ErrorKind::NoAnswer);
}
