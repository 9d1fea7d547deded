//! The Lambda function of the sweep: builds its adapters once, and judges every group of the region when invoked.

mod action;
mod handler;
mod metrics;

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use portcullis_aws::{Aws, SystemClock, Timing};
use portcullis_function::{Settings, load};
use portcullis_remediation::remediate::Limits;
use portcullis_remediation::{ChangeIngress, Hands, Mode, Sweeper};
use serde_json::Value;

use action::SweepAction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_current_span(false).init();
    let (aws, sweeper) = match compose().await {
        Ok(composed) => composed,
        Err(error) => {
            tracing::error!(%error, "refusing to start");
            return Err(error);
        }
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let (aws, sweeper) = (&aws, &sweeper);
        async move { handler::handle(aws, sweeper, &event).await }
    }))
    .await
}

/// The composition. Unless the sweep is to remediate and the mode is to enforce, nothing that could change a group is
/// built.
async fn compose() -> Result<(Aws, Sweeper), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let settings = Settings::read(variable)?;
    let action = SweepAction::read(variable)?;
    let aws = Aws::connect_to(None, &Timing::patient()).await?;
    let (policy, mode) = load(&settings, |name| aws.parameter(name)).await?;
    let changer: Option<Arc<dyn ChangeIngress>> = match (mode, action) {
        (Mode::Enforce, SweepAction::Remediate) => Some(Arc::new(aws.changer())),
        (Mode::Monitor, _) | (_, SweepAction::Report) => None,
    };
    let hands = Hands {
        reader: Arc::new(aws.reader()),
        changer,
        teller: Arc::new(aws.teller(settings.topic_arn)),
        clock: Arc::new(SystemClock),
    };
    tracing::info!(policy = policy.name, source = %settings.policy, %mode, sweep = action.as_str(), "ready");
    Ok((aws, Sweeper::new(hands, policy, Limits::default())))
}
