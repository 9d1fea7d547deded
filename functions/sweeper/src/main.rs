//! The Lambda function that sweeps a region: builds its services once, and evaluates every security
//! group of the region per invocation.

mod action;
mod handler;
mod metrics;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use portcullis_aws::{Aws, Timing};
use portcullis_function::{FunctionPolicy, Settings, build_services, init_logging, load_policy};
use portcullis_remediation::remediator::Limits;
use portcullis_remediation::{AlertOptions, Mode, Sweeper};
use serde_json::Value;

use action::SweepAction;
use handler::SweepFunction;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    init_logging();
    let function = build_function()
        .await
        .inspect_err(|error| tracing::error!(%error, "startup failed"))?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let function = &function;
        async move { handler::handle_invocation(function, &event).await }
    }))
    .await
}

/// Builds the function. It gets an editor only in enforce mode, and only if sweeps remediate.
async fn build_function() -> Result<SweepFunction, Error> {
    let settings = Settings::from_env(env_variable)?;
    let action = SweepAction::from_env(env_variable)?;
    let aws = Aws::connect_with(None, &Timing::with_long_timeouts()).await?;
    let FunctionPolicy {
        policy,
        identity,
        mode,
    } = load_policy(&settings, |name| aws.read_parameter(name)).await?;
    tracing::info!(
        policy.name = identity.name,
        policy.version = identity.version,
        policy.hash = identity.hash,
        source = %settings.policy,
        %mode,
        sweep = action.as_str(),
        "ready"
    );
    let sweep_mode = match action {
        SweepAction::Remediate => mode,
        SweepAction::Report => Mode::Monitor,
    };
    let services = build_services(&aws, settings.topic_arn.clone(), sweep_mode);
    Ok(SweepFunction {
        aws,
        sweeper: Sweeper::new(services, policy, Limits::default())
            .with_policy_identity(identity)
            .with_alert_options(AlertOptions {
                links: settings.links,
                ..AlertOptions::default()
            }),
        topic_arn: settings.topic_arn,
    })
}

fn env_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
