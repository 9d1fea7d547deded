//! Telling people through SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;
use portcullis_remediation::{Alert, AlertPublisher, ErrorKind, ServiceError};

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
        let call = self
            .sns
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(&alert.subject)
            .message_structure("json")
            .message(alert.sns_message());
        // An attribute without a value makes SNS refuse the whole message.
        let mut attributes = alert
            .attributes
            .iter()
            .filter(|(_, value)| !value.is_empty());
        attributes.try_fold(call, |call, (name, value)| {
            let attribute = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|error| {
                    ServiceError::new(OPERATION, ErrorKind::Other, error.to_string())
                })?;
            Ok(call.message_attributes(name, attribute))
        })
    }
}

#[async_trait]
impl AlertPublisher for SnsPublisher {
    async fn publish(&self, alert: &Alert) -> Result<(), ServiceError> {
        let answer = self.build_request(alert)?.send().await;
        let answer = answer.map_err(|error| call_error(OPERATION, &error).error)?;
        match answer.message_id() {
            Some(id) if !id.is_empty() => {
                tracing::debug!(message_id = id, "published");
                Ok(())
            }
            Some(_) | None => {
                let reason = "SNS answered without a message id";
                Err(ServiceError::new(OPERATION, ErrorKind::Other, reason))
            }
        }
    }
}
