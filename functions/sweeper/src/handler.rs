//! Handles one invocation: parses the request, sweeps the region, counts the subscriptions of the
//! topic, logs the result and the metrics, and responds to Lambda.

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Context, LambdaEvent};
use portcullis_aws::Aws;
use portcullis_function::metrics::write_metric_lines;
use portcullis_function::{InvocationError, function_account};
use portcullis_remediation::report::json::SweepV1;
use portcullis_remediation::{SweepError, SweepReport, SweepRequest, Sweeper};
use serde_json::{Value, json};

use crate::metrics::{subscriptions_metric_line, sweep_metric_lines};

/// The part of the function's timeout that is reserved for the group that is being closed, the page
/// that is being read, and the digest.
const TIME_RESERVE: Duration = Duration::from_secs(45);

/// What an invocation uses.
pub(crate) struct SweepFunction {
    /// Lists the groups, and counts the subscriptions.
    pub(crate) aws: Aws,
    /// Evaluates the groups.
    pub(crate) sweeper: Sweeper,
    /// The topic of the alerts.
    pub(crate) topic_arn: String,
}

/// Sweeps the region.
///
/// # Errors
/// When the request is invalid, the sweep did not finish, a group is still open or could not be
/// read, or an alert was not published.
pub(crate) async fn handle_invocation(
    function: &SweepFunction,
    event: &LambdaEvent<Value>,
) -> Result<Value, InvocationError> {
    let SweepFunction { aws, sweeper, .. } = function;
    let request = parse_sweep_request(&event.payload, &event.context, aws.region())?;
    // A lister caches prefix lists, and these can change, so each sweep has its own.
    let report = sweeper.sweep(&aws.group_lister(), &request).await;
    let response = report_sweep(&report);
    write_metric_lines(&sweep_metric_lines(&report));
    report_subscriptions(aws, &function.topic_arn, report.ended).await;
    response
}

/// Writes the metric line of the topic. If the subscriptions cannot be counted, the sweep does not
/// fail: its retry would publish the digest again.
async fn report_subscriptions(aws: &Aws, topic_arn: &str, now: Timestamp) {
    match aws.count_subscriptions(topic_arn).await {
        Ok(counts) => write_metric_lines(&[subscriptions_metric_line(now, topic_arn, counts)]),
        Err(error) => tracing::warn!(%error, "subscriptions not counted"),
    }
}

/// The request of a scheduled event, or of `{"token": "..."}` to continue an unfinished sweep.
fn parse_sweep_request(
    event: &Value,
    context: &Context,
    region: &str,
) -> Result<SweepRequest, InvocationError> {
    let deadline = Timestamp::try_from(context.deadline()).unwrap_or(Timestamp::MAX);
    Ok(SweepRequest {
        id: context.request_id.clone(),
        account: function_account(&context.invoked_function_arn),
        region: Some(region.to_owned()),
        token: parse_token(event)?,
        deadline: deadline.saturating_sub(TIME_RESERVE).unwrap_or(deadline),
    })
}

fn parse_token(event: &Value) -> Result<Option<String>, InvocationError> {
    match event.get("token") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if !token.is_empty() => Ok(Some(token.clone())),
        Some(other) => {
            let message =
                format!("`token` is {other}: expected the token from an unfinished sweep");
            let error = InvocationError::new("unrecognized-event", message);
            tracing::error!(
                code = error.code(),
                error = error.message(),
                "unrecognized event"
            );
            Err(error)
        }
    }
}

fn report_sweep(sweep: &SweepReport) -> Result<Value, InvocationError> {
    let report = json!(SweepV1::new(sweep));
    tracing::info!(
        sweep.id = sweep.id,
        outcome = %sweep.outcome(),
        remediates = sweep.remediates,
        policy.name = sweep.policy.name,
        policy.version = sweep.policy.version,
        policy.hash = sweep.policy.hash,
        groups = sweep.group_count,
        rules = sweep.security_group_rule_count,
        groups_affected = sweep.affected_groups(),
        findings = sweep.finding_count(),
        exempt = sweep.exempt,
        %report,
        "sweep finished"
    );
    let Some(error) = InvocationError::from_errors(&sweep.errors(), SweepError::code) else {
        return Ok(report);
    };
    tracing::error!(
        sweep.id = sweep.id,
        code = error.code(),
        error = error.message(),
        "invocation failed, sweep will be retried"
    );
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let mut context = Context::default();
        context.request_id = "r-1".to_owned();
        context.invoked_function_arn =
            "arn:aws:lambda:eu-west-1:111122223333:function:sweeper".to_owned();
        context.deadline = 1_000_000;
        context
    }

    #[test]
    fn a_request_has_the_context_of_the_invocation() {
        let request = parse_sweep_request(
            &json!({"detail-type": "Scheduled Event"}),
            &context(),
            "eu-west-1",
        )
        .unwrap();
        assert_eq!(request.id, "r-1");
        assert_eq!(request.account.as_deref(), Some("111122223333"));
        assert_eq!(request.region.as_deref(), Some("eu-west-1"));
        assert_eq!(request.token, None);
        assert_eq!(request.deadline, Timestamp::from_second(1000 - 45).unwrap());
    }

    #[test]
    fn a_sweep_continues_at_its_token_and_other_values_are_errors() {
        let token = |event: Value| {
            parse_sweep_request(&event, &context(), "eu-west-1").map(|request| request.token)
        };
        assert_eq!(
            token(json!({"token": "page-2"})).unwrap().as_deref(),
            Some("page-2")
        );
        assert_eq!(token(json!({"token": null})).unwrap(), None);
        for invalid in [
            json!({"token": 7}),
            json!({"token": ""}),
            json!({"token": {}}),
        ] {
            assert_eq!(token(invalid).unwrap_err().code(), "unrecognized-event");
        }
    }
}
