//! The Lambda function of the sweep: builds its adapters once, and judges every group of the region when invoked.

mod action;
mod handler;
mod metrics;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use portcullis_aws::{Aws, SystemClock, Timing};
use portcullis_function::{Settings, load_policy};
use portcullis_remediation::remediator::Limits;
use portcullis_remediation::{IngressEditor, Mode, Services, Sweeper};
use serde_json::Value;

use action::SweepAction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .init();
    let (aws, sweeper) = match build_sweeper().await {
        Ok(composed) => composed,
        Err(error) => {
            tracing::error!(%error, "refusing to start");
            return Err(error);
        }
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let (aws, sweeper) = (&aws, &sweeper);
        async move { handler::handle_invocation(aws, sweeper, &event).await }
    }))
    .await
}

/// The composition. Unless the sweep is to remediate and the mode is to enforce, nothing that could change a group is
/// built.
async fn build_sweeper() -> Result<(Aws, Sweeper), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let settings = Settings::from_env(variable)?;
    let action = SweepAction::from_env(variable)?;
    let aws = Aws::connect_with(None, &Timing::with_long_timeouts()).await?;
    let (policy, mode) = load_policy(&settings, |name| aws.read_parameter(name)).await?;
    let changer: Option<Arc<dyn IngressEditor>> = match (mode, action) {
        (Mode::Enforce, SweepAction::Remediate) => Some(Arc::new(aws.ingress_editor())),
        (Mode::Monitor, _) | (_, SweepAction::Report) => None,
    };
    let hands = Services {
        reader: Arc::new(aws.group_reader()),
        editor: changer,
        publisher: Arc::new(aws.alert_publisher(settings.topic_arn)),
        clock: Arc::new(SystemClock),
    };
    tracing::info!(policy = policy.name, source = %settings.policy, %mode, sweep = action.as_str(), "ready");
    Ok((aws, Sweeper::new(hands, policy, Limits::default())))
}
