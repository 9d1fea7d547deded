//! The Lambda function that handles events: builds its services once, and handles one event per
//! invocation.

mod envelope;
mod handler;
mod metrics;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use portcullis_aws::{Aws, SystemClock};
use portcullis_function::{FunctionPolicy, Settings, build_services, init_logging, load_policy};
use portcullis_remediation::remediator::Limits;
use portcullis_remediation::{AlertOptions, Remediator};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    init_logging();
    let remediator = build_remediator()
        .await
        .inspect_err(|error| tracing::error!(%error, "startup failed"))?;
    // The raw payload, so that no payload fails before it reaches the handler.
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let remediator = &remediator;
        async move {
            let LambdaEvent { payload, context } = event;
            handler::handle_event(remediator, &SystemClock, &payload, &context).await
        }
    }))
    .await
}

async fn build_remediator() -> Result<Remediator, Error> {
    let settings = Settings::from_env(|name| std::env::var(name).ok())?;
    let aws = Aws::connect().await?;
    let (loaded, ()) = tokio::join!(
        load_policy(&settings, |name| aws.read_parameter(name)),
        aws.pre_connect()
    );
    let FunctionPolicy {
        policy,
        identity,
        mode,
    } = loaded?;
    tracing::info!(
        policy.name = identity.name,
        policy.version = identity.version,
        policy.hash = identity.hash,
        source = %settings.policy,
        %mode,
        "ready"
    );
    let services = build_services(&aws, settings.topic_arn, mode);
    let remediator = Remediator::new(services, policy, Limits::default())
        .with_policy_identity(identity)
        .with_alert_options(AlertOptions {
            links: settings.links,
            ..AlertOptions::default()
        })
        .with_own_roles(settings.role_arns);
    Ok(remediator)
}
