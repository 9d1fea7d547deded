//! Publishes alerts to an SNS topic.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;
use portcullis_remediation::{Alert, AlertPublisher, ErrorKind, ServiceError};

use crate::call::unexpected_response;
use crate::error::call_error;

const OPERATION: &str = "Publish";

/// Publishes alerts to one SNS topic.
#[derive(Debug, Clone)]
pub struct SnsPublisher {
    sns: Client,
    topic_arn: String,
}

impl SnsPublisher {
    pub(crate) fn new(sns: Client, topic_arn: String) -> Self {
        Self { sns, topic_arn }
    }

    fn build_request(&self, alert: &Alert) -> Result<PublishFluentBuilder, ServiceError> {
        let mut request = self
            .sns
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(&alert.subject)
            .message_structure("json")
            .message(alert.sns_message());
        for (name, value) in &alert.attributes {
            // SNS rejects the whole message if an attribute has an empty value.
            if !value.is_empty() {
                request = request.message_attributes(name, string_attribute(value)?);
            }
        }
        Ok(request)
    }
}

#[async_trait]
impl AlertPublisher for SnsPublisher {
    async fn publish(&self, alert: &Alert) -> Result<(), ServiceError> {
        let output = self
            .build_request(alert)?
            .send()
            .await
            .map_err(|error| call_error(OPERATION, &error).error)?;
        let id = output.message_id().unwrap_or_default();
        if id.is_empty() {
            return Err(unexpected_response(OPERATION, "SNS returned no message id"));
        }
        tracing::debug!(message_id = id, "alert published");
        Ok(())
    }
}

fn string_attribute(value: &str) -> Result<MessageAttributeValue, ServiceError> {
    MessageAttributeValue::builder()
        .data_type("String")
        .string_value(value)
        .build()
        .map_err(|error| ServiceError::new(OPERATION, ErrorKind::Other, error.to_string()))
}
