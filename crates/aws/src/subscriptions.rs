//! Counts the subscriptions of an SNS topic.

use std::collections::HashMap;

use aws_sdk_sns::Client;
use portcullis_remediation::ServiceError;

use crate::call::unexpected_response;
use crate::error::call_error;

const OPERATION: &str = "GetTopicAttributes";

/// How many subscriptions a topic has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscriptionCounts {
    /// Those that receive alerts.
    pub confirmed: usize,
    /// Those that nobody has confirmed yet. SNS deletes them after 48 hours.
    pub pending: usize,
}

/// Counts the subscriptions of a topic, in one call.
///
/// # Errors
/// When the attributes cannot be read or contain no counts.
pub(crate) async fn count_subscriptions(
    sns: &Client,
    topic_arn: &str,
) -> Result<SubscriptionCounts, ServiceError> {
    let output = sns
        .get_topic_attributes()
        .topic_arn(topic_arn)
        .send()
        .await
        .map_err(|error| call_error(OPERATION, &error).error)?;
    let attributes = output.attributes.unwrap_or_default();
    Ok(SubscriptionCounts {
        confirmed: parse_count(&attributes, "SubscriptionsConfirmed")?,
        pending: parse_count(&attributes, "SubscriptionsPending")?,
    })
}

fn parse_count(attributes: &HashMap<String, String>, name: &str) -> Result<usize, ServiceError> {
    let value = attributes.get(name).map(String::as_str).unwrap_or_default();
    value.parse().map_err(|_| {
        let reason = format!("{name} is `{value}`: expected a number");
        unexpected_response(OPERATION, reason)
    })
}
