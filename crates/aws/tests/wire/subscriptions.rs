//! Counting the subscriptions of a topic.

use portcullis_aws::SubscriptionCounts;
use portcullis_remediation::{ErrorKind, ServiceError};

use crate::aws;
use crate::stub::{Reply, Stub};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
const OPERATION: &str = "GetTopicAttributes";

fn attributes_response(attributes: &[(&str, &str)]) -> Reply {
    let entries: Vec<_> = attributes
        .iter()
        .map(|(name, value)| format!("<entry><key>{name}</key><value>{value}</value></entry>"))
        .collect();
    let entries = entries.concat();
    let body = format!(
        "<GetTopicAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <GetTopicAttributesResult><Attributes>{entries}</Attributes></GetTopicAttributesResult>\
         </GetTopicAttributesResponse>"
    );
    Reply::Response(200, body)
}

/// The counts, and the topics of the requests.
async fn count(reply: Reply) -> (Result<SubscriptionCounts, ServiceError>, Vec<String>) {
    let stub = Stub::start([(OPERATION, reply)]);
    let counts = aws(&stub).count_subscriptions(TOPIC).await;
    let requests = stub.requests_for(OPERATION);
    let topics = requests
        .iter()
        .map(|request| request.form_value("TopicArn").to_owned());
    (counts, topics.collect())
}

#[tokio::test]
async fn confirmed_and_pending_subscriptions_are_counted_in_one_call() {
    let reply = attributes_response(&[
        ("DisplayName", "Portcullis"),
        ("SubscriptionsConfirmed", "2"),
        ("SubscriptionsPending", "1"),
        ("SubscriptionsDeleted", "4"),
    ]);
    let expected = SubscriptionCounts {
        confirmed: 2,
        pending: 1,
    };
    assert_eq!(count(reply).await, (Ok(expected), vec![TOPIC.to_owned()]));
}

#[tokio::test]
async fn a_missing_or_invalid_count_is_never_zero() {
    for attributes in [
        &[][..],
        &[("SubscriptionsConfirmed", "2")],
        &[
            ("SubscriptionsConfirmed", "many"),
            ("SubscriptionsPending", "0"),
        ],
    ] {
        let (counts, _) = count(attributes_response(attributes)).await;
        let error = counts.unwrap_err();
        assert!(error.message.contains("Subscriptions"), "{error}");
    }
}

#[tokio::test]
async fn a_denied_call_is_an_error() {
    let body = "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>details</Message></Error>\
         <RequestId>r-42</RequestId></ErrorResponse>";
    let (counts, _) = count(Reply::Response(403, body.to_owned())).await;
    let error = counts.unwrap_err();
    assert_eq!(
        (error.operation, error.kind),
        (OPERATION, ErrorKind::Denied)
    );
}
