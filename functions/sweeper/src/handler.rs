//! One invocation: the errand it is about, the sweep, one line in the log, its metrics, and the answer for Lambda.

use std::time::Duration;

use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use portcullis_aws::Aws;
use portcullis_remediation::report::json::SweepV1;
use portcullis_remediation::{SweepReport, SweepRequest, Sweeper};
use serde_json::{Value, json};

use crate::metrics;

/// What is kept of the time limit, for the group that is being closed, the page that is being read, and the digest.
const TIME_RESERVE: Duration = Duration::from_secs(45);

/// Why the sweep is not done with: the type that alarms and the on-failure destination see, and the sentence.
#[derive(Debug)]
pub(crate) struct InvocationError {
    code: &'static str,
    message: String,
}

impl From<InvocationError> for Diagnostic {
    fn from(failure: InvocationError) -> Self {
        Self {
            error_type: format!("Portcullis.{}", failure.code),
            error_message: failure.message,
        }
    }
}

/// Sweeps the region.
///
/// # Errors
/// When the event is not understood, the sweep did not reach its end, or anything is left open, unread or unsaid.
pub(crate) async fn handle_invocation(
    aws: &Aws,
    sweeper: &Sweeper,
    event: &LambdaEvent<Value>,
) -> Result<Value, InvocationError> {
    let errand = parse_sweep_request(&event.payload, &event.context, aws.region())?;
    // A lister remembers prefix lists, and these change: each sweep has its own.
    let swept = sweeper.sweep(&aws.group_lister(), &errand).await;
    let answer = report_sweep(&swept);
    portcullis_function::metrics::write_metric_lines(&metrics::sweep_metric_lines(&swept));
    answer
}

/// A schedule's event, or `{"token": "..."}` to go on where a sweep ended.
fn parse_sweep_request(
    event: &Value,
    context: &Context,
    region: &str,
) -> Result<SweepRequest, InvocationError> {
    let token = match event.get("token") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) if !token.is_empty() => Some(token.clone()),
        Some(other) => {
            let message =
                format!("`token` is {other}: expected the token that an unfinished sweep gave");
            tracing::error!(code = "event-not-understood", error = %message, "not done: the event is not understood");
            return Err(InvocationError {
                code: "event-not-understood",
                message,
            });
        }
    };
    // arn:aws:lambda:REGION:ACCOUNT:function:NAME
    let account = context
        .invoked_function_arn
        .split(':')
        .nth(4)
        .filter(|account| !account.is_empty());
    let deadline = Timestamp::try_from(context.deadline()).unwrap_or(Timestamp::MAX);
    Ok(SweepRequest {
        id: context.request_id.clone(),
        account: account.map(str::to_owned),
        region: Some(region.to_owned()),
        token,
        deadline: deadline.saturating_sub(TIME_RESERVE).unwrap_or(deadline),
    })
}

fn report_sweep(swept: &SweepReport) -> Result<Value, InvocationError> {
    let report = json!(SweepV1::new(swept));
    tracing::info!(
        sweep.id = swept.id,
        outcome = %swept.outcome(),
        remediates = swept.remediates,
        policy = swept.policy,
        groups = swept.group_count,
        rules = swept.security_group_rule_count,
        groups_affected = swept.affected_groups(),
        findings = swept.finding_count(),
        exempt = swept.exempt,
        %report,
        "swept"
    );
    let errors = swept.errors();
    let Some(first) = errors.first() else {
        return Ok(report);
    };
    let message = errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    tracing::error!(sweep.id = swept.id, code = first.code(), error = %message, "not done: the sweep must come again");
    Err(InvocationError {
        code: first.code(),
        message,
    })
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
    fn the_errand_comes_from_the_event_and_lambda() {
        let errand = parse_sweep_request(
            &json!({"detail-type": "Scheduled Event"}),
            &context(),
            "eu-west-1",
        )
        .unwrap();
        assert_eq!(errand.id, "r-1");
        assert_eq!(errand.account.as_deref(), Some("111122223333"));
        assert_eq!(errand.region.as_deref(), Some("eu-west-1"));
        assert_eq!(errand.token, None);
        assert_eq!(errand.deadline, Timestamp::from_second(1000 - 45).unwrap());
    }

    #[test]
    fn a_token_goes_on_and_anything_else_in_its_place_is_an_error() {
        let token = |event: Value| {
            parse_sweep_request(&event, &context(), "eu-west-1").map(|errand| errand.token)
        };
        assert_eq!(
            token(json!({"token": "page-2"})).unwrap().as_deref(),
            Some("page-2")
        );
        assert_eq!(token(json!({"token": null})).unwrap(), None);
        for wrong in [
            json!({"token": 7}),
            json!({"token": ""}),
            json!({"token": {}}),
        ] {
            assert_eq!(token(wrong).unwrap_err().code, "event-not-understood");
        }
    }
}
