//! The Lambda function: builds its adapters once, and hands every event over.

mod handler;
mod metrics;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use portcullis_aws::{Aws, SystemClock};
use portcullis_function::{Settings, load_policy};
use portcullis_remediation::remediator::Limits;
use portcullis_remediation::{IngressEditor, Mode, Remediator, Services};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .init();
    let remediator = match build_remediator().await {
        Ok(remediator) => remediator,
        Err(error) => {
            tracing::error!(%error, "refusing to start");
            return Err(error);
        }
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let remediator = &remediator;
        async move { handler::handle_event(remediator, &SystemClock, &event.payload).await }
    }))
    .await
}

/// The composition. In monitor mode nothing that could change a group is built.
async fn build_remediator() -> Result<Remediator, Error> {
    let settings = Settings::from_env(|name| std::env::var(name).ok())?;
    let aws = Aws::connect().await?;
    let (loaded, ()) = tokio::join!(
        load_policy(&settings, |name| aws.read_parameter(name)),
        aws.pre_connect()
    );
    let (policy, mode) = loaded?;
    let changer: Option<Arc<dyn IngressEditor>> = match mode {
        Mode::Enforce => Some(Arc::new(aws.ingress_editor())),
        Mode::Monitor => None,
    };
    let hands = Services {
        reader: Arc::new(aws.group_reader()),
        editor: changer,
        publisher: Arc::new(aws.alert_publisher(settings.topic_arn)),
        clock: Arc::new(SystemClock),
    };
    tracing::info!(policy = policy.name, source = %settings.policy, %mode, "ready");
    Ok(Remediator::new(hands, policy, Limits::default()))
}
