//! The Lambda function: builds its adapters once, and hands every event over.

mod handler;
mod metrics;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use portcullis_aws::{Aws, SystemClock};
use portcullis_function::{Settings, load};
use portcullis_remediation::remediate::Limits;
use portcullis_remediation::{ChangeIngress, Hands, Mode, Remediator};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_current_span(false).init();
    let remediator = match remediator().await {
        Ok(remediator) => remediator,
        Err(error) => {
            tracing::error!(%error, "refusing to start");
            return Err(error);
        }
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let remediator = &remediator;
        async move { handler::handle(remediator, &SystemClock, &event.payload).await }
    }))
    .await
}

/// The composition. In monitor mode nothing that could change a group is built.
async fn remediator() -> Result<Remediator, Error> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let aws = Aws::connect().await?;
    let (loaded, ()) = tokio::join!(load(&settings, |name| aws.parameter(name)), aws.pre_connect());
    let (policy, mode) = loaded?;
    let changer: Option<Arc<dyn ChangeIngress>> = match mode {
        Mode::Enforce => Some(Arc::new(aws.changer())),
        Mode::Monitor => None,
    };
    let hands = Hands {
        reader: Arc::new(aws.reader()),
        changer,
        teller: Arc::new(aws.teller(settings.topic_arn)),
        clock: Arc::new(SystemClock),
    };
    tracing::info!(policy = policy.name, source = %settings.policy, %mode, "ready");
    Ok(Remediator::new(hands, policy, Limits::default()))
}
